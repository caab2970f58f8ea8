"""Turn a comparison into the calls that make the API equal to the files.

A write sends complete objects: what is declared, laid over what is there, because it is not known
whether the API merges or replaces inside them (remote/API.md §2). Shapes are those of canonical
form, which knows the lists of every provider. How calls travel and in which order integrations are
written: `reconciler.execution`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.facts import Clearing, SubResource
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema, fields_of
from reconciler.domain.secrets import Mask
from reconciler.domain.state import Declared
from reconciler.domain.tree import Path, Value, is_empty, leaves, lookup
from reconciler.planning.access_lists import allows_all_models, models_switch, switches_models
from reconciler.planning.comparison import Comparison
from reconciler.planning.normalize import as_list, normalize


def create_calls(declared: Declared) -> tuple[Call, ...]:
    """Give the calls that bring an integration into being; nothing empty is sent."""
    fields, schema = normalize(declared.fields), any_provider_schema()
    body = {"slug": declared.slug, **_default_provider(fields, schema)}
    for name, value in fields.items():
        field = schema.child(name)
        is_sent = field.facts.sub_resource is None and not field.facts.write_only
        if is_sent and not is_empty(value):
            body[name] = _without_nulls(to_wire(value, field))
    calls = [Call(OperationName.CREATE, body=body)]
    models = dict(fields.get("models") or {})
    if models or not allows_all_models(fields, {}):
        calls.append(_models_call(declared, fields, models))
    granted = {k: v for k, v in (fields.get("workspaces") or {}).items() if v.get("enabled")}
    access = fields.get("global_workspace_access") or {}
    if granted or access.get("enabled"):
        shared = access if access.get("enabled") else None
        calls.append(_workspaces_call(declared, fields, granted, shared))
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
    body = _update_body(any_provider_schema(), comparison, tops)
    if body:
        calls.append(Call(OperationName.UPDATE, declared.slug, body=body))
    if tops & fields_of(SubResource.MODELS):
        calls += _model_updates(declared, comparison, changed)
    if tops & fields_of(SubResource.WORKSPACES):
        calls.append(_workspace_update(declared, comparison, changed))
    return tuple(calls)


def _update_body(schema: FieldSchema, comparison: Comparison, tops: set[str]) -> dict[str, Any]:
    settled, have = comparison.settled, comparison.have
    body: dict[str, Any] = {}
    for name, field in schema.fields.items():
        if name not in tops or not field.is_updatable:
            continue
        is_cleared = is_empty(settled[name])
        if not field.facts.sent_whole:
            body[name] = "" if is_cleared else settled[name]
        elif is_cleared and field.facts.clearing is Clearing.NULL:
            body[name] = None
        else:
            body[name] = to_wire(merged(settled[name], have.get(name), field), field)
    return body


def merged(want: Value, have: Value, field: FieldSchema, *, leaves_out: bool = False) -> Any:
    """Lay what is declared over what is there.

    What is declared empty becomes the empty value of its own type, so that servers that merge and
    servers that replace end up alike. It is left out instead where that is certain to remove it:
    an entry of a keyed list, and (`leaves_out`) what stands in a list that is replaced as a whole.
    A header is left out too: an empty one would still be sent to the provider.
    """
    if isinstance(want, Mapping) and want:
        result = dict(have) if isinstance(have, Mapping) else {}
        is_keyed = field.key is not None
        inside = leaves_out or (is_keyed and field.facts.sent_whole)
        removes = leaves_out or is_keyed or field.facts.headers
        for name, value in want.items():
            if is_empty(value) and removes:
                result.pop(name, None)
            else:
                result[name] = merged(value, result.get(name), field.child(name), leaves_out=inside)
        return result
    if not is_empty(want):
        return want
    if isinstance(have, Mapping) and field.name == "configurations":
        members = {name: field.child(name) for name in have}
        return {
            name: have[name] if inner.facts.server_added else merged(None, have[name], inner)
            for name, inner in members.items()
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


def to_wire(value: Value, field: FieldSchema) -> Any:
    """Return the API's form of a canonical value: lists again, masks left out."""
    if not isinstance(value, Mapping):
        return value
    if field.key is not None:
        inner = field.entries or UNKNOWN
        return [
            {name: to_wire(item, inner.child(name)) for name, item in entry.items()}
            for entry in as_list(field.key, value)
        ]
    if field.kind is FieldKind.SINGLE:
        return [to_wire(value, field.entries or UNKNOWN)] if value else None
    return {
        name: to_wire(item, field.child(name))
        for name, item in value.items()
        if not isinstance(item, Mask)
    }


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
    return merged(want, have, any_provider_schema().at(place))


