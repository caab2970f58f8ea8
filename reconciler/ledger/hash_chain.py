"""Hash chain of a target's runs, and a digest of its last-applied rows, both anchored in `meta`.

The hash of a run covers its actions and the hash of the run before it. A run is added to the chain
when it ends or, after a crash, when the next run starts: in the order of ending, under the lock of
the target's row, so that overlapping runs leave an intact chain. After that, nothing is written for
the run.

The digest of the last-applied rows is MuHash: a product of numbers derived from the rows, so that a
row can be added or removed without reading the others, in any order. Chain end and digest change in
the same transaction as the rows that they cover. `reconciler.ledger.verification` computes both
again.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from reconciler.domain.tree import canonical_json, digest
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger import target_rows
from reconciler.ledger.codec import parse_document
from reconciler.ledger.errors import LockLost, damaged
from reconciler.ledger.models import Anchor
from reconciler.ledger.tables import (
    calls,
    declared,
    meta,
    outcomes,
    pre_images,
    runs,
    secrets,
    targets,
)

CHAIN_END_PREFIX = "chain of target "
SHARD_INFIX = " shard "
_STATE_PREFIX = "state of target "

_SHARD = re.compile(r'"shard":"([0-9]+/[0-9]+)"')

# The modulus that MuHash3072 of Bitcoin Core uses, a prime.
_MODULUS = 2**3072 - 1_103_717
_MODULUS_BYTES = 3072 // 8

# Built once, because each batch of a run's record needs it.
_HASH_OF_RUN = select(runs.c.hash).where(runs.c.id == bindparam("run_id"))


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Hash of the last run of a chain, None before the first one, and the number of runs."""

    head: str | None = None
    length: int = 0

    @classmethod
    def from_text(cls, text: str) -> "ChainEnd":
        """Parse the stored form; raises `LedgerError` for anything else."""
        found = parse_document(text)
        head, length = found.get("head"), found.get("length")
        if not isinstance(head, str) or not isinstance(length, int):
            raise damaged()
        return cls(head, length)

    def to_text(self) -> str:
        """Return the stored form."""
        return canonical_json({"head": self.head, "length": self.length})


