"""What the ledger tells of past runs: the public form of `history`, and pre-images for `undo`."""

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, and_, func, select

from reconciler.ledger import target_rows
from reconciler.ledger.codec import parse_document, preimage_from_document
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.models import PreImage, RunFilter
from reconciler.ledger.tables import calls, outcomes, pre_images, runs, targets

_STATUSES = ("applied", "failed", "skipped", "unknown")


def history(connection: Connection, wanted: RunFilter) -> list[dict[str, Any]]:
    """Return the runs, oldest first."""
    chosen = _chosen(connection, wanted)
    if chosen is None:
        return []
    newest = select(runs).where(chosen).order_by(runs.c.id.desc()).limit(wanted.limit)
    found = list(reversed(connection.execute(newest).all()))
    if not found:
        return []
    # Everything between the oldest and the newest that is shown; rows of others are dropped.
    between = runs.c.id.between(found[0].id, found[-1].id)
    ended = defaultdict(list)
    of_runs = select(outcomes).join(runs).where(chosen, between)
    for row in connection.execute(of_runs.order_by(outcomes.c.slug)):
        ended[row.run].append(parse_document(row.document))
    open_calls = defaultdict(list)
    unanswered = select(calls).join(runs).where(chosen, between, calls.c.ended_at.is_(None))
    for row in connection.execute(unanswered.order_by(calls.c.id)):
        open_calls[row.run].append({"slug": row.slug, "operation": row.operation})
    return [_run(row, ended[row.id], open_calls[row.id]) for row in found]


def count(connection: Connection, wanted: RunFilter) -> int:
    """Return how many runs there are, whatever the limit."""
    chosen = _chosen(connection, wanted)
    if chosen is None:
        return 0
    return int(connection.scalar(select(func.count()).select_from(runs).where(chosen)) or 0)


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
    rows = connection.execute(found)
    return [preimage_from_document(row.slug, parse_document(row.document)) for row in rows]


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
        made = parse_document(row.document).get("made")
        if isinstance(made, str):
            found[row.slug] = found.get(row.slug, frozenset()) | {made}
    return found


def _chosen(connection: Connection, wanted: RunFilter) -> ColumnElement[bool] | None:
    conditions: list[ColumnElement[bool]] = [runs.c.started_at >= (wanted.since or "")]
    if wanted.key is not None:
        target = target_rows.find(connection, wanted.key)
        if target is None:
            return None
        conditions.append(runs.c.target == target)
    if wanted.target is not None:
        named = select(targets.c.id).where(targets.c.name == wanted.target)
        conditions.append(runs.c.target.in_(named))
    if wanted.run is not None:
        conditions.append(runs.c.run == wanted.run)
    if wanted.before is not None:
        conditions.append(runs.c.id < _number(wanted.before))
    if wanted.after is not None:
        conditions.append(runs.c.id > _number(wanted.after))
    return and_(*conditions)


def _number(run: str) -> ScalarSelect[int]:
    return select(runs.c.id).where(runs.c.run == run).scalar_subquery()


def _run(
    row: Row[Any], ended: list[dict[str, Any]], unanswered: list[dict[str, str]]
) -> dict[str, Any]:
    facts = parse_document(row.facts)
    summary = parse_document(row.summary) if row.summary is not None else _count(ended)
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
