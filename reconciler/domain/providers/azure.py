"""Azure OpenAI and Azure AI Foundry: five ways to authenticate, one or many deployments."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from reconciler.domain.facts import (
    Bool,
    Configuration,
    DeploymentName,
    Facts,
    HostLabel,
    Identifier,
    Missing,
    Reference,
    RegionName,
    RiskRule,
    StrictModel,
    Text,
)
from reconciler.domain.model import Field, ModelConfig
from reconciler.domain.providers.regions import AZURE_FORM

ApiVersion: TypeAlias = Annotated[Identifier, Field(max_length=30)]

_OPENAI_API = "Portkey-AI/openapi: openapi.yaml, AzureOpenAIConfiguration"
_FOUNDRY_API = "Portkey-AI/openapi: openapi.yaml, AzureAIConfiguration"
_MODES = "Portkey-AI/docs-core: integrations/llms/azure-openai/authentication.mdx"
_FOUNDRY = "Portkey-AI/docs-core: integrations/llms/azure-foundry.mdx"
_LEGACY = "Portkey-AI/gateway: src/providers/azure-ai-inference/api.ts"
_TERRAFORM = "Portkey-AI/terraform-provider-portkey: README.md"

DEPLOYMENTS = "azure_deployment_config"
DEPLOYED_MODEL = "azure_model_slug"
"""Fields that name the deployments, and the vendor's model of each."""

_UUID = "11111111-2222-3333-4444-555555555555"


class AzureAuthentication(Configuration):
    """Mode in which the gateway authenticates to Azure."""

    mode_field = "azure_auth_mode"
    required_by_mode = MappingProxyType(
        {
            "entra": (
                "azure_entra_tenant_id",
                "azure_entra_client_id",
                "azure_entra_client_secret",
            ),
            "entraFederated": ("azure_entra_tenant_id", "azure_entra_client_id"),
            "workload": ("azure_workload_tenant_id", "azure_workload_client_id"),
        }
    )
    key_modes = frozenset({"default"})

    azure_auth_mode: Annotated[
        Literal["default", "entra", "entraFederated", "managed", "workload"] | None,
        Facts(
            risk=RiskRule.CREDENTIAL,
            # The configuration of a gateway has another name for the mode of the key than an
            # integration.
            other_words=(("apiKey", "default"), ("api_key", "default")),
            example="default",
            source=_MODES,
        ),
    ] = Field(None, description="`default` uses the key; the others use an identity.")
    azure_entra_tenant_id: Annotated[Text | None, Facts(example=_UUID, source=_OPENAI_API)] = Field(
        None, description="Entra tenant."
    )
    azure_entra_client_id: Annotated[Text | None, Facts(example=_UUID, source=_OPENAI_API)] = Field(
        None, description="Entra application."
    )
    azure_entra_client_secret: Annotated[Reference, Facts(secret=True, source=_OPENAI_API)] = Field(
        None, description="The application's secret."
    )
    azure_entra_scope: Annotated[
        Text | None,
        Facts(example="https://cognitiveservices.azure.com/.default", source=_MODES),
    ] = Field(None, description="Scope of the token, where it is not the usual one.")
    azure_managed_client_id: Annotated[Text | None, Facts(example=_UUID, source=_OPENAI_API)] = (
        Field(None, description="Managed identity.")
    )
    azure_workload_tenant_id: Annotated[Text | None, Facts(example=_UUID, source=_MODES)] = Field(
        None, description="Workload identity's tenant."
    )
    azure_workload_client_id: Annotated[Text | None, Facts(example=_UUID, source=_MODES)] = Field(
        None, description="Workload identity's client."
    )


class AzureDeployment(StrictModel):
    """One deployment of a model in an Azure OpenAI resource."""

    # A new field of the vendor is sent, and treated as a secret and a host.
    model_config = ModelConfig(extra="ignore")

    azure_deployment_name: Annotated[
        Identifier, Facts(identity=True, example="gpt-5-eu", source=_OPENAI_API)
    ] = Field(description="Name of the deployment in Azure.")
    azure_api_version: Annotated[
        ApiVersion, Facts(example="2025-04-01-preview", source=_OPENAI_API)
    ] = Field(description="Version of Azure's API, up to 30 characters.")
    azure_model_slug: Annotated[Identifier, Facts(example="gpt-5", source=_OPENAI_API)] = Field(
        description="The model that is deployed."
    )
    alias: Annotated[Text | None, Facts(example="fast", source=_TERRAFORM)] = Field(
        None, description="Name that callers use; needed unless it is the default."
    )
    is_default: Annotated[Bool | None, Facts(default=False, example="true", source=_OPENAI_API)] = (
        Field(None, description="Used when a caller names no deployment.")
    )


