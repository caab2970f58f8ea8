"""Opening ledgers that are missing, old, too new, damaged, read-only or in use."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.cli.ledger_access import LedgerSnapshot, read_snapshot
from reconciler.domain.state import LastAppliedState, SecretRecord
from reconciler.errors import InvalidInput
from reconciler.ledger.errors import LedgerError, NoLedger
from reconciler.ledger.location import LedgerState, Location
from reconciler.ledger.migrations import NEWEST
from reconciler.ledger.models import Confirmed
from reconciler.ledger.sqlite import sync
from reconciler.ledger.store import open_ledger
from tests.ledger.builders import KEY, PEPPER, REF, declared, ledger_in, record_run, seen

FIRST_VERSION = """
    CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
    CREATE TABLE targets (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, host VARCHAR NOT NULL,
        organisation VARCHAR NOT NULL, UNIQUE (name, host, organisation));
    CREATE TABLE runs (id INTEGER PRIMARY KEY, target INTEGER NOT NULL REFERENCES targets (id),
        run VARCHAR NOT NULL UNIQUE, started_at VARCHAR NOT NULL, finished_at VARCHAR,
        plan_digest VARCHAR NOT NULL, facts TEXT NOT NULL, summary TEXT, previous VARCHAR,
        hash VARCHAR);
    CREATE TABLE calls (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (id),
        slug VARCHAR NOT NULL, operation VARCHAR NOT NULL, fields TEXT NOT NULL,
        started_at VARCHAR NOT NULL, ended_at VARCHAR, request_id VARCHAR, error VARCHAR);
    CREATE TABLE outcomes (run INTEGER REFERENCES runs (id), slug VARCHAR, document TEXT NOT NULL,
        PRIMARY KEY (run, slug));
    CREATE TABLE pre_images (run INTEGER REFERENCES runs (id), slug VARCHAR,
        document TEXT NOT NULL, PRIMARY KEY (run, slug));
    CREATE TABLE declared (target INTEGER REFERENCES targets (id), slug VARCHAR,
        fields TEXT NOT NULL, protected BOOLEAN NOT NULL, run VARCHAR,
        PRIMARY KEY (target, slug));
    CREATE TABLE secrets (target INTEGER REFERENCES targets (id), slug VARCHAR, path VARCHAR,
        reference VARCHAR NOT NULL, fingerprint VARCHAR, mask VARCHAR, run VARCHAR,
        PRIMARY KEY (target, slug, path));
    INSERT INTO meta VALUES ('schema_version', '1');
    INSERT INTO targets VALUES (1, 'production', 'api.portkey.ai', 'org-1');
    INSERT INTO secrets VALUES (1, 'a', '["key"]', 'env:SECRET_A', 'p:0', 'sk-***', 'r-0');
    INSERT INTO declared VALUES (1, 'a', '{"key":"${env:SECRET_A}","name":"A"}', true, 'r-0');
"""


def write_database(file: Path, script: str) -> Path:
    raw = sqlite3.connect(file)
    raw.executescript(script)
    raw.close()
    return file


def recall(file: Path) -> LedgerSnapshot:
    return read_snapshot(None, path=file, pepper=PEPPER, key=KEY)


def is_unknown(found: LedgerSnapshot) -> bool:
    """Return whether a last-applied state is marked as unknown, in contrast to an empty one."""
    return (
        found.state is LedgerState.UNREACHABLE
        and not found.last_applied.integrations
        and found.last_applied.ledger_problem is not None
        and not found.last_applied.complete
    )


def test_a_missing_ledger_is_fresh_and_reading_does_not_create_one(tmp_path: Path) -> None:
    file = tmp_path / "state" / "ledger.db"
    found = recall(file)
    assert found == LedgerSnapshot(LedgerState.FRESH)
    assert found.last_applied == LastAppliedState()
    assert not file.parent.exists()
    with pytest.raises(NoLedger) as stop:
        open_ledger(None, path=file, pepper=PEPPER, read_only=True)
    assert stop.value.code == "no-ledger"


def test_a_new_ledger_is_fresh_once_and_then_local(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state") as ledger:
        assert ledger.state is LedgerState.FRESH
    with ledger_in(tmp_path / "state") as ledger:
        assert ledger.state is LedgerState.LOCAL


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with ledger_in(tmp_path, pepper=None) as ledger:
            record_run(ledger, "r-1", "a")
            modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert {"ledger.db", "ledger.db-wal", "ledger.db.pepper"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_commit_is_in_the_log_and_synchronised(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger, ledger._database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


TWO_LEDGERS = """
import logging, pathlib, sys
from tests.ledger.builders import ledger_in, record_run

