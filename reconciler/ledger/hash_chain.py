"""The hash chain of a target's runs: each run's hash covers what it did and the hash before it.

A run joins the chain when it ends, or when the next one begins after a crash: in the order of
ending, under the lock of the target's row, so that runs which overlap leave a whole chain. From
then on nothing more is written for it. The chain's end is anchored in `meta`; `reconciler.ledger.
verifying` compares.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from reconciler.domain.tree import digest
from reconciler.ledger import anchors, target_rows
from reconciler.ledger.errors import LockLost
from reconciler.ledger.tables import (
    calls,
    declared,
    outcomes,
    pre_images,
    runs,
    secrets,
    targets,
)

_SHARD = re.compile(r'"shard":"([0-9]+/[0-9]+)"')


def close_abandoned(connection: Connection, target: int, *, shard: str | None) -> None:
    """Add the runs that never ended to the chain; a process that still works for one is shut out.

    The runs of each shard `I/N` are a chain of their own, because shards run at the same time.
    """
    target_rows.lock(connection, target)
    never_ended = select(runs).where(runs.c.target == target, runs.c.hash.is_(None))
    for row in connection.execute(never_ended.order_by(runs.c.id)).all():
        if shard_of(row.facts) == shard:
            append_to_chain(connection, row.id)


def require_open(connection: Connection, target: int, number: int, *, name: str) -> None:
    """Raise `LockLost` for a run that another one has closed; holds the target's row locked."""
    target_rows.lock(connection, target)
    if connection.scalar(select(runs.c.hash).where(runs.c.id == number)) is not None:
        raise LockLost(name, "another run has begun on it")


def append_to_chain(connection: Connection, number: int) -> str:
    """Add a run to the end of its chain as it now is, and return its hash."""
    row = connection.execute(select(runs).where(runs.c.id == number)).one()
    shard = shard_of(row.facts)
    head, length = anchors.read_chain(connection, row.target, shard)
    place = {
        "previous": head,
        "position": length + 1,
        "state": str(anchors.read_state(connection, row.target)),
    }
    connection.execute(update(runs).where(runs.c.id == number).values(place))
    row = connection.execute(select(runs).where(runs.c.id == number)).one()
    sealed = hash_of(row, **_parts(connection, number))
    connection.execute(update(runs).where(runs.c.id == number).values(hash=sealed))
    anchors.write_chain(connection, row.target, shard, head=sealed, length=length + 1)
    return sealed


def anchor_everything(connection: Connection) -> None:
    """Anchor the chains and the last-applied state of a ledger that has no anchors yet."""
    ends: dict[tuple[int, str | None], tuple[str, int]] = {}
    places = []
    for row in connection.execute(select(runs).order_by(runs.c.id)):
        if row.hash is not None:
            chain = (row.target, shard_of(row.facts))
            position = ends.get(chain, ("", 0))[1] + 1
            ends[chain] = (row.hash, position)
            places.append({"number": row.id, "position": position})
    if places:
        statement = update(runs).where(runs.c.id == bindparam("number"))
        connection.execute(statement.values(position=bindparam("position")), places)
    for (target, shard), (head, length) in ends.items():
        anchors.write_chain(connection, target, shard, head=head, length=length)
    for target in connection.scalars(select(targets.c.id)).all():
        state = anchors.RowsDigest()
        for table in (declared, secrets):
            found = connection.execute(select(table).where(table.c.target == target)).mappings()
            state.add(table.name, (dict(row) for row in found))
        anchors.write_state(connection, target, state)


def hash_of(
    row: Row[Any],
    *,
    calls: Iterable[Row[Any]],
    outcomes: Iterable[Row[Any]],
    pre_images: Iterable[Row[Any]],
) -> str:
    """Compute a run's hash from its rows; the calls in the order of their ids."""
    return digest(
        {
            "run": _content(row),
            "calls": [list(call) for call in calls],
            "outcomes": {each.slug: each.document for each in outcomes},
            "pre_images": {each.slug: each.document for each in pre_images},
        }
    )


def shard_of(facts: str) -> str | None:
    """Read the shard of a run; no text in the facts can look like this."""
    found = _SHARD.search(facts)
    return found[1] if found else None


def _content(row: Row[Any]) -> dict[str, Any]:
    content = {
        "run": row.run,
        "target": row.target,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "plan_digest": row.plan_digest,
        "facts": row.facts,
        "summary": row.summary,
        "previous": row.previous,
    }
    # Runs of a ledger before version 5 have none, and their hashes hold as they are.
    return content if row.state is None else {**content, "state": row.state}


def _parts(connection: Connection, number: int) -> Mapping[str, list[Row[Any]]]:
    return {
        table.name: list(
            connection.execute(select(table).where(table.c.run == number).order_by(*by))
        )
        for table, by in (
            (calls, (calls.c.id,)),
            (outcomes, (outcomes.c.slug,)),
            (pre_images, (pre_images.c.slug,)),
        )
    }
