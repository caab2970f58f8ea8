"""What the API is known to answer with a 400 that names no field, `validate` finds in the files.

Each cause has its public source: a repository and the path in it, or release notes.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.main import run
from tests.cli.speaking import Listening
from tests.desired.building import CONFIG

API = "Portkey-AI/openapi: openapi.yaml"
ERRORS = "Portkey-AI/docs-core: api-reference/admin-api/error.mdx"
HOSTS = "Portkey-AI/docs-core: product/ai-gateway/custom-hosts.mdx"
BACKEND = "Portkey-AI/docs-core: changelog/backend.mdx"
SECRETS = "Portkey-AI/docs-core: product/enterprise-offering/secret-references.mdx"
LIMITS = "Portkey-AI/docs-core: product/model-catalog/integrations.mdx"
LLMS = "Portkey-AI/docs-core: integrations/llms"
TERRAFORM = "Portkey-AI/terraform-provider-portkey"
LIVE = "cdot65/prisma-airs-sdk: release notes of 0.33.0"
GATEWAY_160 = "Portkey-AI/gateway: issue 160"


@dataclass(frozen=True)
class Cause:
    """One cause of a 400; `files` cannot show it where `code` is None."""

    what: str
    source: str
    text: str
    code: str | None


def openai(rest: str = "") -> str:
    return "name: A\nai_provider_id: openai\nkey: ${env:SECRET_A}\n" + rest


def other(provider: str, configurations: str, *, key: bool = False) -> str:
    text = f"name: A\nai_provider_id: {provider}\nconfigurations: {{{configurations}}}\n"
    return text + ("key: ${env:SECRET_A}\n" if key else "")


def azure(rest: str) -> str:
    return other("azure-openai", rest, key=True)


DEPLOYED = "azure_deployment_name: d, azure_api_version: v, azure_model_slug: m, is_default: true"
DEPLOYMENT = f"azure_deployment_config: [{{{DEPLOYED}}}]"
AZURE = f"azure_auth_mode: default, azure_resource_name: r, {DEPLOYMENT}"
RESOURCE = "azure_auth_mode: default, azure_resource_name: r"
UNDATED = DEPLOYED.replace("azure_api_version: v", "azure_api_version: " + "v" * 31)
CHANGES = f"{TERRAFORM}: CHANGELOG.md, 0.2.10"


def budget(rest: str) -> str:
    return openai(f"workspaces: [{{id: w, enabled: true, usage_limits: [{{{rest}}}]}}]\n")


def rate(rest: str) -> str:
    return openai(f"workspaces: [{{id: w, enabled: true, rate_limits: {rest}}}]\n")


def host(url: str) -> str:
    return openai(f"configurations: {{custom_host: '{url}', provider_auth_type: apiKey}}\n")


def mapping(rest: str) -> str:
    return openai(f"secret_mappings: [{{{rest}}}]\n")


ORACLE = (
    "oracle_region: eu-frankfurt-1, oracle_tenancy: ocid1.tenancy.a, oracle_user: ocid1.user.a, "
    "oracle_compartment_id: ocid1.compartment.a"
)

CAUSES = [
    Cause("no name", API, "ai_provider_id: openai\n", "missing-field"),
    Cause("no ai_provider_id", API, "name: A\n", "missing-field"),
    Cause("a number for a text", ERRORS, openai("description: [1]\n"), "wrong-type"),
    Cause("an auth mode outside its enum", ERRORS, azure("azure_auth_mode: x"), "invalid-value"),
    Cause("no credential at all", LIVE, "name: A\nai_provider_id: x-ai\n", "missing-credential"),
    Cause(
        "custom_host alone",
        LIVE,
        openai("configurations: {custom_host: 'https://llm.example.com'}\n"),
        "custom-host-auth",
    ),
    Cause("a private host", HOSTS, host("https://10.0.0.1"), "custom-host-private"),
    Cause("a loopback host", HOSTS, host("https://localhost"), "custom-host-private"),
    Cause("a link-local host", HOSTS, host("https://169.254.1.1"), "custom-host-private"),
    Cause("a metadata host", HOSTS, host("http://169.254.169.254"), "custom-host-private"),
    Cause("an address in disguise", HOSTS, host("https://2130706433"), "custom-host-private"),
    Cause("a user in a URL", HOSTS, host("https://u:p@llm.example.com"), "invalid-value"),
    Cause("a URL without a scheme", HOSTS, host("llm.example.com"), "invalid-value"),
    Cause("a long URL", HOSTS, host("https://e.com/" + "a" * 2_048), "invalid-value"),
    Cause("a service's port", HOSTS, host("https://llm.example.com:22"), "invalid-value"),
    Cause("resource_name", CHANGES, azure("resource_name: r"), "unknown-configuration-field"),
    Cause(
        "deployment_id",
        CHANGES,
        azure(f"{AZURE}, deployment_id: d"),
        "unknown-configuration-field",
    ),
    Cause("api_version", CHANGES, azure(f"{AZURE}, api_version: v"), "unknown-configuration-field"),
    Cause(
        "Azure without a mode",
        CHANGES,
        azure(f"azure_resource_name: r, {DEPLOYMENT}"),
        "missing-field",
    ),
    Cause("a flat deployment", CHANGES, azure(f"{RESOURCE}, {DEPLOYED}"), "missing-field"),
    Cause(
        "a deployment without its model",
        CHANGES,
        azure(f"{AZURE}".replace("azure_model_slug: m, ", "")),
        "missing-field",
    ),
    Cause(
        "a deployment without an alias",
        f"{TERRAFORM}: README.md",
        azure(AZURE.replace("is_default: true", "is_default: false")),
        "missing-field",
    ),
    Cause("a long API version", API, azure(AZURE.replace(DEPLOYED, UNDATED)), "invalid-value"),
    Cause("no deployment", API, azure(f"{RESOURCE}, azure_deployment_config: []"), "missing-field"),
    Cause(
        "a URL for a resource",
        GATEWAY_160,
        azure(AZURE.replace("name: r", "name: 'https://r.openai.azure.com'")),
        "invalid-value",
    ),
    Cause(
        "the gateway's word for a mode",
        f"{LLMS}/azure-openai/authentication.mdx",
        azure(AZURE.replace("default,", "apiKey,")),
        "invalid-value",
    ),
    Cause("entra alone", API, azure(AZURE.replace("default,", "entra,")), "missing-field"),
    Cause(
        "Bedrock without a mode", API, other("bedrock", "aws_region: us-east-1"), "missing-field"
    ),
    Cause(
        "Bedrock without a region",
        API,
        other("bedrock", "aws_auth_type: serviceRole"),
        "missing-field",
    ),
    Cause(
        "accessKey alone",
        API,
        other("bedrock", "aws_auth_type: accessKey, aws_region: us-east-1"),
        "missing-field",
    ),
    Cause(
        "assumedRole alone",
        API,
        other("bedrock", "aws_auth_type: assumedRole, aws_region: us-east-1"),
        "missing-field",
    ),
    Cause(
        "a mode of another AWS provider",
        f"{LLMS}/claude-platform-aws/claude-platform-aws.mdx",
        other("claude-platform-aws", "aws_auth_type: apiKey, aws_region: us-east-1", key=True),
        "invalid-value",
    ),
    Cause(
        "a mode of another AWS provider still",
        f"{LLMS}/bedrock-mantle.mdx",
        other("bedrock-mantle", "aws_auth_type: accessKey, aws_region: us-east-1"),
        "invalid-value",
    ),
    Cause(
        "an alias", f"{TERRAFORM}: pull request 23", other("aws-bedrock", ""), "unknown-provider"
    ),
    Cause("Vertex without a mode", API, other("vertex-ai", "vertex_region: us"), "missing-field"),
    Cause(
        "basic without a project",
        API,
        other("vertex-ai", "vertex_auth_type: basic, vertex_region: us"),
        "missing-field",
    ),
    Cause(
        "serviceAccount alone",
        API,
        other("vertex-ai", "vertex_auth_type: serviceAccount, vertex_region: us"),
        "missing-field",
    ),
    Cause(
        "a service account as a literal",
        API,
        other(
            "vertex-ai",
            "vertex_auth_type: serviceAccount, vertex_region: us, "
            "vertex_service_account_json: '{}'",
        ),
        "literal-secret",
    ),
    Cause("Workers AI without an account", API, other("workers-ai", "", key=True), "missing-field"),
    Cause("Cortex without an account", API, other("cortex", "", key=True), "missing-field"),
    Cause("Oracle without its key", f"{LLMS}/oracle.mdx", other("oracle", ORACLE), "missing-field"),
    Cause(
        "Databricks without a workspace",
        f"{LLMS}/databricks.mdx",
        other("databricks", "", key=True),
        "missing-field",
    ),
    Cause(
        "BytePlus in a region it does not have",
        f"{LLMS}/byteplus.mdx",
        other("byteplus", "byteplus_region: us-east-1", key=True),
        "invalid-value",
    ),
    Cause("a slug with a space", API, "slug: a b\n" + openai(), "invalid-value"),
    Cause("a long slug", BACKEND, f"slug: {'a' * 256}\n" + openai(), "invalid-value"),
    Cause("a long name", BACKEND, f"name: {'n' * 256}\nai_provider_id: openai\n", "invalid-value"),
    Cause(
        "a default provider's slug",
        API,
        openai("create_default_provider: true\ndefault_provider_slug: a b\n"),
        "invalid-value",
    ),
    Cause(
        "a target mapped twice",
        SECRETS,
        openai("secret_mappings: [{target_field: key, secret_reference_id: r}, ").replace(
            "key: ${env:SECRET_A}\n", ""
        )
        + "{target_field: key, secret_reference_id: s}]\n",
        "duplicate-entry",
    ),
    Cause(
        "a target that cannot be mapped",
        SECRETS,
        mapping("target_field: name, secret_reference_id: r"),
        "invalid-value",
    ),
    Cause(
        "a value_format outside its enum",
        API,
        mapping("target_field: configurations.x, secret_reference_id: r, value_format: yaml"),
        "invalid-value",
    ),
    Cause(
        "an unknown multiplier",
        API,
        openai("pricing_adjustments: {multiplier: {tokens: 2}}\n"),
        "unknown-field",
    ),
    Cause(
        "a negative multiplier",
        API,
        openai("pricing_adjustments: {multiplier: {default: -1}}\n"),
        "invalid-value",
    ),
    Cause(
        "a price that is not static",
        API,
        openai("models: [{slug: m, enabled: true, pricing_config: {type: dynamic}}]\n"),
        "invalid-value",
    ),
    Cause("two budgets", API, budget("}, {"), "invalid-value"),
    Cause("two rates", API, rate("[{}, {}]"), "invalid-value"),
    Cause("a budget of zero", API, budget("credit_limit: 0"), "invalid-value"),
    Cause("a budget in fractions", API, budget("credit_limit: 1.5"), "wrong-type"),
    Cause("a threshold of zero", API, budget("alert_threshold: 0"), "invalid-value"),
    Cause("few tokens", LIMITS, budget("type: tokens, credit_limit: 99"), "unexpected-form"),
    Cause(
        "two kinds of reset",
        API,
        budget("periodic_reset: weekly, periodic_reset_days: 3"),
        "conflicting-fields",
    ),
    Cause("a reset after 366 days", BACKEND, budget("periodic_reset_days: 366"), "invalid-value"),
    Cause("no instant", API, budget("next_usage_reset_at: banana"), "invalid-value"),
    Cause("an unknown unit", BACKEND, rate("[{unit: rps}]"), "invalid-value"),
    Cause("an unknown kind of budget", BACKEND, budget("type: euros"), "invalid-value"),
    Cause("an unknown reset", API, budget("periodic_reset: daily"), "invalid-value"),
    Cause("a model without a slug", API, openai("models: [{enabled: true}]\n"), "missing-field"),
    Cause("a model without enabled", API, openai("models: [{slug: m}]\n"), "missing-field"),
    Cause(
        "a workspace without an id", API, openai("workspaces: [{enabled: true}]\n"), "missing-field"
    ),
    Cause("a workspace without enabled", API, openai("workspaces: [{id: w}]\n"), "missing-field"),
    Cause(
        "workspaces of a workspace's integration",
        API,
        openai("workspace_id: w\nworkspaces: []\n"),
        "workspaces-not-allowed",
    ),
    Cause(
        "a masked field", BACKEND, other("openai", "masked_key: s...t", key=True), "masked-field"
    ),
    Cause("an empty list that clears a budget", LIVE, rate("null, usage_limits: []"), None),
]


def findings(path: Path) -> dict[str, set[str]]:
    """Validate a repository that has a file for each cause; the codes by file."""
    (path / "integrations").mkdir()
    (path / "reconcile.yaml").write_text(CONFIG)
    for number, cause in enumerate(CAUSES):
        named = "" if cause.text.startswith("slug:") else f"slug: cause-{number}\n"
        (path / f"integrations/cause-{number}.yaml").write_text(named + cause.text)
    listening = Listening()
    assert run(["--dir", str(path), "validate", "--format", "json"], listening.console) == 3
    found: dict[str, set[str]] = {}
    for diagnostic in json.loads(listening.out)["diagnostics"]:
        found.setdefault(Path(diagnostic["file"]).stem, set()).add(diagnostic["code"])
    return found


def test_validate_finds_at_least_nine_of_ten_causes(tmp_path: Path) -> None:
    found = findings(tmp_path)
    missed = [
        cause.what
        for number, cause in enumerate(CAUSES)
        if cause.code not in found.get(f"cause-{number}", set())
    ]
    assert missed == [cause.what for cause in CAUSES if cause.code is None]
    assert len(missed) <= len(CAUSES) / 10


def test_every_cause_has_a_public_source() -> None:
    assert all(":" in cause.source for cause in CAUSES)
    assert len({cause.what for cause in CAUSES}) == len(CAUSES)
