"""Provider rules: credentials, fields by mode, documented forms, known ids."""

import json
import re
from importlib import resources

import pytest

from reconciler.desired.load import check, load
from reconciler.diagnostics import Diagnostic
from reconciler.domain.providers import ALIASES, KNOWN_PROVIDERS, regions
from tests.desired.building import CONFIG, OPENAI, TODAY, declared, files, integration, loaded

KEY = "key: ${env:SECRET_A}\n"


def of(provider: str, configurations: str = "", rest: str = "") -> str:
    text = f"slug: a\nname: A\nai_provider_id: {provider}\n"
    return text + (f"configurations: {{{configurations}}}\n" if configurations else "") + rest


def found(text: str) -> list[tuple[str, str]]:
    """Return the severity and code of each diagnostic of `validate`."""
    return [(d.severity.value, d.code) for d in diagnostics(text)]


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    source = files({"integrations/a.yaml": text})
    return load(source, target_name=None, today=TODAY, expects_creates=True).diagnostics


MISSING = [("warning", "missing-credential")]
HOST = "custom_host: 'https://llm.example.com', provider_auth_type: apiKey"
BEDROCK = "aws_region: eu-central-1, aws_auth_type: "
AZURE = (
    "azure_resource_name: r, azure_deployment_config: [{azure_deployment_name: d, "
    "azure_api_version: v, azure_model_slug: m, is_default: true}], azure_auth_mode: "
)


@pytest.mark.parametrize(
    "text",
    [
        OPENAI,
        of("groq"),
        of("x-ai", HOST),
        of("databricks", "databricks_workspace: w"),
        of("bedrock", BEDROCK + "apiKey"),
        of("bedrock-mantle", BEDROCK + "apiKey"),
        of("azure-openai", AZURE + "default"),
        of("azure-ai", "azure_auth_mode: default, azure_foundry_url: 'https://e.example.com'"),
        of("openai", "custom_headers: {x-team: search}"),
        of("openai", "openai_project: p"),
        of("modal", HOST + ", custom_headers: {x-team: search}"),
        of(
            "openai",
            rest="secret_mappings: "
            "[{target_field: configurations.openai_project, secret_reference_id: r}]\n",
        ),
        of("openai", rest="secret_mappings: []\n"),
    ],
)
def test_a_missing_credential_of_a_mode_is_reported(text: str) -> None:
    assert found(text) == MISSING


@pytest.mark.parametrize(
    "text",
    [
        OPENAI + KEY,
        OPENAI + "key: null\n",
        OPENAI + "secret_mappings: [{target_field: key, secret_reference_id: r}]\n",
        of("openai", "is_key_required: false"),
        of("openai", "custom_headers: {x-api-key: '${env:SECRET_A}'}"),
        of("modal", "custom_headers: {modal-key: '${env:SECRET_A}', modal-secret: '${env:S}'}"),
        of("bedrock", BEDROCK + "serviceRole"),
        of("bedrock", BEDROCK + "apiKey", KEY),
        of("claude-platform-aws", BEDROCK + "serviceRole"),
        of("vertex-ai", "vertex_auth_type: workload, vertex_region: us, vertex_project_id: p"),
        of("azure-openai", AZURE + "managed"),
        of("ollama", HOST),
        of("triton", HOST),
    ],
)
def test_a_present_or_unneeded_credential_has_no_diagnostic(text: str) -> None:
    assert found(text) == []


def test_nothing_is_required_of_an_unknown_provider() -> None:
    assert found(of("acme-ai")) == [("warning", "unknown-provider")]
    assert found(of("de7d7d50-31cd-11ee-b93b-0e06f1aa7f7c")) == []


