"""From the API's shapes to `Observed`: documented and observed ones alike, secrets as masks.

`fields` comes out with the names and the shape that files have, so that both sides compare.
Server-added bookkeeping is left out; a wrong shape is an error (`reconciler.remote.wire`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from reconciler.domain.facts import MASK_PREFIX
from reconciler.domain.integration import Integration
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.schema import UNKNOWN, FieldSchema, compiled, integration_schema
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, closed
from reconciler.domain.state import Observed
from reconciler.domain.text import repaired
from reconciler.domain.tree import Value, canonical_json, digest, is_empty
from reconciler.remote import wire

_HIDES = re.compile(r"\.{3}|[*•…·●]|x{4}", re.IGNORECASE)
"""What a mask of any format has: a sign that something was left out."""

_SHORTEST_WITH_ENDS = 12
_MODEL_FLAGS = ("is_custom", "is_finetune")
_MAPPING_FIELDS = ("target_field", "secret_reference_id", "secret_key", "value_format")
_USAGE_FIELDS = (
    "type",
    "credit_limit",
    "alert_threshold",
    "periodic_reset",
    "periodic_reset_days",
    "next_usage_reset_at",
)
_RATE_FIELDS = ("type", "unit", "value")


def from_row(row: Mapping[str, Any]) -> Observed:
    """Read a row of the list."""
    slug = wire.slug(row.get("slug"), "slug")
    wire.identifier(row.get("organisation_id"), "organisation_id")
    return _record(slug, row, _plain_fields(row))


def from_detail(
    record: Mapping[str, Any], *, asked: str, known_fields: KnownFields = NO_KNOWN_FIELDS
) -> Observed:
    """Read one integration; `asked` is the slug or UUID in the path, and the answer must be it.

    `known_fields` are the configuration fields that the target vouches for.
    """
    slug = wire.slug(record.get("slug"), "slug")
    identity = wire.identifier(record.get("id"), "id")
    if slug != asked:
        # One client reports the UUID in place of the slug (portkey-api.md §1.4).
        if identity not in {asked, slug}:
            raise wire.wrong_shape("slug", "the one that was asked for")
        slug = asked if slug == identity else slug
    fields = _plain_fields(record)
    if (key := _key(record)) is not None:
        fields["key"] = key
    configurations = wire.object_or_json(record.get("configurations"), "configurations")
    if configurations:
        wire.shallow(configurations, "configurations")
        provider = str(fields["ai_provider_id"])
        schema = integration_schema(provider, vouched=known_fields.get(provider, ()))
        fields["configurations"] = _unmasked(configurations, schema.child("configurations"))
    mappings = record.get("secret_mappings")
    if not is_empty(mappings):
        entries = wire.items(mappings, "secret_mappings")
        fields["secret_mappings"] = [_mapping(item) for item in entries]
    if not is_empty(pricing := record.get("pricing_adjustments")):
        fields["pricing_adjustments"] = _free(pricing, "pricing_adjustments")
    allow = wire.flag(record.get("allow_all_models"), "allow_all_models")
    if allow is not None:
        fields["allow_all_models"] = allow
    if (access := _global_access(record)) is not None:
        fields["global_workspace_access"] = access
    return replace(_record(slug, record, fields), detailed=True)


def with_models(observed: Observed, answer: Mapping[str, Any]) -> Observed:
    """Add what the models sub-resource says."""
    if "models" not in answer:
        raise wire.wrong_shape("models", "there")
    fields = dict(observed.fields)
    fields["models"] = [_model(item) for item in wire.items(answer["models"], "models")]
    allow = wire.flag(answer.get("allow_all_models"), "allow_all_models")
    if allow is not None:
        fields["allow_all_models"] = allow
    return replace(observed, fields=fields, models_read=True)


def with_workspaces(observed: Observed, answer: Mapping[str, Any]) -> Observed:
    """Add what the workspaces sub-resource says."""
    name = next((name for name in ("workspaces", "data") if name in answer), None)
    if name is None:
        raise wire.wrong_shape("workspaces", "there")
    fields = dict(observed.fields)
    fields["workspaces"] = [_workspace(item) for item in wire.items(answer[name], name)]
    if (access := _global_access(answer)) is not None:
        fields["global_workspace_access"] = access
    return replace(observed, fields=fields, workspaces_read=True)


def detail_over_row(row: Observed, detail: Observed) -> Observed:
    """Join the two readings of one integration; the detail is newer and lacks a few facts."""
    workspace_count = detail.workspace_count
    return replace(
        detail,
        slug=row.slug,
        kind=detail.kind or row.kind,
        workspace_count=row.workspace_count if workspace_count is None else workspace_count,
    )


def with_parts(
    observed: Observed, *, models: Observed | None, workspaces: Observed | None
) -> Observed:
    """Add sub-resources that were read on their own; they are newer than the record's own copy."""
    fields = dict(observed.fields)
    for part in (models, workspaces):
        if part is not None:
            fields |= part.fields
    return replace(
        observed,
        fields=fields,
        models_read=models is not None,
        workspaces_read=workspaces is not None,
    )


