"""Response bodies of a record: rows, details, models and workspaces, with secrets masked.

Two shapes exist, `observed` and `documented` (remote/API.md §1.2, §1.4, §5). A secret leaves this
module as a mask only. The base models of some providers are a sample of the vendor's public
catalogue.
"""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reconciler.simulator.messages import JsonObject
from reconciler.simulator.store import Record
from reconciler.simulator.switches import Switches

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


_MASKED = frozenset(
    {
        "key",
        "azure_entra_client_secret",
        "aws_secret_access_key",
        "aws_session_token",
        "vertex_service_account_json",
        "oracle_private_key",
        "oracle_key_passphrase",
    }
)
"""Fields that are returned as masks only (remote/API.md §3)."""

_AWS_IDS = frozenset({"aws_access_key_id", "aws_external_id"})
_HEADERS = "custom_headers"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def mask(value: object) -> str:
    """Mask a value as the API masks virtual keys: two characters, five stars, three characters.

    A short string or an object is masked whole: the format for integrations is not public (§1.4).
    """
    if isinstance(value, str) and len(value) >= 12:
        return f"{value[:2]}*****{value[-3:]}"
    return "*****"


def as_uuid(name: str) -> str:
    """Return the UUID of a workspace or secret reference, derived from its slug; a UUID stays."""
    if _UUID.fullmatch(name):
        return name.lower()
    # Any stable mapping is suitable; lone surrogates cannot be encoded.
    digits = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return "-".join(
        digits[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    )


def row(record: Record, switches: Switches) -> JsonObject:
    """Build a row of the list, without configurations and masks (§1.2).

    The specification omits fields that it accepts; its shape has them once they are set.
    """
    documented = (
        "id",
        "organisation_id",
        "ai_provider_id",
        "name",
        "status",
        "created_at",
        "last_updated_at",
        "slug",
        "description",
    )
    shown = {name: clone(record[name]) for name in documented} | {"object": "integration"}
    unspecified = {
        "tags": clone(record["tags"]),
        "workspace_id": workspace_id(record["workspace_id"], switches),
    }
    if switches.detail_shape == "documented":
        return shown | {name: value for name, value in unspecified.items() if value}
    return shown | {
        **unspecified,
        "owner_id": record["owner_id"],
        "workspaces_count": _workspace_count(record),
        "type": record["type"],
    }


def detail(record: Record, switches: Switches) -> JsonObject:
    """Build the body of `GET /integrations/{slug}` (§1.4)."""
    shown: JsonObject = {
        # First, so that an unknown field that was kept cannot replace a known one.
        **clone(record.get("unexpected", {})),
        **row(record, switches),
        "masked_key": mask(record["key"]) if record["key"] else None,
        "configurations": _configurations(record["configurations"], switches),
        "allow_all_models": record["allow_all_models"],
        "secret_mappings": _mappings(record["secret_mappings"], switches),
        "pricing_adjustments": clone(record["pricing_adjustments"]),
    }
    access = clone(record["global_workspace_access"])
    if switches.detail_shape == "documented":
        return shown | {
            "global_workspace_access_settings": access,
            "workspace_count": _workspace_count(record),
            # `[]` by the specification, null as observed (remote/API.md §1.4).
            "secret_mappings": shown["secret_mappings"] or [],
        }
    # The observed detail does not have these two members of a row.
    del shown["organisation_id"], shown["workspaces_count"]
    return shown | {"global_workspace_access": access}


def models(record: Record, switches: Switches) -> JsonObject:
    """Build the body of the models sub-resource; the observed shape has no total (§5.1)."""
    shown = [_model(model, switches) for model in _listed_models(record, switches)]
    if switches.detail_shape == "documented":
        return {"total": len(shown), "models": shown}
    return {"models": shown, "allow_all_models": record["allow_all_models"], "object": "list"}


def _listed_models(record: Record, switches: Switches) -> list[JsonObject]:
    """Return the models that were written, and before them those of the provider's catalogue."""
    written = record["models"]
    if switches.base_models == "hidden":
        return list(written.values())
    enabled = record["allow_all_models"]
    catalogue = [
        {**NEW_MODEL, "slug": slug, "enabled": enabled, "created_at": record["created_at"]}
        for slug in BASE_MODELS.get(record["ai_provider_id"], ())
        if slug not in written
    ]
    return [*catalogue, *written.values()]


def workspaces(record: Record, switches: Switches) -> JsonObject:
    """Build the body of the workspaces sub-resource; revoked ones stay, archived (§5.2)."""
    shown = [
        {**clone(granted), "id": workspace_id(granted["id"], switches)}
        for granted in record["workspaces"].values()
    ]
    if switches.detail_shape == "documented":
        return {"total": len(shown), "workspaces": shown}
    access = clone(record["global_workspace_access"]) or {"enabled": False}
    return {"workspaces": shown, "global_workspace_access": access, "object": "list"}


def workspace_id(stored: str | None, switches: Switches) -> str | None:
    """Return a workspace's id in the form that `workspace_id_form` chooses."""
    if stored is None or switches.workspace_id_form == "slug":
        return stored
    return as_uuid(stored)


def clone(value: Any) -> Any:
    """Copy JSON, so that no caller can change what is stored."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def _workspace_count(record: Record) -> int:
    return sum(1 for granted in record["workspaces"].values() if granted["enabled"])


def _configurations(stored: JsonObject, switches: Switches) -> JsonObject:
    hidden = _MASKED | _AWS_IDS if switches.mask_aws_ids else _MASKED
    shown: JsonObject = {}
    for name, value in stored.items():
        if name == _HEADERS:
            shown.update(_headers(value))
        elif name in hidden and value is not None:
            shown[f"masked_{name}"] = mask(value)
        else:
            shown[name] = clone(value)
    if switches.server_added_fields:
        # A value that was sent is unchanged.
        shown.setdefault("provider_auth_type", "apiKey")
    return shown


def _headers(headers: Mapping[str, str] | None) -> JsonObject:
    if not headers:
        return {}
    return {f"masked_{_HEADERS}": {name: mask(value) for name, value in headers.items()}}


def _mappings(stored: list[JsonObject] | None, switches: Switches) -> Any:
    if not stored or switches.reference_form == "as_sent":
        return clone(stored)
    return [
        {**clone(item), "secret_reference_id": as_uuid(item["secret_reference_id"])}
        for item in stored
    ]


def _model(model: JsonObject, switches: Switches) -> JsonObject:
    shown = {name: clone(value) for name, value in model.items() if name != "configurations"}
    if model.get("configurations"):
        # With default switches: what the server adds to an integration is not added to a model.
        shown["configurations"] = _configurations(model["configurations"], Switches())
    if switches.flexbool == "mixed":
        # The three forms that were observed (§5.1).
        shown["is_custom"] = 1 if model["is_custom"] else "false"
        shown["is_finetune"] = True if model["is_finetune"] else "false"
    return shown
