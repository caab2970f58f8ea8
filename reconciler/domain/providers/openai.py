"""OpenAI."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from reconciler.domain.facts import Configuration, Facts, Text
from reconciler.domain.model import Field

_API = "Portkey-AI/openapi: openapi.yaml, OpenAIConfiguration"


class OpenAI(Configuration):
    """OpenAI, with an API key."""

    openai_organization: Annotated[Text | None, Facts(example="org-example", source=_API)] = Field(
        None, description="Organisation to bill, `org-…`."
    )
    openai_project: Annotated[Text | None, Facts(example="proj_example", source=_API)] = Field(
        None, description="Project to bill, `proj_…`."
    )


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType({"openai": OpenAI, "open-ai": OpenAI})
