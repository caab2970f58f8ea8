"""Hosted models that need more fields than the key, and self-hosted models."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from reconciler.domain.facts import Bool, Configuration, Facts, HostLabel, HostLabels, OwnHost, Text
from reconciler.domain.model import Field

_API = "Portkey-AI/openapi: openapi.yaml"
_LLMS = "Portkey-AI/docs-core: integrations/llms"
_CHANGELOG = "Portkey-AI/docs-core: changelog/backend.mdx"


class WorkersAI(Configuration):
    """Cloudflare Workers AI."""

    required = ("workers_ai_account_id",)
    other_names = MappingProxyType({"account_id": "workers_ai_account_id"})

    # The account is part of the path of every request: like a host, it decides who receives it.
    workers_ai_account_id: Annotated[
        HostLabel | None,
        Facts(host=True, example="0123456789abcdef", source=f"{_API}, WorkersAIConfiguration"),
    ] = Field(None, description="Cloudflare account.")


class HuggingFace(Configuration):
    """Hugging Face, its own service or a dedicated endpoint."""

    other_names = MappingProxyType({"base_url": "huggingface_base_url"})

    huggingface_base_url: Annotated[
        Text | None,
        Facts(
            host=True,
            url=True,
            example="https://example.eu-west-1.aws.endpoints.huggingface.cloud",
            source=f"{_API}, HuggingFaceConfiguration",
        ),
    ] = Field(None, description="URL of a dedicated endpoint.")


class Cortex(Configuration):
    """Snowflake Cortex."""

    required = ("snowflake_account",)
    other_names = MappingProxyType({"account": "snowflake_account"})

    snowflake_account: Annotated[
        HostLabels | None,
        Facts(host=True, example="example-account", source=f"{_API}, CortexConfiguration"),
    ] = Field(None, description="Snowflake account identifier; not a URL.")


class Databricks(Configuration):
    """Model serving of Databricks, with a personal access token."""

    required = ("databricks_workspace",)
    other_names = MappingProxyType({"workspace": "databricks_workspace"})

    databricks_workspace: Annotated[
        HostLabel | None,
        Facts(host=True, example="adb-example", source=f"{_LLMS}/databricks.mdx"),
    ] = Field(None, description="Name of the workspace, the beginning of its host name; not a URL.")
    databricks_serving_endpoint_name: Annotated[
        Text | None, Facts(example="my-endpoint", source="inferred; no public file names it")
    ] = Field(None, description="Serving endpoint.")


class FireworksAI(Configuration):
    """Fireworks AI."""

    fireworks_account_id: Annotated[
        HostLabel | None,
        Facts(host=True, example="my-account", source=f"{_LLMS}/fireworks.mdx"),
    ] = Field(None, description="Account, for files and fine-tuning.")


class Anthropic(Configuration):
    """Anthropic, called directly."""

    anthropic_inspect_stream_for_overloaded_error: Annotated[
        Bool | None, Facts(example="true", source=_CHANGELOG)
    ] = Field(
        None, description="Detect an overload error within a stream that started successfully."
    )


class BytePlus(Configuration):
    """BytePlus ModelArk."""

    byteplus_region: Annotated[
        Literal["ap-southeast-1", "eu-west-1"] | None,
        Facts(endpoint=True, example="eu-west-1", source=f"{_LLMS}/byteplus.mdx"),
    ] = Field(None, description="Region; `ap-southeast-1` if it is omitted.")


class Modal(Configuration):
    """Modal, with a key or a pair of headers."""

    @classmethod
    def needs_key(cls, given: Mapping[str, object]) -> bool:
        """Return whether a key is needed, which is not the case if both headers are set."""
        headers = given.get("custom_headers")
        names = {name.lower() for name in headers} if isinstance(headers, Mapping) else set()
        return not names >= {"modal-key", "modal-secret"} and super().needs_key(given)


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType(
    {
        "workers-ai": WorkersAI,
        "huggingface": HuggingFace,
        "cortex": Cortex,
        "databricks": Databricks,
        "fireworks-ai": FireworksAI,
        "anthropic": Anthropic,
        "byteplus": BytePlus,
        "modal": Modal,
        "ollama": OwnHost,
        "triton": OwnHost,
    }
)
