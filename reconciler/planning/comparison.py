"""Put what is declared beside what is there, under the rules of field ownership.

Only declared fields are compared. What the API has beyond them is `undeclared`: reported, never
changed. Secrets are taken out of both sides and judged in `credentials`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.domain.last_applied import LastApplied
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema
from reconciler.domain.secrets import closed
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Leaf, Path, Value, is_empty, is_mapping, leaves
from reconciler.planning.access_lists import OFF, allows_all_models, normalize_access, withdrawn
from reconciler.planning.identifier_forms import align
from reconciler.planning.instants import END_OF_TIME, moved_on
from reconciler.planning.normalize import normalize
from reconciler.planning.risk import decides_host

_ABSENT: Any = object()
_WIRE_BOOLEANS = {1: True, 0: False, "true": True, "false": False, "1": True, "0": False}
_LISTS = frozenset({"models", "workspaces"})
_HOLDERS = frozenset({FieldKind.KEYED_LIST, FieldKind.OBJECT})


@dataclass(frozen=True, slots=True)
class SecretLocation:
    """A place where a secret is declared, stored, or both.

    Of an object (`is_object`) a mask proves nothing: it is made of the server's own JSON text.
    """

    path: Path
    declared: Value
    stored: Value
    is_object: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides, reduced to what is declared and freed of secrets.

    `settled` and `have` are complete canonical trees, the former with what was withdrawn declared
    empty; `wanted` and `found` are the reduced ones that are diffed. `declared` is everything that
    the files say in canonical form, `past` what Git declared before (None when unknown).
    `undeclared_access` holds enabled models and workspaces that Git never declared, `aligned` ids
    that the API reports in another form.
    """

    declared: Mapping[str, Any]
    past: Mapping[str, Any] | None
    settled: Mapping[str, Any]
    have: Mapping[str, Any]
    wanted: Mapping[str, Any]
    found: Mapping[str, Any]
    sites: tuple[SecretLocation, ...]
    undeclared: tuple[Path, ...]
    undeclared_access: tuple[Path, ...]
    aligned: tuple[Path, ...]


def declared_tree(declared: Declared) -> dict[str, Any]:
    """Return the canonical tree of what is compared: no write-only field, nothing ignored."""
    ignored = [entry.path for entry in declared.lifecycle.ignore]
    return _compared(normalize(declared.fields), ignored, declared.schema)


def _compared(
    fields: Mapping[str, Any], ignored: Collection[Path], schema: FieldSchema
) -> dict[str, Any]:
    tree = _without_write_only(fields, schema)
    for name, value in tree.items():
        inner = schema.child(name).entries or UNKNOWN
        if any(member.facts.write_only for member in inner.fields.values()):
            tree[name] = {key: _without_write_only(entry, inner) for key, entry in value.items()}
    return without_paths(tree, ignored)


def _without_write_only(tree: Mapping[str, Any], schema: FieldSchema) -> dict[str, Any]:
    return {name: v for name, v in tree.items() if not schema.child(name).facts.write_only}


def compare(
    declared: Declared,
    observed: Observed,
    remembered: LastApplied,
    *,
    now: datetime | None = None,
    just_written: bool = False,
) -> Comparison:
    """Compare one integration's two sides; `just_written` when the declared one was sent before.

    `now` tells which declared times have passed.
    """
    # Each side is brought into canonical form once: one integration may list thousands of models.
    fields = normalize(declared.fields)
    known = normalize(remembered.declared) if remembered.declared is not None else None
    past = known or {}
    ignored = frozenset(entry.path for entry in declared.lifecycle.ignore)
    schema = declared.schema
    want = _compared(fields, ignored, schema)
    have, aligned = align(want, normalize(observed.fields), want if just_written else past)
    settled_want, settled_have = normalize_access(want, have, past)
    # What was just written may have been moved on at once; when, only the API's clock knows.
    horizon = END_OF_TIME if just_written else now
    if horizon is not None:
        settled_want = moved_on(settled_want, settled_have, now=horizon)
    if past:
        settled_want = _with_withdrawn(settled_want, settled_have, past, any_provider_schema())
    pairing = _Pairing()
    found, wanted = pairing.pair(settled_want, settled_have, (), schema)
    undeclared = tuple(
        path
        for path, value in leaves(have)
        if not _covered(path, settled_want)
        and not _is_default(schema.at(path), value)
        and not _is_below(path, ignored)
    )
    return Comparison(
        declared=fields,
        past=known,
        settled=settled_want,
        have=have,
        wanted={} if wanted is _ABSENT else wanted,
        found={} if found is _ABSENT else found,
        sites=tuple(pairing.sites),
        undeclared=_shortened(undeclared, schema, want, have),
        undeclared_access=_undeclared_access(settled_want, want, have),
        aligned=aligned,
    )


