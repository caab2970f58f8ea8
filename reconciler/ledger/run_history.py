"""Queries of past runs: the JSON form for `history`, and pre-images for `undo`."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, and_, func, select

from reconciler.domain.calls import OperationName
from reconciler.domain.state import SHADOW_SUFFIX
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger import target_rows
from reconciler.ledger.codec import commits_of, parse_document, preimage_from_document
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import PreImage, RecordedAction, RunFilter
from reconciler.ledger.recorded_changes import action_from_document
from reconciler.ledger.tables import calls, outcomes, pre_images, runs, targets

_RUNS_PER_QUERY = 100
"""Number of runs that one query reads; every database accepts as many parameters."""

_STATUSES = ("applied", "failed", "skipped", "unknown")


def history(connection: Connection, filters: RunFilter) -> list[dict[str, Any]]:
    """Return the runs, oldest first."""
    return [run for page in history_pages(connection, filters) for run in page]


def history_pages(connection: Connection, filters: RunFilter) -> Iterator[list[dict[str, Any]]]:
    """Yield the runs in lists of at most `_RUNS_PER_QUERY`, oldest first."""
    condition = _condition(connection, filters)
    if condition is None:
        return
    newest = select(runs.c.id).where(condition).order_by(runs.c.id.desc()).limit(filters.limit)
    # The limit keeps the newest runs, and they are shown oldest first.
    ids = connection.scalars(newest).all()[::-1]
    for start in range(0, len(ids), _RUNS_PER_QUERY):
        page = ids[start : start + _RUNS_PER_QUERY]
        # A range is faster than a list of ids, and no other run within it matches.
        between = runs.c.id.between(page[0], page[-1])
        yield _page(connection, filters, condition, between)


def _page(
    connection: Connection,
    filters: RunFilter,
    condition: ColumnElement[bool],
    between: ColumnElement[bool],
) -> list[dict[str, Any]]:
    selected = select(runs).where(condition, between).order_by(runs.c.id)
    found = connection.execute(selected).all()
    ended: dict[int, list[dict[str, Any]]] = defaultdict(list)
    of_runs = select(outcomes).join(runs).where(condition, between)
    unanswered: dict[int, list[dict[str, str]]] = defaultdict(list)
    open_calls = select(calls).join(runs).where(condition, between, calls.c.ended_at.is_(None))
    if filters.slug is not None:
        of_runs = of_runs.where(outcomes.c.slug == filters.slug)
        open_calls = open_calls.where(calls.c.slug == filters.slug)
    for row in connection.execute(of_runs.order_by(outcomes.c.slug)):
        ended[row.run].append(parse_document(row.document))
    for row in connection.execute(open_calls.order_by(calls.c.id)):
        unanswered[row.run].append({"slug": row.slug, "operation": row.operation})
    return [_run(row, ended[row.id], unanswered[row.id]) for row in found]


def count(connection: Connection, filters: RunFilter) -> int:
    """Return the number of matching runs, ignoring the limit."""
    condition = _condition(connection, filters)
    if condition is None:
        return 0
    return int(connection.scalar(select(func.count()).select_from(runs).where(condition)) or 0)


def finished_commits(connection: Connection, key: TargetKey, *, limit: int) -> tuple[str, ...]:
    """Return the commits of the newest finished runs on a target, newest first, no duplicates."""
    target = target_rows.find(connection, key)
    if target is None:
        return ()
    query = select(runs.c.facts).where(runs.c.target == target, runs.c.finished_at.is_not(None))
    rows = connection.execute(query.order_by(runs.c.id.desc()).limit(limit))
    return commits_of(row.facts for row in rows)


def images_of(connection: Connection, run: str) -> list[PreImage]:
    """Return the pre-images of a run, ordered by slug."""
    run_id = connection.scalar(select(runs.c.id).where(runs.c.run == run))
    if run_id is None:
        raise LedgerError(
            f"the ledger has no run {run}",
            code="unknown-run",
            hint="run `reconcile history` to list the runs",
        )
    found = select(pre_images).where(pre_images.c.run == run_id).order_by(pre_images.c.slug)
    rows = connection.execute(found)
    return [preimage_from_document(row.slug, parse_document(row.document)) for row in rows]


def actions_of(
    connection: Connection, names: Sequence[str], *, slug: str | None = None
) -> dict[str, list[RecordedAction]]:
    """Return the planned actions of runs, by run and ordered by slug; `slug` limits them to one."""
    found: dict[str, list[RecordedAction]] = {name: [] for name in names}
    for start in range(0, len(names), _RUNS_PER_QUERY):
        query = (
            select(runs.c.run, pre_images.c.slug, pre_images.c.document)
            .join(pre_images)
            .where(runs.c.run.in_(names[start : start + _RUNS_PER_QUERY]))
            .order_by(pre_images.c.run, pre_images.c.slug)
        )
        if slug is not None:
            query = query.where(pre_images.c.slug == slug)
        for row in connection.execute(query):
            action = action_from_document(row.slug, parse_document(row.document))
            found[row.run].append(action)
    return found


def calls_of(connection: Connection, run: str) -> list[dict[str, Any]]:
    """Return the calls of a run in the order of their start: names of fields, no values."""
    query = select(calls).join(runs).where(runs.c.run == run).order_by(calls.c.id)
    return [
        {
            "slug": row.slug,
            "operation": row.operation,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "request_id": row.request_id,
            "error": row.error,
        }
        for row in connection.execute(query)
    ]


def made_by_runs(
    connection: Connection, run: str, slugs: Collection[str]
) -> dict[str, frozenset[str]]:
    """Return the ids of objects that any run on the target of this one created, by slug."""
    target = select(runs.c.target).where(runs.c.run == run).scalar_subquery()
    query = (
        select(pre_images.c.slug, pre_images.c.document)
        .join(runs)
        .where(runs.c.target == target, pre_images.c.slug.in_(sorted(slugs)))
        # This only limits what is parsed; the key in the parsed document decides.
        .where(pre_images.c.document.contains('"made":', autoescape=True))
    )
    found: dict[str, frozenset[str]] = {}
    for row in connection.execute(query):
        made = parse_document(row.document).get("made")
        if isinstance(made, str):
            found[row.slug] = found.get(row.slug, frozenset()) | {made}
    return found


def _condition(connection: Connection, filters: RunFilter) -> ColumnElement[bool] | None:
    """Return the condition of a filter, None if it names an unknown target."""
    # Every text is greater than the empty one, so without `since` this matches all runs.
    conditions: list[ColumnElement[bool]] = [runs.c.started_at >= (filters.since or "")]
    if filters.key is not None:
        target = target_rows.find(connection, filters.key)
        if target is None:
            return None
        conditions.append(runs.c.target == target)
    if filters.target is not None:
        named = select(targets.c.id).where(targets.c.name == filters.target)
        conditions.append(runs.c.target.in_(named))
    if filters.run is not None:
        conditions.append(runs.c.run == filters.run)
    if filters.slug is not None:
        concerned = select(pre_images.c.run).where(pre_images.c.slug == filters.slug)
        conditions.append(runs.c.id.in_(concerned))
    if filters.before is not None:
        conditions.append(runs.c.id < _id_of(filters.before))
    if filters.after is not None:
        conditions.append(runs.c.id > _id_of(filters.after))
    return and_(*conditions)


def _id_of(run: str) -> ScalarSelect[int]:
    return select(runs.c.id).where(runs.c.run == run).scalar_subquery()


def _run(
    row: Row[Any], ended: list[dict[str, Any]], unanswered: list[dict[str, str]]
) -> dict[str, Any]:
    facts = parse_document(row.facts)
    summary = parse_document(row.summary) if row.summary is not None else _count_by_status(ended)
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


def _count_by_status(ended: list[dict[str, Any]]) -> dict[str, int]:
    """Count the outcomes of a run that ended before it stored a summary."""
    counts = Counter(outcome["status"] for outcome in ended)
    return {status: counts[status] for status in _STATUSES}


@dataclass(frozen=True, slots=True)
class ShadowRuns:
    """Runs by the slug of the shadow that they announced, and those that have not finished."""

    by_slug: Mapping[str, frozenset[str]]
    unfinished: frozenset[str] = frozenset()


def shadow_runs(connection: Connection, target: int) -> ShadowRuns:
    """Return the runs on a target that announced to create a shadow.

    A call is recorded before it is sent, so a run that was killed right afterwards is also found.
    """
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
