"""The direct SQLite reader returns the same data as SQLAlchemy, or nothing."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import SecretRecord
from reconciler.ledger.location import TargetKey
from reconciler.ledger.migrations import NEWEST
from reconciler.ledger.models import Confirmed, RunFacts
from reconciler.ledger.sqlite_snapshot import (
    COLUMNS,
    VERSION,
    StoredState,
    read_seen_states,
    read_stored_state,
    store_seen_states,
)
from reconciler.ledger.store import Ledger
from reconciler.ledger.tables import metadata
from tests.ledger.builders import (
    BASE_URL,
    KEY,
    REF,
    action,
    call,
    clock,
    declared,
    ledger_in,
    plan,
    record_run,
    seen,
)

RECORD = SecretRecord(REF, fingerprint="p:00", mask=Mask("sk-***a"), mask_agreed=False)


def key(organisation: str | None, *, url: str = BASE_URL) -> TargetKey:
    return TargetKey.of(name="production", base_url=url, organisation=organisation)


def general(ledger: Ledger, of: TargetKey) -> StoredState:
    known = ledger.last_applied(of)
    return StoredState(
        known.integrations if known.complete else None,
        ledger.organisations(of),
        ledger.finished_commits(of),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger with runs, declarations, secrets and a call without a response."""
    with ledger_in(tmp_path) as ledger:
        now = clock()
        record_run(ledger, "r-1", "a", "b", now=now)
        one = declared("a", protected=True, models=[{"slug": "gpt-5"}], tags={"team": "ü"})
        confirmed = [Confirmed(one, {("key",): RECORD}, identity="id-a"), Confirmed(declared("b"))]
        ledger.store_confirmed(KEY, confirmed, run="r-1")
        interrupted = ledger.recorder(KEY, facts=RunFacts(run="r-2"), now=now)
        interrupted.run_started(plan(action("b"), action("new")))
        for slug in ("b", "new"):
            for fingerprint in ("p:01", "p:02"):
                sent = {("key",): fingerprint}
                interrupted.call_started(action(slug), call(slug), secrets=sent)
        record_run(ledger, "r-3", key=key(None), now=now)
        ledger.store_confirmed(key("org-2"), [Confirmed(declared("c"))])
    return tmp_path / "ledger.db"


@pytest.mark.parametrize(
    "of",
    [KEY, key(None), key("org-2"), key("org-3"), key("org-1", url="https://elsewhere.example")],
    ids=["known", "organisation unknown", "second", "new organisation", "other host"],
)
def test_it_reads_the_same_as_sqlalchemy(file: Path, of: TargetKey) -> None:
    with ledger_in(file.parent, read_only=True) as ledger:
        expected = general(ledger, of)
    assert read_stored_state(file, of) == expected


def test_all_stored_data_of_an_integration_is_read(file: Path) -> None:
    found = read_stored_state(file, KEY)
    assert found is not None
    assert found.integrations is not None
    one = found.integrations["a"]
    assert one.protected
    assert one.secrets == {("key",): RECORD}
    assert one.identities == {"id-a"}
    assert one.declared_at is not None
    assert one.declared_at.commit == "c0ffee"
    sent = {("key",): frozenset({"p:01", "p:02"})}
    assert found.integrations["b"].unsettled == found.integrations["new"].unsettled == sent
    assert found.commits == ("c0ffee",)


def test_version_and_columns_are_those_of_the_tables() -> None:
    assert VERSION == NEWEST
    assert {name: set(columns.split()) for name, columns in COLUMNS.items()} == {
        table.name: {column.name for column in table.columns} for table in metadata.sorted_tables
    }


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_a_ledger_without_one_of_its_tables_is_left_to_sqlalchemy(file: Path, table: str) -> None:
    edit(file, "PRAGMA foreign_keys=OFF", f"DROP TABLE {table}")
    assert read_stored_state(file, KEY) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = '4' WHERE name = 'schema_version'",
        "UPDATE meta SET value = '6' WHERE name = 'schema_version'",
        "DELETE FROM meta WHERE name = 'schema_version'",
        "ALTER TABLE holders RENAME COLUMN document TO paper",
        "UPDATE declared SET fields = '{'",
        "UPDATE declared SET source = '[]'",
        "UPDATE runs SET facts = 'x'",
        "UPDATE declared SET fields = CAST(x'ff' AS TEXT)",
    ],
)
def test_an_unexpected_ledger_is_left_to_sqlalchemy(file: Path, statement: str) -> None:
    edit(file, statement)
    assert read_stored_state(file, KEY) is None


