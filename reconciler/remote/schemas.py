"""The bodies of create and update as JSON Schema (2020-12), for tools and API descriptions.

The top level is closed: a misspelt field is refused before it is sent. `configurations` is open:
its fields depend on the provider and grow faster than any list (portkey-api.md §3). Files are
checked by the stricter models of `reconciler.domain`, not by these.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

SLUG_PATTERN = "^[A-Za-z0-9_-]{1,255}$"

_MULTIPLIER: Schema = {"type": ["number", "null"], "minimum": 0}

_PRICING: Schema = {
    "type": ["object", "null"],
    "description": "Factors on the base prices, for cost tracking; null removes them.",
    "additionalProperties": False,
    "properties": {
        "multiplier": {
            "type": "object",
            "description": "A factor for each kind of token; `default` covers the others.",
            "properties": {"default": _MULTIPLIER},
            "additionalProperties": {
                "anyOf": [
                    _MULTIPLIER,
                    {"type": "object", "additionalProperties": _MULTIPLIER},
                ]
            },
        }
    },
}

_MAPPINGS: Schema = {
    "type": "array",
    "description": "Fields that the gateway fills from secret references at request time.",
    "items": {
        "type": "object",
        "required": ["target_field", "secret_reference_id"],
        "additionalProperties": False,
        "properties": {
            "target_field": {
                "type": "string",
                "pattern": r"^(key|configurations\.[A-Za-z0-9_]+)$",
                "description": "`key` or `configurations.<field>`; each at most once.",
            },
            "secret_reference_id": {
                "type": "string",
                "minLength": 1,
                "description": "Slug or UUID of the secret reference.",
            },
            "secret_key": {
                "type": ["string", "null"],
                "description": "Which entry of a secret with several values.",
            },
            "value_format": {
                "type": ["string", "null"],
                "enum": ["string", "json", None],
                "description": "`json` where the field takes an object.",
            },
        },
    },
}

_UPDATABLE: Schema = {
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "description": "Name for people.",
    },
    "key": {
        "type": "string",
        "minLength": 1,
        "description": "The provider's API key; left out, a stored key is kept.",
    },
    "description": {"type": "string", "description": 'Text for people; "" clears it.'},
    "configurations": {
        "type": "object",
        "description": "Settings of the provider. Send all of them when one changes; values that "
        "were read back under `masked_…` names are not accepted.",
        "additionalProperties": True,
    },
    "secret_mappings": _MAPPINGS,
    "pricing_adjustments": _PRICING,
    "tags": {
        "type": ["object", "null"],
        "description": "Labels.",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
}

UPDATE_BODY: Schema = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": _UPDATABLE,
    }
)
"""What PUT takes: only the fields that are sent change."""

CREATE_BODY: Schema = MappingProxyType(
    {
        "type": "object",
        "required": ["name", "ai_provider_id"],
        "additionalProperties": False,
        "properties": {
            "slug": {
                "type": "string",
                "pattern": SLUG_PATTERN,
                "description": "Identity, chosen by the caller; without it the API invents one.",
            },
            "ai_provider_id": {
                "type": "string",
                "minLength": 1,
                "description": "The AI provider, for example openai, azure-openai or bedrock.",
            },
            "workspace_id": {
                "type": "string",
                "minLength": 1,
                "description": "Slug or UUID of the workspace that owns it; without it the "
                "integration belongs to the organisation.",
            },
            **_UPDATABLE,
            "create_default_provider": {
                "type": "boolean",
                "default": True,
                "description": "Whether a workspace's integration gets a provider at once.",
            },
            "default_provider_slug": {
                "type": "string",
                "pattern": SLUG_PATTERN,
                "description": "Slug for that provider; it must be free.",
            },
        },
    }
)
"""What POST takes."""
