"""Values that no release has written: every reader ignores them or reports the damage."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from reconciler.ledger.errors import LedgerError
from reconciler.ledger.models import Confirmed, SecretRecord
from reconciler.ledger.store import Ledger
from reconciler.ledger.tables import StoredInteger, metadata
from tests.ledger.builders import KEY, REF, declared, ledger_in, record_run, seen

Reader: TypeAlias = Callable[[Ledger], Any]

READERS: dict[str, Reader] = {
    "history": lambda ledger: ledger.history(),
    "last applied": lambda ledger: ledger.last_applied(KEY),
    "seen": lambda ledger: ledger.seen_states(KEY),
    "images": lambda ledger: ledger.pre_images("r-1"),
    "calls": lambda ledger: ledger.calls("r-1"),
    "organisations": lambda ledger: ledger.organisations(KEY),
    "commits": lambda ledger: ledger.finished_commits(KEY),
    "writes": lambda ledger: ledger.own_writes(KEY, ["a"]),
    "anchors": lambda ledger: ledger.anchors(KEY),
    "verify": lambda ledger: ledger.verify(),
}
VALUES = ["x'ff00fe'", "'[1]'", "-5", "1e400"]
# SQLite itself refuses another value in the other columns: numbers of rows.
COLUMNS = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    for column in table.columns
    if not (column.primary_key and isinstance(column.type, StoredInteger))
]


def recorded(folder: Path) -> Path:
    with ledger_in(folder) as ledger:
        record_run(ledger, "r-1", "a")
        record = SecretRecord(REF, "0:0")
        ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): record})], run="r-1")
        ledger.store_seen_states(KEY, {"a": seen("a")})
    return folder / "ledger.db"


def set_to(file: Path, table: str, column: str, value: str) -> None:
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(f"UPDATE OR IGNORE {table} SET {column} = {value}")  # noqa: S608 - constants


def problems(folder: Path) -> Iterator[str]:
    """Read everything; yield what failed with anything other than a ledger error."""
    try:
        with ledger_in(folder) as ledger:
            for name, read in READERS.items():
                try:
                    read(ledger)
                except LedgerError:
                    continue
                except Exception as problem:  # noqa: BLE001 - each one is reported below
                    yield f"{name}: {type(problem).__name__}"
    except LedgerError:
        return


@pytest.mark.parametrize("value", VALUES)
def test_a_value_of_another_type_is_reported_as_damage(tmp_path: Path, value: str) -> None:
    found = {}
    whole = recorded(tmp_path).read_bytes()
    for table, column in COLUMNS:
        (tmp_path / "ledger.db").write_bytes(whole)
        set_to(tmp_path / "ledger.db", table, column, value)
        found[table, column] = list(problems(tmp_path))
    assert {place: each for place, each in found.items() if each} == {}