def _record(slug: str, record: Mapping[str, Any], fields: dict[str, Value]) -> Observed:
    return Observed(
        slug=slug,
        fields=fields,
        id=wire.identifier(record.get("id"), "id"),
        status=wire.status(record.get("status"), "status"),
        kind=wire.identifier(record.get("type"), "type"),
        created_at=wire.identifier(record.get("created_at"), "created_at"),
        last_updated_at=wire.identifier(record.get("last_updated_at"), "last_updated_at"),
        workspace_count=wire.count(
            record.get("workspaces_count", record.get("workspace_count")), "workspaces_count"
        ),
    )


def _plain_fields(record: Mapping[str, Any]) -> dict[str, Value]:
    """Read the fields that the list and the detail have in common."""
    fields: dict[str, Value] = {
        "name": wire.text(record.get("name"), "name"),
        "ai_provider_id": wire.text(record.get("ai_provider_id"), "ai_provider_id"),
    }
    for name in ("description", "workspace_id"):
        if (value := wire.optional_text(record.get(name), name)) is not None:
            fields[name] = value
    if (tags := record.get("tags")) is not None:
        fields["tags"] = wire.shallow(tags, "tags")
    return fields


def _key(record: Mapping[str, Any]) -> Value:
    if (mask := wire.optional_text(record.get("masked_key"), "masked_key")) is not None:
        return _mask(mask) if mask else None
    return _hidden(wire.shallow(record.get("key"), "key"))


def _mask(text: str) -> Mask:
    """Take a mask as it is, and of what hides nothing keep only the ends: it may be the value."""
    text = repaired(text)  # a mask is stored and compared, and never sent
    mask = Mask(text)
    if _HIDES.search(text) or mask.judge("") is not MaskVerdict.UNREADABLE:
        return mask
    return Mask(f"{text[:2]}…{text[-2:]}" if len(text) > _SHORTEST_WITH_ENDS else "…")


