"""Google Vertex AI."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from reconciler.domain.facts import (
    Bool,
    Configuration,
    Facts,
    Reference,
    RegionName,
    RiskRule,
    Text,
)
from reconciler.domain.model import Field
from reconciler.domain.providers.regions import GOOGLE_FORM, GOOGLE_REGIONS

_API = "Portkey-AI/openapi: openapi.yaml, VertexAIConfiguration"
_DOC = "Portkey-AI/docs-core: integrations/llms/vertex-ai.mdx"
_TERRAFORM = "Portkey-AI/terraform-provider-portkey: docs/resources/integration.md"


class VertexAI(Configuration):
    """Vertex AI, by project or service account; it uses no `key`."""

    required = ("vertex_auth_type", "vertex_region")
    mode_field = "vertex_auth_type"
    required_by_mode = MappingProxyType(
        {
            "basic": ("vertex_project_id",),
            "workload": ("vertex_project_id",),
            "serviceAccount": ("vertex_service_account_json",),
        }
    )

    vertex_auth_type: Annotated[
        Literal["basic", "serviceAccount", "workload"] | None,
        Facts(risk=RiskRule.CREDENTIAL, example="serviceAccount", source=_API),
    ] = Field(None, description="Authentication of the gateway at Google.")
    vertex_region: Annotated[
        RegionName | None,
        Facts(
            endpoint=True,
            form=GOOGLE_FORM,
            known=GOOGLE_REGIONS,
            example="europe-west4",
            source=_DOC,
        ),
    ] = Field(None, description="Region, for example `europe-west4`, or `global`.")
    vertex_project_id: Annotated[Text | None, Facts(example="my-project", source=_API)] = Field(
        None, description="Google Cloud project."
    )
    vertex_service_account_json: Annotated[
        Reference, Facts(secret=True, secret_object=True, source=_API)
    ] = Field(None, description="The service account's key file.")
    vertex_skip_ptu_cost_attribution: Annotated[
        Bool | None, Facts(example="true", source=_TERRAFORM)
    ] = Field(None, description="Leave provisioned throughput out of the cost.")
    vertex_map_metadata: Annotated[Bool | None, Facts(example="true", source=_TERRAFORM)] = Field(
        None, description="Pass metadata on as labels."
    )


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType({"vertex-ai": VertexAI})
