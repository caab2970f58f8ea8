"""What a field's name means: which lists are keyed, what is secret, a host, immutable, cosmetic.

The sources are portkey-api.md §2–§5 and product.md §3; validation, planning, the simulator and the
views all ask here, so that the answer is one.
"""

import re
from types import MappingProxyType

from reconciler.domain.facts import MASK_PREFIX
from reconciler.domain.identifiers import SLUG, is_uuid
from reconciler.domain.paths import parse_path, show_path
from reconciler.domain.tree import Path

KEYED_LISTS = MappingProxyType(
    {
        "models": "slug",
        "workspaces": "id",
        "secret_mappings": "target_field",
        "azure_deployment_config": "azure_deployment_name",
    }
)
"""Lists whose entries have an identity, and the field that holds it."""

SINGLE_ENTRY_LISTS = frozenset({"usage_limits", "rate_limits"})
"""Lists of at most one entry, compared as the entry itself (portkey-api.md §5.2, `array max 1`)."""

SECRET_FIELDS = frozenset(
    {"key", "azure_entra_client_secret", "aws_secret_access_key", "vertex_service_account_json"}
)
"""Fields whose value must be a reference."""

REDACTED_FIELDS = frozenset({"aws_access_key_id", "aws_external_id"})
"""Fields whose literal value is allowed and never shown."""

HEADERS_FIELD = "custom_headers"
SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
"""Header names whose value must be a reference."""

SECRET_NAME = re.compile(r"token|secret|passw|credential|api_?key|private_?key", re.IGNORECASE)
"""Names that speak of a secret; a configuration field that we do not know is judged by its name."""

HOST_FIELDS = frozenset(
    {
        "custom_host",
        "azure_resource_name",
        "azure_foundry_url",
        "huggingface_base_url",
        "snowflake_account",
    }
)
"""Fields that decide where a credential is sent; a Snowflake account is part of its host's name."""

AUTH_MODE_FIELDS = frozenset(
    {"azure_auth_mode", "aws_auth_type", "vertex_auth_type", "provider_auth_type"}
)
"""Fields that decide which credential is used."""

COSMETIC_FIELDS = frozenset({"name", "description", "tags"})
IMMUTABLE_FIELDS = ("ai_provider_id", "workspace_id")
"""Top-level fields the API cannot update (portkey-api.md §2)."""

MODELS_FIELDS = frozenset({"allow_all_models", "models"})
"""Fields that live in the models sub-resource."""

WORKSPACES_FIELDS = frozenset({"global_workspace_access", "workspaces"})
"""Fields that live in the workspaces sub-resource."""

WRITE_ONLY_FIELDS = frozenset({"create_default_provider", "default_provider_slug"})
"""Fields the API accepts and never returns (portkey-api.md §4)."""

SERVER_ADDED_FIELDS = frozenset({"provider_auth_type"})
"""Configuration fields that the API adds by itself, and that no write removes (§1.4)."""

FALSE_BY_DEFAULT = frozenset({"is_custom", "is_finetune", "is_default"})
"""Fields where false and absent mean the same (portkey-api.md §3, §5.1)."""


def is_secret(path: Path) -> bool:
    """Tell whether a reference is required at this path of an integration."""
    if len(path) >= 2 and path[-2] == HEADERS_FIELD:
        return SECRET_HEADER.search(path[-1]) is not None
    return path == ("key",) or (path[:1] == ("configurations",) and path[-1] in SECRET_FIELDS)


def is_sensitive(path: Path) -> bool:
    """Tell whether the value at this path is never shown.

    These are secrets, header values, AWS ids and configuration fields that sound like secrets,
    of a model's configurations as well.
    """
    if len(path) >= 2 and path[-2] == HEADERS_FIELD:
        return True
    if path[:1] != ("configurations",) and path[2:3] != ("configurations",):
        return is_secret(path)
    return path[-1] in SECRET_FIELDS | REDACTED_FIELDS or bool(SECRET_NAME.search(path[-1]))


def is_host(path: Path) -> bool:
    """Tell whether the value at this path decides where a credential is sent."""
    return path[-1] in HOST_FIELDS and path[0] in {"configurations", "models"}


__all__ = [
    "AUTH_MODE_FIELDS",
    "COSMETIC_FIELDS",
    "FALSE_BY_DEFAULT",
    "HEADERS_FIELD",
    "HOST_FIELDS",
    "IMMUTABLE_FIELDS",
    "KEYED_LISTS",
    "MASK_PREFIX",
    "MODELS_FIELDS",
    "REDACTED_FIELDS",
    "SECRET_FIELDS",
    "SECRET_HEADER",
    "SECRET_NAME",
    "SERVER_ADDED_FIELDS",
    "SINGLE_ENTRY_LISTS",
    "SLUG",
    "WORKSPACES_FIELDS",
    "WRITE_ONLY_FIELDS",
    "is_host",
    "is_secret",
    "is_sensitive",
    "is_uuid",
    "parse_path",
    "show_path",
]
