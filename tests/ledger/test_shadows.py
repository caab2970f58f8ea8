"""Runs with an intent to create a shadow: which a ledger knows, and which are in progress."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.ledger_access import LedgerSnapshot, read_snapshot
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.state import LastAppliedState
from reconciler.execution.events import CallEnded, CallStarted, RunEnded, RunStarted
from reconciler.execution.ledger_listener import record_in
from reconciler.execution.result import ApplyResult
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import Holder, RunFacts
from reconciler.ledger.store import Ledger
from reconciler.planning.actions import ActionKind
from tests.ledger.builders import BASE_URL, KEY, PEPPER, action, clock, ledger_in, plan
from tests.ledger.test_lock import HOLD

OTHER = TargetKey.of(name="staging", base_url=BASE_URL, organisation="org-1")
HOLDER = Holder(pid=4711, host="runner-3", since="2026-03-01T10:00:00Z", run="r-1")
SHADOW = "alpha--next"


def rotate(
    ledger: Ledger,
    run: str,
    *,
    slug: str = SHADOW,
    operation: OperationName = OperationName.CREATE,
    key: TargetKey = KEY,
    ends: bool = True,
) -> None:
    """Record a run with an intent to write to a shadow, which ends or is killed."""
    emit = record_in(ledger.recorder(key, facts=RunFacts(run=run), now=clock()))
    the_plan = plan(action("alpha"))
    emit(RunStarted(run, the_plan))
    shadow = action(slug, ActionKind.CREATE)
    emit(CallStarted(shadow, Call(operation, slug), of_shadow=True))
    if ends:
        emit(CallEnded(shadow, Call(operation, slug)))
        emit(RunEnded(ApplyResult(run, the_plan.target, the_plan.digest)))


def snapshot(folder: Path, *, staged: bool = True) -> LedgerSnapshot:
    path = folder / "ledger.db"
    return read_snapshot(None, path=path, pepper=PEPPER, key=KEY, staged=staged)


def known(ledger: Ledger) -> LastAppliedState:
    return ledger.with_shadows(KEY, LastAppliedState(), is_locked=True)


def test_every_run_with_an_intent_to_create_is_known(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        rotate(ledger, "r-1")
        rotate(ledger, "r-2", ends=False)
        rotate(ledger, "r-3", slug="beta--next")
        found = known(ledger)
    assert found.shadows == {
        SHADOW: frozenset({"r-1", "r-2"}),
        "beta--next": frozenset({"r-3"}),
    }
    assert found.rotating == frozenset()


@pytest.mark.parametrize(
    "other",
    [
        {"slug": "alpha"},
        {"slug": "alpha--next2"},
        {"operation": OperationName.DELETE},
        {"operation": OperationName.UPDATE_WORKSPACES},
        {"key": OTHER},
    ],
)
def test_only_such_an_intent_proves_a_shadow(tmp_path: Path, other: dict[str, object]) -> None:
    with ledger_in(tmp_path) as ledger:
        rotate(ledger, "r-1", **other)  # type: ignore[arg-type]
        assert known(ledger).shadows == {}


def test_an_unknown_target_has_no_shadows(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        assert known(ledger).shadows == {}


def test_shadows_are_read_for_targets_that_stage_only(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        rotate(ledger, "r-1")
    assert snapshot(tmp_path, staged=False).last_applied.shadows == {}
    assert snapshot(tmp_path).last_applied.shadows == {SHADOW: frozenset({"r-1"})}


@pytest.mark.slow
def test_a_run_is_in_progress_while_its_lock_is_held(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        rotate(ledger, "r-1")
        rotate(ledger, "r-2", ends=False)
    # A lock belongs to a process, so another process holds it.
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert snapshot(tmp_path).last_applied.rotating == {"r-2"}
        process.communicate()
    assert snapshot(tmp_path).last_applied.rotating == frozenset()


def test_checking_the_lock_does_not_acquire_it(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        rotate(ledger, "r-1", ends=False)
        assert snapshot(tmp_path).last_applied.rotating == frozenset()
        with ledger.run_lock(KEY, HOLDER):
            assert snapshot(tmp_path).last_applied.rotating == {"r-1"}
