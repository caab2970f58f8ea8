"""The workspaces of the API that a Terraform state names by UUID.

A state holds the UUID of a workspace, the API usually reports its slug (remote/API.md §5.2), and no
call of this tool converts one into the other. A workspace of the state is one that fits in every
integration that it may use. What fits several stays ambiguous: all of them are written, because a
file that lists what the API grants changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.domain.integration import WorkspaceAccess
from reconciler.domain.schema import FieldKind, compiled
from reconciler.domain.tree import Tree, Value, is_enabled, is_mapping
from reconciler.pull.terraform_state import ManagedEntry

_ACCESS = compiled(WorkspaceAccess).fields
_LIMITS = tuple(name for name, item in _ACCESS.items() if item.kind is FieldKind.SINGLE)


@dataclass(frozen=True, slots=True)
class Matched:
    """Ids of the API for each id of the state: one, several if it is unclear, or none."""

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
    open_ids = {
        identity: _candidates(by_slug, listed, without=exact)
        for identity, by_slug in grants.items()
        if identity not in exact
    }
    _settle(open_ids)
    return Matched({**{i: frozenset({i}) for i in exact}, **_frozen(open_ids)})


def _candidates(
    grants: Mapping[str, ManagedEntry],
    listed: Mapping[str, Mapping[str, Tree]],
    *,
    without: set[str],
) -> set[str]:
    """Return the workspaces that have the access of the state in each of these integrations."""
    # Limits can have been changed outside Terraform, so they are compared only while they help.
    for with_limits in (True, False):
        fitting = [
            {
                identity
                for identity, entry in listed[slug].items()
                if identity not in without and _fits(wanted.values, entry, limits=with_limits)
            }
            for slug, wanted in grants.items()
        ]
        found = set.intersection(*fitting)
        if found:
            return found
    return set()


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


def _fits(wanted: Tree, entry: Tree, *, limits: bool) -> bool:
    if bool(wanted.get("enabled", True)) is not is_enabled(entry):
        return False
    return not limits or all(_is_within(wanted.get(n), entry.get(n)) for n in _LIMITS)


def _is_within(wanted: Value, stored: Value) -> bool:
    """Return whether a limit of the state equals that of the API, but for what the server adds."""
    first, second = _only(wanted), _only(stored)
    if not first or not second:
        return not first and not second
    return all(second.get(name) == value for name, value in first.items() if value is not None)


def _only(limits: Value) -> Tree:
    """Return the entry of a list of at most one, empty if there is none."""
    entry = limits[0] if isinstance(limits, list | tuple) and limits else limits
    return entry if is_mapping(entry) else {}
