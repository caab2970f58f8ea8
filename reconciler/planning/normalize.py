"""Canonical form: both sides of a comparison are equal if they mean the same.

A list with an identity becomes a mapping by that identity, a list of at most one entry becomes the
entry, and numbers that are equal get the same type (`normalize`); `to_wire` returns the form of the
API. Models and workspaces are completed on both sides (`normalize_access`): for the API, an absent
workspace has no access, and an absent base model follows `allow_all_models`. Nothing is compared
here; see `comparison`.

The notation of a time does not matter. The API advances the time of the next reset at each reset,
so any later time matches a declared time that has passed (`moved_on`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.domain.instants import parse_instant
from reconciler.domain.integration import Integration, WorkspaceAccess
from reconciler.domain.integration import allows_all_models as switch_is_on
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema, compiled
from reconciler.domain.secrets import Mask
from reconciler.domain.state import DesiredState, Observed
from reconciler.domain.surrogates import has_lone_surrogate, repaired_tree
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    digest,
    is_enabled,
    is_mapping,
    plain,
)

OFF: Tree = {"enabled": False}

SHARED_ACCESS = "global_workspace_access"

NO_ACCESS: Tree = {"workspaces": [], "global_workspace_access": OFF}
"""Body that grants no access and revokes none."""

NO_MODELS: Tree = {"models": [], "allow_all_models": False}
"""Body that enables no model beyond those that are already listed."""


def normalize(tree: Tree) -> dict[str, Value]:
    """Return a tree in canonical form; lists with an identity lose their order."""
    fields = any_provider_schema().fields
    return {name: _canonical(value, fields.get(name, UNKNOWN)) for name, value in tree.items()}


def as_list(key: str, entries: Mapping[str, Value]) -> list[dict[str, Value]]:
    """Return a mapping by identity as the list that the API accepts, ordered by identity."""
    # Sorted, so that equal plans send equal bodies.
    return [{key: identity, **as_mapping(entries[identity])} for identity in sorted(entries)]


def to_wire(value: Value, field: FieldSchema) -> Value:
    """Return the API's form of a canonical value, with lists and without masks."""
    if not is_mapping(value):
        return value
    if field.key is not None:
        inner = field.entries or UNKNOWN
        return [
            {name: to_wire(item, inner.child(name)) for name, item in entry.items()}
            for entry in as_list(field.key, value)
        ]
    if field.kind is FieldKind.SINGLE:
        # Null and not `[]`, which may be refused (remote/API.md §5.2, §9).
        return [to_wire(value, field.entries or UNKNOWN)] if value else None
    return {
        name: to_wire(item, field.child(name))
        for name, item in value.items()
        if not isinstance(item, Mask)
    }


