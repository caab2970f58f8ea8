"""Configurations depend on the provider: fields, what is required, and how wide the choices are."""

import pytest
from pydantic import ValidationError

from reconciler.domain.fields import AUTH_MODE_FIELDS, HOST_FIELDS, REDACTED_FIELDS, SECRET_FIELDS
from reconciler.domain.integration import Integration
from reconciler.domain.providers import (
    KNOWN_PROVIDERS,
    PROVIDERS,
    configuration_of,
    is_known,
    needs_configurations,
)


@pytest.mark.parametrize(
    ("provider", "given", "missing"),
    [
        ("openai", {}, []),
        ("groq", {}, []),
        ("huggingface", {}, []),
        ("workers-ai", {}, ["workers_ai_account_id"]),
        ("cortex", {}, ["snowflake_account"]),
        (
            "azure-openai",
            {},
            ["azure_auth_mode", "azure_resource_name", "azure_deployment_config"],
        ),
        ("azure-ai", {}, ["azure_auth_mode", "azure_foundry_url"]),
        ("azure-ai", {"azure_auth_mode": "managed", "azure_foundry_url": "u"}, []),
        (
            "azure-ai",
            {"azure_auth_mode": "entra", "azure_foundry_url": "u"},
            ["azure_entra_tenant_id", "azure_entra_client_id", "azure_entra_client_secret"],
        ),
        (
            "azure-ai",
            {"azure_auth_mode": "entraFederated", "azure_foundry_url": "u"},
            ["azure_entra_tenant_id", "azure_entra_client_id"],
        ),
        (
            "azure-ai",
            {"azure_auth_mode": "workload", "azure_foundry_url": ""},
            ["azure_foundry_url", "azure_workload_tenant_id", "azure_workload_client_id"],
        ),
        ("bedrock", {}, ["aws_auth_type", "aws_region"]),
        ("bedrock", {"aws_auth_type": "assumedRole", "aws_region": "r"}, ["aws_role_arn"]),
        ("bedrock", {"aws_auth_type": "serviceRole", "aws_region": "r"}, []),
        (
            "sagemaker",
            {"aws_auth_type": "accessKey", "aws_region": "r"},
            ["aws_access_key_id", "aws_secret_access_key"],
        ),
        ("vertex-ai", {"vertex_auth_type": "basic", "vertex_region": "r"}, ["vertex_project_id"]),
        (
            "vertex-ai",
            {"vertex_auth_type": "serviceAccount", "vertex_region": "r"},
            ["vertex_service_account_json"],
        ),
    ],
)
def test_required_fields_follow_the_provider_and_its_auth_mode(
    provider: str, given: dict[str, str], missing: list[str]
) -> None:
    found = configuration_of(provider).missing(given, mapped=set())
    assert [m.field for m in found] == missing


def test_a_secret_mapping_fills_a_required_field() -> None:
    given = {"vertex_auth_type": "serviceAccount", "vertex_region": "r"}
    mapped = {"vertex_service_account_json"}
    assert configuration_of("vertex-ai").missing(given, mapped) == []


@pytest.mark.parametrize(
    ("provider", "field", "choices"),
    [
        ("azure-openai", "azure_auth_mode", "default entra entraFederated managed workload"),
        ("azure-ai", "azure_auth_mode", "default entra entraFederated managed workload"),
        ("bedrock", "aws_auth_type", "accessKey assumedRole serviceRole apiKey"),
        ("vertex-ai", "vertex_auth_type", "basic serviceAccount workload"),
    ],
)
def test_auth_modes_are_as_wide_as_the_public_record(
    provider: str, field: str, choices: str
) -> None:
    model = configuration_of(provider)
    for choice in choices.split():
        assert getattr(model.model_validate({field: choice}), field) == choice
    with pytest.raises(ValidationError):
        model.model_validate({field: "other"})


def test_creating_needs_configurations_only_where_fields_are_required() -> None:
    assert {p for p in KNOWN_PROVIDERS if needs_configurations(p)} == {
        "azure-ai",
        "azure-openai",
        "bedrock",
        "bedrock-mantle",
        "claude-platform-aws",
        "cortex",
        "sagemaker",
        "vertex-ai",
        "workers-ai",
    }
    assert not needs_configurations("never-heard-of")


def test_known_ids_come_from_the_record_and_uuids_are_not_questioned() -> None:
    assert is_known("openai")
    assert is_known("z-ai")
    assert is_known("de7d7d50-31cd-11ee-b93b-0e06f1aa7f7c")
    assert not is_known("aws-bedrock")
    assert len(KNOWN_PROVIDERS) > 80


def test_fields_with_a_meaning_exist_in_some_model() -> None:
    fields = {name for model in PROVIDERS.values() for name in model.model_fields} | {"key"}
    assert fields >= SECRET_FIELDS | REDACTED_FIELDS | HOST_FIELDS | AUTH_MODE_FIELDS


def test_every_field_explains_itself() -> None:
    for model in (Integration, *PROVIDERS.values()):
        assert all(field.description for field in model.model_fields.values())


def test_the_models_give_a_json_schema() -> None:
    schema = Integration.model_json_schema()
    assert schema["required"] == ["slug", "name", "ai_provider_id"]
    assert schema["additionalProperties"] is False
    for model in PROVIDERS.values():
        assert model.model_json_schema()["type"] == "object"
