"""Writes of the two sub-resources: models and workspaces (remote/API.md §5.1, §5.2).

Each function takes a record and the body of a request and returns the record after the write; a
refusal of the API is raised as `RequestRefused`.
"""

from collections.abc import Callable, Mapping, Sequence

from reconciler.frozen_dataclass import dataclass
from reconciler.simulator.messages import JsonObject, invalid_request
from reconciler.simulator.responses import NEW_MODEL, clone
from reconciler.simulator.store import Record
from reconciler.simulator.switches import Switches
from reconciler.simulator.validation import is_refused_host, is_slug, require_object

# -- models ------------------------------------------------------------------------------

_MODEL_FIELDS = (
    "enabled",
    "is_custom",
    "is_finetune",
    "base_model_slug",
    "pricing_config",
    "configurations",
    "description",
    "name",
)
_MODEL_FLAGS = ("is_custom", "is_finetune")


def put_models(record: Record, body: object, now: str) -> Record:
    """Upsert the listed models and set `allow_all_models` if it is sent; other models are kept."""
    body = require_object(body)
    listed = body.get("models")
    if not isinstance(listed, list):
        raise invalid_request("models is required")
    allow_all = body.get("allow_all_models", record["allow_all_models"])
    if not isinstance(allow_all, bool):
        raise invalid_request("allow_all_models is invalid")
    # A write merges: a model that it does not list is unchanged (remote/API.md §5.1).
    models = dict(record["models"])
    for item in listed:
        _check_model(item)
        models[item["slug"]] = _merge_model(models.get(item["slug"]), item, now)
    return {**record, "models": models, "allow_all_models": allow_all}


def delete_models(
    record: Record, query: Mapping[str, str], body: object, switches: Switches
) -> Record:
    """Delete the custom models of `?slugs=a,b`; if one of them is a base model, all are refused.

    With `models_delete: query_or_body` a body `{"models": ["a", "b"]}` can also list them.
    """
    # A slug with a comma cannot be expressed (remote/API.md §5.1).
    slugs = [slug for slug in query.get("slugs", "").split(",") if slug]
    # The query comes first, as in the specification.
    if not slugs and switches.models_delete == "query_or_body":
        slugs = _slugs_in_body(body)
    if not slugs:
        raise invalid_request("slugs is required")
    known = record["models"]
    ignores_unknown = switches.unknown_model_delete == "ignore"
    for slug in slugs:
        is_deletable = known[slug]["is_custom"] if slug in known else ignores_unknown
        if not is_deletable:
            raise invalid_request("Base models cannot be deleted")
    kept = {slug: model for slug, model in known.items() if slug not in slugs}
    return {**record, "models": kept}


def _slugs_in_body(body: object) -> list[str]:
    slugs = require_object(body).get("models")
    if not isinstance(slugs, list) or not all(isinstance(slug, str) and slug for slug in slugs):
        raise invalid_request("models is required")
    return slugs


def _check_model(item: object) -> None:
    item = require_object(item)
    if not isinstance(item.get("slug"), str) or not item["slug"]:
        raise invalid_request("models.slug is required")
    if not isinstance(item.get("enabled"), bool):
        raise invalid_request("models.enabled is required")
    if any(not isinstance(item.get(flag), bool | None) for flag in _MODEL_FLAGS):
        raise invalid_request("models.is_custom is invalid")
    if item.get("configurations") is not None:
        _check_model_configurations(require_object(item["configurations"]))


