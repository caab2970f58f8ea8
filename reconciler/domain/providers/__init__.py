"""Configurations by `ai_provider_id`: one file per family, each listed in FAMILIES.

The known ids come from the vendor's public files, which lag behind the API; an unknown id causes a
warning, never an error.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from reconciler.domain.facts import Configuration, Missing
from reconciler.domain.providers import aws, azure, google, hosted, openai, oracle

FAMILIES: tuple[Mapping[str, type[Configuration]], ...] = (
    openai.FAMILY,
    azure.FAMILY,
    aws.FAMILY,
    google.FAMILY,
    oracle.FAMILY,
    hosted.FAMILY,
)

PROVIDERS: Mapping[str, type[Configuration]] = MappingProxyType(
    {provider: model for family in FAMILIES for provider, model in family.items()}
)
"""Providers whose configuration has additional fields."""

_PUBLIC_RECORD = """
302ai ai21 aibadgr anyscale arcee azure-ai baseten bytez celeris cerebras cohere cometapi dashscope
databricks deepbricks deepgram deepinfra deepseek elevenlabs ember-cloud fal-ai featherless-ai
fireworks-ai friendli github google groq hyperbolic inference-net iointelligence jina kluster-ai
krutrim lambda latitude lemonfox-ai lepton lightning-ai lingyi matterai meshy meta milvus minimax
mistral-ai modal monsterapi moonshot ncompass nebius nextbit nomic novita-ai nscale ollama
openrouter oracle ovhcloud palm perplexity-ai pinecone predibase qdrant recraft-ai reka-ai replicate
saladcloud sambanova scenario-ai scx-ai segmind siliconflow stability-ai together-ai triton tripo3d
typesafe upstage voyage x-ai z-ai zhipu
"""
"""Ids in Portkey-AI/gateway: src/globals.ts, Portkey-AI/models: general/ and pricing/, and in the
pages of Portkey-AI/docs-core: integrations/llms."""

KNOWN_PROVIDERS = frozenset(PROVIDERS) | frozenset(_PUBLIC_RECORD.split())

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "01-ai": "lingyi",
        "alibaba": "dashscope",
        "alibaba-cloud": "dashscope",
        "amazon": "bedrock",
        "amazon-bedrock": "bedrock",
        "anthropic-ai": "anthropic",
        "aws": "bedrock",
        "aws-bedrock": "bedrock",
        "aws-sagemaker": "sagemaker",
        "azure": "azure-openai",
        "azure-ai-foundry": "azure-ai",
        "azure-ai-inference": "azure-ai",
        "azure-foundry": "azure-ai",
        "azure-open-ai": "azure-openai",
        "azureopenai": "azure-openai",
        "chatgpt": "openai",
        "claude": "anthropic",
        "cloudflare": "workers-ai",
        "cloudflare-workers-ai": "workers-ai",
        "cohere-ai": "cohere",
        "deep-seek": "deepseek",
        "featherless": "featherless-ai",
        "fireworks": "fireworks-ai",
        "gcp": "vertex-ai",
        "gemini": "google",
        "google-ai": "google",
        "google-gemini": "google",
        "google-palm": "palm",
        "google-vertex": "vertex-ai",
        "google-vertex-ai": "vertex-ai",
        "gpt": "openai",
        "grok": "x-ai",
        "hf": "huggingface",
        "hugging-face": "huggingface",
        "inference.net": "inference-net",
        "jina-ai": "jina",
        "kimi": "moonshot",
        "lambda-labs": "lambda",
        "lemon-fox": "lemonfox-ai",
        "lingyi-01.ai": "lingyi",
        "llama": "meta",
        "microsoft": "azure-openai",
        "mistral": "mistral-ai",
        "monster-api": "monsterapi",
        "moonshot-ai": "moonshot",
        "nomic-ai": "nomic",
        "novita": "novita-ai",
        "oci": "oracle",
        "open-router": "openrouter",
        "oracle-cloud": "oracle",
        "perplexity": "perplexity-ai",
        "qwen": "dashscope",
        "recraft": "recraft-ai",
        "reka": "reka-ai",
        "salad": "saladcloud",
        "snowflake": "cortex",
        "snowflake-cortex": "cortex",
        "stability": "stability-ai",
        "together": "together-ai",
        "vertex": "vertex-ai",
        "vertexai": "vertex-ai",
        "voyage-ai": "voyage",
        "x.ai": "x-ai",
        "xai": "x-ai",
        "z.ai": "z-ai",
        "zai": "z-ai",
    }
)
"""Names in documentation, price lists and other tools, and the id that the API uses instead.

Nothing is corrected silently: an id is immutable, so a corrected one would mean a replace.
"""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def configuration_of(provider: str) -> type[Configuration]:
    """Return the model of a provider's configurations, or the general one for any other id."""
    return PROVIDERS.get(provider, Configuration)


def is_known(provider: str) -> bool:
    """Return whether the public sources list this id; some deployments use UUIDs instead."""
    return provider in KNOWN_PROVIDERS or _UUID.fullmatch(provider) is not None


def knows_by_name(provider: str) -> bool:
    """Return whether the public sources list this id, so that its requirements are known."""
    return provider in KNOWN_PROVIDERS


def needs_configurations(provider: str) -> bool:
    """Return whether a create of this provider requires configurations."""
    return bool(configuration_of(provider).required)


__all__ = [
    "ALIASES",
    "FAMILIES",
    "KNOWN_PROVIDERS",
    "PROVIDERS",
    "Configuration",
    "Missing",
    "configuration_of",
    "is_known",
    "knows_by_name",
    "needs_configurations",
]