def test_a_file_that_is_not_a_ledger_is_left_to_sqlalchemy(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no database" * 100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    names = [*(path.name for path in tmp_path.iterdir()), "missing"]
    assert {name: read_stored_state(tmp_path / name, KEY) for name in names} == dict.fromkeys(names)


def test_a_locked_file_is_left_to_sqlalchemy(file: Path) -> None:
    edit(file, "PRAGMA journal_mode=DELETE")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert read_stored_state(file, KEY) is None
        other.execute("ROLLBACK")
    assert read_stored_state(file, KEY) is not None


def test_reading_during_a_write_sees_committed_data(file: Path) -> None:
    before = read_stored_state(file, KEY)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM declared")
        assert read_stored_state(file, KEY) == before
        other.execute("COMMIT")
    after = read_stored_state(file, KEY)
    assert after is not None
    assert after != before


@pytest.mark.parametrize("name", ["a ledger?.db", "50%41#.db"])
def test_any_name_of_a_file_is_quoted(file: Path, name: str) -> None:
    renamed = file.rename(file.with_name(name))
    assert read_stored_state(renamed, KEY) is not None


@pytest.mark.parametrize(
    "of",
    [KEY, key(None), key("org-2"), key("org-3"), key("org-1", url="https://elsewhere.example")],
    ids=["known", "organisation unknown", "second", "new organisation", "other host"],
)
def test_earlier_reads_are_read_the_same_as_by_sqlalchemy(file: Path, of: TargetKey) -> None:
    with ledger_in(file.parent) as ledger:
        ledger.store_seen_states(KEY, {"a": seen("a"), "b": seen("b", tags={"team": "ü"})})
        ledger.store_seen_states(key("org-2"), {"c": seen("c")})
        assert read_seen_states(file, of) == ledger.seen_states(of)


def test_reads_are_stored_the_same_as_by_sqlalchemy(file: Path) -> None:
    shown = {"custom_headers": {"x-team": Redacted("in the clear")}}
    first = {"a": seen("a"), "b": seen("b"), "c": seen("c")}
    second = {"a": seen("a", at="t2", tags={"team": "ü"}), "b": seen("b", configurations=shown)}
    assert store_seen_states(file, KEY, first)
    assert store_seen_states(file, KEY, second)
    with ledger_in(file.parent) as ledger:
        found = ledger.seen_states(KEY)
        ledger.store_seen_states(KEY, first)
        ledger.store_seen_states(KEY, second)
        assert found == ledger.seen_states(KEY)
        # Only a read that shows a secret is dropped.
        assert found == {"a": second["a"], "c": first["c"]}
        assert ledger.verify() == []


@pytest.mark.parametrize("of", [key("org-3"), key("org-1", url="https://elsewhere.example")])
def test_reads_of_an_unknown_organisation_are_left_to_sqlalchemy(file: Path, of: TargetKey) -> None:
    with ledger_in(file.parent) as ledger:
        # A row without an organisation is assigned to the first known one.
        ledger.store_confirmed(key(None, url="https://elsewhere.example"), [])
        assert not store_seen_states(file, of, {"a": seen("a")})
        assert not ledger.seen_states(of)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = '4' WHERE name = 'schema_version'",
        "ALTER TABLE holders RENAME COLUMN document TO paper",
        "DROP TABLE intents",
    ],
)
def test_reads_are_not_stored_in_an_unexpected_ledger(file: Path, statement: str) -> None:
    edit(file, statement)
    before = file.read_bytes()
    assert not store_seen_states(file, KEY, {"a": seen("a")})
    assert read_seen_states(file, KEY) is None
    assert file.read_bytes() == before


def test_reads_are_not_stored_during_a_write(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not store_seen_states(file, KEY, {"a": seen("a")})
    assert store_seen_states(file, KEY, {"a": seen("a")})


def test_a_damaged_read_is_left_to_sqlalchemy(file: Path) -> None:
    assert store_seen_states(file, KEY, {"a": seen("a")})
    assert read_seen_states(file, KEY) == {"a": seen("a")}
    edit(file, "UPDATE seen SET document = '{}'")
    assert read_seen_states(file, KEY) is None


def edit(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
