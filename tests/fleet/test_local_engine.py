"""Engine for one machine: limited concurrency, and no member can delay the others."""

import asyncio
import json
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidInput, Refused
from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.local_engine import run_locally
from reconciler.fleet.outcome import (
    WORST_LAST,
    FleetOperation,
    FleetResult,
    MemberOutcome,
    MemberStatus,
    decode_fleet_result,
    outcome_from,
    worst_exit_code,
)
from reconciler.fleet.task import MemberTask, TaskHandler, change_digests, require_approved
from tests.views.samples import mixed_plan, plan


def tasks(
    count: int, operation: FleetOperation = FleetOperation.APPLY, deadline: float = 60
) -> list[MemberTask]:
    return [MemberTask(f"m-{number}", operation, deadline=deadline) for number in range(count)]


def done(task: MemberTask, _cancel: CancelToken) -> MemberOutcome:
    return MemberOutcome(task.member, MemberStatus.APPLIED, 0)


def run(
    given_tasks: Sequence[MemberTask],
    handler: TaskHandler,
    *,
    parallelism: int = 2,
    cancel: CancelToken | None = None,
    grace: float = 60,
) -> dict[str, MemberOutcome]:
    ends: dict[str, MemberOutcome] = {}
    work = run_locally(
        given_tasks,
        handler,
        parallelism=parallelism,
        cancel=cancel or CancelToken(),
        ended=lambda outcome: ends.__setitem__(outcome.member, outcome),
        grace=grace,
    )
    asyncio.run(work)
    return ends


def test_at_most_the_given_number_of_members_runs_concurrently() -> None:
    together, most, lock = threading.Barrier(3, timeout=20), [0, 0], threading.Lock()

    def handler(task: MemberTask, cancel: CancelToken) -> MemberOutcome:
        with lock:
            most[0] += 1
            most[1] = max(most)
        together.wait()
        with lock:
            most[0] -= 1
        return done(task, cancel)

    assert len(run(tasks(9), handler, parallelism=3)) == 9
    assert most == [0, 3]


def test_a_hanging_member_is_abandoned_and_the_others_continue() -> None:
    asked = threading.Event()

    def handler(task: MemberTask, cancel: CancelToken) -> MemberOutcome:
        if task.member == "m-0":
            cancel.add_callback(lambda _reason: asked.set())
            threading.Event().wait()
        return done(task, cancel)

    ends = run(tasks(3, deadline=0.01), handler, parallelism=1, grace=0.01)
    assert [ends[f"m-{n}"].status for n in range(3)] == ["incomplete", "applied", "applied"]
    assert (ends["m-0"].exit_code, ends["m-0"].notes[0].code) == (5, "deadline")
    assert asked.is_set()


def test_a_stop_starts_no_new_member_and_stops_the_running_ones() -> None:
    cancel = CancelToken()

    def handler(task: MemberTask, own: CancelToken) -> MemberOutcome:
        cancel.request("interrupted")
        return MemberOutcome(task.member, MemberStatus.INTERRUPTED, 130 if own.requested else 0)

    ends = run(tasks(3), handler, parallelism=1, cancel=cancel)
    assert [ends[f"m-{n}"].status for n in range(3)] == ["interrupted", "not-run", "not-run"]
    assert ends["m-0"].exit_code == 130
    assert not ends["m-1"].done


@given(st.lists(st.sampled_from(WORST_LAST)))
def test_the_exit_code_is_the_worst_in_any_order(codes: list[int]) -> None:
    found = worst_exit_code(codes)
    assert found == worst_exit_code(reversed(codes))
    assert all(WORST_LAST.index(code) <= WORST_LAST.index(found) for code in codes)


def test_an_unknown_exit_code_is_a_failure() -> None:
    assert worst_exit_code([0, 77]) == 1


def test_a_partial_apply_is_worse_than_a_failure_before_a_write_and_that_than_a_refusal() -> None:
    assert worst_exit_code([4, 1, 0]) == 1
    assert worst_exit_code([1, 5, 3]) == 5
    assert worst_exit_code([]) == 0


def test_an_outcome_is_unchanged_after_a_json_round_trip() -> None:
    outcome = MemberOutcome("acme", MemberStatus.DIFFERENT, 2, "t", "r", "sha256:0", {"create": 1})
    assert outcome_from(outcome.as_json()) == outcome


def test_the_summary_of_a_fleet_counts_every_status() -> None:
    members = (
        MemberOutcome("a", MemberStatus.APPLIED, 0),
        MemberOutcome("b", MemberStatus.REFUSED, 4),
    )
    result = FleetResult("run", FleetOperation.APPLY, "local", members)
    assert sum(result.summary.values()) == 2
    assert result.as_json()["exit_code"] == 4


@pytest.mark.parametrize("code", [130, 143])
def test_a_run_that_a_signal_stopped_has_its_exit_code_and_survives_json(code: int) -> None:
    members = (
        MemberOutcome("a", MemberStatus.APPLIED, 0),
        MemberOutcome("b", MemberStatus.NOT_RUN, 0),
    )
    result = FleetResult("run", FleetOperation.APPLY, "local", members, signal_code=code)
    document = result.as_json()
    assert document["exit_code"] == code
    read = decode_fleet_result(json.dumps(document), name="fleet.json")
    assert (read, read.exit_code) == (result, code)


@pytest.mark.parametrize("code", [130, 143])
def test_a_lost_member_is_reported_after_a_signal(code: int) -> None:
    members = tuple(MemberOutcome(name, MemberStatus.NOT_RUN, 0) for name in "ab")
    result = FleetResult("run", FleetOperation.DRIFT, "local", members, signal_code=code)
    document = result.as_json()
    document["members"] = [members[0].as_json()]
    with pytest.raises(InvalidInput, match="not a fleet result"):
        decode_fleet_result(json.dumps(document), name="fleet.json")


def test_a_smaller_plan_is_still_approved_and_a_larger_one_is_not() -> None:
    whole = mixed_plan()
    approved = change_digests(whole)
    for count in range(len(whole.actions) + 1):
        assert require_approved(plan(*whole.actions[:count]), approved=approved)
    for left_out in whole.actions:
        fewer = plan(*(action for action in whole.actions if action is not left_out))
        with pytest.raises(Refused, match="were not approved"):
            require_approved(whole, approved=change_digests(fewer))
