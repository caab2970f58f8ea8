"""Concurrent shards of one run share a lock, and their records are consistent."""

import sqlite3
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.execution.events import RunEnded, RunStarted
from reconciler.execution.ledger_listener import record_in
from reconciler.execution.result import ApplyResult
from reconciler.ledger.lock import file_lock
from reconciler.ledger.models import Holder, RunFacts
from reconciler.ledger.store import Ledger
from tests.cli.project import Here
from tests.ledger.builders import KEY, clock, ledger_in, plan, record_run


def holder(shard: str | None) -> Holder:
    return Holder(pid=4711, host="runner-3", since="2026-03-01T10:00:00Z", shard=shard)


def test_shards_hold_their_locks_side_by_side(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path, KEY, holder("1/3")),
        file_lock(tmp_path, KEY, holder("2/3")),
        file_lock(tmp_path, KEY, holder("3/3")),
    ):
        assert len(list(tmp_path.glob("*-of-3.lock"))) == 3


@pytest.mark.parametrize(("first", "second"), [("1/2", "1/2"), ("1/2", None), (None, "1/2")])
def test_a_shard_excludes_itself_and_a_complete_run(
    tmp_path: Path, first: str | None, second: str | None
) -> None:
    with (
        file_lock(tmp_path, KEY, holder(first)),
        pytest.raises(Refused, match="another run holds the lock"),
        file_lock(tmp_path, KEY, holder(second)),
    ):
        raise AssertionError("two runs hold one lock")
    with file_lock(tmp_path, KEY, holder(second)):
        pass  # nothing is left of the refused one


def interleaved(ledger: Ledger) -> None:
    """Start both shards of two runs before any of them ends."""
    now = clock()
    for attempt in (1, 2):
        emits = []
        for shard in ("1/2", "2/2"):
            facts = RunFacts(run=f"r-{attempt}-{shard}", shard=shard)
            emits.append((facts.run, record_in(ledger.recorder(KEY, facts=facts, now=now))))
        for run, emit in emits:
            emit(RunStarted(run, plan()))
        for run, emit in emits:
            emit(RunEnded(ApplyResult(run, plan().target, plan().digest)))


def test_overlapping_runs_have_valid_chains(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "before", "a")
        interleaved(ledger)
        record_run(ledger, "after", "a")
        assert ledger.verify() == []
        shards = {run["run"]: run.get("shard") for run in ledger.history()}
    assert shards["r-2-1/2"] == "1/2"
    assert shards["after"] is None


@pytest.mark.parametrize("lost", ["r-1-1/2", "r-1-2/2", "before"])
def test_a_run_removed_from_any_chain_is_detected(tmp_path: Path, lost: str) -> None:
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "before", "a")
        interleaved(ledger)
        record_run(ledger, "after", "a")
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("DELETE FROM runs WHERE run = ?", (lost,))
    database.close()
    with ledger_in(tmp_path) as ledger:
        assert [problem.code for problem in ledger.verify()] == ["ledger-altered"]


def test_text_that_resembles_a_shard_is_not_one(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        for run in ("r-1", "r-2"):
            facts = RunFacts(run=run, actor='","shard":"1/2')
            emit = record_in(ledger.recorder(KEY, facts=facts, now=clock()))
            emit(RunStarted(run, plan()))
            emit(RunEnded(ApplyResult(run, plan().target, plan().digest)))
        assert ledger.verify() == []
        assert ledger.history()[1]["actor"] == '","shard":"1/2'


def test_a_shard_is_applied_while_another_one_runs(tmp_path: Path) -> None:
    here = Here(tmp_path)
    for number in range(8):
        here.integration(f"i-{number}")
    here.apply("--shard", "1/2")
    (lock,) = here.state.glob("*-1-of-2.lock")
    assert lock.read_text() == ""
    key = KEY.of(name="here", base_url="simulator:", organisation=None)
    with file_lock(here.state, key, holder("1/2")):
        assert here.run("apply", "--yes").code == 4
        assert here.run("apply", "--yes", "--shard", "1/2").code == 4
        here.apply("--shard", "2/2")
    assert len(here.slugs()) == 8
    assert here.run("history", "--verify").code == 0
