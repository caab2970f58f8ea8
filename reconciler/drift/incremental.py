"""Incremental drift: read what has changed and a rotating sample, reuse earlier reads for the rest.

Pure. The list has the time of the last update of every integration. For an integration that has not
changed since it was read in detail, that read is reused, so the plan is the same. The API does not
guarantee a new time for each change (of models or workspaces, for example). Therefore, every run
also reads the integrations that were read longest ago. `reconciler.ledger` keeps the earlier reads.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic, named, warning
from reconciler.domain.state import Observed, ObservedState
from reconciler.planning.normalize import fingerprint
from reconciler.remote.decode import detail_over_row
from reconciler.remote.observe import WantedDetails

if TYPE_CHECKING:
    from reconciler.ledger.models import SeenState

Wants = Callable[[Observed], WantedDetails | None]


class IncrementalRead:
    """One run of a check that reads every integration at least once in `every` runs.

    `seen` has the earlier reads by slug. After `merge`, `read` has the integrations that were read
    in detail in this run, and `not_read` counts those that were not.
    """

    def __init__(self, seen: "Mapping[str, SeenState]", *, every: int) -> None:
        self.read: dict[str, Observed] = {}
        self._seen = seen
        self._every = every
        self._reused: dict[str, Observed] = {}

    @property
    def not_read(self) -> int:
        """Number of integrations that are assumed to be unchanged."""
        return len(self._reused)

    def has_read(self, slug: str) -> bool:
        """Return whether an integration was read in this run, not assumed to be unchanged."""
        return slug not in self._reused

    def filter_wants(self, wants: Wants, declared: Collection[str]) -> Wants:
        """Return `wants` without integrations that are unchanged and not in this run's sample."""
        sample = self._sample(declared)

        def filtered(row: Observed) -> WantedDetails | None:
            wanted = wants(row)
            earlier = self._seen.get(row.slug)
            if wanted is None or earlier is None or row.slug in sample:
                return wanted
            if not _covers(earlier.observed, wanted) or not _is_unchanged(row, earlier.observed):
                return wanted
            self._reused[row.slug] = earlier.observed
            return None

        return filtered

    def merge(self, observed: ObservedState) -> ObservedState | None:
        """Add the earlier reads to those of this run; return None if the list has changed."""
        rows = observed.integrations
        # `filter_wants` ran while the list was read; a row of an abandoned pass may no longer
        # exist.
        self._reused = {slug: earlier for slug, earlier in self._reused.items() if slug in rows}
        if not all(_is_unchanged(rows[slug], earlier) for slug, earlier in self._reused.items()):
            self._reused.clear()
            return None
        self.read = {slug: read for slug, read in rows.items() if read.detailed}
        merged = dict(rows)
        for slug, earlier in self._reused.items():
            merged[slug] = detail_over_row(rows[slug], earlier)
        return replace(observed, integrations=merged)

    def read_again(self, slug: str) -> None:
        """Make the next run read an integration again, regardless of the list.

        The findings of an audit are not stored, and must not be missing from the next report.
        """
        if slug in self.read:
            self.read[slug] = replace(self.read[slug], detailed=False)

    def diagnostics(self) -> list[Diagnostic]:
        """Return a warning if an integration changed without a new update time."""
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
                f"{named(silent, limit=1)} changed without a change of last_updated_at",
                hint="run drift without --incremental: integrations that were not read may have "
                "changed as well",
            )
        ]

    def _sample(self, declared: Collection[str]) -> frozenset[str]:
        """Return one in `every` of the declared integrations, those read longest ago first."""
        # The slug breaks ties: one run stores all its reads under the same time.
        known = sorted((self._seen[slug].read_at, slug) for slug in declared if slug in self._seen)
        size = -(-len(known) // self._every)  # rounded up, so that every integration has its turn
        return frozenset(slug for _, slug in known[:size])


def _covers(earlier: Observed, wanted: WantedDetails) -> bool:
    """Return whether an earlier read contains all wanted parts."""
    return (
        earlier.detailed
        and (earlier.models_read or not wanted.models)
        and (earlier.workspaces_read or not wanted.workspaces)
    )


def _is_unchanged(row: Observed, earlier: Observed) -> bool:
    """Return whether the list shows an integration as it was read earlier.

    A row without `created_at` proves nothing; `last_updated_at` is null until the first update
    (remote/API.md §1.1).
    """
    # The number of workspaces, if known, shows changes without a new time (remote/API.md §6).
    count_unknown = None in {row.workspace_count, earlier.workspace_count}
    return (
        row.created_at is not None
        and _times(row) == _times(earlier)
        and (row.id, row.status) == (earlier.id, earlier.status)
        and (count_unknown or row.workspace_count == earlier.workspace_count)
        and all(earlier.fields.get(name) == value for name, value in row.fields.items())
    )


def _changed_silently(earlier: Observed, now: Observed) -> bool:
    if _parts_read(earlier) != _parts_read(now) or _times(earlier) != _times(now):
        return False
    return fingerprint(earlier) != fingerprint(now)


def _times(observed: Observed) -> tuple[str | None, str | None]:
    return observed.created_at, observed.last_updated_at


def _parts_read(observed: Observed) -> tuple[bool, bool]:
    return observed.models_read, observed.workspaces_read
