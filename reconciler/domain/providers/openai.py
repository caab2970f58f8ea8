"""OpenAI."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field

from reconciler.domain.leaves import Text
from reconciler.domain.providers.configuration import Configuration


class OpenAI(Configuration):
    """OpenAI, with an API key."""

    openai_organization: Text | None = Field(None, description="Organisation to bill, `org-…`.")
    openai_project: Text | None = Field(None, description="Project to bill, `proj_…`.")


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType({"openai": OpenAI, "open-ai": OpenAI})
