"""Comparison of the declared state with the observed one, under the rules of field ownership.

Only declared fields are compared. Other values of the API are `undeclared`: reported, never
changed. Secrets are removed from both sides and assessed in `credentials`.
"""

from collections.abc import Collection
from dataclasses import field
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias

from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema
from reconciler.domain.secrets import closed
from reconciler.domain.state import Declared, LastApplied, Observed
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    is_empty,
    is_enabled,
    is_mapping,
    leaves,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import decides_host
from reconciler.planning.identifier_forms import align
from reconciler.planning.ignored import with_ignored_kept, without_paths, without_withdrawn
from reconciler.planning.normalize import (
    END_OF_TIME,
    allows_all_models,
    moved_on,
    normalize,
    normalize_access,
    withdrawn,
)


# None is a value of a tree, so it cannot mark an absent value. Type checkers narrow an enum by
# `is`, unlike `object()`.
class _Absent(Enum):
    """Marker for a value that counts as empty and is left out of a reduced tree."""

    ABSENT = "absent"


_ABSENT: Final = _Absent.ABSENT
_Reduced: TypeAlias = "Value | _Absent"
# Flags of models can also be numbers and strings (remote/API.md §5.1).
_WIRE_BOOLEANS = {1: True, 0: False, "true": True, "false": False, "1": True, "0": False}
_LISTS = frozenset({"models", "workspaces"})
_HOLDERS = frozenset({FieldKind.KEYED_LIST, FieldKind.OBJECT})


@dataclass(frozen=True, slots=True)
class SecretLocation:
    """Path at which a secret is declared, stored, or both.

    For an object (`is_object`), a mask proves nothing, because it is derived from the server's own
    JSON text.
    """

    path: Path
    declared: Value
    stored: Value
    is_object: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides, reduced to what is declared and without secrets.

    `declared` is everything that the files declare in canonical form, and `past` what Git declared
    before (None if unknown). `desired` and `observed` are complete canonical trees; in `desired`,
    withdrawn values are declared empty. `desired_diff` and `observed_diff` are the reduced trees
    that are compared. `secrets` are the paths of secrets on either side. `undeclared_access` lists
    enabled models and workspaces that Git never declared, and `aligned` lists ids that the API
    reports in another form.
    """

    declared: Tree
    past: Tree | None
    desired: Tree
    observed: Tree
    desired_diff: Tree
    observed_diff: Tree
    secrets: tuple[SecretLocation, ...]
    undeclared: tuple[Path, ...]
    undeclared_access: tuple[Path, ...]
    aligned: tuple[Path, ...]


def declared_tree(declared: Declared) -> dict[str, Value]:
    """Return the canonical tree of what is compared, without write-only and ignored fields."""
    ignored = [entry.path for entry in declared.lifecycle.ignore]
    return _compared(normalize(declared.fields), ignored, declared.schema)


def compare(
    declared: Declared,
    observed: Observed,
    remembered: LastApplied,
    *,
    now: datetime | None = None,
    just_written: bool = False,
) -> Comparison:
    """Compare the two sides of one integration; `just_written` if the declared side was just sent.

    `now` determines which declared times have passed.
    """
    # Each side is normalized only once: one integration may list thousands of models.
    fields = normalize(declared.fields)
    known = normalize(remembered.declared) if remembered.declared is not None else None
    ignored = frozenset(entry.path for entry in declared.lifecycle.ignore)
    past = without_withdrawn(known or {}, ignored)
    schema = declared.schema
    # Ignored paths are removed first, because declared access that is ignored must not be completed
    # below.
    compared = _compared(fields, ignored, schema)
    # Ids are aligned first, because access is completed by id. What was just written counts as last
    # applied.
    stored, aligned = align(
        compared, normalize(observed.fields), compared if just_written else past
    )
    if ignored:
        compared = with_ignored_kept(compared, fields, stored, ignored, schema)
    # The API may have advanced a time that was just written, and only its own clock determines
    # when.
    horizon = END_OF_TIME if just_written else now
    desired, completed = _completed(compared, stored, past, horizon)
    reduction = _Reduction()
    desired_diff, observed_diff = reduction.reduce(desired, completed, (), schema)
    # Taken from `stored`, because the completed tree also has entries that the API does not list.
    undeclared = _undeclared(stored, desired, ignored, schema)
    return Comparison(
        declared=fields,
        past=known,
        desired=desired,
        observed=stored,
        desired_diff={} if desired_diff is _ABSENT else as_mapping(desired_diff),
        observed_diff={} if observed_diff is _ABSENT else as_mapping(observed_diff),
        secrets=tuple(reduction.secrets),
        undeclared=_shortened(undeclared, schema, compared, stored),
        undeclared_access=_undeclared_access(desired, compared, stored, ignored),
        aligned=aligned,
    )


def _completed(
    compared: Tree, stored: Tree, past: Tree, now: datetime | None
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return both sides with complete access; the desired one without passed times.

    What was withdrawn is declared empty.
    """
    desired, completed = normalize_access(compared, stored, past)
    if now is not None:
        desired = moved_on(desired, completed, now=now)
    # The fields of all providers, because another provider may have been declared before.
    if past:
        desired = _with_withdrawn(desired, completed, past, any_provider_schema())
    return desired, completed


