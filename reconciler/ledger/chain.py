"""The hash chain of a target's runs: each run's hash covers what it did and the hash before it.

A run is sealed when it ends, or when the next one begins after a crash. The chain shows that a
record was edited or taken out; that the newest runs were cut off shows only against a hash that was
kept elsewhere, which is why `history` prints it.
"""

import re
from typing import Any

from sqlalchemy import Connection, Row, select, update

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.tree import digest
from reconciler.ledger.tables import calls, outcomes, pre_images, runs, targets

_SHARD = re.compile(r'"shard":"([0-9]+/[0-9]+)"')


def previous_hash(connection: Connection, target: int, *, shard: str | None = None) -> str | None:
    """Give the hash that the next run of a target carries on, sealing a run that never ended.

    The runs of each shard `I/N` are a chain of their own, because shards run at the same time.
    """
    mark = f'"shard":"{shard or ""}'
    marked = runs.c.facts.contains(mark + '"' if shard else mark, autoescape=True)
    ours = marked if shard else ~marked
    newest = connection.execute(
        select(runs).where(runs.c.target == target, ours).order_by(runs.c.id.desc()).limit(1)
    ).one_or_none()
    if newest is None:
        return None
    if newest.hash is None:
        return seal(connection, newest.id)
    return str(newest.hash)


def seal(connection: Connection, number: int) -> str:
    """Store the hash of a run as it now is, and give it."""
    row = connection.execute(select(runs).where(runs.c.id == number)).one()
    sealed = hash_of(connection, row)
    connection.execute(update(runs).where(runs.c.id == number).values(hash=sealed))
    return sealed


def hash_of(connection: Connection, row: Row[Any]) -> str:
    """Compute a run's hash from its rows."""
    return digest({"run": _content(row), **_parts(connection, row.id)})


def verify(connection: Connection) -> list[Diagnostic]:
    """Compare every stored hash with its content and its predecessor."""
    problems: list[Diagnostic] = []
    before: dict[tuple[int, str], Row[Any]] = {}
    ordered = select(runs, targets.c.name).join(targets).order_by(runs.c.target, runs.c.id)
    for row in connection.execute(ordered):
        chain = (row.target, _shard_of(row))
        last = before.get(chain)
        if row.previous != (last.hash if last else None):
            problems.append(_broken(row, "does not follow the run recorded before it"))
        if row.hash is not None and row.hash != hash_of(connection, row):
            problems.append(_broken(row, "was changed after it ended"))
        before[chain] = row
    return problems


def _shard_of(row: Row[Any]) -> str:
    """Read the shard as `previous_hash` looks for it: no text in the facts can look like this."""
    found = _SHARD.search(row.facts)
    return found[1] if found else ""


def _broken(row: Row[Any], how: str) -> Diagnostic:
    return error(
        "ledger-altered",
        f"run {row.run} of target {row.name} {how}",
        hint="what the ledger says of this run cannot be relied on",
    )


def _content(row: Row[Any]) -> dict[str, Any]:
    return {
        "run": row.run,
        "target": row.target,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "plan_digest": row.plan_digest,
        "facts": row.facts,
        "summary": row.summary,
        "previous": row.previous,
    }


def _parts(connection: Connection, number: int) -> dict[str, Any]:
    steps = connection.execute(select(calls).where(calls.c.run == number).order_by(calls.c.id))
    documents = {
        table.name: {
            row.slug: row.document
            for row in connection.execute(select(table).where(table.c.run == number))
        }
        for table in (outcomes, pre_images)
    }
    return {"calls": [list(row) for row in steps], **documents}