@dataclass
class _Pairing:
    """The walk that reduces both sides to what is declared and collects the secrets on its way."""

    sites: list[SecretLocation] = field(default_factory=list)

    def pair(self, want: Value, have: Value, path: Path, schema: FieldSchema) -> tuple[Any, Any]:
        """Return (found, wanted) at a path, `_ABSENT` for what counts as empty."""
        if schema.facts.sensitive and (schema.is_known or not (is_mapping(want) and want)):
            # Values from before a field was closed, such as an old ledger's, may still be open.
            is_object = schema.facts.secret_object
            self.sites.append(SecretLocation(path, closed(want), closed(have), is_object=is_object))
            return _ABSENT, _ABSENT
        if is_mapping(want) and (want or not path):  # nothing declared empties nothing
            theirs = have if is_mapping(have) else {}
            return self._pair_members(want, theirs, path, schema)
        if is_empty(want) and is_mapping(have):
            ours = {name: None for name in have if not schema.child(name).facts.server_added}
            return self._pair_members(ours, have, path, schema)
        found = _wire_boolean(have) if isinstance(want, bool) else have
        return (_ABSENT if is_empty(found) else found), (_ABSENT if is_empty(want) else want)

    def _pair_members(
        self,
        want: Mapping[str, Value],
        have: Mapping[str, Value],
        path: Path,
        schema: FieldSchema,
    ) -> tuple[Any, Any]:
        found, wanted = {}, {}
        for name in sorted(want):
            inner = schema.child(name)
            here, there = self.pair(want[name], have.get(name), (*path, name), inner)
            if here is not _ABSENT:
                found[name] = here
            if there is not _ABSENT:
                wanted[name] = there
        return found or _ABSENT, wanted or _ABSENT


def _wire_boolean(value: Value) -> Value:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return _WIRE_BOOLEANS.get(value, value)
    return value


def _with_withdrawn(
    want: Mapping[str, Any],
    have: Mapping[str, Any],
    past: Mapping[str, Any],
    schema: FieldSchema,
) -> dict[str, Any]:
    """Declare empty what Git used to list; models and workspaces are settled in `access`."""
    result = dict(want)
    for name, value in want.items():
        field = schema.child(name)
        if field.kind not in _HOLDERS or field.facts.sub_resource is not None or not value:
            continue
        if not isinstance(value, Mapping):
            continue
        if field.key is not None:
            gone = withdrawn(name, want, past) & set(have.get(name) or {})
            result[name] = {**value, **dict.fromkeys(gone)}
        elif field.kind is FieldKind.OBJECT:
            inner_have, inner_past = _mapping(have.get(name)), _mapping(past.get(name))
            result[name] = _with_withdrawn(value, inner_have, inner_past, field)
    return result


def _mapping(value: Value) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def without_paths(tree: Mapping[str, Any], paths: Collection[Path]) -> dict[str, Any]:
    """Return a tree without what lies at or below these paths."""
    # By first step, so that a map is copied once however many of its entries go.
    below: dict[str, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    result = dict(tree)
    for name, rests in below.items():
        if () in rests:
            result.pop(name, None)
        elif isinstance(result.get(name), Mapping):
            result[name] = without_paths(result[name], rests)
    return result


def _is_below(path: Path, prefixes: Collection[Path]) -> bool:
    """Return whether a path is one of these or continues one."""
    return bool(prefixes) and any(path[:end] in prefixes for end in range(1, len(path) + 1))


def _covered(path: Path, want: Any) -> bool:
    for step in path:
        if not is_mapping(want) or not want:
            return True
        if step not in want:
            return False
        want = want[step]
    return True


def _is_default(field: FieldSchema, value: Leaf | Any) -> bool:
    default = field.facts.default
    return is_empty(value) or (default is not None and value == default)


def _shortened(
    paths: tuple[Path, ...],
    schema: FieldSchema,
    want: Mapping[str, Any],
    have: Mapping[str, Any],
) -> tuple[Path, ...]:
    """Name an undeclared model or workspace once; of a declared one what is set beyond the files.

    What neither is nor will be enabled lets nobody in, so nothing of it is named.
    """
    result: dict[Path, None] = {}
    for path in paths:
        if path[0] not in _LISTS:
            result[path] = None
        elif len(path) > 2 and _is_enabled(path, want, have):
            if path[2] == "enabled":
                result[path[:2]] = None
            elif path[1] in (want.get(path[0]) or {}) or redirects(schema, path):
                result[path[:3] if _is_named_whole(schema.at(path[:3])) else path] = None
    return tuple(result)


def redirects(schema: FieldSchema, path: Path) -> bool:
    """Return whether the value at a path decides where a credential is sent, and with what."""
    return decides_host(schema, path) or any(
        schema.at(path[:end]).facts.headers for end in range(1, len(path) + 1)
    )


def _is_named_whole(field: FieldSchema) -> bool:
    """Whether a limit or a price is named as one thing; of hosts and headers each is named."""
    return field.kind is FieldKind.SINGLE or (
        field.kind is FieldKind.OBJECT
        and not any(member.facts.host for member in field.fields.values())
    )


def _is_enabled(path: Path, want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
    """Return whether an entry is or will be enabled, so that what the API keeps takes effect."""
    name, identity = path[:2]
    declared = (want.get(name) or {}).get(identity) or {}
    return bool(have[name][identity].get("enabled") or declared.get("enabled"))


def _undeclared_access(
    settled: Mapping[str, Any], want: Mapping[str, Any], have: Mapping[str, Any]
) -> tuple[Path, ...]:
    result: list[Path] = []
    for name in ("models", "workspaces"):
        if name not in want or (name == "models" and allows_all_models(want, have)):
            continue
        result += [
            (name, identity)
            for identity, entry in sorted((have.get(name) or {}).items())
            if identity not in settled[name] and (entry or OFF).get("enabled")
        ]
    return tuple(result)
