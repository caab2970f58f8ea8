"""Order of a plan's actions, conditions for skipping the rest, and the messages."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted
from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RunEnded,
    RunStarted,
)
from reconciler.execution.executor import GRACE_SECONDS, execute
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.planning.plan import Selection
from reconciler.simulator.faults import FaultKind
from tests.builders import KEY, declared, desired
from tests.execution.stories import another_client_creates, post, sent, world
from tests.execution.test_stopping import Gate, is_write, run, statuses, three
from tests.execution.test_write_wording import runner
from tests.remote.virtual_time import run_virtually
from tests.runs import World


def skipped(why: str) -> tuple[str, ActionFailure]:
    return "skipped", ActionFailure("skipped", why, "run apply again")


def endings(result: ApplyResult) -> dict[str, tuple[str, ActionFailure | None]]:
    return {o.slug: (o.status.value, o.error) for o in result.outcomes}


def names(story: World) -> list[str]:
    """Return the kinds and slugs of the events that listeners received."""
    told = []
    for event in story.events:
        action = getattr(event, "action", None)
        told.append(type(event).__name__ + (f" {action.slug}" if action is not None else ""))
    return told


def refusing(kind: type[ActionStarted | ActionEnded], slug: str) -> Any:
    def listen(event: Event) -> None:
        if isinstance(event, kind) and event.action.slug == slug:
            raise ReconcilerError("the ledger is full", code="ledger-failed")

    return listen


def all_kinds(story: World) -> Any:
    """Return a project with one action of each kind: create, update, replace and delete."""
    for slug in ("updated", "replaced", "deleted"):
        provider = "anthropic" if slug == "replaced" else "openai"
        another_client_creates(story, slug, name=slug.title(), ai_provider_id=provider)()
    return desired(
        declared("created", key=KEY),
        declared("replaced", key=KEY),
        declared("updated", description="new"),
        tombstones=("deleted",),
    )


def test_destructive_actions_run_after_all_others() -> None:
    story = world()
    result = story.apply(all_kinds(story), options={"allow_replace": True}, parallelism=1)
    assert sent(story) == ["create", "update", "delete", "create", "delete"]
    assert [o.slug for o in result.outcomes] == ["created", "updated", "replaced", "deleted"]
    assert statuses(result) == ["applied"] * 4
    assert (result.run, result.shard, result.target.name) == ("run-1", None, "production")
    assert result.plan_digest.startswith("sha256:")


def test_listeners_receive_all_events_in_order() -> None:
    story = world()
    result = story.apply(desired(declared("alpha", key=KEY)))
    assert names(story) == [
        "RunStarted",
        "ActionStarted alpha",
        "CallStarted alpha",
        "CallEnded alpha",
        "ActionEnded alpha",
        "RunEnded",
    ]
    begun, *_, ended, over = story.events
    assert isinstance(begun, RunStarted)
    assert (begun.run, begun.plan.digest) == ("run-1", result.plan_digest)
    assert isinstance(ended, ActionEnded)
    assert ended.outcome == result.outcomes[0]
    assert over == RunEnded(result)


def test_a_result_names_its_shard() -> None:
    options = {"selection": Selection(shard=(1, 1))}
    assert world().apply(desired(declared("alpha", key=KEY)), options=options).shard == "1/1"


def test_after_a_failure_destructive_actions_are_skipped_with_a_reason() -> None:
    story = world(post(FaultKind.STATUS, status=422))
    result = story.apply(all_kinds(story), options={"allow_replace": True}, parallelism=1)
    told = endings(result)
    assert told["created"][0] == "failed"
    assert told["updated"] == ("applied", None)
    assert told["replaced"] == skipped("an earlier action did not succeed")
    assert told["deleted"] == skipped("an earlier action did not succeed")
    assert sent(story) == ["create", "update"]
    kept_back = next(o for o in result.outcomes if o.slug == "deleted")
    assert (kept_back.kind.value, kept_back.attempts) == ("delete", 0)
    assert names(story)[-3:] == ["ActionEnded replaced", "ActionEnded deleted", "RunEnded"]


def test_a_failure_that_ends_the_run_is_the_reason_for_skipping() -> None:
    story = world(post(FaultKind.STATUS, status=422))
    result = story.apply(three(), abort_on_error=True, parallelism=1)
    why = "stopped at the first failure, because of --on-error abort"
    assert endings(result)["beta"] == endings(result)["gamma"] == skipped(why)


def test_an_applied_action_does_not_end_a_run_with_on_error_abort() -> None:
    result = world().apply(three(), abort_on_error=True, parallelism=1)
    assert statuses(result) == ["applied"] * 3


def test_a_rejected_credential_is_the_reason_for_skipping() -> None:
    story = world(post(FaultKind.STATUS, status=401, code="AB05"))
    result = story.apply(three(), abort_on_error=True, parallelism=1)
    assert endings(result)["beta"] == skipped("the API no longer accepts the API key")


def test_a_stop_without_a_reason_is_reported_as_a_stop() -> None:
    cancel = CancelToken()
    cancel.request("")
    result = world().apply(three(), cancel=cancel)
    assert endings(result)["alpha"] == skipped("the run was stopped")


@pytest.mark.parametrize("kind", [ActionStarted, ActionEnded])
def test_a_storage_error_ends_the_run_and_not_the_report(
    kind: type[ActionStarted | ActionEnded],
) -> None:
    story = world()
    result = story.apply(three(), listen=refusing(kind, "beta"), parallelism=1)
    told = endings(result)
    assert told["alpha"] == ("applied", None)
    assert told["gamma"] == skipped("the ledger is full")
    assert isinstance(story.events[-1], RunEnded)


def test_a_run_whose_start_cannot_be_stored_sends_nothing() -> None:
    story = world()

    def listen(event: Event) -> None:
        if isinstance(event, RunStarted):
            raise ReconcilerError("the ledger is full", code="ledger-failed")

    with pytest.raises(ReconcilerError, match="the ledger is full"):
        story.apply(three(), listen=listen)
    assert sent(story) == []


def test_a_plan_without_any_action_begins_and_ends() -> None:
    story = world()
    assert story.apply(desired()).outcomes == ()
    assert names(story) == ["RunStarted", "RunEnded"]


# -- cut off ---------------------------------------------------------------------------------


def forever(story: World, cancel: CancelToken, reason: str | None) -> Gate:
    async def during(call: Call) -> None:
        if is_write(call):
            if reason is not None:
                cancel.request(reason)
            await asyncio.Event().wait()

    return Gate(story, during)


def cancelled(story: World, cancel: CancelToken) -> list[Outcome]:
    """Cancel a run from outside while its first write hangs, and return its events."""

    async def main() -> None:
        api = forever(story, cancel, None)
        task = asyncio.create_task(run(story, three(), cancel=cancel, api=api))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(main())
    return [event.outcome for event in story.events if isinstance(event, ActionEnded)]


def test_listeners_receive_the_running_actions_of_a_cancelled_run() -> None:
    cancel = CancelToken()
    (outcome,) = cancelled(world(), cancel)
    assert cancel.reason == "the run was cancelled"
    assert outcome.status is Status.UNKNOWN
    assert outcome.error == ActionFailure(
        "interrupted",
        "the run was cancelled; not known to be carried out: created",
        "run apply again: it reads first and makes only the remaining changes",
    )


def test_the_grace_is_five_seconds_and_the_reason_is_kept() -> None:
    story, cancel = world(), CancelToken()
    api = forever(story, cancel, "interrupted by SIGINT")
    result = run_virtually(run(story, three(), cancel=cancel, api=api))
    assert endings(result)["beta"] == skipped("interrupted by SIGINT")
    assert GRACE_SECONDS == 5


def test_a_delete_cancelled_during_its_verification_is_applied_with_a_warning() -> None:
    story, cancel = world(), CancelToken()
    another_client_creates(story)()
    deleted = False

    async def during(call: Call) -> None:
        nonlocal deleted
        if deleted and call.operation is OperationName.GET:
            cancel.request("interrupted by SIGINT")
            await asyncio.Event().wait()
        deleted = deleted or call.operation is OperationName.DELETE

    files = desired(declared("beta", key=KEY), tombstones=("alpha",))
    result = run_virtually(run(story, files, cancel=cancel, api=Gate(story, during)))
    assert endings(result)["alpha"] == ("applied", None)
    assert result.outcomes[1].warnings == ("the run ended before the result could be read back",)


def test_by_default_ten_actions_run_concurrently_and_a_failure_does_not_abort() -> None:
    story = world(post(FaultKind.STATUS, status=422))
    fresh = story.plan(desired(*(declared(f"i-{n:02}", key=KEY) for n in range(20))))
    under_way: list[str] = []
    most: list[int] = []

    def emit(event: Event) -> None:
        if isinstance(event, ActionStarted):
            under_way.append(event.action.slug)
            most.append(len(under_way))
        if isinstance(event, ActionEnded):
            under_way.remove(event.action.slug)

    values = {KEY: Redacted("sk-value-abc")}
    slow = Gate(story, lambda _call: asyncio.sleep(0.1))
    dependencies = replace(runner(story).dependencies, api=slow, values=values)
    result = run_virtually(execute(fresh, run="run-1", dependencies=dependencies, emit=emit))
    assert max(most) == 15
    assert result.summary == {"applied": 19, "failed": 1, "skipped": 0, "unknown": 0}
    assert (result.run, result.shard, result.plan_digest) == ("run-1", None, fresh.digest)
