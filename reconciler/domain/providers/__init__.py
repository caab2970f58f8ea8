"""Configurations by `ai_provider_id`: a file a family, added by a line in FAMILIES.

The known ids come from the public record (portkey-api.md §8), which lags behind the API; an id
that is not among them is worth a warning, never an error.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from reconciler.domain.providers import aws, azure, google, hosted, openai
from reconciler.domain.providers.configuration import Configuration, Missing

FAMILIES: tuple[Mapping[str, type[Configuration]], ...] = (
    openai.FAMILY,
    azure.FAMILY,
    aws.FAMILY,
    google.FAMILY,
    hosted.FAMILY,
)

PROVIDERS: Mapping[str, type[Configuration]] = MappingProxyType(
    {provider: model for family in FAMILIES for provider, model in family.items()}
)
"""Providers whose configuration has fields of its own."""

_PUBLIC_RECORD = """
302ai ai21 aibadgr anyscale azure-ai bytez cerebras cohere cometapi dashscope databricks
deepbricks deepinfra deepseek ember-cloud fal-ai featherless-ai fireworks-ai github google groq
hyperbolic inference-net iointelligence jina kluster-ai krutrim lambda lemonfox-ai lepton
lightning-ai lingyi matterai meshy milvus minimax mistral-ai modal monsterapi moonshot ncompass
nebius nextbit nomic novita-ai nscale ollama openrouter oracle ovhcloud palm perplexity-ai
predibase qdrant recraft-ai reka-ai replicate sambanova scenario-ai segmind siliconflow
stability-ai together-ai triton tripo3d upstage voyage x-ai z-ai zhipu
"""

KNOWN_PROVIDERS = frozenset(PROVIDERS) | frozenset(_PUBLIC_RECORD.split())

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def configuration_of(provider: str) -> type[Configuration]:
    """Give the model of a provider's configurations; the general one for any other id."""
    return PROVIDERS.get(provider, Configuration)


def is_known(provider: str) -> bool:
    """Tell whether the public record has this id; some deployments use UUIDs instead."""
    return provider in KNOWN_PROVIDERS or _UUID.fullmatch(provider) is not None


def needs_configurations(provider: str) -> bool:
    """Tell whether an integration of this provider cannot be created without configurations."""
    return bool(configuration_of(provider).required)


__all__ = [
    "FAMILIES",
    "KNOWN_PROVIDERS",
    "PROVIDERS",
    "Configuration",
    "Missing",
    "configuration_of",
    "is_known",
    "needs_configurations",
]
