"""Pair entries that the API shows under other ids with declared ones, by what they contain.

The most particular declaration chooses first: the one that the fewest shown entries fit. Entries
of equal content are handled as one group, and only groups that share a value are compared, so
that thousands of workspaces take time in proportion to their number. When entries have to be
paired at all: `reconciler.planning.identifier_forms`.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

from reconciler.domain.tree import canonical_json, is_empty, leaves, plain


@dataclass(slots=True)
class _Group:
    """Entries of equal content: the ids that are still free, in order.

    `partners` are the groups of the other side that fit.
    """

    content: Any
    ids: deque[str] = field(default_factory=deque)
    partners: list["_Group"] = field(default_factory=list)
    size: int = 0


def pair_by_content(declared: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, str]:
    """Return the declared id for each shown id that fits one; each is used at most once."""
    wanted, found = _grouped(declared), _grouped(shown)
    _connect(wanted, found)
    paired: dict[str, str] = {}
    queue = [_rank(group) for group in wanted]
    heapify(queue)
    choices = {id(group): _choices(group) for group in wanted}
    while queue:
        rank, identity, _, group = heappop(queue)
        if not group.ids or (rank, identity) != _rank(group)[:2]:
            continue  # an older rank of a group that has moved on
        group.ids.popleft()
        chosen = _next(choices[id(group)])
        if chosen is not None:
            paired[chosen.ids.popleft()] = identity
            for other in chosen.partners:
                other.size -= 1
                _requeue(queue, other)
        _requeue(queue, group)
    return paired


_Ranked = tuple[int, str, int, _Group]
"""A rank, the next id, and a number that keeps groups themselves from being compared."""


def _grouped(entries: Mapping[str, Any]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for identity in sorted(entries):
        content = entries[identity]
        groups.setdefault(canonical_json(plain(content)), _Group(content)).ids.append(identity)
    return list(groups.values())


def _connect(wanted: Iterable[_Group], found: Iterable[_Group]) -> None:
    """Find the groups that fit each other, looking only at those that share a value."""
    everything = list(found)
    index: dict[Hashable, list[_Group]] = {}
    for group in everything:
        for key in _keys(group.content):
            index.setdefault(key, []).append(group)
    for group in wanted:
        shared = [index.get(key, []) for key in _keys(group.content)]
        candidates = min(shared, key=len) if shared else everything
        group.partners = [other for other in candidates if shows(other.content, group.content)]
        group.size = sum(len(other.ids) for other in group.partners)
        for other in group.partners:
            other.partners.append(group)


def _keys(content: Any) -> list[Hashable]:
    """Return the values that an entry has to share to fit: no empty ones, and no lists."""
    return [
        (path, value)
        for path, value in leaves(content)
        if not is_empty(value) and not isinstance(value, list | tuple)
    ]


def shows(entry: Any, declared: Any) -> bool:
    """Return whether an entry has all that is declared, whatever else it has."""
    if isinstance(declared, Mapping) and declared:
        return isinstance(entry, Mapping) and all(
            shows(entry.get(name), value) for name, value in declared.items()
        )
    return bool(entry == declared) or (is_empty(entry) and is_empty(declared))


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
    """Return the first partner that is still free; ids that others took only move it back."""
    while choices:
        fields, identity, number, group = choices[0]
        if group.ids and group.ids[0] == identity:
            return group
        heappop(choices)
        if group.ids:
            heappush(choices, (fields, group.ids[0], number, group))
    return None
