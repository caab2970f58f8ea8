"""Small catalogue of models for the simulator's providers, in the format of LiteLLM's file.

The retirements are those that the vendors have announced on their pages about deprecations.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType

_MODELS: Mapping[str, Mapping[str, str | None]] = MappingProxyType(
    {
        "openai": {
            "gpt-3.5-turbo-0301": "2024-09-13",
            "gpt-4": None,
            "gpt-4-32k": "2025-06-06",
            "gpt-4.1": None,
            "gpt-4.5-preview": "2025-07-14",
            "gpt-4o": None,
            "gpt-4o-mini": None,
            "gpt-5": None,
            "gpt-5-mini": None,
            "gpt-5-nano": None,
            "o3": None,
            "o4-mini": None,
            "text-davinci-003": "2024-01-04",
            "text-embedding-3-large": None,
            "text-embedding-3-small": None,
        },
        "azure-openai": {
            "gpt-4.1": None,
            "gpt-4o": None,
            "gpt-5": None,
            "gpt-5-mini": None,
            "text-embedding-3-large": None,
            "text-embedding-3-small": None,
        },
        "anthropic": {
            "claude-2.1": "2025-07-21",
            "claude-3-opus-20240229": "2026-01-05",
            "claude-3-sonnet-20240229": "2025-07-21",
            "claude-haiku-4-5-20251001": None,
            "claude-opus-4-5-20251101": None,
            "claude-sonnet-4-5-20250929": None,
        },
        "bedrock": {
            "amazon.nova-lite-v1:0": None,
            "amazon.nova-pro-v1:0": None,
            "anthropic.claude-haiku-4-5-20251001-v1:0": None,
            "anthropic.claude-sonnet-4-5-20250929-v1:0": None,
        },
        "vertex-ai": {
            "gemini-1.5-pro-002": "2025-09-24",
            "gemini-2.5-flash": None,
            "gemini-2.5-pro": None,
        },
        "mistral-ai": {"mistral-large-latest": None, "mistral-small-latest": None},
    }
)
"""Models by provider, with the first day on which one is no longer served."""


def shipped_catalogue() -> bytes:
    """Return the content of the catalogue."""
    document = {
        f"{provider}/{name}": {"litellm_provider": provider}
        | ({"deprecation_date": retires} if retires else {})
        for provider, models in _MODELS.items()
        for name, retires in models.items()
    }
    return json.dumps(document, indent=1).encode() + b"\n"