def _undeclared(
    stored: Tree, desired: Tree, ignored: Collection[Path], schema: FieldSchema
) -> tuple[Path, ...]:
    """Return the paths of stored values that no file declares, except defaults and ignored ones."""
    return tuple(
        path
        for path, value in leaves(stored)
        if not _covered(path, desired)
        and not _is_default(schema.at(path), value)
        and not _is_below(path, ignored)
    )


def redirects(schema: FieldSchema, path: Path) -> bool:
    """Return whether the value at a path decides where a credential is sent, and with what."""
    return decides_host(schema, path) or any(
        schema.at(path[:end]).facts.headers for end in range(1, len(path) + 1)
    )


def _compared(fields: Tree, ignored: Collection[Path], schema: FieldSchema) -> dict[str, Value]:
    tree = _without_write_only(fields, schema)
    for name, value in tree.items():
        inner = schema.child(name).entries or UNKNOWN
        # Entries of `workspaces` have write-only members, such as the request for a default
        # provider, which no read shows.
        if is_mapping(value) and any(m.facts.write_only for m in inner.fields.values()):
            entries = {key: as_mapping(entry) for key, entry in value.items()}
            tree[name] = {key: _without_write_only(entry, inner) for key, entry in entries.items()}
    return without_paths(tree, ignored)


def _without_write_only(tree: Tree, schema: FieldSchema) -> dict[str, Value]:
    return {name: v for name, v in tree.items() if not schema.child(name).facts.write_only}


@dataclass
class _Reduction:
    """Walk that reduces both sides to the declared values and collects the secrets."""

    secrets: list[SecretLocation] = field(default_factory=list)

    def reduce(
        self, desired: Value, observed: Value, path: Path, schema: FieldSchema
    ) -> tuple[_Reduced, _Reduced]:
        """Return the reduced sides at a path, `_ABSENT` for what counts as empty."""
        # A mapping that no model describes is walked, so that each member is a separate secret.
        if schema.facts.sensitive and (schema.is_known or not (is_mapping(desired) and desired)):
            # Values from before a field became sensitive, for example from an old ledger, may still
            # be plain.
            is_object = schema.facts.secret_object
            site = SecretLocation(path, closed(desired), closed(observed), is_object=is_object)
            self.secrets.append(site)
            return _ABSENT, _ABSENT
        if is_mapping(desired) and (desired or not path):  # nothing declared empties nothing
            return self._reduce_members(desired, as_mapping(observed), path, schema)
        # Each member is compared, so that a plan shows every value that is cleared. Members that
        # the server added are kept, because no write removes them.
        if is_empty(desired) and is_mapping(observed):
            cleared: Tree = {
                name: None for name in observed if not schema.child(name).facts.server_added
            }
            return self._reduce_members(cleared, observed, path, schema)
        # Only for a declared flag: in other fields, 1 and "true" are distinct values.
        shown = _wire_boolean(observed) if isinstance(desired, bool) else observed
        return (_ABSENT if is_empty(desired) else desired), (_ABSENT if is_empty(shown) else shown)

    def _reduce_members(
        self, desired: Tree, observed: Tree, path: Path, schema: FieldSchema
    ) -> tuple[_Reduced, _Reduced]:
        ours: dict[str, Value] = {}
        theirs: dict[str, Value] = {}
        # Sorted, so that secrets are collected in the order of their paths.
        for name in sorted(desired):
            inner = schema.child(name)
            our, their = self.reduce(desired[name], observed.get(name), (*path, name), inner)
            if our is not _ABSENT:
                ours[name] = our
            if their is not _ABSENT:
                theirs[name] = their
        return ours or _ABSENT, theirs or _ABSENT


