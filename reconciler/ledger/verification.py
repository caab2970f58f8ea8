"""Verification of everything in the ledger against the hashes and digests stored with it.

All tables are read once, in parallel in the order of the runs, so that time grows with their size
and memory with the number of runs.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, select

from reconciler.diagnostics import Diagnostic, error
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.hash_chain import (
    CHAIN_END_PREFIX,
    SHARD_INFIX,
    ChainEnd,
    RowsDigest,
    hash_of,
    read_state_digest,
    shard_of,
)
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

_BATCH = 500
_UNRELIABLE = "do not rely on the record of this run"
_LOST = "compare the head and the length with those that the last apply printed"

_Chain = tuple[int, str | None]
"""Target and shard."""


@dataclass(frozen=True, slots=True)
class _Link:
    """Position of a run in its chain."""

    run: str
    position: int
    previous: str | None
    hash: str


def verify(connection: Connection, *, expected_head: str | None = None) -> list[Diagnostic]:
    """Return a finding for everything that was changed or removed.

    `expected_head` is the hash of a run that was stored elsewhere and must be recorded.
    """
    names = {row.id: row.name for row in connection.execute(select(targets))}
    chains: dict[_Chain, list[_Link]] = defaultdict(list)
    hashes: set[str] = set()
    problems: list[Diagnostic] = []
    parts = {
        "calls": _Parts(connection, calls, calls.c.id),
        "outcomes": _Parts(connection, outcomes, outcomes.c.slug),
        "pre_images": _Parts(connection, pre_images, pre_images.c.slug),
    }
    for row in _stream(connection, select(runs).order_by(runs.c.id)):
        hashed = hash_of(row, **{name: part.of(row.id) for name, part in parts.items()})
        name = names.get(row.target, "?")
        if row.hash is None:
            # A run without an end is in progress, or it has crashed and the next run adds it to the
            # chain.
            if row.finished_at is not None:
                problems.append(_broken(row.run, name, "has ended and has no hash"))
            continue
        if row.hash != hashed:
            problems.append(_broken(row.run, name, "was changed after it ended"))
        hashes.add(row.hash)
        # Runs of a ledger from before version 5 have no position until the migration adds it.
        link = _Link(row.run, row.position or 0, row.previous, row.hash)
        chains[row.target, shard_of(row.facts)].append(link)
    ends = _chain_ends(connection)
    # None means the whole target and cannot be compared with the name of a shard.
    for chain in sorted({*chains, *ends}, key=lambda each: (each[0], each[1] or "")):
        found = sorted(chains.get(chain, ()), key=lambda link: link.position)
        problems += _check_chain(_name_of(chain, names), found, ends.get(chain))
    for target, name in names.items():
        problems += _check_state(connection, target, name)
    # A removed run also leaves such rows, but its chain has already reported it.
    if not problems and any(part.has_strays() for part in parts.values()):
        summary = "there are calls, outcomes or pre-images of a run that is not recorded"
        problems.append(error("ledger-altered", summary, hint=_LOST))
    if expected_head is not None and expected_head not in hashes:
        summary = f"no recorded run has the hash {expected_head}"
        problems.append(
            error(
                "ledger-altered",
                summary,
                hint="check that this is the right ledger: if it is, runs were removed",
            )
        )
    return problems


class _Parts:
    """Rows of a table by run, read once from the first run to the last."""

    def __init__(self, connection: Connection, table: Table, order: "Column[Any]") -> None:
        ordered = select(table).order_by(table.c.run, order)
        self._groups = groupby(_stream(connection, ordered), key=lambda row: int(row.run))
        self._run_id: int | None = None
        self._rows: list[Row[Any]] = []
        self._strays = False
        self._advance()

    def of(self, run_id: int) -> list[Row[Any]]:
        """Return the rows of a run; callers must request runs in the order of their ids."""
        while self._run_id is not None and self._run_id < run_id:
            self._strays = True
            self._advance()
        if self._run_id != run_id:
            return []
        found = self._rows
        self._advance()
        return found

    def has_strays(self) -> bool:
        """Whether there are rows of runs that were not requested."""
        return self._strays or self._run_id is not None

    def _advance(self) -> None:
        group = next(self._groups, None)
        self._run_id, self._rows = (None, []) if group is None else (group[0], list(group[1]))


def _check_chain(name: str, links: list[_Link], end: ChainEnd | None) -> Iterator[Diagnostic]:
    """Compare each link with the one before it, and the last one with the anchor."""
    last, is_whole = None, True
    for number, link in enumerate(links, 1):
        if link.previous != last or (is_whole and link.position != number):
            # All positions after a gap are shifted by the same number, so one finding is
            # sufficient.
            is_whole = False
            yield _broken(link.run, name, "does not follow the run recorded before it")
        last = link.hash
    expected = end or ChainEnd()
    if not is_whole or expected == ChainEnd(last, len(links)):
        return
    if end is None:
        summary = f"the ledger has no record of the last run of target {name}"
    else:
        summary = (
            f"the newest runs of target {name} were changed or removed: "
            f"expected {expected.length} with the last hash {expected.head}, found {len(links)}"
        )
    yield error("ledger-altered", summary, hint=_LOST)


def _check_state(connection: Connection, target: int, name: str) -> Iterator[Diagnostic]:
    """Compare the last-applied rows with their digest."""
    # Computed in batches: a ledger with thousands of integrations must not be held in memory.
    found = RowsDigest()
    for table in (declared, secrets):
        query = select(table).where(table.c.target == target)
        rows = connection.execute(query.execution_options(yield_per=_BATCH))
        found.add(table.name, (dict(row) for row in rows.mappings()))
    try:
        known = str(read_state_digest(connection, target))
    except LedgerError:
        # A digest that cannot be parsed was altered, so no digest equals it.
        known = ""
    if str(found) != known:
        yield error(
            "ledger-altered",
            f"the last-applied state of target {name} was changed outside of a run",
            hint="restore the ledger from a backup, or move it away: plans cannot rely on it",
        )


def _chain_ends(connection: Connection) -> dict[_Chain, ChainEnd]:
    """Return the stored end of each chain."""
    ends = {}
    named = select(meta).where(meta.c.name.startswith(CHAIN_END_PREFIX))
    for row in connection.execute(named):
        target, _, shard = row.name.removeprefix(CHAIN_END_PREFIX).partition(SHARD_INFIX)
        try:
            ends[int(target), shard or None] = ChainEnd.from_text(row.value)
        except (LedgerError, ValueError):
            continue  # reported as a chain without a stored end
    return ends


def _name_of(chain: _Chain, names: dict[int, str]) -> str:
    name = names.get(chain[0], f"number {chain[0]}")
    return name if chain[1] is None else f"{name}, shard {chain[1]},"


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Row[Any]]:
    return connection.execute(query.execution_options(yield_per=_BATCH))


def _broken(run: str, name: str, how: str) -> Diagnostic:
    return error("ledger-altered", f"run {run} of target {name} {how}", hint=_UNRELIABLE)