def record(name):
    with ledger_in(pathlib.Path(sys.argv[1], name)) as ledger:
        record_run(ledger, "r-1", "a")

record("a")
logging.basicConfig(stream=sys.stdout)
logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
record("b")
"""
"""Process that logs what SQLAlchemy does for its second ledger."""


def test_a_new_ledger_is_complete_only_without_its_log(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("CREATE TABLE runs (run TEXT)")
        # On a full disk, closing leaves the log as it is here, and reports nothing.
        with pytest.raises(LedgerError) as stop:
            sync(file)
    assert "log was not merged" in stop.value.summary
    sync(file)


def test_compiled_statements_are_reused_for_other_files(tmp_path: Path) -> None:
    # In a separate process, because other code also logs and compiles.
    done = subprocess.run(
        [sys.executable, "-c", TWO_LEDGERS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[cached since" in done.stdout
    assert "[generated in" not in done.stdout


def test_a_ledger_of_the_first_version_is_migrated(tmp_path: Path) -> None:
    file = write_database(tmp_path / "ledger.db", FIRST_VERSION)
    found = recall(file)
    assert found.diagnostics == ()
    assert found.last_applied.of("a").protected
    assert found.last_applied.of("a").secrets[("key",)].mask_agreed
    with ledger_in(tmp_path) as ledger:
        assert ledger.last_applied(KEY).of("a").declared == declared("a").fields
        ledger.store_seen_states(KEY, {"a": seen("a")})
        record_run(ledger, "r-1", "a")
        assert ledger.verify() == []
    raw = sqlite3.connect(file)
    version = raw.execute("SELECT value FROM meta WHERE name = 'schema_version'")
    assert version.fetchall() == [(str(NEWEST),)]
    raw.close()


def test_migration_gives_the_same_tables_as_a_new_ledger(tmp_path: Path) -> None:
    def columns(file: Path) -> dict[str, list[str]]:
        raw = sqlite3.connect(file)
        tables = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {t: [c[1] for c in raw.execute(f"PRAGMA table_info({t})")] for (t,) in tables}
        raw.close()
        return found

    (tmp_path / "old").mkdir()
    old = write_database(tmp_path / "old" / "ledger.db", FIRST_VERSION)
    with ledger_in(tmp_path / "old"), ledger_in(tmp_path / "new"):
        assert columns(old) == columns(tmp_path / "new" / "ledger.db")


def test_a_ledger_of_a_newer_release_is_not_changed(tmp_path: Path) -> None:
    script = FIRST_VERSION.replace("'schema_version', '1'", "'schema_version', '999'")
    file = write_database(tmp_path / "ledger.db", script)
    with pytest.raises(LedgerError) as stop:
        open_ledger(None, path=file, pepper=PEPPER)
    assert stop.value.code == "ledger-too-new"
    assert stop.value.exit_code == 4
    assert [d.code for d in recall(file).diagnostics] == ["ledger-too-new"]
    assert is_unknown(recall(file))


@pytest.mark.parametrize("content", [b"not a database, and long" * 99, b"SQLite f"])
def test_a_damaged_file_stops_writing_and_not_reading(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(content)
    with pytest.raises(LedgerError) as stop:
        open_ledger(None, path=file, pepper=PEPPER)
    assert stop.value.code == "ledger-corrupt"
    found = recall(file)
    assert [d.code for d in found.diagnostics] == ["ledger-corrupt"]
    assert is_unknown(found)
    assert file.read_bytes() == content


def test_a_file_damaged_in_the_middle_does_not_stop_reading(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared(f"s{n}")) for n in range(200)])
    file = tmp_path / "ledger.db"
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)
    assert [d.code for d in recall(file).diagnostics] == ["ledger-corrupt"]


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE declared SET fields = '{\"name\": '",
        "UPDATE declared SET fields = '[]'",
        "UPDATE declared SET fields = x'ff'",
        "UPDATE secrets SET path = 'key'",
        "UPDATE secrets SET path = '7'",
        "UPDATE meta SET value = 'one'",
        "DELETE FROM meta",
        "DROP TABLE secrets",
    ],
)
def test_a_damaged_row_stops_no_plan(tmp_path: Path, edit: str) -> None:
    with ledger_in(tmp_path) as ledger:
        record = SecretRecord(REF)
        ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): record})])
    found = recall(write_database(tmp_path / "ledger.db", edit))
    assert len(found.diagnostics) == 1
    assert is_unknown(found)


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError) as stop:
        open_ledger(None, path=tmp_path / "file" / "ledger.db", pepper=PEPPER)
    assert stop.value.code == "ledger-unreachable"
    assert str(tmp_path) in stop.value.summary


READ_ONLY = """
import os, sys
from pathlib import Path
from reconciler.ledger.errors import LedgerError
from tests.ledger.builders import KEY, PEPPER
from reconciler.cli.ledger_access import read_snapshot
from reconciler.ledger.store import open_ledger