def normalize_access(
    desired: Tree, observed: Tree, past: Tree
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return both sides with complete access fields and everything else unchanged.

    All trees are canonical; `past` is what Git declared before.
    """
    ours, theirs = dict(desired), dict(observed)
    if "global_workspace_access" in desired:
        shared = _switched(desired["global_workspace_access"])
        # The stored side depends on the declared one: limits of an access that stays off must not
        # differ.
        kept = _stored(observed.get("global_workspace_access"), shared)
        ours["global_workspace_access"] = _without_excluded(shared, kept)
        theirs["global_workspace_access"] = kept
    # Only declared parts are completed; an undeclared switch is not compared.
    if "allow_all_models" in desired:
        ours["allow_all_models"] = switch_is_on(desired)
        theirs["allow_all_models"] = switch_is_on(observed)
    if "models" in desired:
        ours["models"], theirs["models"] = _models(desired, observed, past)
    if "workspaces" in desired:
        ours["workspaces"], theirs["workspaces"] = _workspaces(desired, observed, past)
    return ours, theirs


def allows_all_models(desired: Tree, observed: Tree) -> bool:
    """Return whether unlisted models are enabled after the plan is applied."""
    return switch_is_on(desired if "allow_all_models" in desired else observed)


def models_switch(fields: Tree) -> dict[str, bool]:
    """Return the switch for unlisted models as a write sends it, if it is declared."""
    if "allow_all_models" not in fields:
        return {}
    return {"allow_all_models": switch_is_on(fields)}


def switches_models(changed: Collection[Path]) -> bool:
    """Return whether the switch for unlisted models is among the changes."""
    return ("allow_all_models",) in changed


def withdrawn(name: str, desired: Tree, past: Tree) -> set[str]:
    """Return the entries of a keyed list that Git used to declare and no longer does."""
    return set(as_mapping(past.get(name))) - set(as_mapping(desired.get(name)))


def is_deletable(model: str) -> bool:
    """Return whether the API can delete a custom model (remote/API.md §5.1).

    The API splits `?slugs=` at commas, and a URL cannot contain a lone surrogate.
    """
    return "," not in model and not has_lone_surrogate(model)


def desired_digest(desired: DesiredState) -> str:
    """Return the digest of what the files declare; positions and order do not count."""
    integrations = {
        slug: {"fields": plain(normalize(d.fields)), "protected": d.lifecycle.protected}
        for slug, d in desired.integrations.items()
    }
    return digest({"integrations": integrations, "tombstones": sorted(desired.tombstones)})


def fingerprint(observed: Observed | None) -> str | None:
    """Return the digest of an observed integration including masks; None for an absent one.

    The time of the last update is omitted, because a write that changed nothing does not matter. A
    lone surrogate counts as U+FFFD, which the ledger stores in its place.
    """
    if observed is None:
        return None
    fields = repaired_tree(plain(normalize(observed.fields)))
    return digest({"status": observed.status, "fields": fields})


def _canonical(value: Value, field: FieldSchema) -> Value:
    match value:
        case str():  # checked first: most values are scalars, and the ABC checks below are slow
            return normalized(value) if field.facts.instant else value
        case bool() | int():
            return value
        case None:
            # An empty list can be returned as null (remote/API.md §1.4, §5.2).
            return {} if field.key is not None or field.kind is FieldKind.SINGLE else None
        case dict() | Mapping():
            return _members(value, field)
        case list() | tuple():
            return _entries(value, field)
        # 1.0 in a file and 1 in a response are the same number.
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _members(tree: Tree, field: FieldSchema, without: str | None = None) -> dict[str, Value]:
    fields, others = field.fields, field.entries or UNKNOWN
    members = {}
    for name, item in tree.items():
        inner = fields.get(name, others)
        # For such a flag, false and absent mean the same.
        if name != without and not (item is False and inner.false_is_absent):
            members[name] = _canonical(item, inner)
    return members


def _entries(entries: Sequence[Value], field: FieldSchema) -> Value:
    """Return a list of a known kind as a mapping by identity, or as its only entry."""
    inner, key = field.entries or UNKNOWN, field.key
    if key is not None:
        # An entry that is no object has no identity; it is reported where the tree is read.
        mappings = [entry for entry in entries if isinstance(entry, Mapping)]
        return {str(entry.get(key)): _members(entry, inner, without=key) for entry in mappings}
    # A limit is returned as a list of at most one entry (remote/API.md §5.2).
    if field.kind is FieldKind.SINGLE:
        return _canonical(entries[0], inner) if entries else {}
    return [_canonical(item, inner) for item in entries]


def _switched(access: Value) -> Tree:
    # Limits of an access that is off have no effect, so declaring them makes no difference.
    return access if is_mapping(access) and access.get("enabled") else OFF


def _without_excluded(access: Tree, stored: Tree) -> Tree:
    """Return an access whose limits declare members empty if a declared member excludes them.

    A write keeps the stored members of a limit, and the API refuses members that exclude each
    other.
    """
    result = access
    for name, excluded in _EXCLUDED.items():
        limit, kept = as_mapping(access.get(name)), as_mapping(stored.get(name))
        emptied = {
            other: None
            for member, other in excluded.items()
            if limit.get(member) and kept.get(other) and other not in limit
        }
        if emptied:
            result = {**result, name: {**limit, **emptied}}
    return result


_EXCLUDED = {
    name: {
        member: inner.facts.excludes
        for member, inner in field.entries.fields.items()
        if inner.facts.excludes is not None
    }
    for name, field in compiled(WorkspaceAccess).fields.items()
    if field.kind is FieldKind.SINGLE and field.entries is not None
}
"""Members that exclude each other, by limit."""


def _stored(access: Value, desired: Tree) -> Tree:
    """Return what the API keeps; if a switch stays off, nothing else matters.

    The API keeps the limits of a revoked workspace and shows them when access is granted again, so
    a grant is compared with them.
    """
    if not is_mapping(access) or not access:
        return OFF
    return access if access.get("enabled") or desired.get("enabled") else OFF


def _models(desired: Tree, observed: Tree, past: Tree) -> tuple[dict[str, Value], dict[str, Value]]:
    declared, listed = as_mapping(desired["models"]), as_mapping(observed.get("models"))
    # A custom model that the API does not list is absent; another model follows the switch.
    unlisted: Tree = {"enabled": allows_all_models(desired, observed)}
    ours: dict[str, Value] = dict(declared)
    theirs: dict[str, Value] = {}
    for slug, entry in declared.items():
        is_custom = as_mapping(entry).get("is_custom")
        theirs[slug] = listed.get(slug) or ({} if is_custom else unlisted)
    # An empty list declares that there are no models, so models that Git never declared are also
    # removed.
    gone = set(listed) & withdrawn("models", desired, past) if declared else set(listed)
    for slug in gone:
        # A custom model can be deleted; a base model can only be switched off.
        if as_mapping(listed[slug]).get("is_custom") and is_deletable(slug):
            # None requests a delete, OFF requests a write that disables the model.
            theirs[slug], ours[slug] = listed[slug], None
        elif is_enabled(listed[slug]):
            theirs[slug], ours[slug] = listed[slug], OFF
    return ours, theirs


def _workspaces(
    desired: Tree, observed: Tree, past: Tree
) -> tuple[dict[str, Value], dict[str, Value]]:
    declared, listed = as_mapping(desired["workspaces"]), as_mapping(observed.get("workspaces"))
    ours = {id_: _switched(entry) for id_, entry in declared.items()}
    # An empty list revokes every workspace, including those that Git never declared.
    gone = withdrawn("workspaces", desired, past) if declared else set(listed)
    # A withdrawn workspace is declared without access, so that it is revoked if it still has any.
    ours |= dict.fromkeys(gone, OFF)
    theirs = {id_: _stored(listed.get(id_), entry) for id_, entry in ours.items()}
    whole = {id_: _without_excluded(entry, theirs[id_]) for id_, entry in ours.items()}
    return dict(whole), dict(theirs)


ANY_KEY = "*"
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def normalized(text: str) -> str:
    """Return a time in UTC in the API's form; any other text is returned unchanged."""
    moment = parse_instant(text)
    if moment is None:
        return text
    # The API writes milliseconds (remote/API.md §1.1); further digits are kept, so that such times
    # still differ.
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def moved_on(desired: Tree, observed: Tree, *, now: datetime) -> dict[str, Value]:
    """Return `desired` with the API's time in place of each declared one that passed by `now`."""
    result = dict(desired)
    for path in _INSTANTS:
        if path[0] in desired and path[0] in observed:
            result[path[0]] = _moved(desired[path[0]], observed[path[0]], path[1:], now)
    return result


def _moved(desired: Value, observed: Value, path: Path, now: datetime) -> Value:
    if not path:
        return observed if _is_reached(desired, observed, now) else desired
    if not is_mapping(desired) or not is_mapping(observed):
        return desired
    is_any = path[0] == ANY_KEY
    names = desired.keys() & observed.keys() if is_any else {path[0]} & desired.keys()
    moved = {name: _moved(desired[name], observed.get(name), path[1:], now) for name in names}
    # An unchanged tree is returned without a copy, because most trees are unchanged and some are
    # large.
    has_moved = any(moved[name] is not desired[name] for name in names)
    return {**desired, **moved} if has_moved else desired


def _is_reached(desired: Value, observed: Value, now: datetime) -> bool:
    declared, shown = parse_instant(desired), parse_instant(observed)
    # Resets only move forward, so an earlier time than the declared one is a difference.
    return declared is not None and shown is not None and declared < shown and declared <= now


def _instant_paths(schema: FieldSchema, path: Path = ()) -> Iterator[Path]:
    for name, field in schema.fields.items():
        if field.facts.instant:
            yield (*path, name)
        elif field.kind is FieldKind.KEYED_LIST and field.entries is not None:
            yield from _instant_paths(field.entries, (*path, name, ANY_KEY))
        else:
            yield from _instant_paths(field, (*path, name))


_INSTANTS = tuple(_instant_paths(compiled(Integration)))
INSTANT_NAMES = frozenset(path[-1] for path in _INSTANTS)
"""Names of all fields that contain a time."""
