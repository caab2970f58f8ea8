"""Verification detects changed or removed rows, with few statements for many runs."""

import re
import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import event

from reconciler.domain.state import SecretRecord
from reconciler.execution.events import RunEnded, RunStarted
from reconciler.execution.ledger_listener import record_in
from reconciler.execution.result import ApplyResult
from reconciler.ledger.errors import LedgerError, LockLost
from reconciler.ledger.migrations import NEWEST
from reconciler.ledger.models import Confirmed, RunFacts
from tests.ledger.builders import KEY, REF, clock, declared, ledger_in, plan, record_run
from tests.ledger.test_opening import write_database

VERSION_3 = Path(__file__).with_name("version_3.sql")


@cache
def recorded_runs() -> bytes:
    """Return a ledger with three runs, recorded once for all tests."""
    with TemporaryDirectory() as folder:
        return record_three_runs(Path(folder)).read_bytes()


def three_runs(folder: Path) -> Path:
    file = folder / "ledger.db"
    file.write_bytes(recorded_runs())
    return file


def record_three_runs(folder: Path) -> Path:
    with ledger_in(folder) as ledger:
        for run in ("r-1", "r-2", "r-3"):
            record_run(ledger, run, "a", "b")
        ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): SecretRecord(REF)})])
        ledger.store_confirmed(KEY, [Confirmed(declared("b"))])
        assert ledger.verify() == []
    return folder / "ledger.db"


def findings(folder: Path) -> list[str]:
    with ledger_in(folder) as ledger:
        problems = ledger.verify()
    assert {problem.code for problem in problems} <= {"ledger-altered"}
    return [problem.summary for problem in problems]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("UPDATE runs SET hash = NULL WHERE run = 'r-3'", "run r-3 .* has ended and has no hash"),
        ("UPDATE runs SET hash = NULL, finished_at = NULL WHERE run = 'r-3'", "the newest runs"),
        ("UPDATE runs SET hash = NULL WHERE run = 'r-1'", "run r-1 .* has no hash"),
        ("DELETE FROM runs WHERE run = 'r-3'", "expected 3 with the last hash .*, found 2"),
        ("DELETE FROM runs WHERE run = 'r-2'", "run r-3 .* does not follow"),
        ("DELETE FROM runs", "expected 3 with the last hash .*, found 0"),
        ("UPDATE runs SET position = 7 WHERE run = 'r-3'", "run r-3 .* does not follow"),
        ("UPDATE runs SET state = 'sha256:0' WHERE run = 'r-2'", "run r-2 .* was changed"),
        ("DELETE FROM meta WHERE name LIKE 'chain%'", "has no record of the last run"),
        ("UPDATE meta SET value = '{}' WHERE name LIKE 'chain%'", "has no record of the last run"),
        ("UPDATE calls SET error = 'AB07' WHERE id = 1", "run r-1 .* was changed"),
        ("UPDATE declared SET protected = 1 WHERE slug = 'a'", "last-applied state"),
        ("UPDATE declared SET fields = '{\"name\":\"Z\"}' WHERE slug = 'b'", "last-applied state"),
        ("DELETE FROM declared WHERE slug = 'b'", "last-applied state"),
        ("INSERT INTO declared VALUES (1, 'c', '{}', 0, NULL, NULL, NULL)", "last-applied state"),
        ("UPDATE secrets SET fingerprint = 'p:1'", "last-applied state"),
        ("DELETE FROM secrets", "last-applied state"),
        ("DELETE FROM meta WHERE name LIKE 'state%'", "last-applied state"),
        ("UPDATE meta SET value = '[]' WHERE name LIKE 'state%'", "last-applied state"),
    ],
)
def test_changed_or_removed_rows_are_detected(tmp_path: Path, edit: str, said: str) -> None:
    write_database(three_runs(tmp_path), edit)
    assert any(re.search(said, summary) for summary in findings(tmp_path))


def test_regular_changes_are_accepted(tmp_path: Path) -> None:
    three_runs(tmp_path)
    with ledger_in(tmp_path) as ledger:
        for protected in (True, False):
            ledger.store_confirmed(
                KEY, [Confirmed(declared("a", protected=protected))], gone=["b", "x"]
            )
            assert ledger.verify() == []
        record_run(ledger, "r-4", "a", stop_before_answer=True)
        assert ledger.verify() == []
        record_run(ledger, "r-5", "a")
        assert ledger.verify() == []
        assert ledger.anchor(KEY) == ledger.anchors(KEY)[None]
        anchor = ledger.anchor(KEY)
        assert anchor is not None
        assert (anchor.length, anchor.head) == (5, ledger.history()[-1]["hash"])


def test_an_external_head_reveals_a_forged_anchor(tmp_path: Path) -> None:
    file = three_runs(tmp_path)
    with ledger_in(tmp_path) as ledger:
        head, before = (ledger.history()[-n]["hash"] for n in (1, 2))
        assert ledger.verify(expected_head=head) == []
    raw = sqlite3.connect(file)
    raw.execute("DELETE FROM calls WHERE run = 3")
    raw.execute("DELETE FROM outcomes WHERE run = 3")
    raw.execute("DELETE FROM pre_images WHERE run = 3")
    raw.execute("DELETE FROM runs WHERE run = 'r-3'")
    raw.execute(
        "UPDATE meta SET value = ? WHERE name LIKE 'chain%'",
        (f'{{"head":"{before}","length":2}}',),
    )
    raw.commit()
    raw.close()
    with ledger_in(tmp_path) as ledger:
        assert ledger.verify() == []
        (problem,) = ledger.verify(expected_head=head)
        assert head in problem.summary


