"""The ledger stores the rate that an API accepted; damaged or old rows do not affect a run."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.ledger import measured_rate
from reconciler.ledger.models import Confirmed
from reconciler.ledger.sqlite_snapshot import read_stored_state, store_rate
from reconciler.remote.api import MeasuredRate
from tests.ledger.builders import KEY, declared, ledger_in

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
RATE = MeasuredRate(19.8, 1.0)
TEXT = measured_rate.to_text(RATE, now=NOW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"))])
    return tmp_path / "ledger.db"


def stored(file: Path) -> str | None:
    found = read_stored_state(file, KEY)
    assert found is not None
    return found.rate


def test_a_rate_is_read_as_it_was_stored_and_the_newest_counts(file: Path) -> None:
    assert stored(file) is None
    assert store_rate(file, KEY, measured_rate.to_text(MeasuredRate(5, 2), now=NOW))
    assert store_rate(file, KEY, TEXT)
    assert measured_rate.from_text(stored(file), now=NOW) == RATE
    with ledger_in(file.parent) as ledger:
        assert ledger.rate(KEY) == TEXT
        assert ledger.verify() == []


def test_the_ledger_stores_what_its_snapshot_reads(file: Path) -> None:
    with ledger_in(file.parent) as ledger:
        ledger.store_rate(KEY, TEXT)
    assert stored(file) == TEXT


def test_an_absent_older_or_locked_ledger_is_not_changed(file: Path, tmp_path: Path) -> None:
    assert not store_rate(tmp_path / "none.db", KEY, TEXT)
    assert not (tmp_path / "none.db").exists()
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not store_rate(file, KEY, TEXT)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE meta SET value = '4' WHERE name = 'schema_version'")
    before = file.read_bytes()
    assert not store_rate(file, KEY, TEXT)
    assert file.read_bytes() == before


@pytest.mark.parametrize("age", [timedelta(days=8), timedelta(seconds=-1)])
def test_an_old_rate_and_one_from_the_future_are_measured_again(age: timedelta) -> None:
    assert measured_rate.from_text(TEXT, now=NOW) == RATE
    assert measured_rate.from_text(TEXT, now=NOW + age) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"calls_per_second": 0},
        {"calls_per_second": -3},
        {"calls_per_second": 1e300},
        {"calls_per_second": "NaN"},
        {"calls_per_second": None},
        {"calls_per_second": [1]},
        {"window_seconds": 0},
        {"window_seconds": 1e9},
        {"measured_at": "yesterday"},
        {"measured_at": "2026-07-01T12:00:00"},
        {"measured_at": 7},
    ],
    ids=str,
)
def test_a_damaged_rate_is_measured_again(damage: dict[str, object]) -> None:
    text = json.dumps({**json.loads(TEXT), **damage})
    assert measured_rate.from_text(text, now=NOW) is None


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "{", "null"])
def test_an_invalid_rate_is_measured_again(text: str | None) -> None:
    assert measured_rate.from_text(text, now=NOW) is None