def _wire_boolean(value: Value) -> Value:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return _WIRE_BOOLEANS.get(value, value)
    return value


def _with_withdrawn(
    desired: Tree, observed: Tree, past: Tree, schema: FieldSchema
) -> dict[str, Value]:
    """Declare withdrawn list entries empty; `normalize_access` does so for sub-resources."""
    result = dict(desired)
    for name, value in desired.items():
        field = schema.child(name)
        if field.kind not in _HOLDERS or field.facts.sub_resource is not None:
            continue
        # A list that is declared empty withdraws all of its entries already.
        if not value or not is_mapping(value):
            continue
        inner_observed, inner_past = as_mapping(observed.get(name)), as_mapping(past.get(name))
        if field.key is not None:
            # An entry that the API no longer has needs no removal.
            gone = withdrawn(name, desired, past) & set(inner_observed)
            result[name] = {**value, **dict.fromkeys(gone)}
        elif field.kind is FieldKind.OBJECT:
            result[name] = _with_withdrawn(value, inner_observed, inner_past, field)
    return result


def _is_below(path: Path, prefixes: Collection[Path]) -> bool:
    """Return whether a path is one of these paths or is below one."""
    return bool(prefixes) and any(path[:end] in prefixes for end in range(1, len(path) + 1))


def _covered(path: Path, desired: Value) -> bool:
    for step in path:
        # A scalar or an empty object also declares everything below it.
        if not is_mapping(desired) or not desired:
            return True
        if step not in desired:
            return False
        desired = desired[step]
    return True


def _is_default(field: FieldSchema, value: Value) -> bool:
    default = field.facts.default
    return is_empty(value) or (default is not None and value == default)


def _shortened(
    paths: tuple[Path, ...], schema: FieldSchema, desired: Tree, observed: Tree
) -> tuple[Path, ...]:
    """List an undeclared entry once; of a declared entry, list each value that no file sets.

    An entry that neither is nor will be enabled grants no access, so it is not listed.
    """
    # A dict serves as an ordered set, because several leaves of one entry are shortened to the same
    # path.
    result: dict[Path, None] = {}
    for path in paths:
        if path[0] not in _LISTS:
            result[path] = None
        elif len(path) > 2 and _is_in_effect(path, desired, observed):
            if path[2] == "enabled":
                result[path[:2]] = None
            elif path[1] in as_mapping(desired.get(path[0])) or redirects(schema, path):
                result[path[:3] if _is_named_whole(schema.at(path[:3])) else path] = None
    return tuple(result)


def _is_named_whole(field: FieldSchema) -> bool:
    """Return whether a limit or price is listed as a whole; hosts and headers are not."""
    return field.kind is FieldKind.SINGLE or (
        field.kind is FieldKind.OBJECT
        and not any(member.facts.host for member in field.fields.values())
    )


def _is_in_effect(path: Path, desired: Tree, observed: Tree) -> bool:
    """Return whether an entry is or will be enabled, so that its stored values take effect."""
    name, identity = path[:2]
    sides = (as_mapping(observed.get(name)), as_mapping(desired.get(name)))
    return any(is_enabled(entries.get(identity)) for entries in sides)


def _undeclared_access(
    desired: Tree, compared: Tree, observed: Tree, ignored: Collection[Path]
) -> tuple[Path, ...]:
    result: list[Path] = []
    for name in ("models", "workspaces"):
        # While the switch is on, every base model is enabled without being listed in a file.
        if name not in compared or (name == "models" and allows_all_models(compared, observed)):
            continue
        # `desired` also contains what Git withdrew: the plan revokes it, so no warning is needed.
        declared = as_mapping(desired[name])
        result += [
            (name, identity)
            for identity, entry in sorted(as_mapping(observed.get(name)).items())
            if identity not in declared
            and is_enabled(entry)
            and not _is_below((name, identity), ignored)
        ]
    return tuple(result)