def _check_model_configurations(configurations: Mapping[str, object]) -> None:
    if any(name.startswith("masked_") for name in configurations):
        raise invalid_request("masked values cannot be sent")
    host = configurations.get("custom_host")
    if host and is_refused_host(host):
        raise invalid_request("models.configurations.custom_host is invalid")
    headers = configurations.get("custom_headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise invalid_request("models.configurations.custom_headers is invalid")


def _merge_model(
    before: Mapping[str, object] | None, item: Mapping[str, object], now: str
) -> JsonObject:
    sent = {name: clone(item[name]) for name in _MODEL_FIELDS if name in item}
    # A flag can be sent as null, which means false.
    sent.update({flag: bool(sent[flag]) for flag in _MODEL_FLAGS if flag in sent})
    if before is not None:
        return {**before, **sent, "last_updated_at": now}
    return {
        "slug": item["slug"],
        **NEW_MODEL,
        **sent,
        "created_at": now,
        "last_updated_at": None,
    }


# -- workspaces --------------------------------------------------------------------------

NewId = Callable[[], str]

_LIMITS = ("usage_limits", "rate_limits")
# The service shows `""` for no reset (remote/API.md §5.2), and clients can send it back.
_RESETS = (None, "", "monthly", "weekly")
# The specification does not list `rpw`, which the changelog announces (remote/API.md §5.2).
_UNITS = ("rpd", "rph", "rpm", "rpw")


@dataclass(frozen=True, slots=True)
class Grant:
    """A workspace that was given access and gets a default provider."""

    workspace: str
    provider_slug: str | None


@dataclass(frozen=True, slots=True)
class AccessWrite:
    """Result of a write of workspaces: the record, and the grants that it made."""

    record: Record
    grants: tuple[Grant, ...]


def put_workspaces(
    record: Record,
    body: object,
    *,
    now: str,
    new_id: NewId,
    resolve: Callable[[str], str],
    switches: Switches,
) -> AccessWrite:
    """Merge the listed workspaces; others are kept unless the global settings override them.

    `create_default_provider` is true by default, in the body and in each workspace.
    `override_existing_workspaces_access`, the spelling of two SDKs, is ignored (§5.2).
    """
    body = require_object(body)
    # Optional: the global settings can be written alone (§5.2).
    listed = body.get("workspaces") or []
    if not isinstance(listed, list):
        raise invalid_request("workspaces is invalid")
    access = body.get("global_workspace_access")
    if switches.empty_usage_limits == "refuse":
        _refuse_empty_usage_limits([*listed, access])
    shared = _shared_access(access, now, new_id) if access is not None else None
    workspaces = dict(record["workspaces"])
    # Workspaces in the body are not overridden, because the same request sets them explicitly.
    sent_keys = set()
    grants = []
    for item in listed:
        _check_workspace(item)
        # A client can name a workspace by its slug or its UUID (remote/API.md §5.2).
        key = resolve(item["id"])
        sent_keys.add(key)
        had_access = workspaces.get(key, {}).get("enabled", False)
        workspaces[key] = _merge_workspace(workspaces.get(key), {**item, "id": key}, now, new_id)
        # A grant creates the provider (remote/API.md §4): access that existed before does not.
        if item["enabled"] and not had_access and _wants_provider(item, body):
            grants.append(Grant(key, _provider_slug(item, body)))
    if shared is not None and body.get("override_existing_workspace_access") is True:
        for key in workspaces.keys() - sent_keys:
            workspaces[key] = _override(workspaces[key], shared, now)
    after = {**record, "workspaces": workspaces}
    if shared is not None:
        after["global_workspace_access"] = shared
    return AccessWrite(after, tuple(grants))


def _refuse_empty_usage_limits(items: Sequence[object]) -> None:
    for item in items:
        if isinstance(item, dict) and item.get("usage_limits") == []:
            raise invalid_request("usage_limits takes one entry, or null")


def _check_workspace(item: object) -> None:
    item = require_object(item)
    if not isinstance(item.get("id"), str) or not item["id"]:
        raise invalid_request("workspaces.id is required")
    if not isinstance(item.get("enabled"), bool):
        raise invalid_request("workspaces.enabled is required")


def _wants_provider(item: Mapping[str, object], body: Mapping[str, object]) -> bool:
    # The value of a workspace overrides that of the body; the default is true (remote/API.md §4).
    return item.get("create_default_provider", body.get("create_default_provider")) is not False


def _provider_slug(item: JsonObject, body: JsonObject) -> str | None:
    slug = item.get("default_provider_slug") or body.get("default_provider_slug")
    if slug is not None and not is_slug(slug):
        raise invalid_request("default_provider_slug is invalid")
    return slug


def _merge_workspace(
    before: JsonObject | None, item: JsonObject, now: str, new_id: NewId
) -> JsonObject:
    # `before` is None for a workspace that had no entry.
    start = before or {
        "id": item["id"],
        "usage_limits": None,
        "rate_limits": None,
        "created_at": now,
        "last_reset_at": None,
    }
    limits = {
        name: _parse_limits(name, item[name], start[name], new_id)
        for name in _LIMITS
        if name in item
    }
    merged = {
        **start,
        **limits,
        "enabled": item["enabled"],
        # A revoked workspace stays listed (remote/API.md §5.2).
        "status": "active" if item["enabled"] else "archived",
        "last_updated_at": now if before else None,
    }
    if item.get("reset_usage") is True:
        usage = [{**limit, "current_usage": 0} for limit in merged["usage_limits"] or []]
        merged |= {"usage_limits": usage or None, "last_reset_at": now}
    return merged


def _shared_access(access: object, now: str, new_id: NewId) -> JsonObject:
    access = require_object(access)
    if not isinstance(access.get("enabled"), bool):
        raise invalid_request("global_workspace_access.enabled is required")
    # The id is only needed for the merge; the shared settings have none.
    merged = _merge_workspace(None, {"id": "all", **access}, now, new_id)
    shared = {"enabled": merged["enabled"]}
    shared |= {name: merged[name] for name in _LIMITS if name in access}
    return shared


def _override(before: Mapping[str, object], shared: Mapping[str, object], now: str) -> JsonObject:
    return {
        **before,
        **{name: clone(shared.get(name)) for name in _LIMITS},
        "enabled": shared["enabled"],
        "status": "active" if shared["enabled"] else "archived",
        "last_updated_at": now,
    }


def _parse_limits(
    name: str, sent: object, before: list[JsonObject] | None, new_id: NewId
) -> list[JsonObject] | None:
    if sent is None or sent == []:
        return None
    if not isinstance(sent, list) or len(sent) > 1:
        raise invalid_request(f"{name} takes one entry at most")
    limit = require_object(sent[0])
    is_valid = _is_usage_limit(limit) if name == "usage_limits" else _is_rate_limit(limit)
    if not is_valid:
        raise invalid_request(f"{name} is invalid")
    return [clone(limit) | _server_fields(name, limit, before, new_id)]


def _server_fields(
    name: str, limit: Mapping[str, object], before: list[JsonObject] | None, new_id: NewId
) -> JsonObject:
    """Return the fields that the server adds to a limit; counters outlive a change."""
    # A list of limits has one entry at most.
    old = before[0] if before else {}
    added = {"id": old.get("id") or new_id(), "status": old.get("status", "active")}
    if name == "usage_limits":
        added |= {
            "current_usage": old.get("current_usage", 0),
            "is_threshold_alerts_sent": old.get("is_threshold_alerts_sent", False),
            "is_exhausted_alerts_sent": old.get("is_exhausted_alerts_sent", False),
            "periodic_reset": limit.get("periodic_reset") or "",
        }
    return added


def _is_usage_limit(limit: JsonObject) -> bool:
    reset, days = limit.get("periodic_reset"), limit.get("periodic_reset_days")
    return (
        _is_count(limit.get("credit_limit"))
        and limit.get("type", "cost") in ("cost", "tokens")
        and (limit.get("alert_threshold") is None or _is_count(limit["alert_threshold"]))
        and reset in _RESETS
        and (days is None or (_is_count(days) and days <= 365 and not reset))
    )


def _is_rate_limit(limit: Mapping[str, object]) -> bool:
    return (
        limit.get("type") in ("requests", "tokens")
        and limit.get("unit") in _UNITS
        and _is_count(limit.get("value"))
    )


def _is_count(value: object) -> bool:
    # In Python `true` is a number.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
