"""Base models of some providers, and the defaults of a model.

A sample of the vendor's public catalogue, for integrations that list base models.
"""

from collections.abc import Mapping
from types import MappingProxyType

NEW_MODEL: Mapping[str, object] = MappingProxyType(
    {
        "enabled": True,
        "is_custom": False,
        "is_finetune": False,
        "base_model_slug": None,
        "pricing_config": None,
        "description": None,
        "last_updated_at": None,
    }
)
"""Fields of a model before its first change (remote/API.md §5.1)."""

BASE_MODELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "anthropic": ("claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5"),
        "azure-openai": ("gpt-4.1", "gpt-4o", "text-embedding-3-large"),
        "bedrock": (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "amazon.nova-pro-v1:0",
            "amazon.titan-embed-text-v2:0",
        ),
        "bedrock-mantle": (
            "anthropic.claude-opus-4-7",
            "openai.gpt-oss-120b",
            "qwen.qwen3-32b",
        ),
        "byteplus": ("seed-2-0-pro", "seed-2-0-lite", "deepseek-v3-2"),
        "claude-platform-aws": ("claude-opus-4-7", "claude-sonnet-4-6", "claude-haiku-4-5"),
        "cohere": ("command-a-03-2025", "embed-v4.0", "rerank-v3.5"),
        "databricks": (
            "databricks-meta-llama-3-1-70b-instruct",
            "databricks-gte-large-en",
        ),
        "deepseek": ("deepseek-chat", "deepseek-reasoner"),
        "fireworks-ai": (
            "accounts/fireworks/models/deepseek-v3p2",
            "accounts/fireworks/models/kimi-k2p5",
        ),
        "google": ("gemini-2.5-pro", "gemini-2.5-flash"),
        "groq": ("llama-3.3-70b-versatile", "openai/gpt-oss-120b"),
        "mistral-ai": ("mistral-large-latest", "codestral-latest"),
        "openai": ("gpt-5", "gpt-5-mini", "gpt-4.1", "text-embedding-3-large"),
        "oracle": ("grok-4", "cohere.command-r-plus", "meta.llama-3.1-70b-instruct"),
        "vertex-ai": ("gemini-2.5-pro", "gemini-2.5-flash"),
        "workers-ai": ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "@cf/baai/bge-m3"),
    }
)
"""Provider → slugs of its base models."""
