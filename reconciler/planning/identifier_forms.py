"""Ids that the API returns in a form other than the written one: a UUID in place of a slug.

The API accepts a workspace or a secret reference by slug and may return its UUID (remote/API.md
§1.4, §4, §5.2), and no call converts one into the other. An entry that Git already declared and a
run applied is recognized by its content. Any other entry is planned: writing it again by the
declared id is harmless, but mistaking another workspace for it is not.

The most specific declaration, which the fewest listed entries fit, is paired first. Entries with
equal content form one group, and only groups that share a value are compared, so that the time is
proportional to the number of workspaces.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import field
from heapq import heapify, heappop, heappush

from reconciler.domain.identifiers import differ_in_form, is_uuid
from reconciler.domain.integration import Integration
from reconciler.domain.schema import UNKNOWN, FieldSchema, compiled, immutable_fields
from reconciler.domain.surrogates import REPLACEMENT, has_lone_surrogate, repaired, repaired_tree
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    canonical_json,
    is_empty,
    is_enabled,
    is_mapping,
    leaves,
    plain,
)
from reconciler.frozen_dataclass import dataclass


def align(desired: Tree, observed: Tree, past: Tree) -> tuple[dict[str, Value], tuple[Path, ...]]:
    """Return `observed` with the ids that are declared, and the paths that were aligned."""
    # Few files contain U+FFFD. For all others, the check of every listed entry is skipped.
    aligned = as_stored(desired, observed) if _has_replacement(desired) else dict(observed)
    paths: list[Path] = []
    if past:
        paths += _align_ids(desired, aligned, past)
    return aligned, tuple(paths)


def differing_forms(desired: Tree, observed: Tree) -> list[str]:
    """Return the immutable ids that are a UUID on one side and a slug on the other side."""
    return [
        name
        for name in immutable_fields()
        if desired.get(name)
        and observed.get(name)
        and differ_in_form(desired[name], observed[name])
    ]


def as_stored(desired: Tree, observed: Tree) -> dict[str, Value]:
    """Return `observed` with U+FFFD in place of lone surrogates, where the files have U+FFFD.

    A file cannot contain a lone surrogate, so a pulled file would otherwise never be in sync.
    """
    halves = {key: repaired(key) for key in observed if has_lone_surrogate(key)}
    # A repaired name that the API also lists is another entry, so both are left unchanged.
    names = {key: name for key, name in halves.items() if name in desired and name not in observed}
    result = {}
    for key, item in observed.items():
        name = names.get(key, key)
        result[name] = _value_as_stored(desired.get(name), item)
    return result


def _value_as_stored(desired: Value, observed: Value) -> Value:
    if is_mapping(desired) and is_mapping(observed):
        return as_stored(desired, observed)
    if isinstance(desired, str):
        is_cut = isinstance(observed, str) and REPLACEMENT in desired
        return desired if is_cut and repaired(str(observed)) == desired else observed
    if isinstance(desired, list) and isinstance(observed, list) and desired != observed:
        repaired_list: Value = repaired_tree(observed)
        return repaired_list if repaired_list == desired else observed
    return observed


def _has_replacement(value: Value) -> bool:
    """Return whether a string or a name in a declared tree contains U+FFFD."""
    if isinstance(value, str):
        return not value.isascii() and REPLACEMENT in value
    if isinstance(value, dict):
        names = "".join(value)
        return _has_replacement(names) or any(map(_has_replacement, value.values()))
    return isinstance(value, list) and any(map(_has_replacement, value))


def _align_ids(desired: Tree, aligned: dict[str, Value], past: Tree) -> list[Path]:
    """Replace lists in `aligned` by lists with the declared ids, and return the aligned paths."""
    paths: list[Path] = []
    for name, schema in compiled(Integration).fields.items():
        want, have, was = desired.get(name), as_mapping(aligned.get(name)), past.get(name)
        if not (is_mapping(want) and have and is_mapping(was) and was):
            continue
        for member in _ids_of_two_forms(schema):
            if member == schema.key:
                have, known = _align_workspaces(want, have, was)
            else:
                have, known = _align_references(want, have, was, member)
            aligned[name] = have
            paths += [(name, identity) for identity in known]
    return paths


def _ids_of_two_forms(schema: FieldSchema) -> list[str]:
    """Return the ids that can have two forms in the entries of a keyed list."""
    if schema.key is None:
        return []
    members = (schema.entries or UNKNOWN).fields
    return [name for name, member in members.items() if member.facts.two_forms]


def _align_workspaces(
    desired: Tree, observed: Tree, past: Tree
) -> tuple[dict[str, Value], list[str]]:
    """Replace UUIDs of entries by the slug under which Git declared the same content.

    Match entries to be revoked first. One without a match is treated as still enabled: an extra
    revoke or grant by the declared id is harmless, a missed revoke is not.
    """
    # An entry without access has nothing to revoke, so it needs no match.
    unnamed = {i: entry for i, entry in observed.items() if is_uuid(i) and is_enabled(entry)}
    # A workspace that is listed under its own slug needs no match.
    granted = {i for i in past if is_enabled(past[i]) and not is_uuid(i) and i not in observed}
    kept = {i for i in granted if is_enabled(desired.get(i))}
    named: dict[str, str] = {}
    # An entry that is paired with a kept workspace keeps its access, so revocations are paired
    # first.
    for group in (granted - kept, kept):
        free = {u: entry for u, entry in unnamed.items() if u not in named}
        named |= pair_by_content({i: past[i] for i in group}, free)
    aligned = {named.get(i, i): entry for i, entry in observed.items()}
    # A UUID without a match may be any of the workspaces that lose access.
    if len(named) < len(unnamed):
        aligned |= {i: {"enabled": True} for i in granted - kept if i not in aligned}
    return aligned, sorted(kept & set(named.values()))


def _align_references(
    desired: Tree, observed: Tree, past: Tree, member: str
) -> tuple[dict[str, Value], list[str]]:
    """Use the declared id that an entry refers to, if it was applied before."""
    aligned = dict(observed)
    known: list[str] = []
    for key in sorted(set(desired) & set(observed) & set(past)):
        declared, entry = as_mapping(desired[key]).get(member), as_mapping(observed[key])
        is_unchanged = declared == as_mapping(past[key]).get(member)
        if is_unchanged and is_uuid(entry.get(member)) and not is_uuid(declared):
            aligned[key] = {**entry, member: declared}
            known.append(key)
    return aligned, known


@dataclass(slots=True)
class _Group:
    """Entries of equal content: the ids that are still free, in order.

    `partners` are the groups of the other side that fit, `size` the free ids of them.
    """

    content: Value
    ids: deque[str] = field(default_factory=deque)
    partners: list["_Group"] = field(default_factory=list)
    size: int = 0


def pair_by_content(declared: Tree, listed: Tree) -> dict[str, str]:
    """Return the declared id for each listed id that fits one; each is used at most once."""
    ours, theirs = _grouped(declared), _grouped(listed)
    _connect(ours, theirs)
    paired: dict[str, str] = {}
    # A heap cannot move an entry whose rank has changed, so a new entry is added and the old one is
    # skipped.
    queue = [_rank(group) for group in ours]
    heapify(queue)
    choices = {id(group): _choices(group) for group in ours}
    while queue:
        rank, identity, _, group = heappop(queue)
        if not group.ids or (rank, identity) != _rank(group)[:2]:
            continue  # outdated rank of a group
        group.ids.popleft()
        chosen = _next(choices[id(group)])
        if chosen is not None:
            paired[chosen.ids.popleft()] = identity
            for other in chosen.partners:
                other.size -= 1
                _requeue(queue, other)
        _requeue(queue, group)
    return paired


def fits(entry: Value, declared: Value) -> bool:
    """Return whether an entry has all declared values, regardless of its other values."""
    if is_mapping(declared) and declared:
        return is_mapping(entry) and all(
            fits(entry.get(name), value) for name, value in declared.items()
        )
    return bool(entry == declared) or (is_empty(entry) and is_empty(declared))


_Ranked = tuple[int, str, int, _Group]
"""A rank, the next id, and a number that keeps groups themselves from being compared."""


def _grouped(entries: Tree) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for identity in sorted(entries):
        content = entries[identity]
        groups.setdefault(canonical_json(plain(content)), _Group(content)).ids.append(identity)
    return list(groups.values())


def _connect(ours: Iterable[_Group], theirs: Iterable[_Group]) -> None:
    """Find the groups that fit each other; only those that share a value are compared."""
    everything = list(theirs)
    index: dict[Hashable, list[_Group]] = {}
    for group in everything:
        for key in _keys(group.content):
            index.setdefault(key, []).append(group)
    for group in ours:
        shared = [index.get(key, []) for key in _keys(group.content)]
        # A fitting group shares every value, so the groups with the rarest value include all of
        # them.
        candidates = min(shared, key=len) if shared else everything
        group.partners = [other for other in candidates if fits(other.content, group.content)]
        group.size = sum(len(other.ids) for other in group.partners)
        for other in group.partners:
            other.partners.append(group)


def _keys(content: Value) -> list[Hashable]:
    """Return the values that an entry must share to fit, without empty ones and lists."""
    return [
        (path, value)
        for path, value in leaves(content)
        if not is_empty(value) and not isinstance(value, list | tuple)
    ]


def _rank(group: _Group) -> _Ranked:
    return (group.size, group.ids[0], id(group), group)


def _requeue(queue: list[_Ranked], group: _Group) -> None:
    if group.ids:
        heappush(queue, _rank(group))


def _choices(group: _Group) -> list[_Ranked]:
    """Return the partners of a group as a heap: the entry with the fewest fields comes first."""
    choices = [
        (len(list(leaves(other.content))), other.ids[0], id(other), other)
        for other in group.partners
    ]
    heapify(choices)
    return choices


def _next(choices: list[_Ranked]) -> _Group | None:
    """Return the first partner that is still free; ids that others took only lower its rank."""
    while choices:
        fields, identity, number, group = choices[0]
        if group.ids and group.ids[0] == identity:
            return group
        heappop(choices)
        if group.ids:
            heappush(choices, (fields, group.ids[0], number, group))
    return None
