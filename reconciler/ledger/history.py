"""What the ledger tells of past runs: the public form of `history`, and pre-images for `undo`."""

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from reconciler.ledger import rows
from reconciler.ledger.codec import document
from reconciler.ledger.entries import TargetKey
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.preimages import PreImage, from_document
from reconciler.ledger.tables import calls, outcomes, pre_images, runs

_STATUSES = ("applied", "failed", "skipped", "unknown")


def history(
    connection: Connection, *, key: TargetKey | None, since: str | None
) -> list[dict[str, Any]]:
    """Give the runs, oldest first; `since` is a date or a time in UTC as text."""
    chosen = _chosen(connection, key=key, since=since)
    if chosen is None:
        return []
    ended = defaultdict(list)
    for row in connection.execute(
        select(outcomes).join(runs).where(chosen).order_by(outcomes.c.slug)
    ):
        ended[row.run].append(document(row.document))
    open_calls = defaultdict(list)
    unanswered = select(calls).join(runs).where(chosen, calls.c.ended_at.is_(None))
    for row in connection.execute(unanswered.order_by(calls.c.id)):
        open_calls[row.run].append({"slug": row.slug, "operation": row.operation})
    return [
        _run(row, ended[row.id], open_calls[row.id])
        for row in connection.execute(select(runs).where(chosen).order_by(runs.c.id))
    ]


def images_of(connection: Connection, run: str) -> list[PreImage]:
    """Give the pre-images of a run, by slug."""
    number = connection.scalar(select(runs.c.id).where(runs.c.run == run))
    if number is None:
        raise LedgerError(
            f"the ledger knows no run {run}",
            code="unknown-run",
            hint="`reconcile history` lists the runs",
        )
    found = select(pre_images).where(pre_images.c.run == number).order_by(pre_images.c.slug)
    return [from_document(row.slug, document(row.document)) for row in connection.execute(found)]


def made_by_runs(
    connection: Connection, run: str, slugs: Collection[str]
) -> dict[str, frozenset[str]]:
    """Return, by slug, the ids of what runs on the same target as this one have created."""
    target = select(runs.c.target).where(runs.c.run == run).scalar_subquery()
    query = (
        select(pre_images.c.slug, pre_images.c.document)
        .join(runs)
        .where(runs.c.target == target, pre_images.c.slug.in_(sorted(slugs)))
        .where(pre_images.c.document.contains('"made":', autoescape=True))
    )
    found: dict[str, frozenset[str]] = {}
    for row in connection.execute(query):
        made = document(row.document).get("made")
        if isinstance(made, str):
            found[row.slug] = found.get(row.slug, frozenset()) | {made}
    return found


def _chosen(
    connection: Connection, *, key: TargetKey | None, since: str | None
) -> ColumnElement[bool] | None:
    conditions: list[ColumnElement[bool]] = [runs.c.started_at >= (since or "")]
    if key is not None:
        target = rows.find(connection, key)
        if target is None:
            return None
        conditions.append(runs.c.target == target)
    return and_(*conditions)


def _run(
    row: Row[Any], ended: list[dict[str, Any]], unanswered: list[dict[str, str]]
) -> dict[str, Any]:
    facts = document(row.facts)
    summary = document(row.summary) if row.summary is not None else _count(ended)
    return {
        "run": row.run,
        "target": facts.pop("target", None),
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "commit": facts.pop("commit", None),
        "plan_digest": row.plan_digest,
        "summary": summary,
        **facts,
        "outcomes": ended,
        "unanswered": unanswered,
        "hash": row.hash,
    }


def _count(ended: list[dict[str, Any]]) -> dict[str, int]:
    """Count the outcomes of a run that was cut off before it could."""
    found = Counter(outcome["status"] for outcome in ended)
    return {status: found[status] for status in _STATUSES}
