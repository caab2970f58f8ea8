"""Hosted models that need a field or two beside the key."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from reconciler.domain.facts import Facts
from reconciler.domain.leaves import Flag, Text
from reconciler.domain.providers.configuration import Configuration


class WorkersAI(Configuration):
    """Cloudflare Workers AI."""

    required = ("workers_ai_account_id",)

    workers_ai_account_id: Text | None = Field(None, description="Cloudflare account.")


class HuggingFace(Configuration):
    """Hugging Face, its own service or an endpoint."""

    huggingface_base_url: Annotated[Text | None, Facts(host=True)] = Field(
        None, description="URL of an own endpoint."
    )


class Cortex(Configuration):
    """Snowflake Cortex."""

    required = ("snowflake_account",)

    snowflake_account: Annotated[Text | None, Facts(host=True)] = Field(
        None, description="Snowflake account identifier."
    )


class Anthropic(Configuration):
    """Anthropic, called directly."""

    anthropic_inspect_stream_for_overloaded_error: Flag | None = Field(
        None, description="Look for an overload inside a stream that began well."
    )


class BytePlus(Configuration):
    """BytePlus ModelArk."""

    byteplus_region: Annotated[Text | None, Facts(endpoint=True)] = Field(
        None, description="Region."
    )


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType(
    {
        "workers-ai": WorkersAI,
        "huggingface": HuggingFace,
        "cortex": Cortex,
        "anthropic": Anthropic,
        "byteplus": BytePlus,
    }
)
