"""Configurations by provider: fields, required fields and allowed values."""

import re

import pytest

from reconciler.domain.facts import RiskRule
from reconciler.domain.integration import Integration
from reconciler.domain.providers import (
    ALIASES,
    KNOWN_PROVIDERS,
    PROVIDERS,
    configuration_of,
    is_known,
    needs_configurations,
)
from reconciler.domain.schema import FieldSchema, compiled, integration_schema
from reconciler.domain.valid_values import errors_in


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
def test_auth_modes_include_all_documented_ones(provider: str, field: str, choices: str) -> None:
    model = configuration_of(provider)
    for choice in choices.split():
        assert errors_in(model, {field: choice}) == []
    [problem] = errors_in(model, {field: "other"})
    assert problem["loc"] == (field,)


def test_creating_needs_configurations_only_where_fields_are_required() -> None:
    assert {p for p in KNOWN_PROVIDERS if needs_configurations(p)} == {
        "azure-ai",
        "azure-openai",
        "bedrock",
        "bedrock-mantle",
        "claude-platform-aws",
        "cortex",
        "databricks",
        "oracle",
        "sagemaker",
        "vertex-ai",
        "workers-ai",
    }
    assert not needs_configurations("never-heard-of")


def test_known_ids_are_those_documented_and_uuids_are_accepted() -> None:
    assert is_known("openai")
    assert is_known("z-ai")
    assert is_known("de7d7d50-31cd-11ee-b93b-0e06f1aa7f7c")
    assert not is_known("aws-bedrock")
    assert len(KNOWN_PROVIDERS) > 80


def test_fields_that_a_model_refers_to_exist_in_it() -> None:
    for model in PROVIDERS.values():
        named = {*model.required, *model.expected}
        for fields in (*model.required_by_mode.values(), *model.expected_by_mode.values()):
            named.update(fields)
        facts = [field.facts for field in compiled(model).fields.values()]
        named.update(each.required_by for each in facts if each.required_by is not None)
        named.update({model.mode_field} - {None})
        assert named <= model.model_fields.keys()


def test_every_field_has_a_description_of_its_own() -> None:
    for model in (Integration, *PROVIDERS.values()):
        assert all(field.description for field in model.model_fields.values())


def test_the_models_give_a_json_schema() -> None:
    schema = Integration.as_pydantic().model_json_schema()
    assert schema["required"] == ["slug", "name", "ai_provider_id"]
    assert schema["additionalProperties"] is False
    for model in PROVIDERS.values():
        assert model.as_pydantic().model_json_schema()["type"] == "object"


HOSTS = {
    "azure_resource_name",
    "azure_foundry_url",
    "azure_endpoint_name",
    "azure_deployment_name",
    "databricks_workspace",
    "snowflake_account",
    "workers_ai_account_id",
    "fireworks_account_id",
    "huggingface_base_url",
    "custom_host",
}
ENDPOINTS = {"aws_region", "vertex_region", "oracle_region", "byteplus_region", "azure_region"}
NEVER_SHOWN = {
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_external_id",
    "azure_entra_client_secret",
    "vertex_service_account_json",
    "oracle_private_key",
    "oracle_key_passphrase",
    "oracle_fingerprint",
}


def all_fields() -> list[tuple[str, FieldSchema]]:
    return [
        (name, field)
        for provider in PROVIDERS
        for name, field in integration_schema(provider).child("configurations").fields.items()
    ]


def test_hosts_regions_and_secrets_are_those_that_the_vendor_documents() -> None:
    fields = all_fields()
    assert {name for name, field in fields if field.facts.host} == HOSTS
    assert {name for name, field in fields if field.facts.endpoint} >= ENDPOINTS
    assert {name for name, field in fields if field.facts.sensitive} == NEVER_SHOWN
    risky = [field for name, field in fields if name in HOSTS | ENDPOINTS | NEVER_SHOWN]
    assert {field.facts.risk for field in risky} == {RiskRule.CREDENTIAL}


def test_every_field_of_a_provider_has_a_source_and_an_example() -> None:
    for name, field in all_fields():
        assert field.facts.source, name
        shown = field.facts.secret or field.entries is not None
        assert shown or field.facts.example, name


def test_every_example_has_the_documented_form() -> None:
    for name, field in all_fields():
        if field.facts.form is not None:
            assert re.fullmatch(field.facts.form, str(field.facts.example)), name
        if field.choices:
            assert field.facts.example in field.choices, name


def test_each_aws_provider_has_separate_modes() -> None:
    modes = {
        provider: set(integration_schema(provider).at(("configurations", "aws_auth_type")).choices)
        for provider in ("bedrock", "bedrock-mantle", "claude-platform-aws")
    }
    assert modes == {
        "bedrock": {"accessKey", "assumedRole", "serviceRole", "apiKey"},
        "bedrock-mantle": {"assumedRole", "serviceRole", "apiKey"},
        "claude-platform-aws": {"accessKey", "assumedRole", "serviceRole"},
    }
    mantle = integration_schema("bedrock-mantle").child("configurations")
    assert "anthropic_aws_workspace_id" not in mantle.fields
    assert "aws_access_key_id" not in mantle.fields


def test_no_alias_is_a_provider_id() -> None:
    assert not set(ALIASES) & KNOWN_PROVIDERS
    assert set(ALIASES.values()) <= KNOWN_PROVIDERS
