"""Runs that recorded the create of a shadow before they sent it.

A call is recorded before it is sent, so a run that was killed right after a create is known, too.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from reconciler.domain.calls import OperationName
from reconciler.domain.state import SHADOW_SUFFIX
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.tables import calls, runs


@dataclass(frozen=True, slots=True)
class ShadowRuns:
    """Runs by the slug of the shadow that they announced, and those that have not finished."""

    by_slug: Mapping[str, frozenset[str]]
    unfinished: frozenset[str] = frozenset()


def shadow_runs(connection: Connection, target: int) -> ShadowRuns:
    """Return the runs on a target that announced to create a shadow."""
    query = (
        select(calls.c.slug, runs.c.run, runs.c.finished_at)
        .join(runs, calls.c.run == runs.c.id)
        .where(runs.c.target == target)
        .where(calls.c.operation == OperationName.CREATE.value)
        .where(calls.c.slug.endswith(SHADOW_SUFFIX, autoescape=True))
    )
    by_slug: dict[str, frozenset[str]] = {}
    unfinished = set()
    for row in connection.execute(query):
        by_slug[row.slug] = by_slug.get(row.slug, frozenset()) | {row.run}
        if row.finished_at is None:
            unfinished.add(row.run)
    return ShadowRuns(by_slug, frozenset(unfinished))
