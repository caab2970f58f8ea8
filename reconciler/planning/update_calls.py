"""Calls that update an integration, built from a comparison.

A write sends complete objects: the declared values merged over the stored ones, because it is
unknown whether the API merges or replaces inside them (remote/API.md §2). Shapes are those of the
canonical form, which knows the lists of every provider. Calls of a create: `creates`. How calls are
sent and in which order integrations are written: `reconciler.execution`.
"""

from collections.abc import Collection, Mapping

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.facts import Clearing, SubResource
from reconciler.domain.schema import UNKNOWN, FieldSchema, any_provider_schema, fields_of
from reconciler.domain.secrets import Mask
from reconciler.domain.state import Declared
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    is_empty,
    is_enabled,
    is_mapping,
    leaves,
    lookup,
)
from reconciler.planning.comparison import Comparison
from reconciler.planning.creates import models_call, workspaces_call
from reconciler.planning.normalize import SHARED_ACCESS, allows_all_models, switches_models, to_wire


def update_calls(
    declared: Declared, comparison: Comparison, changed: Collection[Path]
) -> tuple[Call, ...]:
    """Return the calls that carry out changes at these paths, one for each affected resource."""
    tops = {path[0] for path in changed}
    calls: list[Call] = []
    body = _update_body(any_provider_schema(), comparison, tops)
    if body:
        calls.append(Call(OperationName.UPDATE, declared.slug, body=body))
    # Models are written first, so that they are as declared when a workspace gets access.
    if tops & fields_of(SubResource.MODELS):
        calls += _model_updates(declared, comparison, changed)
    if tops & fields_of(SubResource.WORKSPACES):
        calls.append(_workspace_update(declared, comparison, changed))
    return tuple(calls)


def _update_body(schema: FieldSchema, comparison: Comparison, tops: set[str]) -> Tree:
    desired, observed = comparison.desired, comparison.observed
    body: dict[str, Value] = {}
    for name, field in schema.fields.items():
        if name not in tops or not field.is_updatable:
            continue
        is_cleared = is_empty(desired[name])
        if not field.facts.sent_whole:
            # "" clears a description; whether null does is unknown (remote/API.md §2).
            body[name] = "" if is_cleared else desired[name]
        elif is_cleared and field.facts.clearing is Clearing.NULL:
            body[name] = None
        else:
            body[name] = to_wire(merged(desired[name], observed.get(name), field), field)
    return body


def merged(
    desired: Value, observed: Value, field: FieldSchema, *, leaves_out: bool = False
) -> Value:
    """Return the declared values merged over the stored ones.

    A field that is declared empty becomes the empty value of its type, so that servers that merge
    and servers that replace end up with the same state. It is omitted if that certainly removes it:
    an entry of a keyed list, and (`leaves_out`) a member in a list that is replaced as a whole. A
    header is also omitted, because an empty header would still be sent to the provider.
    """
    if is_mapping(desired) and desired:
        return _merged_members(desired, as_mapping(observed), field, leaves_out=leaves_out)
    if not is_empty(desired):
        return desired
    if is_mapping(observed) and field.name == "configurations":
        # Each member is emptied: a server that merges would keep everything that `{}` leaves out.
        cleared: dict[str, Value] = {}
        for name, value in observed.items():
            inner = field.child(name)
            cleared[name] = value if inner.facts.server_added else merged(None, value, inner)
        return cleared
    return _emptied(observed, desired)


def _merged_members(
    desired: Tree, observed: Tree, field: FieldSchema, *, leaves_out: bool
) -> dict[str, Value]:
    result = dict(observed)
    is_keyed = field.key is not None
    inside = leaves_out or (is_keyed and field.facts.sent_whole)
    removes = leaves_out or is_keyed or field.facts.headers
    for name, value in desired.items():
        if is_empty(value) and removes:
            result.pop(name, None)
        else:
            result[name] = merged(value, result.get(name), field.child(name), leaves_out=inside)
    return result