file = Path(sys.argv[1])
read_snapshot(None, path=Path(sys.argv[2]), pepper=PEPPER, key=KEY)  # imports what is imported late
if os.getuid() == 0:
    os.setuid(65534)  # a superuser could write
found = read_snapshot(None, path=file, pepper=PEPPER, key=KEY)
print(sorted(found.last_applied.integrations), [d.code for d in found.diagnostics])
try:
    open_ledger(None, path=file, pepper=PEPPER)
except LedgerError as problem:
    print(problem.code, problem.exit_code)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that users without privileges can enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.slow
def test_a_ledger_that_cannot_be_written_is_still_read(open_folder: Path, tmp_path: Path) -> None:
    with ledger_in(tmp_path):
        pass
    with ledger_in(open_folder) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"))])
    (open_folder / "ledger.db").chmod(0o444)
    open_folder.chmod(0o555)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", READ_ONLY, open_folder / "ledger.db", tmp_path / "ledger.db"],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        open_folder.chmod(0o755)
    assert ended.stdout.splitlines() == ["['a'] []", "ledger-unreachable 4"]


def test_a_ledger_in_use_is_busy_for_writers_and_open_to_readers(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"))])
        raw = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        raw.execute("BEGIN IMMEDIATE")
        assert list(recall(tmp_path / "ledger.db").last_applied.integrations) == ["a"]
        with ledger._database.engine.connect() as pooled:
            pooled.exec_driver_sql("PRAGMA busy_timeout = 1")
        with pytest.raises(LedgerError) as stop:
            ledger.store_confirmed(KEY, [])
        raw.close()
    assert stop.value.code == "ledger-busy"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:canary@host/db",
        "canary",
        "sqlite://",
        "http://u:canary@h/",
        "://",
        "postgresql://u:canary@h:port/db",
    ],
)
def test_another_kind_of_url_is_bad_input_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput) as stop:
        open_ledger(url, path=tmp_path / "ledger.db", pepper=PEPPER)
    assert stop.value.code == "ledger-url"
    assert "canary" not in str(stop.value) + repr(stop.value)
    assert stop.value.__suppress_context__


@pytest.mark.parametrize("url", ["postgresql://u:canary@h/db", "postgresql://h/?password=canary"])
def test_a_password_is_not_part_of_the_location(tmp_path: Path, url: str) -> None:
    location = Location.of(url, default=tmp_path)
    assert location.state is LedgerState.SHARED
    assert "canary" not in location.where + repr(location)


def test_a_file_can_be_named_by_url(tmp_path: Path) -> None:
    with open_ledger(
        f"sqlite:///{tmp_path}/x%23y%3f.db", path=tmp_path / "no", pepper=None
    ) as ledger:
        assert ledger.where == f"{tmp_path}/x#y?.db"
    assert (tmp_path / "x#y?.db").exists()


def test_an_unreachable_server_stops_writing_and_not_reading(tmp_path: Path) -> None:
    url = "postgresql://u:canary@127.0.0.1:1/db"
    with pytest.raises(LedgerError) as stop:
        open_ledger(url, path=tmp_path / "no", pepper=PEPPER)
    assert stop.value.code == "ledger-unreachable"
    assert "canary" not in str(stop.value)
    assert stop.value.__suppress_context__
    found = read_snapshot(url, path=tmp_path / "no", pepper=PEPPER, key=KEY)
    assert is_unknown(found)
    assert [d.code for d in found.diagnostics] == ["ledger-unreachable"]
