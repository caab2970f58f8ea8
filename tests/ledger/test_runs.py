"""Record of a run: history, pre-images, and a hash chain that reveals tampering."""

import sqlite3
from pathlib import Path

import pytest

from reconciler.domain.secrets import Mask
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import Confirmed, RunFacts
from reconciler.planning.actions import ActionKind
from tests.ledger.builders import (
    BASE_URL,
    KEY,
    REF,
    action,
    clock,
    declared,
    ledger_in,
    observed,
    plan,
    record_run,
)


def test_history_shows_actor_actions_and_time(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "r-1", "a", "b")
        (run,) = ledger.history()
    assert run["run"] == "r-1"
    assert run["target"] == plan().target.as_json()
    assert run["started_at"] == "2026-03-01T10:00:00Z"
    assert run["finished_at"] > run["started_at"]
    assert run["commit"] == "c0ffee"
    assert run["actor"] == "ada"
    assert run["pull_request"] == "17"
    assert run["summary"] == {"applied": 2, "failed": 0, "skipped": 0, "unknown": 0}
    assert [outcome["slug"] for outcome in run["outcomes"]] == ["a", "b"]
    assert run["unanswered"] == []


def test_history_can_be_filtered_by_target_and_time(tmp_path: Path) -> None:
    now = clock()
    staging = TargetKey.of(name="staging", base_url=BASE_URL, organisation="org-1")
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "r-1", "a", now=now)
        record_run(ledger, "r-2", "a", now=now, key=staging)
        record_run(ledger, "r-3", "a", now=now)
        third = ledger.history()[2]["started_at"]

        def runs(**asked: object) -> list[str]:
            return [run["run"] for run in ledger.history(**asked)]  # type: ignore[arg-type]

        assert runs() == ["r-1", "r-2", "r-3"]
        assert runs(key=KEY) == ["r-1", "r-3"]
        assert runs(since="2026-03-01") == ["r-1", "r-2", "r-3"]
        assert runs(since=third) == ["r-3"]
        assert runs(since="2026-04") == []
        assert runs(key=TargetKey("nowhere", "h")) == []


def test_pre_images_contain_observed_and_declared_state(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"))])
        record_run(ledger, "r-1", "a", "b")
        first, second = ledger.pre_images("r-1")
    assert first.slug == "a"
    assert first.kind is ActionKind.UPDATE
    assert first.observed == observed("a")
    assert first.observed.fields["key"] == Mask("sk-***")
    assert first.declared == {"name": "A", "key": REF}
    assert second.declared is None


def test_the_pre_image_of_a_new_integration_is_empty(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        recorder = ledger.recorder(KEY, facts=RunFacts("r-1"), now=clock())
        recorder.run_started(plan(action("new", ActionKind.CREATE)))
        (image,) = ledger.pre_images("r-1")
    assert image.observed is None
    assert image.kind is ActionKind.CREATE


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger, pytest.raises(LedgerError) as stop:
        ledger.pre_images("r-9")
    assert stop.value.code == "unknown-run"


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"action": "x", "observed": null}'])
def test_an_altered_pre_image_is_a_damaged_ledger(tmp_path: Path, document: str) -> None:
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "r-1", "a")
        with sqlite3.connect(tmp_path / "ledger.db") as raw:
            raw.execute("UPDATE pre_images SET document = ?", (document,))
        raw.close()
        with pytest.raises(LedgerError) as stop:
            ledger.pre_images("r-1")
    assert stop.value.code == "ledger-corrupt"


def test_an_unchanged_chain_is_valid(tmp_path: Path) -> None:
    now = clock()
    other = TargetKey.of(name="other", base_url=BASE_URL, organisation="org-1")
    with ledger_in(tmp_path) as ledger:
        for number in range(4):
            record_run(ledger, f"r-{number}", "a", "b", now=now, key=(KEY, other)[number % 2])
        assert ledger.verify() == []
        assert len({run["hash"] for run in ledger.history()}) == 4


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("UPDATE runs SET facts = replace(facts, 'ada', 'eve') WHERE run = 'r-1'", "r-1"),
        ("UPDATE runs SET finished_at = '2027' WHERE run = 'r-1'", "r-1"),
        ("UPDATE outcomes SET document = replace(document, 'applied', 'failed')", "r-0"),
        ("UPDATE calls SET request_id = 'req-x' WHERE run = 2", "r-1"),
        ("DELETE FROM calls WHERE run = 2", "r-1"),
        ("UPDATE runs SET summary = 'broken' WHERE run = 'r-2'", "r-2"),
        ("UPDATE pre_images SET document = replace(document, 'id-a', 'id-b')", "r-2"),
        ("UPDATE runs SET hash = 'sha256:0' WHERE run = 'r-1'", "r-2"),
        ("DELETE FROM runs WHERE run = 'r-1'", "r-2"),
        ("UPDATE runs SET previous = NULL WHERE run = 'r-2'", "r-2"),
    ],
)
def test_an_edited_or_removed_record_is_detected(tmp_path: Path, edit: str, named: str) -> None:
    with ledger_in(tmp_path) as ledger:
        for number in range(3):
            record_run(ledger, f"r-{number}", "a")
        with sqlite3.connect(tmp_path / "ledger.db") as raw:
            raw.execute(edit)
        raw.close()
        problems = ledger.verify()
    assert any(named in problem.summary for problem in problems)
    assert {problem.code for problem in problems} == {"ledger-altered"}


def test_an_aborted_run_is_shown_and_closed_by_the_next(tmp_path: Path) -> None:
    now = clock()
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "r-1", "a", now=now, stop_before_answer=True)
        (cut,) = ledger.history()
        assert cut["finished_at"] is None
        assert cut["hash"] is None
        assert cut["summary"] == {"applied": 0, "failed": 0, "skipped": 0, "unknown": 0}
        assert cut["unanswered"] == [{"slug": "a", "operation": "update-integration"}]
        record_run(ledger, "r-2", "a", now=now)
        assert ledger.verify() == []
        assert all(run["hash"] for run in ledger.history())
