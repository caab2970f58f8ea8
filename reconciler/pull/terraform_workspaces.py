"""The workspaces of the API that a Terraform state names by UUID.

A state contains the UUID of a workspace; the API usually reports its slug (remote/API.md §5.2), and
no call of this tool converts one into the other. A workspace of the state is matched with one that
fits in every integration that it may use. If several fit, the match is ambiguous, and all of them
are written, because a file that lists what the API grants changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from reconciler.domain.integration import WorkspaceAccess
from reconciler.domain.schema import FieldKind, compiled
from reconciler.domain.tree import (
    Tree,
    Value,
    canonical_json,
    is_empty,
    is_enabled,
    is_mapping,
    plain,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.pull.terraform_state import ManagedEntry

_ACCESS = compiled(WorkspaceAccess).fields
_COMPARED = {
    name: {member for member, field in item.entries.fields.items() if not field.facts.instant}
    for name, item in _ACCESS.items()
    if item.kind is FieldKind.SINGLE and item.entries is not None
}
"""Limits by name, with their members; the API adds others, and moves the time of the next reset."""

_Content: TypeAlias = tuple[bool, frozenset[tuple[str, str, str]]]
"""Whether there is access, and its limits as pairs of a path and a value."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Ids of the API for each id of the state: one, several if it is ambiguous, or none."""

    ids: Mapping[str, frozenset[str]]

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """Return the ids of the state that fit several workspaces."""
        return tuple(sorted(i for i, found in self.ids.items() if len(found) > 1))


def match_workspaces(
    managed: Mapping[str, Iterable[ManagedEntry]], listed: Mapping[str, Mapping[str, Tree]]
) -> Matched:
    """Match the workspaces of a state with those of the API.

    Both are by the slug of the integration; `listed` are the entries by id of those that were read.
    """
    grants: dict[str, dict[str, ManagedEntry]] = {}
    for slug, entries in managed.items():
        for entry in entries:
            if slug in listed:
                grants.setdefault(entry.id, {})[slug] = entry
    exact = {i for i, by_slug in grants.items() if any(i in listed[slug] for slug in by_slug)}
    index = _Index(listed, without=exact)
    open_ids = {i: index.fitting(by_slug) for i, by_slug in grants.items() if i not in exact}
    _settle(open_ids)
    return Matched({**{i: frozenset({i}) for i in exact}, **_frozen(open_ids)})


class _Index:
    """The workspaces that the API lists, by integration and by the content of their access."""

    def __init__(
        self, listed: Mapping[str, Mapping[str, Tree]], *, without: Collection[str]
    ) -> None:
        self._ids: dict[tuple[str, object], set[str]] = {}
        for slug, entries in listed.items():
            for identity, entry in entries.items():
                if identity not in without:
                    content = _content(entry)
                    # With and without its limits; `fitting` falls back to the second.
                    for key in (content, content[0]):
                        self._ids.setdefault((slug, key), set()).add(identity)

    def fitting(self, grants: Mapping[str, ManagedEntry]) -> set[str]:
        """Return the workspaces with the access of the state in each of these integrations."""
        contents = {slug: _content(entry.values) for slug, entry in grants.items()}
        found = self._in_all(contents)
        # Limits may have been changed outside Terraform, so they are used only if a workspace
        # matches them.
        return found or self._in_all({slug: content[0] for slug, content in contents.items()})

    def _in_all(self, keys: Mapping[str, object]) -> set[str]:
        return set.intersection(*(self._ids.get(item, set()) for item in keys.items()))


def _content(entry: Tree) -> _Content:
    limits = set()
    for limit, names in _COMPARED.items():
        for name, value in _only(entry.get(limit)).items():
            if name in names and not is_empty(value):
                limits.add((limit, name, canonical_json(plain(value))))
    return is_enabled({"enabled": True, **entry}), frozenset(limits)


def _settle(open_ids: dict[str, set[str]]) -> None:
    """Remove a workspace that fits only one id of the state from the candidates of the others."""
    settled: set[str] = set()
    while True:
        single = {
            next(iter(found))
            for identity, found in open_ids.items()
            if len(found) == 1 and identity not in settled
        }
        settled |= {identity for identity, found in open_ids.items() if len(found) == 1}
        if not single:
            return
        for found in open_ids.values():
            if len(found) > 1:
                found.difference_update(single)


def _frozen(open_ids: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {identity: frozenset(found) for identity, found in open_ids.items()}


def _only(limits: Value) -> Tree:
    """Return the entry of a list of at most one, empty if there is none."""
    entry = limits[0] if isinstance(limits, list | tuple) and limits else limits
    return entry if is_mapping(entry) else {}