class RowsDigest:
    """Digest of a set of rows; `str` is its form for users and for the chain."""

    def __init__(self, product: int = 1) -> None:
        self._product = product

    @classmethod
    def from_text(cls, text: str) -> "RowsDigest":
        """Parse the stored form; raises `LedgerError` for anything else."""
        try:
            return cls(int(str(parse_document(text)["product"]), 16))
        except (KeyError, ValueError):
            raise damaged() from None

    def to_text(self) -> str:
        """Return the stored form."""
        return canonical_json({"product": f"{self._product:x}"})

    def add(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows of a table to the set."""
        for row in rows:
            # A product does not depend on the order, so one row can be replaced without reading the
            # others.
            self._product = self._product * _number_of(table, row) % _MODULUS

    def remove(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Remove rows of a table from the set, which must contain all of them."""
        # All rows are divided out at once, because an inversion costs as much as many products.
        product = 1
        for row in rows:
            product = product * _number_of(table, row) % _MODULUS
        if product != 1:
            self._product = self._product * pow(product, -1, _MODULUS) % _MODULUS

    def __str__(self) -> str:
        hashed = hashlib.sha256(self._product.to_bytes(_MODULUS_BYTES, "big"))
        return f"sha256:{hashed.hexdigest()}"


def close_abandoned(connection: Connection, target: int, *, shard: str | None) -> None:
    """Add runs that never ended to the chain; a process that still works on one is excluded.

    The runs of each shard `I/N` form a separate chain, because shards run at the same time.
    """
    target_rows.lock(connection, target)
    never_ended = select(runs).where(runs.c.target == target, runs.c.hash.is_(None))
    # All rows are fetched first, because the loop changes the table.
    for row in connection.execute(never_ended.order_by(runs.c.id)).all():
        if shard_of(row.facts) == shard:
            append_to_chain(connection, row.id)


def require_open(connection: Connection, target: int, run_id: int, *, name: str) -> None:
    """Raise `LockLost` if another run has closed this one; the target's row stays locked."""
    target_rows.lock(connection, target)
    if connection.scalar(_HASH_OF_RUN, {"run_id": run_id}) is not None:
        raise LockLost(name, "another run has begun on it")


def append_to_chain(connection: Connection, run_id: int) -> str:
    """Add a run to the end of its chain and return its hash."""
    this_run = runs.c.id == run_id
    row = connection.execute(select(runs).where(this_run)).one()
    shard = shard_of(row.facts)
    end = _read_chain_end(connection, row.target, shard)
    place = {
        "previous": end.head,
        "position": end.length + 1,
        "state": str(read_state_digest(connection, row.target)),
    }
    connection.execute(update(runs).where(this_run).values(place))
    # The hash covers the place in the chain, so the row is read again with it.
    row = connection.execute(select(runs).where(this_run)).one()
    hashed = hash_of(row, **_rows_of_run(connection, run_id))
    connection.execute(update(runs).where(this_run).values(hash=hashed))
    _write_chain_end(connection, row.target, shard, ChainEnd(hashed, end.length + 1))
    return hashed


def hash_of(
    row: Row[Any],
    *,
    calls: Iterable[Row[Any]],
    outcomes: Iterable[Row[Any]],
    pre_images: Iterable[Row[Any]],
) -> str:
    """Compute a run's hash from its rows, with calls ordered by id."""
    return digest(
        {
            "run": _hashed_columns(row),
            # Calls are ordered by id, other rows by slug, because a database returns rows in any
            # order.
            "calls": [list(call) for call in calls],
            "outcomes": {each.slug: each.document for each in outcomes},
            "pre_images": {each.slug: each.document for each in pre_images},
        }
    )


def shard_of(facts: str) -> str | None:
    """Return the shard of a run from the text of its facts, in which no other text can match."""
    found = _SHARD.search(facts)
    return found[1] if found else None


def read_state_digest(connection: Connection, target: int) -> RowsDigest:
    """Return the stored digest of a target's last-applied rows."""
    text = target_rows.read_meta(connection, f"{_STATE_PREFIX}{target}")
    # Without rows, the product is 1, which is not stored before the first write.
    return RowsDigest() if text is None else RowsDigest.from_text(text)


def write_state_digest(connection: Connection, target: int, state: RowsDigest) -> None:
    """Store the digest of a target's last-applied rows."""
    target_rows.write_meta(connection, f"{_STATE_PREFIX}{target}", state.to_text())


def anchor_of(connection: Connection, target: int, shard: str | None) -> Anchor:
    """Return the anchor of a chain; a copy elsewhere can later prove that nothing was removed."""
    end = _read_chain_end(connection, target, shard)
    return Anchor(end.head, end.length, str(read_state_digest(connection, target)))


def anchors_of(connection: Connection, target: int) -> dict[str | None, Anchor]:
    """Return the anchors of all chains of a target, by shard."""
    shard_prefix = _chain_end_name(target, None) + SHARD_INFIX
    named = select(meta.c.name).where(meta.c.name.startswith(shard_prefix))
    shards = sorted(name.removeprefix(shard_prefix) for name in connection.scalars(named))
    return {shard: anchor_of(connection, target, shard) for shard in (None, *shards)}


def anchor_everything(connection: Connection) -> None:
    """Anchor the chains and the last-applied rows of a ledger that has no anchors yet."""
    ends: dict[tuple[int, str | None], ChainEnd] = {}
    positions = []
    for row in connection.execute(select(runs).order_by(runs.c.id)):
        # Not in a chain yet: `close_abandoned` adds it when the next run begins.
        if row.hash is None:
            continue
        chain = (row.target, shard_of(row.facts))
        length = ends.get(chain, ChainEnd()).length + 1
        ends[chain] = ChainEnd(row.hash, length)
        positions.append({"run_id": row.id, "position": length})
    if positions:
        statement = update(runs).where(runs.c.id == bindparam("run_id"))
        connection.execute(statement.values(position=bindparam("position")), positions)
    for (target, shard), end in ends.items():
        _write_chain_end(connection, target, shard, end)
    for target in connection.scalars(select(targets.c.id)).all():
        state = RowsDigest()
        for table in (declared, secrets):
            found = connection.execute(select(table).where(table.c.target == target)).mappings()
            state.add(table.name, (dict(row) for row in found))
        write_state_digest(connection, target, state)


def _read_chain_end(connection: Connection, target: int, shard: str | None) -> ChainEnd:
    text = target_rows.read_meta(connection, _chain_end_name(target, shard))
    return ChainEnd() if text is None else ChainEnd.from_text(text)


def _write_chain_end(connection: Connection, target: int, shard: str | None, end: ChainEnd) -> None:
    target_rows.write_meta(connection, _chain_end_name(target, shard), end.to_text())


def _chain_end_name(target: int, shard: str | None) -> str:
    name = f"{CHAIN_END_PREFIX}{target}"
    return f"{name}{SHARD_INFIX}{shard}" if shard else name


def _hashed_columns(row: Row[Any]) -> dict[str, object]:
    columns = {
        "run": row.run,
        "target": row.target,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "plan_digest": row.plan_digest,
        "facts": row.facts,
        "summary": row.summary,
        "previous": row.previous,
    }
    # Runs of a ledger before version 5 have no state, and their hashes must stay valid.
    return columns if row.state is None else {**columns, "state": row.state}


def _rows_of_run(connection: Connection, run_id: int) -> Mapping[str, list[Row[Any]]]:
    ordered_by = ((calls, calls.c.id), (outcomes, outcomes.c.slug), (pre_images, pre_images.c.slug))
    found = {}
    for table, column in ordered_by:
        query = select(table).where(table.c.run == run_id).order_by(column)
        found[table.name] = list(connection.execute(query))
    return found


def _number_of(table: str, row: Mapping[str, object]) -> int:
    content = {name: value for name, value in row.items() if name != "target"}
    text = canonical_json([table, content])
    hashed = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(_MODULUS_BYTES)
    # Zero has no inverse, and would erase the whole product.
    return int.from_bytes(hashed, "big") % _MODULUS or 1