class AzureOpenAI(AzureAuthentication):
    """Azure OpenAI: one resource, one or more deployments."""

    required = ("azure_auth_mode", "azure_resource_name", "azure_deployment_config")
    other_names = MappingProxyType(
        {
            "resource_name": "azure_resource_name",
            "resource": "azure_resource_name",
            "deployment_id": "azure_deployment_config[].azure_deployment_name",
            "deployment_name": "azure_deployment_config[].azure_deployment_name",
            "azure_deployment_name": "azure_deployment_config[].azure_deployment_name",
            "api_version": "azure_deployment_config[].azure_api_version",
            "azure_api_version": "azure_deployment_config[].azure_api_version",
            "model_slug": "azure_deployment_config[].azure_model_slug",
            "azure_model_slug": "azure_deployment_config[].azure_model_slug",
            "azure_model_name": "azure_deployment_config[].azure_model_slug",
            "deployments": "azure_deployment_config",
        }
    )

    azure_resource_name: Annotated[
        HostLabel | None, Facts(host=True, example="example-eu", source=_OPENAI_API)
    ] = Field(None, description="Name of the Azure resource; not its URL.")
    azure_deployment_config: Annotated[
        tuple[AzureDeployment, ...] | None, Facts(sent_whole=True, source=_OPENAI_API)
    ] = Field(None, description="The deployments, by name; at least one.")


class AzureFoundry(AzureAuthentication):
    """Azure AI Foundry: one URL.

    Before the URL existed, a deployment was named by its parts; such records still exist.
    """

    required = ("azure_auth_mode", "azure_foundry_url")
    other_names = MappingProxyType(
        {
            "foundry_url": "azure_foundry_url",
            "resource_name": "azure_foundry_url",
            "azure_resource_name": "azure_foundry_url",
            "api_version": "azure_api_version",
            "deployment_name": "azure_deployment_name",
        }
    )

    azure_foundry_url: Annotated[
        Text | None,
        Facts(
            host=True,
            url=True,
            example="https://example.services.ai.azure.com/models",
            source=_FOUNDRY,
        ),
    ] = Field(None, description="URL of the Foundry project.")
    azure_api_version: Annotated[
        Annotated[Text, Field(max_length=30)] | None,
        Facts(example="2024-05-01-preview", source=_FOUNDRY_API),
    ] = Field(None, description="Version of Azure's API, up to 30 characters.")
    azure_deployment_name: Annotated[
        DeploymentName | None, Facts(host=True, example="deepseek-v3", source=_FOUNDRY_API)
    ] = Field(None, description="Name of the deployment; part of the host if it is serverless.")
    azure_deployment_type: Annotated[
        Literal["serverless", "managed"] | None,
        Facts(endpoint=True, replaced_by="azure_foundry_url", example="serverless", source=_LEGACY),
    ] = Field(None, description="Kind of deployment, of records older than `azure_foundry_url`.")
    azure_endpoint_name: Annotated[
        HostLabel | None,
        Facts(host=True, replaced_by="azure_foundry_url", example="my-endpoint", source=_LEGACY),
    ] = Field(None, description="Managed endpoint, of records older than `azure_foundry_url`.")
    azure_region: Annotated[
        RegionName | None,
        Facts(
            endpoint=True,
            form=AZURE_FORM,
            replaced_by="azure_foundry_url",
            example="eastus2",
            source=_LEGACY,
        ),
    ] = Field(None, description="Region, of records older than `azure_foundry_url`.")

    @classmethod
    def missing(cls, given: Mapping[str, object], mapped: Collection[str]) -> list[Missing]:
        """Find the required fields; a deployment that is named by its parts needs all of them."""
        kind = given.get("azure_deployment_type")
        if not isinstance(kind, str) or given.get("azure_foundry_url"):
            return super().missing(given, mapped)
        because = f"azure_deployment_type: {kind}"
        needed = ["azure_region", "azure_api_version", _NAMED_BY.get(kind, "azure_foundry_url")]
        return [Missing(name, because) for name in needed if not given.get(name)]

    @classmethod
    def needs_key(cls, given: Mapping[str, object]) -> bool:
        """Return whether a key is needed; a deployment named by its parts has no other mode."""
        if "azure_deployment_type" in given and given.get("azure_auth_mode") is None:
            return given.get("is_key_required") is not False
        return super().needs_key(given)


_NAMED_BY = {"serverless": "azure_deployment_name", "managed": "azure_endpoint_name"}
"""The field that names a deployment of each kind."""

FAMILY: Mapping[str, type[Configuration]] = MappingProxyType(
    {"azure-openai": AzureOpenAI, "azure-ai": AzureFoundry}
)