def test_only_validate_requires_a_credential() -> None:
    assert integration(OPENAI).diagnostics == ()


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_alias_is_a_warning_that_names_the_right_id(alias: str) -> None:
    (only,) = [d for d in diagnostics(of(alias, rest=KEY)) if d.code == "unknown-provider"]
    assert only.severity == "warning"
    assert f"`{ALIASES[alias]}`" in only.hint
    assert ALIASES[alias] in KNOWN_PROVIDERS
    assert declared(of(alias)).fields["ai_provider_id"] == alias


@pytest.mark.parametrize(
    ("provider", "configurations"),
    [
        ("bedrock", "aws_auth_type: serviceRole, aws_region: Frankfurt"),
        ("bedrock", BEDROCK + "assumedRole, aws_role_arn: 'arn:aws:iam::1:user/a'"),
        ("claude-platform-aws", BEDROCK + "serviceRole, anthropic_aws_workspace_id: w"),
        ("vertex-ai", "vertex_auth_type: basic, vertex_project_id: p, vertex_region: Europe"),
    ],
)
def test_a_value_without_its_documented_form_is_a_warning(
    provider: str, configurations: str
) -> None:
    assert found(of(provider, configurations)) == [("warning", "unexpected-form")]


@pytest.mark.parametrize(
    ("provider", "field", "value"),
    [
        ("bedrock", "aws_region", "us-gov-west-1"),
        ("bedrock", "aws_region", "ap-southeast-4"),
        ("bedrock", "aws_region", "us-iso-east-1"),
        ("bedrock", "aws_role_arn", "arn:aws-us-gov:iam::123456789012:role/path/name"),
        ("bedrock", "aws_role_arn", "arn:aws-cn:iam::123456789012:role/name"),
        ("vertex-ai", "vertex_region", "global"),
        ("vertex-ai", "vertex_region", "northamerica-northeast2"),
        ("oracle", "oracle_region", "us-gov-ashburn-1"),
        ("bedrock", "aws_region", "eusc-de-east-1"),
        ("bedrock", "aws_region", "mx-central-1"),
        ("bedrock", "aws_region", "us-isob-east-1"),
        # Not published yet, but it has the form.
        ("bedrock", "aws_region", "eu-northwest-12"),
        ("vertex-ai", "vertex_region", "me-central2"),
        ("vertex-ai", "vertex_region", "us"),
        ("azure-ai", "azure_region", "germanywestcentral"),
        ("azure-ai", "azure_region", "eastus2"),
        ("azure-ai", "azure_region", "eastus2euap"),
    ],
)
def test_all_forms_that_vendors_document_are_accepted(
    provider: str, field: str, value: str
) -> None:
    result = integration(of(provider, f"{field}: '{value}'"))
    assert "unexpected-form" not in {d.code for d in result.diagnostics}


def test_names_of_gateway_options_suggest_the_field() -> None:
    hints = {
        d.summary.split("`")[1]: d.hint
        for d in diagnostics(
            of("azure-openai", AZURE + "default, resource_name: r, deployment_id: d, apiVersion: v")
        )
        if d.code == "unknown-configuration-field"
    }
    assert "`azure_resource_name`" in hints["resource_name"]
    assert "`azure_deployment_config[].azure_deployment_name`" in hints["deployment_id"]


def test_the_gateway_name_of_a_mode_suggests_that_of_the_integration() -> None:
    (only,) = diagnostics(of("azure-openai", AZURE + "apiKey"))
    assert only.code == "invalid-value"
    assert only.hint.startswith("did you mean `default`?")


LEGACY = "azure_region: eastus2, azure_api_version: v, azure_deployment_type: "


@pytest.mark.parametrize(
    ("configurations", "missing"),
    [
        (LEGACY + "serverless, azure_deployment_name: d", 0),
        (LEGACY + "managed, azure_endpoint_name: e", 0),
        (LEGACY + "managed", 1),
        ("azure_deployment_type: serverless", 3),
    ],
)
def test_the_deprecated_form_of_foundry_is_accepted_with_a_warning(
    configurations: str, missing: int
) -> None:
    codes = found(of("azure-ai", configurations, KEY))
    assert ("warning", "legacy-field") in codes
    assert codes.count(("error", "missing-field")) == missing


