"""Turn a comparison into the calls that make the API equal to the files.

A write sends complete objects: what is declared, laid over what is there, because it is not known
whether the API merges or replaces inside them (portkey-api.md §2). How calls travel and in which
order integrations are written: `reconciler.execution`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.fields import (
    HEADERS_FIELD,
    KEYED_LISTS,
    MODELS_FIELDS,
    SERVER_ADDED_FIELDS,
    SINGLE_ENTRY_LISTS,
    WORKSPACES_FIELDS,
    WRITE_ONLY_FIELDS,
)
from reconciler.domain.secrets import Mask
from reconciler.domain.state import Declared
from reconciler.domain.tree import Path, Value, is_empty, leaves, lookup
from reconciler.planning.access import allows_all_models
from reconciler.planning.canonical import as_list, canonical
from reconciler.planning.comparison import Comparison

_SUB_RESOURCES = MODELS_FIELDS | WORKSPACES_FIELDS
_REPLACED_LISTS = frozenset({"secret_mappings", "azure_deployment_config"})
_LEAVE_OUT = frozenset({*KEYED_LISTS, HEADERS_FIELD})
_PLAIN = ("name", "description", "key")
_WHOLE = ("configurations", "secret_mappings", "pricing_adjustments", "tags")


def create_calls(declared: Declared) -> tuple[Call, ...]:
    """Give the calls that bring an integration into being; nothing empty is sent."""
    fields = canonical(declared.fields)
    body = {
        name: _without_nulls(to_wire(value, name))
        for name, value in fields.items()
        if name not in _SUB_RESOURCES | WRITE_ONLY_FIELDS and not is_empty(value)
    }
    body |= {"slug": declared.slug, **_default_provider(fields)}
    calls = [Call(OperationName.CREATE, body=body)]
    models = dict(fields.get("models") or {})
    if models or fields.get("allow_all_models") is False:
        calls.append(_models_call(declared.slug, fields, models))
    granted = {k: v for k, v in (fields.get("workspaces") or {}).items() if v.get("enabled")}
    access = fields.get("global_workspace_access") or {}
    if granted or access.get("enabled"):
        shared = access if access.get("enabled") else None
        calls.append(_workspaces_call(declared.slug, fields, granted, shared))
    return tuple(calls)


def _without_nulls(value: Any) -> Any:
    """Leave out the members of mappings that are declared null: a new record has none of them."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return value


def delete_calls(slug: str) -> tuple[Call, ...]:
    """Give the call that removes an integration."""
    return (Call(OperationName.DELETE, slug),)


def update_calls(
    declared: Declared, comparison: Comparison, changed: Collection[Path]
) -> tuple[Call, ...]:
    """Give the calls that carry out changes at these paths, one for each resource touched."""
    tops = {path[0] for path in changed}
    calls: list[Call] = []
    body = _update_body(comparison, tops)
    if body:
        calls.append(Call(OperationName.UPDATE, declared.slug, body=body))
    if tops & MODELS_FIELDS:
        calls += _model_updates(declared.slug, comparison, changed)
    if tops & WORKSPACES_FIELDS:
        calls.append(_workspace_update(declared.slug, comparison, changed))
    return tuple(calls)


def _update_body(comparison: Comparison, tops: set[str]) -> dict[str, Any]:
    settled, have = comparison.settled, comparison.have
    body: dict[str, Any] = {}
    for name in _PLAIN:
        if name in tops:
            body[name] = "" if is_empty(settled[name]) else settled[name]
    for name in _WHOLE:
        if name in tops:
            whole = merged(settled[name], have.get(name), name)
            # Only these two are documented as cleared by null (portkey-api.md §1.5, §2).
            clears = name in {"pricing_adjustments", "tags"} and is_empty(settled[name])
            body[name] = None if clears else to_wire(whole, name)
    return body


def merged(want: Value, have: Value, name: str, *, leaves_out: bool = False) -> Any:
    """Lay what is declared over what is there.

    What is declared empty becomes the empty value of its own type, so that servers that merge and
    servers that replace end up alike. It is left out instead where that is certain to remove it:
    an entry of a keyed list, and (`leaves_out`) what stands in a list that is replaced as a whole.
    A header is left out too: an empty one would still be sent to the provider.
    """
    if isinstance(want, Mapping) and want:
        result = dict(have) if isinstance(have, Mapping) else {}
        inside = leaves_out or name in _REPLACED_LISTS
        for key, value in want.items():
            if is_empty(value) and (leaves_out or name in _LEAVE_OUT):
                result.pop(key, None)
            else:
                result[key] = merged(value, result.get(key), key, leaves_out=inside)
        return result
    if not is_empty(want):
        return want
    if isinstance(have, Mapping) and name == "configurations":
        return {
            key: value if key in SERVER_ADDED_FIELDS else merged(None, value, key)
            for key, value in have.items()
        }
    match have:
        case str() | Mask():
            return ""
        case Mapping():
            return {}
        case list() | tuple():
            return []
        case _:
            return want