def _hidden(value: Any) -> Value:
    """Give a sensitive value that came under its plain name in a form that cannot be shown."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        mask = Mask(repaired(value))
        return mask if mask.judge("") is not MaskVerdict.UNREADABLE else Redacted(value)
    return Redacted(canonical_json(value))


def _unmasked(tree: Mapping[str, Any], schema: FieldSchema) -> dict[str, Value]:
    """Fold `masked_x` back into `x`, and hide what came unmasked and should not be shown."""
    fields: dict[str, Value] = {}
    for name, value in tree.items():
        plain = name.removeprefix(MASK_PREFIX)
        if plain != name:
            fields[plain] = _masks(value, schema.child(plain))
        elif name not in fields:
            fields[name] = _visible(value, schema.child(name))
    return {name: value for name, value in fields.items() if value is not None}


def _masks(value: Any, field: FieldSchema) -> Value:
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        return _mask(value if isinstance(value, str) else "")
    if field.facts.sensitive and field.is_known:
        # A mask of an object has no visible ends; its digest tells one mask from another.
        return Mask(f"object {digest(value)}")
    return {name: _masks(item, field.child(name)) for name, item in value.items()}


def _visible(value: Any, field: FieldSchema) -> Value:
    if field.facts.headers:
        if not isinstance(value, dict):
            return _hidden(value)
        return {name: _hidden(item) for name, item in value.items()}
    if field.facts.sensitive and (field.is_known or isinstance(value, str)):
        return _hidden(value)
    if isinstance(value, dict):
        return _unmasked(value, field)
    if field.facts.sensitive:
        return cast(Value, closed(value))
    if isinstance(value, list):
        entries = field.entries or UNKNOWN
        return [_visible(item, entries) for item in value]
    return cast(Value, value)


def _free(value: Any, where: str) -> Value:
    return wire.shallow(wire.mapping(value, where), where)


def _picked(item: Mapping[str, Any], names: tuple[str, ...], where: str) -> dict[str, Value]:
    """Keep the fields that a file can declare; null and "" are absence here."""
    return {
        name: wire.shallow(item[name], f"{where}.{name}")
        for name in names
        if item.get(name) is not None and item[name] != ""
    }


def _mapping(item: Mapping[str, Any]) -> dict[str, Value]:
    wire.text(item.get("target_field"), "secret_mappings.target_field")
    wire.text(item.get("secret_reference_id"), "secret_mappings.secret_reference_id")
    return _picked(item, _MAPPING_FIELDS, "secret_mappings")


def _model(item: Mapping[str, Any]) -> dict[str, Value]:
    slug = wire.text(item.get("slug"), "models.slug")
    fields: dict[str, Value] = {"slug": slug, "enabled": _enabled(item, "models")}
    for name in _MODEL_FLAGS:
        if (value := wire.flag(item.get(name), f"models.{name}")) is not None:
            fields[name] = value
    base = wire.optional_text(item.get("base_model_slug"), "models.base_model_slug")
    if base:
        fields["base_model_slug"] = base
    if fields.get("is_custom"):  # the catalogue names and describes the others
        fields |= _picked(item, ("name", "description"), "models")
    if not is_empty(pricing := item.get("pricing_config")):
        fields["pricing_config"] = _free(pricing, "models.pricing_config")
    configurations = wire.object_or_json(item.get("configurations"), "models.configurations")
    if configurations:
        wire.shallow(configurations, "models.configurations")
        schema = compiled(Integration).at(("models", slug, "configurations"))
        fields["configurations"] = _unmasked(configurations, schema)
    return fields


def _workspace(item: Mapping[str, Any]) -> dict[str, Value]:
    identity = wire.text(item.get("id"), "workspaces.id")
    return {"id": identity, "enabled": _enabled(item, "workspaces"), **_limits(item, "workspaces")}


def _enabled(item: Mapping[str, Any], where: str) -> bool:
    enabled = wire.flag(item.get("enabled"), f"{where}.enabled")
    if enabled is None:
        raise wire.wrong_shape(f"{where}.enabled", "there")
    return enabled


def _limits(item: Mapping[str, Any], where: str) -> dict[str, Value]:
    usage = wire.items(item.get("usage_limits"), f"{where}.usage_limits")
    rate = wire.items(item.get("rate_limits"), f"{where}.rate_limits")
    fields: dict[str, Value] = {}
    if usage:
        fields["usage_limits"] = [_picked(u, _USAGE_FIELDS, f"{where}.usage_limits") for u in usage]
    if rate:
        fields["rate_limits"] = [_picked(r, _RATE_FIELDS, f"{where}.rate_limits") for r in rate]
    return fields


def _global_access(record: Mapping[str, Any]) -> dict[str, Value] | None:
    """Read the setting for new workspaces under either of its names; null is None."""
    names = ("global_workspace_access", "global_workspace_access_settings")
    value = next((record[name] for name in names if record.get(name) is not None), None)
    if value is None:
        return None
    item = wire.mapping(value, "global_workspace_access")
    where = "global_workspace_access"
    return {"enabled": _enabled(item, where), **_limits(item, where)}
