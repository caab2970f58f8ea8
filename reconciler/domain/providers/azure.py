"""Azure OpenAI and Azure AI Foundry: five ways to authenticate, one or many deployments."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from reconciler.domain.facts import Facts, RiskRule
from reconciler.domain.leaves import Flag, Identifier, Piece, Reference, Text
from reconciler.domain.providers.configuration import Configuration

ApiVersion: TypeAlias = Annotated[Identifier, Field(max_length=30)]


class AzureAuthentication(Configuration):
    """How the gateway proves to Azure who it is."""

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

    azure_auth_mode: Annotated[
        Literal["default", "entra", "entraFederated", "managed", "workload"] | None,
        Facts(risk=RiskRule.CREDENTIAL),
    ] = Field(None, description="`default` uses the key; the others use an identity.")
    azure_entra_tenant_id: Text | None = Field(None, description="Entra tenant.")
    azure_entra_client_id: Text | None = Field(None, description="Entra application.")
    azure_entra_client_secret: Annotated[Reference, Facts(secret=True)] = Field(
        None, description="The application's secret."
    )
    azure_managed_client_id: Text | None = Field(None, description="Managed identity.")
    azure_workload_tenant_id: Text | None = Field(None, description="Workload identity's tenant.")
    azure_workload_client_id: Text | None = Field(None, description="Workload identity's client.")


class AzureDeployment(Piece):
    """One deployment of a model in an Azure OpenAI resource."""

    # A field that is new at the vendor is sent, and closed.
    model_config = ConfigDict(extra="ignore")

    azure_deployment_name: Annotated[Identifier, Facts(identity=True)] = Field(
        description="Name of the deployment in Azure."
    )
    azure_api_version: ApiVersion = Field(description="Version of Azure's API, up to 30 signs.")
    azure_model_slug: Identifier = Field(description="The model that is deployed.")
    alias: Text | None = Field(
        None, description="Name that callers use; needed unless it is the default."
    )
    is_default: Annotated[Flag | None, Facts(default=False)] = Field(
        None, description="Used when a caller names no deployment."
    )


class AzureOpenAI(AzureAuthentication):
    """Azure OpenAI: one resource, one or more deployments."""

    required = ("azure_auth_mode", "azure_resource_name", "azure_deployment_config")

    azure_resource_name: Annotated[Text | None, Facts(host=True)] = Field(
        None, description="Name of the Azure resource."
    )
    azure_deployment_config: Annotated[
        tuple[AzureDeployment, ...] | None, Facts(sent_whole=True)
    ] = Field(None, description="The deployments, by name; at least one.")


class AzureFoundry(AzureAuthentication):
    """Azure AI Foundry: one URL."""

    required = ("azure_auth_mode", "azure_foundry_url")

    azure_foundry_url: Annotated[Text | None, Facts(host=True)] = Field(
        None, description="URL of the Foundry project."
    )
    azure_api_version: Annotated[Text, Field(max_length=30)] | None = Field(
        None, description="Version of Azure's API, up to 30 signs."
    )
    azure_deployment_name: Text | None = Field(None, description="Name of the deployment.")


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType(
    {"azure-openai": AzureOpenAI, "azure-ai": AzureFoundry}
)
