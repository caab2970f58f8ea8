"""Runs that are stopped or cancelled, or that lose their credential or ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler import apply_workflow
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.state import DesiredState
from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import CallEnded, CallStarted, Event
from reconciler.execution.executor import GRACE_SECONDS
from reconciler.execution.preflight import Approval
from reconciler.execution.result import ApplyResult, Status
from reconciler.planning.plan import PlanOptions
from reconciler.remote.errors import DeadlineExceeded
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from tests.builders import KEY, declared, desired
from tests.execution.stories import another_client_creates, before, ending, post, sent, world
from tests.remote.virtual_time import run_virtually
from tests.runs import World

MODELS = [{"slug": "gpt-5", "enabled": True}]


@dataclass
class Gate:
    """API whose calls wait where a test requires it; `when` is called with each call."""

    story: World
    when: Callable[[Call], Awaitable[None]]
    after: Callable[[Call], Awaitable[None]] | None = None
    calls: list[Call] = field(default_factory=list)

    async def call(self, call: Call) -> Reply:
        self.calls.append(call)
        await self.when(call)
        reply = await self.story.api.call(call)
        if self.after is not None:
            await self.after(call)
        return reply


def is_write(call: Call) -> bool:
    return call.operation in {
        OperationName.CREATE,
        OperationName.UPDATE,
        OperationName.UPDATE_MODELS,
        OperationName.DELETE,
    }


async def run(
    story: World, want: DesiredState, *, cancel: CancelToken, api: Any = None, parallelism: int = 1
) -> ApplyResult:
    applied = await apply_workflow.apply(
        story.session(want, api=api or story.api, parallelism=parallelism),
        PlanOptions(),
        approval=Approval(assumed=True),
        confirm=lambda _plan: True,
        emit=story.events.append,
        run="run-1",
        cancel=cancel,
    )
    return applied.result


def three(**fields: Any) -> DesiredState:
    return desired(*(declared(slug, key=KEY, **fields) for slug in ("alpha", "beta", "gamma")))


def statuses(result: ApplyResult) -> list[str]:
    return [outcome.status.value for outcome in result.outcomes]


def test_a_stop_before_the_first_write_starts_nothing() -> None:
    story, cancel = world(), CancelToken()
    cancel.request("interrupted by SIGINT")
    result = run_virtually(run(story, three(), cancel=cancel))
    assert statuses(result) == ["skipped"] * 3
    assert sent(story) == []
    assert {o.error.message for o in result.outcomes if o.error} == {"interrupted by SIGINT"}


def test_a_stop_lets_the_call_in_flight_finish_and_starts_nothing() -> None:
    story, cancel = world(), CancelToken()

    async def during(call: Call) -> None:
        if is_write(call):
            cancel.request("interrupted by SIGTERM")
            await asyncio.sleep(GRACE_SECONDS - 1)

    result = run_virtually(run(story, three(), cancel=cancel, api=Gate(story, during)))
    assert statuses(result) == ["applied", "skipped", "skipped"]
    assert result.outcomes[0].warnings == ()
    assert set(story.remote.integrations) == {"alpha"}


def test_a_stop_lets_all_calls_in_flight_finish() -> None:
    story, cancel = world(), CancelToken()
    arrived = asyncio.Barrier(2)

    async def during(call: Call) -> None:
        if is_write(call):
            await arrived.wait()
            cancel.request("interrupted by SIGINT")

    result = run_virtually(
        run(story, three(), cancel=cancel, api=Gate(story, during), parallelism=2)
    )
    assert statuses(result) == ["applied", "applied", "skipped"]


def test_a_call_that_outlasts_the_grace_period_is_unknown() -> None:
    story, cancel = world(), CancelToken()

    async def forever(call: Call) -> None:
        if is_write(call):
            cancel.request("interrupted by SIGINT")
            await asyncio.Event().wait()

    async def timed() -> tuple[ApplyResult, float]:
        result = await run(story, three(), cancel=cancel, api=Gate(story, forever))
        return result, asyncio.get_running_loop().time()

    result, took = run_virtually(timed())
    assert statuses(result) == ["unknown", "skipped", "skipped"]
    assert took == pytest.approx(GRACE_SECONDS)
    assert result.outcomes[0].error is not None
    assert result.outcomes[0].error.message == (
        "interrupted by SIGINT; not known to be carried out: created"
    )


def test_a_stop_between_two_calls_of_an_integration_prevents_the_second() -> None:
    story, cancel = world(), CancelToken()

    async def afterwards(call: Call) -> None:
        if call.operation is OperationName.CREATE:
            cancel.request("interrupted by SIGINT")

    async def at_once(_call: Call) -> None:
        pass

    gate = Gate(story, at_once, afterwards)
    want = desired(declared("alpha", key=KEY, models=MODELS))
    (outcome,) = run_virtually(run(story, want, cancel=cancel, api=gate)).outcomes
    assert ending(outcome) == ("failed", "interrupted")
    assert sent(story) == ["create"]
    assert outcome.error is not None
    assert outcome.error.message == "interrupted by SIGINT (already done: created)"


def test_a_stop_while_a_lost_response_is_resolved_leaves_it_unknown() -> None:
    story, cancel = world(post(FaultKind.RESET_BEFORE)), CancelToken()

    def listen(event: Event) -> None:
        if isinstance(event, CallStarted):
            cancel.request("interrupted by SIGINT")

    result = story.apply(desired(declared("alpha", key=KEY)), cancel=cancel, listen=listen)
    assert ending(result.outcomes[0]) == ("unknown", "interrupted")
    assert sent(story) == ["create"]


def test_an_action_cancelled_while_reading_back_is_applied_with_a_warning() -> None:
    story, cancel = world(), CancelToken()
    wrote = False

    async def during(call: Call) -> None:
        nonlocal wrote
        if wrote and not is_write(call):
            cancel.request("interrupted by SIGINT")
            await asyncio.Event().wait()
        wrote = wrote or is_write(call)

    want = desired(declared("alpha", key=KEY))
    (outcome,) = run_virtually(run(story, want, cancel=cancel, api=Gate(story, during))).outcomes
    assert ending(outcome) == ("applied", None)
    assert outcome.warnings == ("the run ended before the result could be read back",)


def test_after_a_stop_stale_reads_are_not_awaited() -> None:
    story, cancel = world(stale_read_ms=10_000), CancelToken()
    stop_after_create = Gate(story, lambda _call: asyncio.sleep(0))

    async def afterwards(call: Call) -> None:
        if is_write(call):
            cancel.request("interrupted by SIGINT")

    stop_after_create.after = afterwards
    before = story.seconds
    want = desired(declared("alpha", key=KEY))
    (outcome,) = run_virtually(run(story, want, cancel=cancel, api=stop_after_create)).outcomes
    assert ending(outcome) == ("applied", None)
    assert outcome.warnings == ("the API does not show yet: everything",)
    assert story.seconds == before


def test_a_run_cancelled_from_outside_starts_nothing() -> None:
    story = world()

    async def cancelled() -> None:
        writing = asyncio.Event()

        async def during(call: Call) -> None:
            if is_write(call):
                writing.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(
            run(story, three(), cancel=CancelToken(), api=Gate(story, during))
        )
        await writing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(cancelled())
    assert sent(story) == ["create"]


def test_a_credential_that_is_no_longer_accepted_stops_the_run() -> None:
    story = world(post(FaultKind.STATUS, status=401, code="AB05"))
    result = story.apply(three(), parallelism=1)
    assert statuses(result) == ["failed", "skipped", "skipped"]
    assert {o.error.message for o in result.outcomes[1:] if o.error} == {
        "the API no longer accepts the API key"
    }


def test_a_call_whose_intent_cannot_be_recorded_is_not_sent() -> None:
    story = world()

    def listen(event: Event) -> None:
        if isinstance(event, CallStarted):
            raise ReconcilerError("the ledger is full", code="ledger-failed")

    result = story.apply(three(), listen=listen)
    assert statuses(result) == ["skipped"] * 3
    assert {o.error.message for o in result.outcomes if o.error} == {"the ledger is full"}
    assert story.remote.integrations == {}


def test_an_outcome_that_cannot_be_recorded_ends_the_run_and_not_the_report() -> None:
    story = world()

    def listen(event: Event) -> None:
        if isinstance(event, CallEnded):
            raise ReconcilerError("the ledger is full", code="ledger-failed")

    result = story.apply(three(), listen=listen, parallelism=1)
    assert statuses(result) == ["applied", "skipped", "skipped"]
    assert result.outcomes[1].error is not None
    assert result.outcomes[1].error.message == "the ledger is full"


def test_a_defect_in_one_integration_is_raised_after_the_others_have_finished() -> None:
    story = world()

    class Broken:
        async def call(self, call: Call) -> Reply:
            if call.body is not None and call.body.get("slug") == "alpha":
                raise ZeroDivisionError
            return await story.api.call(call)

    with pytest.raises(ZeroDivisionError):
        story.apply(three(), api=Broken())
    assert set(story.remote.integrations) == {"beta", "gamma"}


# -- what a read shows before and after a write ----------------------------------------------


def test_a_namesake_created_in_place_of_ours_is_not_deleted() -> None:
    story = world()
    another_client_creates(story, "old")()

    def again(_plan: object) -> bool:
        story.put("DELETE", "/integrations/old")
        another_client_creates(story, "old")()
        return True

    result = story.apply(
        desired(declared("alpha", key=KEY), tombstones=("old",)),
        approval=Approval(),
        confirm=again,
    )
    assert [ending(o) for o in result.outcomes] == [
        ("applied", None),
        ("failed", "changed-since-plan"),
    ]
    assert "old" in story.remote.integrations


def test_a_write_that_cannot_be_read_back_is_applied_with_a_warning() -> None:
    broken = Fault(kind=FaultKind.HTML, method="GET", path="/alpha$", skip=1, times=-1)
    result = world(broken).apply(desired(declared("alpha", key=KEY)))
    assert result.outcomes[0].status is Status.APPLIED
    assert result.outcomes[0].warnings[0].startswith("the result could not be read back: GET")


def test_a_write_to_an_integration_archived_since_is_not_applied() -> None:
    story = world(delete="archived")
    another_client_creates(
        story, "alpha", name="Alpha", ai_provider_id="openai", description="old"
    )()
    want = desired(declared("alpha", description="new"))

    class Archiving:
        async def call(self, call: Call) -> Reply:
            if call.operation is OperationName.UPDATE:
                story.put("DELETE", "/integrations/alpha")
            return await story.api.call(call)

    result = story.apply(want, api=Archiving())
    assert result.outcomes[0].warnings == ("the API does not show yet: everything",)


@pytest.mark.parametrize("carried_out", [True, False])
def test_an_update_without_a_response_is_resolved_by_a_read(carried_out: bool) -> None:
    kind = FaultKind.RESET_AFTER if carried_out else FaultKind.RESET_BEFORE
    story = world(Fault(kind=kind, method="PUT"))
    another_client_creates(
        story, "alpha", name="Alpha", ai_provider_id="openai", description="old"
    )()
    (outcome,) = story.apply(desired(declared("alpha", description="new"))).outcomes
    assert outcome.status is (Status.APPLIED if carried_out else Status.UNKNOWN)


def test_an_update_without_a_response_that_no_read_can_resolve_is_unknown() -> None:
    lost = FaultScript((Fault(kind=FaultKind.RESET_AFTER, method="PUT"),))
    story = World(faults=lost)
    another_client_creates(
        story, "alpha", name="Alpha", ai_provider_id="openai", description="old"
    )()
    unreadable = Fault(kind=FaultKind.STATUS, status=401, method="GET", times=-1)
    before(story, "PUT", "/integrations/alpha", lambda: lost.add(unreadable))
    (outcome,) = story.apply(desired(declared("alpha", description="new"))).outcomes
    assert ending(outcome) == ("unknown", "connection-lost")


def test_a_credential_without_a_response_is_unknown_because_no_read_shows_it() -> None:
    story = world(Fault(kind=FaultKind.RESET_AFTER, method="PUT"))
    another_client_creates(story, "alpha", name="Alpha", ai_provider_id="openai")()
    (outcome,) = story.apply(desired(declared("alpha", key=KEY))).outcomes
    assert ending(outcome) == ("unknown", "connection-lost")


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_delete_without_a_response_is_resolved_by_a_read(carried_out: bool) -> None:
    kind = FaultKind.RESET_AFTER if carried_out else FaultKind.RESET_BEFORE
    story = world(Fault(kind=kind, method="DELETE"))
    another_client_creates(story, "old")()
    want = desired(declared("alpha", key=KEY), tombstones=("old",))
    outcome = story.apply(want).outcomes[1]
    assert outcome.status is (Status.APPLIED if carried_out else Status.UNKNOWN)
    assert ("old" in story.remote.integrations) is not carried_out


def test_after_the_deadline_no_action_starts_and_the_rest_is_skipped() -> None:
    story = World()

    async def late(call: Call) -> None:
        if call.operation is OperationName.CREATE and (call.body or {})["slug"] != "i-0":
            raise DeadlineExceeded("the run's deadline passed", code="deadline", attempts=0)

    want = desired(*(declared(f"i-{n}", key=KEY) for n in range(4)))
    result = asyncio.run(run(story, want, cancel=CancelToken(), api=Gate(story, late)))
    assert [(o.slug, o.status) for o in result.outcomes] == [
        ("i-0", Status.APPLIED),
        ("i-1", Status.SKIPPED),
        ("i-2", Status.SKIPPED),
        ("i-3", Status.SKIPPED),
    ]
    first, *others = (o.error for o in result.outcomes if o.error is not None)
    assert first.code == "deadline"
    assert [(e.code, e.message) for e in others] == [("skipped", "the run's deadline passed")] * 2
