"""Causes of a 400, and files that contain them; a source is a repository and a path in it."""

from dataclasses import dataclass

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
    """Cause of a 400; without a `code`, files cannot show it."""

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
FOUNDRY = "azure_auth_mode: default, azure_foundry_url: 'https://f.services.ai.azure.com'"
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
