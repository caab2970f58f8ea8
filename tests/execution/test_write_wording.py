"""Messages of updates, replaces and deletes that fail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.execution.action_runner import ActionRunner, RunDependencies
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import CallStarted
from reconciler.execution.result import ActionFailure, Outcome, Status
from reconciler.execution.verification import ExistenceCheck
from reconciler.planning.actions import Action, ActionKind, Risk
from reconciler.simulator.faults import Fault, FaultKind
from tests.builders import KEY, declared, desired
from tests.execution.stories import another_client_creates, before, create, get, post, sent, world
from tests.execution.test_deleting import (
    another_client_deletes,
    delete,
    failing_from_the_delete_on,
    forgotten,
    replaced,
)
from tests.execution.test_stopping import Gate
from tests.runs import World

BROKE = "the connection was closed before the response was complete"
OPEN = "the call may or may not have been carried out"
AGAIN = "run apply again: it reads first and makes only the remaining changes"
LOOK_AGAIN = "plan again to see the changes; this run did not write to the integration"
CREATE_IS_LEFT = (
    "run apply again: the integration was deleted and could not be re-created; "
    "the next plan creates it from its file, which needs no approval of a replace"
)
ACCESS = [{"id": "ws-a", "enabled": True}]
NOTHING_IS_LEFT = {"allow_empty": True}
MODELS = [{"slug": "gpt-5", "enabled": True}]


def put(kind: FaultKind, path: str = "/alpha$", **more: Any) -> Fault:
    """Return a fault for updates."""
    return Fault(kind=kind, method="PUT", path=path, **more)


def updated(story: World, **fields: Any) -> Outcome:
    """Apply files that declare another description, and return the outcome."""
    another_client_creates(story, name="Alpha", ai_provider_id="openai", description="old")()
    (outcome,) = story.apply(desired(declared(**({"description": "new"} | fields)))).outcomes
    return outcome


def edited_meanwhile() -> World:
    story = world()

    def edit() -> None:
        story.put("PUT", "/integrations/alpha", {"description": "by hand"})

    before(story, "GET", "/integrations/alpha", edit, skip=1)
    return story


def gone_meanwhile() -> World:
    story = world()
    before(story, "GET", "/integrations/alpha", another_client_deletes(story), skip=1)
    return story


CASES = [
    pytest.param(
        lambda: updated(world(put(FaultKind.RESET_BEFORE))),
        "unknown",
        ActionFailure("connection-lost", f"PUT /integrations/alpha: {BROKE}; {OPEN}", AGAIN),
        id="update: not carried out and not shown",
    ),
    pytest.param(
        lambda: updated(world(put(FaultKind.RESET_AFTER)), key=KEY),
        "unknown",
        ActionFailure("connection-lost", f"PUT /integrations/alpha: {BROKE}; {OPEN}", AGAIN),
        id="update: of a secret, which nothing shows",
    ),
    pytest.param(
        lambda: updated(world(put(FaultKind.RESET_AFTER)), workspaces=ACCESS),
        "unknown",
        ActionFailure("connection-lost", f"PUT /integrations/alpha: {BROKE}; {OPEN}", AGAIN),
        id="update: more calls were to come",
    ),
    pytest.param(
        lambda: updated(
            world(put(FaultKind.STATUS, "/workspaces$", status=400)), workspaces=ACCESS
        ),
        "failed",
        ActionFailure(
            "AB04",
            "PUT /integrations/alpha/workspaces returned 400 AB04: Internal server error"
            " (already done: fields)",
            "compare the fields with the message; `reconcile validate` checks what can be checked",
            400,
        ),
        id="update: its second call was refused",
    ),
    pytest.param(
        lambda: updated(world(put(FaultKind.RESET_AFTER, "/workspaces$")), workspaces=ACCESS),
        "unknown",
        ActionFailure(
            "connection-lost",
            f"PUT /integrations/alpha/workspaces: {BROKE}; {OPEN} (already done: fields)",
            AGAIN,
        ),
        id="update: its second call got no answer",
    ),
    pytest.param(
        lambda: updated(edited_meanwhile()),
        "failed",
        ActionFailure(
            "changed-since-plan", "the integration was changed after the plan was made", LOOK_AGAIN
        ),
        id="update: changed meanwhile",
    ),
    pytest.param(
        lambda: updated(gone_meanwhile()),
        "failed",
        ActionFailure("changed-since-plan", "the integration no longer exists", LOOK_AGAIN),
        id="update: deleted meanwhile",
    ),
    pytest.param(
        lambda: forgotten(world(delete(FaultKind.RESET_BEFORE))),
        "unknown",
        ActionFailure("connection-lost", f"DELETE /integrations/alpha: {BROKE}; {OPEN}", AGAIN),
        id="delete: no answer, and still there",
    ),
    pytest.param(
        lambda: forgotten(world(delete(FaultKind.STATUS, status=409, code="AB07"))),
        "failed",
        ActionFailure(
            "AB07",
            "DELETE /integrations/alpha returned 409 AB07: Internal server error",
            "run `reconcile plan`: the slug is taken, or another resource depends on "
            "the integration",
            409,
        ),
        id="delete: refused",
    ),
    pytest.param(
        lambda: replaced(world(post(FaultKind.STATUS, status=400, code="AB01"))),
        "failed",
        ActionFailure(
            "AB01",
            "POST /integrations returned 400 AB01: Internal server error (already done: deleted)",
            CREATE_IS_LEFT,
            400,
        ),
        id="replace: its create was refused",
    ),
    pytest.param(
        lambda: replaced(failing_from_the_delete_on(get(FaultKind.STALE, times=-1))),
        "unknown",
        ActionFailure(
            "not-confirmed",
            "the API still returns the deleted integration, so it was not re-created "
            "(already done: deleted)",
            "wait a moment and run apply again",
        ),
        id="replace: the old one is still shown",
    ),
]


@pytest.mark.parametrize(("ended", "status", "failure"), CASES)
def test_a_failed_write_has_a_message_and_a_hint(
    ended: Callable[[], Outcome], status: str, failure: ActionFailure
) -> None:
    outcome = ended()
    assert outcome.error == failure
    assert outcome.status.value == status


def test_a_lost_response_with_a_visible_effect_is_a_warning() -> None:
    outcome = updated(world(put(FaultKind.RESET_AFTER)))
    assert (outcome.status, outcome.error) == (Status.APPLIED, None)
    assert outcome.warnings == (
        "the response was lost, but a read shows that the call was carried out",
    )


def test_a_lost_delete_with_a_visible_effect_is_applied() -> None:
    outcome = forgotten(world(delete(FaultKind.RESET_AFTER)))
    assert (outcome.status, outcome.error, outcome.warnings) == (Status.APPLIED, None, ())


def test_a_replace_after_a_lost_delete_with_a_visible_effect_creates() -> None:
    story = world(delete(FaultKind.RESET_AFTER))
    assert replaced(story).status is Status.APPLIED
    assert sent(story) == ["delete", "create"]


def test_a_replace_announces_everything_that_its_delete_removes() -> None:
    story = world()
    replaced(story)
    (seen,) = [
        event.last_seen
        for event in story.events
        if isinstance(event, CallStarted) and event.call.operation is OperationName.DELETE
    ]
    assert seen is not None
    assert (seen.models_read, seen.workspaces_read) == (True, True)


def test_a_replace_writes_to_the_new_integration_with_any_id() -> None:
    story = world()
    another_client_creates(story)()
    files = desired(declared("alpha", key=KEY, allow_all_models=False, models=MODELS))
    (outcome,) = story.apply(files, options={"allow_replace": True}).outcomes
    assert (outcome.status, outcome.warnings) == (Status.APPLIED, ())
    assert sent(story) == ["delete", "create", "update-integration-models"]


@pytest.mark.parametrize("comes_second", [True, False])
def test_a_delete_resolved_by_a_read_is_not_verified_again(comes_second: bool) -> None:
    story = world(*([] if comes_second else [delete(FaultKind.RESET_AFTER)]))
    if comes_second:
        before(story, "DELETE", "/integrations/alpha", another_client_deletes(story))
    another_client_creates(story)()
    calls: list[Call] = []

    async def note(call: Call) -> None:
        calls.append(call)

    story.apply(desired(tombstones=("alpha",)), api=Gate(story, note), options=NOTHING_IS_LEFT)
    deleted = [call.operation for call in calls].index(OperationName.DELETE)
    assert [call.slug for call in calls[deleted + 1 :]].count("alpha") == 1


# -- the account of an action ----------------------------------------------------------------


def test_the_duration_of_an_action_is_in_milliseconds() -> None:
    shown_late = world(get(FaultKind.STALE, skip=1, times=2))
    shown_late.seconds = 100.0
    outcome = create(shown_late)
    assert (outcome.status, outcome.duration_ms) == (Status.APPLIED, 700)


def test_the_record_shows_what_was_accepted() -> None:
    outcome = create(world(), allow_all_models=False, models=MODELS)
    assert outcome.attempts == 1
    assert outcome.accepted == {OperationName.CREATE, OperationName.UPDATE_MODELS}
    assert outcome.seen_after is not None
    assert outcome.seen_after.slug == "alpha"


def test_the_record_has_the_request_ids_of_the_server() -> None:
    story = world()

    class Numbered:
        async def call(self, call: Call) -> Reply:
            return replace(await story.api.call(call), request_id=f"req-{call.operation.value}")

    files = desired(declared("alpha", key=KEY, workspaces=ACCESS))
    (outcome,) = story.apply(files, api=Numbered()).outcomes
    assert outcome.request_ids == (
        "req-create-integration",
        "req-update-integration-workspaces",
    )


def test_an_existing_integration_is_never_reported_as_created() -> None:
    assert updated(world()).accepted == frozenset()


# -- cut off ---------------------------------------------------------------------------------


def runner(story: World, cancel: CancelToken | None = None) -> ActionRunner:
    async def list_again() -> dict[str, Any]:
        return {}

    existence = ExistenceCheck(story.api, frozenset(), list_again)
    dependencies = RunDependencies(story.api, existence, frozenset({"alpha"}), {}, story.clock)
    action = Action("alpha", ActionKind.CREATE, "", Risk.ADDITIVE)
    return dependencies.runner(action, emit=lambda _event: None, cancel=cancel or CancelToken())


def test_an_action_cancelled_before_its_first_write_is_skipped_with_a_reason() -> None:
    cancel = CancelToken()
    cancel.request("interrupted by SIGINT")
    cut_off = runner(world(), cancel)
    cut_off.interrupt()
    outcome = cut_off.outcome(duration_ms=7)
    assert outcome == Outcome(
        "alpha",
        ActionKind.CREATE,
        Status.SKIPPED,
        duration_ms=7,
        error=ActionFailure("interrupted", "interrupted by SIGINT", AGAIN),
    )


def test_an_action_cancelled_without_a_reason_was_stopped() -> None:
    cut_off = runner(world())
    cut_off.interrupt()
    assert cut_off.error == ActionFailure("interrupted", "the run was stopped", AGAIN)


def test_an_action_cancelled_with_an_unknown_call_is_unknown() -> None:
    cut_off = runner(world())
    cut_off.written = True
    cut_off.sender.unanswered.append(Call(OperationName.CREATE, "alpha"))
    cut_off.interrupt()
    assert cut_off.status is Status.UNKNOWN
    assert cut_off.error == ActionFailure(
        "interrupted", "the run was stopped; not known to be carried out: created", AGAIN
    )


def test_a_failed_action_that_is_cancelled_keeps_its_reason() -> None:
    cut_off = runner(world())
    cut_off.error = first = ActionFailure("AB01", "no")
    cut_off.interrupt()
    assert (cut_off.error, cut_off.warnings) == (first, [])


@pytest.mark.parametrize(
    ("outcome", "half_done"),
    [
        (
            lambda: updated(
                world(put(FaultKind.STATUS, "/workspaces$", status=400)), workspaces=ACCESS
            ),
            "fields written, workspaces missing",
        ),
        (
            lambda: updated(world(put(FaultKind.RESET_AFTER, "/workspaces$")), workspaces=ACCESS),
            "fields written, workspaces unknown",
        ),
        (lambda: updated(edited_meanwhile(), workspaces=ACCESS), ""),
        (lambda: updated(world(), workspaces=ACCESS), ""),
        (
            lambda: created(
                world(put(FaultKind.STATUS, "/models$", status=400)),
                key=KEY,
                workspaces=ACCESS,
                models=MODELS,
            ),
            "created, models missing, workspaces missing",
        ),
        (lambda: replaced(world(post(FaultKind.STATUS, status=400))), "deleted, not re-created"),
    ],
    ids=["refused", "no answer", "nothing written", "applied", "create", "replace"],
)
def test_an_outcome_names_completed_and_missing_writes(
    outcome: Callable[[], Outcome], half_done: str
) -> None:
    ended = outcome()
    assert ended.half_done == half_done
    assert ended.as_json().get("half_done", "") == half_done


def created(story: World, **fields: Any) -> Outcome:
    (outcome,) = story.apply(desired(declared(**fields))).outcomes
    return outcome
