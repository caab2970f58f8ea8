"""Look at what moved and at a rotating sample, and take the rest from memory. Pure.

The list tells of every integration when it was last updated. One that has not moved since all of it
was read is taken to be as it was then; so the plan made of it is the same plan, with every rule.
Because nobody promises that the time moves with each change (of models or workspaces, say), those
that were read longest ago are read again in every run. What is remembered: `reconciler.ledger`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic, warning
from reconciler.domain.state import Observed, ObservedState
from reconciler.planning.normalize import fingerprint
from reconciler.remote.decode import detail_over_row
from reconciler.remote.observe import WantedDetails

if TYPE_CHECKING:
    from reconciler.ledger.models import SeenState

Wants = Callable[[Observed], WantedDetails | None]


class IncrementalRead:
    """One run of a check that reads every integration at least once in `every` runs.

    `read` are the integrations that were read in detail this time, `not_read` counts the others of
    those that were wanted; both are known after `completed`.
    """

    def __init__(self, seen: "Mapping[str, SeenState]", *, every: int) -> None:
        self.read: dict[str, Observed] = {}
        self._seen = seen
        self._every = every
        self._kept: dict[str, Observed] = {}

    @property
    def not_read(self) -> int:
        """Count what was taken for unchanged."""
        return len(self._kept)

    def has_read(self, slug: str) -> bool:
        """Return whether an integration was read in this run, not taken for unchanged."""
        return slug not in self._kept

    def narrowed(self, wants: Wants, declared: Collection[str]) -> Wants:
        """Want less: nothing of what has not moved and is not in this run's sample."""
        sample = self._sample(declared)

        def want(row: Observed) -> WantedDetails | None:
            wanted = wants(row)
            known = self._seen.get(row.slug)
            if wanted is None or known is None or row.slug in sample:
                return wanted
            if not _covers(known.observed, wanted) or not _still(row, known.observed):
                return wanted
            self._kept[row.slug] = known.observed
            return None

        return want

    def completed(self, observed: ObservedState) -> ObservedState | None:
        """Fill in from memory what was not read; None if the list has moved meanwhile."""
        rows = observed.integrations
        self._kept = {slug: then for slug, then in self._kept.items() if slug in rows}
        if not all(_still(rows[slug], then) for slug, then in self._kept.items()):
            self._kept.clear()
            return None
        self.read = {s: o for s, o in rows.items() if o.detailed}
        known = {s: detail_over_row(rows[s], then) for s, then in self._kept.items()}
        return replace(observed, integrations={**rows, **known})

    def read_again(self, slug: str) -> None:
        """Have the next run read an integration whatever the list shows.

        What an audit found in it is not remembered, and must not be missing from the next report.
        """
        if slug in self.read:
            self.read[slug] = replace(self.read[slug], detailed=False)

    def findings(self) -> list[Diagnostic]:
        """Say if something changed without moving its time, for then the list tells too little."""
        silent = sorted(
            slug
            for slug, now in self.read.items()
            if slug in self._seen and _changed_silently(self._seen[slug].observed, now)
        )
        if not silent:
            return []
        return [
            warning(
                "silent-change",
                f"{silent[0]}{f' and {len(silent) - 1} more' if silent[1:] else ''} changed, and "
                "last_updated_at did not move",
                hint="what was not read may have changed as well: run drift without --incremental",
            )
        ]

    def _sample(self, declared: Collection[str]) -> frozenset[str]:
        known = sorted((self._seen[slug].read_at, slug) for slug in declared if slug in self._seen)
        share = -(-len(known) // self._every)
        return frozenset(slug for _, slug in known[:share])


def _covers(then: Observed, wanted: WantedDetails) -> bool:
    """Tell whether everything that is wanted was read then."""
    return (
        then.detailed
        and (then.models_read or not wanted.models)
        and (then.workspaces_read or not wanted.workspaces)
    )


def _still(row: Observed, then: Observed) -> bool:
    """Tell whether the list shows an integration as it was; without any time nothing is known.

    `last_updated_at` is null until the first update (remote/API.md §1.1).
    """
    uncounted = None in {row.workspace_count, then.workspace_count}
    return (
        row.created_at is not None
        and (row.created_at, row.last_updated_at) == (then.created_at, then.last_updated_at)
        and (row.id, row.status) == (then.id, then.status)
        and (uncounted or row.workspace_count == then.workspace_count)
        and all(then.fields.get(name) == value for name, value in row.fields.items())
    )


def _changed_silently(then: Observed, now: Observed) -> bool:
    same_extent = (then.models_read, then.workspaces_read) == (now.models_read, now.workspaces_read)
    same_time = (then.created_at, then.last_updated_at) == (now.created_at, now.last_updated_at)
    return same_extent and same_time and fingerprint(then) != fingerprint(now)