def _models_call(declared: Declared, fields: Mapping[str, Any], entries: Mapping[str, Any]) -> Call:
    models = to_wire(entries, any_provider_schema().child("models"))
    body = {"models": models, **models_switch(fields)}
    return Call(OperationName.UPDATE_MODELS, declared.slug, body=body)


def _model_updates(
    declared: Declared, comparison: Comparison, changed: Collection[Path]
) -> list[Call]:
    settled, have = comparison.settled, comparison.have
    listed: Mapping[str, Any] = have.get("models") or {}
    touched = {path[1] for path in changed if path[0] == "models"}
    if switches_models(changed) and not allows_all_models(settled, have):
        # Models that only the switch had enabled would go with it.
        touched |= {s for s, e in (settled.get("models") or {}).items() if e and e.get("enabled")}
    wanted = settled.get("models") or {}
    gone = sorted(model for model in touched if wanted.get(model) is None)
    entry = any_provider_schema().child("models").entries or UNKNOWN
    kept = {
        m: merged(wanted[m], listed.get(m), entry) for m in touched if wanted.get(m) is not None
    }
    calls = []
    if kept or switches_models(changed):
        calls.append(_models_call(declared, settled, kept))
    if gone:
        query = {"slugs": ",".join(gone)}
        calls.append(Call(OperationName.DELETE_MODELS, declared.slug, query=query))
    return calls


def _workspace_update(
    declared: Declared, comparison: Comparison, changed: Collection[Path]
) -> Call:
    settled, have, schema = comparison.settled, comparison.have, any_provider_schema()
    listed: Mapping[str, Any] = have.get("workspaces") or {}
    touched = {path[1] for path in changed if path[0] == "workspaces"}
    entries = {}
    for id_ in touched:
        entry = settled["workspaces"][id_]
        # A workspace that is granted again keeps the limits that the API still shows for it.
        entries[id_] = (
            merged(entry, listed.get(id_), schema.at(("workspaces", id_)))
            if entry.get("enabled")
            else {"enabled": False}
        )
    shared = None
    if any(path[0] == "global_workspace_access" for path in changed):
        access = settled["global_workspace_access"]
        was = have.get("global_workspace_access") or {}
        field = schema.child("global_workspace_access")
        shared = merged(access, was, field) if access.get("enabled") else {"enabled": False}
    return _workspaces_call(declared, comparison.declared, entries, shared)


def _workspaces_call(
    declared: Declared,
    fields: Mapping[str, Any],
    entries: Mapping[str, Any],
    shared: Mapping[str, Any] | None,
) -> Call:
    schema = any_provider_schema()
    workspaces = schema.child("workspaces")
    listed = fields.get("workspaces") or {}
    with_provider = {
        id_: {**entry, **_write_only(listed.get(id_, {}), workspaces.entries or UNKNOWN)}
        for id_, entry in entries.items()
    }
    body: dict[str, Any] = {
        "workspaces": to_wire(with_provider, workspaces),
        **_default_provider(fields, schema),
    }
    if shared is not None:
        name = "global_workspace_access"
        body[name] = to_wire(shared, schema.child(name))
    return Call(OperationName.UPDATE_WORKSPACES, declared.slug, body=body)


def _write_only(fields: Mapping[str, Any], schema: FieldSchema) -> dict[str, Any]:
    return {name: v for name, v in fields.items() if schema.child(name).facts.write_only}


def _default_provider(fields: Mapping[str, Any], schema: FieldSchema) -> dict[str, Any]:
    """Return the write-only fields, which ask for a provider to be made along with a write.

    Flags are always sent: the API's own default is to create providers that nobody manages.
    """
    body: dict[str, Any] = {}
    for name, field in schema.fields.items():
        if field.facts.write_only and field.is_flag:
            body[name] = bool(fields.get(name))
        elif field.facts.write_only and fields.get(name):
            body[name] = fields[name]
    return body