def budget(reset: str) -> str:
    limit = f"usage_limits: [{{next_usage_reset_at: '{reset}'}}]"
    return OPENAI + KEY + f"workspaces: [{{id: w, enabled: true, {limit}}}]\n"


@pytest.mark.parametrize(
    "instant",
    [
        "2030-01-31T00:00:00Z",
        "2030-01-31T00:00:00.000Z",
        "2030-01-31T01:00:00.123456789+01:00",
        "2030-01-31T00:00:00-05:30",
        "2030-01-31 00:00:00Z",
        "2030-01-31T00:00Z",
        "2030-01-31",
        "20300131T000000Z",
        "2026-11-23T00:00:00Z",
    ],
)
def test_a_time_can_have_any_offset_and_precision(instant: str) -> None:
    assert found(budget(instant)) == []


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ("banana", ("error", "invalid-value")),
        ("2030-02-30T00:00:00Z", ("error", "invalid-value")),
        ("1893456000", ("error", "invalid-value")),
        ("tomorrow", ("error", "invalid-value")),
        ("2026-11-22T23:59:59Z", ("warning", "past-date")),
        ("2026-11-23T00:30:00+01:00", ("warning", "past-date")),
        ("2020-01-01", ("warning", "past-date")),
    ],
)
def test_an_invalid_time_is_an_error_and_a_past_one_a_warning(
    value: str, finding: tuple[str, str]
) -> None:
    assert found(budget(value)) == [finding]
    everywhere = OPENAI + KEY + "global_workspace_access: {enabled: true, usage_limits: "
    assert found(everywhere + f"[{{next_usage_reset_at: '{value}'}}]}}\n") == [finding]


def test_a_host_of_one_model_is_checked_as_well() -> None:
    models = "models: [{slug: m, enabled: true, configurations: {custom_host: 'https://10.0.0.1'}}]"
    assert found(OPENAI + KEY + models + "\n") == [("warning", "custom-host-private")]


def test_a_password_in_a_url_is_in_no_excerpt() -> None:
    (only,) = diagnostics(
        of("openai", "custom_host: 'https://u:canary@e.example', provider_auth_type: apiKey", KEY)
    )
    assert only.code == "invalid-value"
    assert "canary" not in str(only.as_json()) + str(only.excerpt)


def test_a_custom_model_has_a_name_and_a_description() -> None:
    models = "models: [{slug: m, enabled: true, is_custom: true, name: M, description: Ours}]\n"
    assert found(OPENAI + KEY + models) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gemini", "google"),
        ("azure", "azure-openai"),
        ("aws", "bedrock"),
        ("claude", "anthropic"),
        ("google-vertex", "vertex-ai"),
        ("gpt", "openai"),
        ("openai2", "openai"),
        ("Antropic", "anthropic"),
        ("OpenAI", "openai"),
        ("mistrall", "mistral-ai"),
    ],
)
def test_a_similar_name_or_a_synonym_is_suggested(written: str, meant: str) -> None:
    (only,) = [d for d in diagnostics(of(written, rest=KEY)) if d.code == "unknown-provider"]
    assert only.hint.startswith(f"did you mean `{meant}`?")


@pytest.mark.parametrize("written", ["acme", "local", "claudette", "internal-llm", "prd", "xyz"])
def test_a_name_that_resembles_none_gets_no_suggestion(written: str) -> None:
    (only,) = diagnostics(of(written))
    assert only.summary == (
        f"`{written}` is not a known provider; it is sent as it is, "
        "and its configuration is not checked"
    )
    assert only.hint == f"if the id is correct, add `providers: [{written}]` to reconcile.yaml"


