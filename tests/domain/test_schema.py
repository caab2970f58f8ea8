"""The schema describes every field, known and unknown."""

import pytest

from reconciler.domain.facts import RiskRule, SubResource
from reconciler.domain.providers import PROVIDERS
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, integration_schema
from reconciler.domain.tree import Path

AZURE = integration_schema("azure-openai")


@pytest.mark.parametrize(
    ("path", "kind", "key"),
    [
        (("models",), FieldKind.KEYED_LIST, "slug"),
        (("workspaces",), FieldKind.KEYED_LIST, "id"),
        (("secret_mappings",), FieldKind.KEYED_LIST, "target_field"),
        (
            ("configurations", "azure_deployment_config"),
            FieldKind.KEYED_LIST,
            "azure_deployment_name",
        ),
        (("workspaces", "ws-a", "usage_limits"), FieldKind.SINGLE, None),
        (("configurations",), FieldKind.OBJECT, None),
        (("configurations", "custom_headers"), FieldKind.HEADERS, None),
        (("tags",), FieldKind.MAP, None),
        (("name",), FieldKind.SCALAR, None),
    ],
)
def test_the_kind_of_a_field_follows_from_its_type(
    path: Path, kind: FieldKind, key: str | None
) -> None:
    field = AZURE.at(path)
    assert (field.kind, field.key) == (kind, key)


@pytest.mark.parametrize(
    ("path", "risk"),
    [
        (("description",), RiskRule.COSMETIC),
        (("tags", "team"), RiskRule.COSMETIC),
        (("key",), RiskRule.CREDENTIAL),
        (("configurations", "azure_resource_name"), RiskRule.CREDENTIAL),
        (("configurations", "azure_entra_tenant_id"), RiskRule.SETTING),
        (("models", "gpt-5", "enabled"), RiskRule.ACCESS),
        (("models", "gpt-5", "pricing_config", "type"), RiskRule.SETTING),
        (("workspaces", "ws-a", "usage_limits", "credit_limit"), RiskRule.LIMIT),
        (("secret_mappings", "key", "secret_key"), RiskRule.CREDENTIAL),
        (("allow_all_models",), RiskRule.SWITCH),
    ],
)
def test_a_field_inherits_the_risk_of_the_field_around_it(path: Path, risk: RiskRule) -> None:
    assert AZURE.at(path).facts.risk is risk


def test_all_fields_inside_a_sub_resource_belong_to_it() -> None:
    assert AZURE.at(("models", "m", "pricing_config")).facts.sub_resource is SubResource.MODELS
    limit = AZURE.at(("workspaces", "ws-a", "usage_limits", "credit_limit"))
    assert limit.facts.sub_resource is SubResource.WORKSPACES
    assert AZURE.at(("configurations", "azure_auth_mode")).facts.sub_resource is None


@pytest.mark.parametrize(
    "path",
    [
        ("configurations", "azure_endpoint"),
        ("configurations", "snowflake_account"),
        ("configurations", "azure_deployment_config", "d-1", "region"),
        ("configurations", "azure_endpoint", "inner", "deeper"),
        ("models", "gpt-5", "configurations", "region"),
        ("name", "inner"),
    ],
)
def test_an_unknown_field_is_a_secret_and_a_host(path: Path) -> None:
    field = AZURE.at(path)
    assert not field.is_known
    assert field.facts.sensitive
    assert field.facts.host
    assert field.facts.risk is RiskRule.CREDENTIAL


def test_headers_are_never_shown_and_secret_headers_are_references() -> None:
    headers = AZURE.at(("configurations", "custom_headers"))
    assert headers.child("x-team").facts.redacted
    assert headers.child("X-Auth-Token").facts.secret


def test_known_fields_make_a_field_plain_unless_its_name_suggests_a_secret() -> None:
    schema = integration_schema("acme-ai", vouched=("region_hint", "client_pem"))
    assert not schema.at(("configurations", "region_hint")).facts.sensitive
    assert schema.at(("configurations", "client_pem")).facts.sensitive
    assert schema.at(("configurations", "other")).facts.host


@pytest.mark.parametrize(
    "name",
    [
        "oracle_key_passphrase",
        "jwt",
        "bearer",
        "client_pem",
        "sas_url",
        "pat",
        "db_pwd",
        "tls_cert",
        "connection_string",
        "service_account",
        "private_part",
        "signing_thing",
        "proxy_auth",
        "apikey",
        "accessKey",
    ],
)
def test_known_fields_cannot_make_a_field_with_a_secret_name_plain(name: str) -> None:
    schema = integration_schema("acme-ai", vouched=(name,))
    assert schema.at(("configurations", name)).facts.sensitive


def test_a_provider_given_as_a_uuid_has_the_fields_of_every_provider() -> None:
    schema = integration_schema("de7d7d50-31cd-11ee-b93b-0e06f1aa7f7c")
    for provider in PROVIDERS:
        for name in integration_schema(provider).child("configurations").fields:
            assert schema.at(("configurations", name)).is_known


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_field_has_a_description(provider: str) -> None:
    def undescribed(field: FieldSchema) -> list[str]:
        return [
            ".".join(path)
            for path, child in field.walk()
            if child.info is not None and not child.info.description
        ]

    assert undescribed(integration_schema(provider).child("configurations")) == []


def test_members_of_an_unknown_field_are_unknown() -> None:
    assert UNKNOWN.child("anything") is UNKNOWN