def _emptied(observed: Value, desired: Value) -> Value:
    """Return the empty value of the stored type, or the declared value if nothing is stored."""
    match observed:
        case str() | Mask():
            return ""
        case Mapping():
            return {}
        case list() | tuple():
            return []
        case _:
            return desired


def lost_masks(comparison: Comparison, changed: Collection[Path]) -> tuple[Path, ...]:
    """Return the stored secrets that a write at these paths would lose, or send as masks.

    `configurations` is sent whole, and so is every model that changes.
    """
    sent = {path[:1] for path in changed if path[0] == "configurations"}
    sent |= {path[:2] for path in changed if path[0] == "models"}
    lost: list[Path] = []
    for place in sorted(sent):
        written = leaves(_whole(comparison, place), place)
        # A mask is not a value, and must not be sent back (remote/API.md §2).
        lost += [path for path, value in written if isinstance(value, Mask)]
    return tuple(lost)


def _whole(comparison: Comparison, place: Path) -> Value:
    desired, observed = lookup(comparison.desired, place), lookup(comparison.observed, place)
    # This model is deleted, and a delete sends no body.
    if place[0] == "models" and desired is None:
        return None
    return merged(desired, observed, any_provider_schema().at(place))


def _model_updates(
    declared: Declared, comparison: Comparison, changed: Collection[Path]
) -> list[Call]:
    desired, observed = comparison.desired, comparison.observed
    wanted, listed = as_mapping(desired.get("models")), as_mapping(observed.get("models"))
    touched = {path[1] for path in changed if path[0] == "models"}
    if switches_models(changed) and not allows_all_models(desired, observed):
        # Models that are enabled only by the switch would be disabled together with it.
        touched |= {slug for slug, entry in wanted.items() if is_enabled(entry)}
    entry = any_provider_schema().child("models").entries or UNKNOWN
    gone: list[str] = []
    kept: dict[str, Value] = {}
    for model in sorted(touched):
        # The mark of `normalize_access` for a custom model that is deleted.
        if wanted.get(model) is None:
            gone.append(model)
        else:
            kept[model] = merged(wanted[model], listed.get(model), entry)
    calls = []
    # The switch can be changed with an empty list (remote/API.md §5.1).
    if kept or switches_models(changed):
        calls.append(models_call(declared, desired, kept))
    if gone:
        query = {"slugs": ",".join(gone)}
        # Deletes are last, so that a refused delete (of a model in use) does not prevent writes of
        # other models.
        calls.append(Call(OperationName.DELETE_MODELS, declared.slug, query=query))
    return calls


def _workspace_update(
    declared: Declared, comparison: Comparison, changed: Collection[Path]
) -> Call:
    desired, observed, schema = comparison.desired, comparison.observed, any_provider_schema()
    wanted, listed = as_mapping(desired.get("workspaces")), as_mapping(observed.get("workspaces"))
    entries: dict[str, Tree] = {}
    # A set is enough, because `to_wire` orders entries by id.
    for id_ in {path[1] for path in changed if path[0] == "workspaces"}:
        # A workspace that gets access again keeps the limits that the API still shows for it.
        field = schema.at(("workspaces", id_))
        entries[id_] = _access(wanted[id_], listed.get(id_), field)
    shared = None
    if any(path[0] == SHARED_ACCESS for path in changed):
        field = schema.child(SHARED_ACCESS)
        shared = _access(desired[SHARED_ACCESS], observed.get(SHARED_ACCESS), field)
    # From `declared`, because a write needs the write-only fields, which are not compared.
    return workspaces_call(declared, comparison.declared, entries, shared)


def _access(desired: Value, observed: Value, field: FieldSchema) -> Tree:
    """Return what a write sends for an access: everything if granted, else only the switch."""
    if not is_enabled(desired):
        return {"enabled": False}
    return as_mapping(merged(desired, as_mapping(observed), field))