def test_a_listed_provider_is_accepted() -> None:
    content = {
        "integrations/a.yaml": of("acme"),
        "integrations/b.yaml": of("other").replace("slug: a", "slug: b"),
    }
    config = CONFIG + "providers: [acme]\n"
    (only,) = loaded(content, config=config).diagnostics
    assert only.summary.startswith("`other`")
    source = files(content, config=config)
    checked = check(source, target_name=None, today=TODAY)
    assert [d.summary.split()[0] for d in checked if d.code == "unknown-provider"] == ["`other`"]


@pytest.mark.parametrize("value", ["acme", "{acme: true}", "[{id: acme}]", "[[acme]]"])
def test_the_list_of_accepted_providers_is_checked(value: str) -> None:
    found = loaded(config=f"{CONFIG}providers: {value}\n").diagnostics
    assert [d.code for d in found] == ["wrong-type"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("", "missing-configurations"),
        ("key: ${env:SECRET_A}\n", "missing-configurations"),
        ("configurations: null\n", "missing-field"),
    ],
)
def test_validate_warns_of_configurations_that_a_create_needs(lines: str, code: str) -> None:
    text = f"slug: a\nname: A\nai_provider_id: bedrock\n{lines}"
    config = "version: 1\ntargets: {simulator: {base_url: 'simulator:'}}\n"
    source = files({"integrations/a.yaml": text}, config=config)
    found = check(source, target_name=None, today=TODAY, expects_creates=True)
    assert {d.code for d in found} == {code}
    # An existing integration keeps the stored ones.
    if code == "missing-configurations":
        assert check(source, target_name=None, today=TODAY) == ()


@pytest.mark.parametrize(
    ("provider", "field", "value", "hint"),
    [
        ("bedrock", "aws_region", "eu-wst-1", "did you mean `eu-west-1`?"),
        ("bedrock", "aws_region", "eu-west1", "did you mean `eu-west-1`?"),
        ("bedrock", "aws_region", "us-east1", "did you mean `us-east-1`?"),
        ("bedrock", "aws_region", "US-EAST-1", "did you mean `us-east-1`?"),
        ("bedrock", "aws_region", "us_east_1", "did you mean `us-east-1`?"),
        ("bedrock", "aws_region", "eu-west-1a", "did you mean `eu-west-1`?"),
        ("bedrock", "aws_region", "eq-west-1", "did you mean `eu-west-1`?"),
        ("sagemaker", "aws_region", "eu-centrall-1", "did you mean `eu-central-1`?"),
        ("claude-platform-aws", "aws_region", "eu-cental-1", "did you mean `eu-central-1`?"),
        ("vertex-ai", "vertex_region", "europe-wst4", "did you mean `europe-west4`?"),
        ("vertex-ai", "vertex_region", "us-central-1", "did you mean `us-central1`?"),
        ("vertex-ai", "vertex_region", "eurpoe-west4", "did you mean `europe-west4`?"),
        ("vertex-ai", "vertex_region", "globl", "did you mean `global`?"),
        ("azure-ai", "azure_region", "east-us-2", "write it like `eastus2`"),
        ("azure-ai", "azure_region", "EastUS2", "write it like `eastus2`"),
    ],
)
def test_a_misspelt_region_is_a_warning_with_the_nearest_one(
    provider: str, field: str, value: str, hint: str
) -> None:
    result = diagnostics(of(provider, f"{field}: '{value}'"))
    assert [(d.severity, d.hint) for d in result if d.code == "unexpected-form"] == [
        ("warning", hint)
    ]


def test_the_regions_that_are_suggested_are_published_and_have_the_form() -> None:
    content = resources.files("botocore").joinpath("data/endpoints.json").read_text()
    document = json.loads(content)
    published = {name for partition in document["partitions"] for name in partition["regions"]}
    assert set(regions.AWS_REGIONS) <= published
    for name in regions.AWS_REGIONS:
        assert re.fullmatch(regions.AWS_FORM, name)
    for name in regions.GOOGLE_REGIONS:
        assert re.fullmatch(regions.GOOGLE_FORM, name)
