"""Writing who may use an integration: grants, revocations, limits (remote/API.md §5.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.simulator.messages import invalid_request
from reconciler.simulator.responses import clone
from reconciler.simulator.store import Record
from reconciler.simulator.switches import Switches
from reconciler.simulator.validation import is_slug, require_object

NewId = Callable[[], str]

_LIMITS = ("usage_limits", "rate_limits")
_RESETS = (None, "", "monthly", "weekly")
_UNITS = ("rpd", "rph", "rpm", "rpw")


@dataclass(frozen=True, slots=True)
class Grant:
    """A workspace that newly got access and shall have a provider of its own."""

    workspace: str
    provider_slug: str | None


@dataclass(frozen=True, slots=True)
class AccessWrite:
    """What a write of the sub-resource comes to."""

    record: Record
    grants: tuple[Grant, ...]


def put_workspaces(
    record: Record,
    body: Any,
    *,
    now: str,
    new_id: NewId,
    resolve: Callable[[str], str],
    switches: Switches,
) -> AccessWrite:
    """Merge the listed workspaces; unlisted ones stay unless the global settings override them.

    `create_default_provider` is true unless the body, or the workspace in it, says otherwise.
    `override_existing_workspaces_access`, as two SDKs spell it, is ignored (§5.2).
    """
    body = require_object(body)
    listed = body.get("workspaces") or []
    if not isinstance(listed, list):
        raise invalid_request("workspaces is invalid")
    access = body.get("global_workspace_access")
    if switches.empty_usage_limits == "refuse":
        _refuse_empty_usage_limits([*listed, access])
    shared = _shared_access(access, now, new_id) if access is not None else None
    kept = dict(record["workspaces"])
    grants = []
    for item in listed:
        _check(item)
        name = resolve(item["id"])
        had_access = kept.get(name, {}).get("enabled", False)
        kept[name] = _merge(kept.get(name), {**item, "id": name}, now, new_id)
        if item["enabled"] and not had_access and _wants_provider(item, body):
            grants.append(Grant(name, _provider_slug(item, body)))
    if body.get("override_existing_workspace_access") is True and shared is not None:
        named = {resolve(item["id"]) for item in listed}
        kept = {n: w if n in named else _overridden(w, shared, now) for n, w in kept.items()}
    after = {**record, "workspaces": kept}
    if shared is not None:
        after["global_workspace_access"] = shared
    return AccessWrite(after, tuple(grants))


def _refuse_empty_usage_limits(items: list[Any]) -> None:
    for item in items:
        if isinstance(item, dict) and item.get("usage_limits") == []:
            raise invalid_request("usage_limits takes one entry, or null")


def _check(item: Any) -> None:
    item = require_object(item)
    if not isinstance(item.get("id"), str) or not item["id"]:
        raise invalid_request("workspaces.id is required")
    if not isinstance(item.get("enabled"), bool):
        raise invalid_request("workspaces.enabled is required")


def _wants_provider(item: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return item.get("create_default_provider", body.get("create_default_provider")) is not False


def _provider_slug(item: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    slug = item.get("default_provider_slug") or body.get("default_provider_slug")
    if slug is not None and not is_slug(slug):
        raise invalid_request("default_provider_slug is invalid")
    return slug


def _merge(
    before: Mapping[str, Any] | None, item: Mapping[str, Any], now: str, new_id: NewId
) -> dict[str, Any]:
    start = before or {
        "id": item["id"],
        "usage_limits": None,
        "rate_limits": None,
        "created_at": now,
        "last_reset_at": None,
    }
    limits = {
        name: _limits(name, item[name], start[name], new_id) for name in _LIMITS if name in item
    }
    merged = {
        **start,
        **limits,
        "enabled": item["enabled"],
        "status": "active" if item["enabled"] else "archived",
        "last_updated_at": now if before else None,
    }
    if item.get("reset_usage") is True:
        usage = [{**limit, "current_usage": 0} for limit in merged["usage_limits"] or []]
        merged |= {"usage_limits": usage or None, "last_reset_at": now}
    return merged


def _shared_access(access: Any, now: str, new_id: NewId) -> dict[str, Any]:
    access = require_object(access)
    if not isinstance(access.get("enabled"), bool):
        raise invalid_request("global_workspace_access.enabled is required")
    merged = _merge(None, {"id": "all", **access}, now, new_id)
    return {name: merged[name] for name in ("enabled", *(n for n in _LIMITS if n in access))}


def _overridden(before: Mapping[str, Any], shared: Mapping[str, Any], now: str) -> dict[str, Any]:
    return {
        **before,
        **{name: clone(shared.get(name)) for name in _LIMITS},
        "enabled": shared["enabled"],
        "status": "active" if shared["enabled"] else "archived",
        "last_updated_at": now,
    }


def _limits(name: str, given: Any, before: Any, new_id: NewId) -> list[dict[str, Any]] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list) or len(given) > 1:
        raise invalid_request(f"{name} takes one entry at most")
    limit = require_object(given[0])
    fits = _is_usage_limit(limit) if name == "usage_limits" else _is_rate_limit(limit)
    if not fits:
        raise invalid_request(f"{name} is invalid")
    return [clone(limit) | _server_fields(name, limit, before, new_id)]


def _server_fields(
    name: str, limit: Mapping[str, Any], before: Any, new_id: NewId
) -> dict[str, Any]:
    """Give what the server adds to a limit; counters survive a change of the limit."""
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


def _is_usage_limit(limit: Mapping[str, Any]) -> bool:
    reset, days = limit.get("periodic_reset"), limit.get("periodic_reset_days")
    return (
        _is_count(limit.get("credit_limit"))
        and limit.get("type", "cost") in ("cost", "tokens")
        and (limit.get("alert_threshold") is None or _is_count(limit["alert_threshold"]))
        and reset in _RESETS
        and (days is None or (_is_count(days) and days <= 365 and not reset))
    )


def _is_rate_limit(limit: Mapping[str, Any]) -> bool:
    return (
        limit.get("type") in ("requests", "tokens")
        and limit.get("unit") in _UNITS
        and _is_count(limit.get("value"))
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