def test_overlapping_runs_on_one_target_leave_a_valid_chain(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        first, second = (
            record_in(ledger.recorder(KEY, facts=RunFacts(run=run), now=clock()))
            for run in ("r-1", "r-2")
        )
        first(RunStarted("r-1", plan()))
        second(RunStarted("r-2", plan()))
        with pytest.raises(LockLost) as stop:
            first(RunEnded(ApplyResult("r-1", plan().target, plan().digest)))
        assert stop.value.code == "lock-lost"
        second(RunEnded(ApplyResult("r-2", plan().target, plan().digest)))
        assert ledger.verify() == []
        assert [run["finished_at"] is None for run in ledger.history()] == [True, False]


def test_a_ledger_of_version_3_still_verifies_and_is_anchored(tmp_path: Path) -> None:
    file = write_database(tmp_path / "ledger.db", VERSION_3.read_text(encoding="utf-8"))
    key = KEY.of(name="production", base_url="simulator:", organisation=None)
    with ledger_in(tmp_path) as ledger:
        assert len(ledger.history()) == 3
        assert ledger.verify() == []
        assert set(ledger.last_applied(key).integrations) == {"a", "b"}
        assert {shard: end.length for shard, end in ledger.anchors(key).items()} == {
            None: 2,
            "1/1": 1,
        }
        record_run(ledger, "r-4", "a", key=key)
        ledger.store_confirmed(key, [Confirmed(declared("a"))])
        assert ledger.verify() == []
    write_database(file, "DELETE FROM runs WHERE id = 2")
    assert findings(tmp_path)


def test_an_altered_ledger_of_version_3_stays_invalid_after_migration(tmp_path: Path) -> None:
    script = VERSION_3.read_text(encoding="utf-8").replace("'ada'", "'eve'").replace("ada", "eve")
    write_database(tmp_path / "ledger.db", script)
    assert len(findings(tmp_path)) == 3


def test_verification_uses_a_constant_number_of_statements(tmp_path: Path) -> None:
    def statements(runs: int) -> int:
        counted: list[str] = []
        with ledger_in(tmp_path / str(runs)) as ledger:
            for number in range(runs):
                record_run(ledger, f"r-{number}", "a")
            event.listen(
                ledger._database.engine,
                "before_cursor_execute",
                lambda *words: counted.append(words[2]),
            )
            assert ledger.verify() == []
        return len(counted)

    assert statements(3) == statements(30)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("UPDATE meta SET value = '0' WHERE name = 'schema_version'", "version 0"),
        ("UPDATE meta SET value = '-1' WHERE name = 'schema_version'", "version"),
        ("UPDATE meta SET value = '٣' WHERE name = 'schema_version'", "version"),
        ("UPDATE meta SET value = hex(zeroblob(2500)) WHERE name = 'schema_version'", "version"),
        ("DELETE FROM meta", "version"),
        ("DROP TABLE meta", "table meta is missing"),
        ("DROP TABLE runs", "table runs is missing"),
        ("DROP TABLE seen", "table seen is missing"),
        ("DROP TABLE holders", "table holders is missing"),
        ("ALTER TABLE secrets DROP COLUMN mask_agreed", "secrets has no column mask_agreed"),
        ("ALTER TABLE runs DROP COLUMN position", "runs has no column position"),
    ],
)
def test_a_ledger_with_a_missing_table_does_not_count_as_new(
    tmp_path: Path, edit: str, said: str
) -> None:
    write_database(three_runs(tmp_path), edit)
    for read_only in (True, False):
        with (
            pytest.raises(LedgerError, match=said) as stop,
            ledger_in(tmp_path, read_only=read_only),
        ):
            raise AssertionError("a broken ledger was opened")
        assert stop.value.code == "ledger-corrupt"
        assert stop.value.hint


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_a_version_that_does_not_fit_its_tables_is_a_ledger_error(
    tmp_path: Path, version: int
) -> None:
    raw = sqlite3.connect(three_runs(tmp_path))
    raw.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", (str(version),))
    raw.commit()
    raw.close()
    with pytest.raises(LedgerError), ledger_in(tmp_path):
        raise AssertionError("a ledger of another version was opened")


def test_an_empty_file_is_not_a_ledger_and_is_not_turned_into_one(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.touch()
    for read_only in (True, False):
        with pytest.raises(LedgerError) as stop, ledger_in(tmp_path, read_only=read_only):
            raise AssertionError("an empty file was taken for a ledger")
        assert stop.value.code == "ledger-empty"
        assert "remove it" in stop.value.hint
    assert file.stat().st_size == 0


def test_a_ledger_that_was_replaced_while_open_accepts_no_writes(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "r-1", "a")
        file = tmp_path / "ledger.db"
        file.rename(tmp_path / "moved.db")
        with pytest.raises(LedgerError) as stop:
            ledger.store_confirmed(KEY, [])
        assert stop.value.code == "ledger-replaced"
        file.write_bytes((tmp_path / "moved.db").read_bytes())
        with pytest.raises(LedgerError):
            ledger.store_confirmed(KEY, [])