def to_wire(value: Value, name: str) -> Any:
    """Give the API's form of a canonical value: lists again, masks left out."""
    if name in KEYED_LISTS and isinstance(value, Mapping):
        return [
            {key: to_wire(item, key) for key, item in entry.items()}
            for entry in as_list(name, value)
        ]
    if name in SINGLE_ENTRY_LISTS and isinstance(value, Mapping):
        return [to_wire(value, "")] if value else None
    if isinstance(value, Mapping):
        return {
            key: to_wire(item, key) for key, item in value.items() if not isinstance(item, Mask)
        }
    return value


def masks_in_the_way(comparison: Comparison, changed: Collection[Path]) -> tuple[Path, ...]:
    """Give the stored secrets that a write at these paths would lose, or send as masks.

    `configurations` is sent whole, and so is every model that changes.
    """
    sent = {path[:1] for path in changed if path[0] == "configurations"}
    sent |= {path[:2] for path in changed if path[0] == "models"}
    return tuple(
        path
        for place in sorted(sent)
        for path, value in leaves(_whole(comparison, place), place)
        if isinstance(value, Mask)
    )


def _whole(comparison: Comparison, place: Path) -> Any:
    want, have = lookup(comparison.settled, place), lookup(comparison.have, place)
    if place[0] == "models" and want is None:
        return None
    return merged(want, have, place[-1] if len(place) == 1 else "")


def _models_call(slug: str, fields: Mapping[str, Any], entries: Mapping[str, Any]) -> Call:
    body: dict[str, Any] = {"models": to_wire(entries, "models")}
    if "allow_all_models" in fields:
        body["allow_all_models"] = fields["allow_all_models"] is not False
    return Call(OperationName.UPDATE_MODELS, slug, body=body)


def _model_updates(slug: str, comparison: Comparison, changed: Collection[Path]) -> list[Call]:
    settled, have = comparison.settled, comparison.have
    listed: Mapping[str, Any] = have.get("models") or {}
    touched = {path[1] for path in changed if path[0] == "models"}
    if ("allow_all_models",) in changed and not allows_all_models(settled, have):
        # Models that only the switch had enabled would go with it.
        touched |= {s for s, e in (settled.get("models") or {}).items() if e and e.get("enabled")}
    wanted = settled.get("models") or {}
    gone = sorted(model for model in touched if wanted.get(model) is None)
    kept = {m: merged(wanted[m], listed.get(m), "") for m in touched if wanted.get(m) is not None}
    calls = []
    if kept or ("allow_all_models",) in changed:
        calls.append(_models_call(slug, settled, kept))
    if gone:
        query = {"slugs": ",".join(gone)}
        calls.append(Call(OperationName.DELETE_MODELS, slug, query=query))
    return calls


def _workspace_update(slug: str, comparison: Comparison, changed: Collection[Path]) -> Call:
    settled, have = comparison.settled, comparison.have
    listed: Mapping[str, Any] = have.get("workspaces") or {}
    touched = {path[1] for path in changed if path[0] == "workspaces"}
    entries = {}
    for id_ in touched:
        entry = settled["workspaces"][id_]
        # A workspace that is granted again keeps the limits that the API still shows for it.
        entries[id_] = (
            merged(entry, listed.get(id_), "") if entry.get("enabled") else {"enabled": False}
        )
    shared = None
    if any(path[0] == "global_workspace_access" for path in changed):
        access = settled["global_workspace_access"]
        was = have.get("global_workspace_access") or {}
        shared = merged(access, was, "") if access.get("enabled") else {"enabled": False}
    return _workspaces_call(slug, comparison.declared, entries, shared)


def _workspaces_call(
    slug: str,
    fields: Mapping[str, Any],
    entries: Mapping[str, Any],
    shared: Mapping[str, Any] | None,
) -> Call:
    declared = fields.get("workspaces") or {}
    with_provider = {
        id_: {**entry, **{k: v for k, v in declared.get(id_, {}).items() if k in WRITE_ONLY_FIELDS}}
        for id_, entry in entries.items()
    }
    body: dict[str, Any] = {
        "workspaces": to_wire(with_provider, "workspaces"),
        **_default_provider(fields),
    }
    if shared is not None:
        body["global_workspace_access"] = to_wire(shared, "")
    return Call(OperationName.UPDATE_WORKSPACES, slug, body=body)


def _default_provider(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Say it always: the API's own default is to create providers that nobody manages."""
    body: dict[str, Any] = {"create_default_provider": bool(fields.get("create_default_provider"))}
    if fields.get("default_provider_slug"):
        body["default_provider_slug"] = fields["default_provider_slug"]
    return body
