"""Queries for `drift --who`: when a run last confirmed an integration, and what runs have sent."""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, func, select

from reconciler.ledger.codec import parse_document
from reconciler.ledger.models import Confirmation, OwnCall, OwnWrites
from reconciler.ledger.tables import calls, declared, outcomes, runs

_RUN_ID = re.compile(r"(\d{8}T\d{6}Z)-")
"""Time at which a run was named, before it read anything."""

_APPLIED = '"status":"applied"'
"""Part of the stored outcome of an action that succeeded."""

_UNDOES = '"undoes":"'
"""Part of the stored facts of a run that reverts another one."""

# SQLite before 3.32 accepts at most 999 parameters in a statement.
_SLUGS_PER_QUERY = 500

_TOP_LEVEL = re.compile(r"[.\[]")


def read(connection: Connection, target: int, slugs: Collection[str]) -> OwnWrites:
    """Return the confirmations of these integrations, and the calls of all runs since then."""
    confirmations: dict[str, Confirmation] = {}
    for run, started_at, slug in _confirming_runs(connection, target, sorted(slugs)):
        began_at = _began_at(run, started_at)
        known = confirmations.get(slug)
        if began_at is not None and (known is None or began_at >= known.began_at):
            confirmations[slug] = Confirmation(run, began_at)
    if not confirmations:
        return OwnWrites()
    since = min(confirmation.began_at for confirmation in confirmations.values())
    query = (
        select(calls, runs.c.run.label("name"))
        .join(runs)
        .where(runs.c.target == target, calls.c.started_at >= since)
        .order_by(calls.c.id)
    )
    return OwnWrites(confirmations, tuple(_call(row) for row in connection.execute(query)))


def _confirming_runs(
    connection: Connection, target: int, slugs: Sequence[str]
) -> Iterator[tuple[str, str | None, str]]:
    """Yield the runs that stored a declaration or applied an action, oldest first, with slugs."""
    for start in range(0, len(slugs), _SLUGS_PER_QUERY):
        named = slugs[start : start + _SLUGS_PER_QUERY]
        storing = (
            select(declared.c.run, runs.c.started_at, declared.c.slug)
            .outerjoin(runs, runs.c.run == declared.c.run)
            .where(declared.c.target == target, declared.c.slug.in_(named))
            .where(declared.c.run.is_not(None))
        )
        yield from ((r.run, r.started_at, r.slug) for r in connection.execute(storing))
        newest = (
            select(outcomes.c.slug, func.max(outcomes.c.run).label("run"))
            .join(runs)
            .where(runs.c.target == target, outcomes.c.slug.in_(named))
            .where(outcomes.c.document.contains(_APPLIED, autoescape=True))
            # An undo does not apply what the files declare.
            .where(~runs.c.facts.contains(_UNDOES, autoescape=True))
            .group_by(outcomes.c.slug)
            .subquery()
        )
        applying = select(runs.c.run, runs.c.started_at, newest.c.slug).join(
            newest, newest.c.run == runs.c.id
        )
        yield from ((r.run, r.started_at, r.slug) for r in connection.execute(applying))


def _began_at(run: str, started_at: str | None) -> str | None:
    """Return when a run began to read; a run without writes has no row, only its name."""
    named = _RUN_ID.match(run)
    if named is None:
        return started_at
    try:
        moment = datetime.strptime(named[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return started_at
    # The record of a run starts after its reads, and changes in between count.
    text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return text if started_at is None else min(text, started_at)


def _call(row: Row[tuple[object, ...]]) -> OwnCall:
    fields = parse_document(row.fields)
    names = {_TOP_LEVEL.split(path, maxsplit=1)[0] for path in fields.get("body", ())}
    return OwnCall(
        run=row.name,
        slug=row.slug,
        operation=row.operation,
        fields=frozenset(names),
        started_at=row.started_at,
        ended_at=row.ended_at,
        request_id=row.request_id,
        # An interrupted call has no end, and it is unknown whether it was carried out.
        is_done=row.ended_at is not None and row.error is None,
    )
