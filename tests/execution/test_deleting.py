"""Outcomes of deletes and of replaces, which begin with a delete, on the simulator."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.execution.events import CallStarted
from reconciler.execution.result import Outcome
from reconciler.remote.errors import RemoteError
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from tests.builders import KEY, declared, desired
from tests.execution.stories import another_client_creates, before, ending, get, post, sent, world
from tests.runs import World

ALPHA = "/integrations/alpha"


def delete(kind: Any, **more: Any) -> Fault:
    """Return a fault for deletes."""
    return Fault(kind=kind, method="DELETE", **more)


def failing_from_the_delete_on(*faults: Fault, at_once: tuple[Fault, ...] = ()) -> World:
    """Return a world with faults that begin right before the delete of `alpha`."""
    script = FaultScript(at_once)
    story = World(faults=script)

    def strike() -> None:
        for fault in faults:
            script.add(fault)

    before(story, "DELETE", ALPHA, strike)
    return story


def forgotten(story: World) -> Outcome:
    """Apply files that declare `beta` and delete `alpha`, and return the outcome of `alpha`."""
    another_client_creates(story)()
    result = story.apply(desired(declared("beta", key=KEY), tombstones=("alpha",)))
    return next(o for o in result.outcomes if o.slug == "alpha")


def replaced(story: World) -> Outcome:
    """Apply files that declare another provider for `alpha`, and return its outcome."""
    another_client_creates(story)()
    wish = desired(declared("alpha", key=KEY))
    (outcome,) = story.apply(wish, options={"allow_replace": True}).outcomes
    return outcome


def another_client_deletes(story: World) -> Callable[[], None]:
    def delete_it() -> None:
        story.put("DELETE", ALPHA)

    return delete_it


def test_an_integration_deleted_by_another_client_needs_no_call() -> None:
    story = world()
    before(story, "POST", "/integrations", another_client_deletes(story))
    outcome = forgotten(story)
    assert ending(outcome) == ("applied", None)
    assert outcome.warnings == ("the integration no longer existed",)
    assert sent(story) == ["create"]


def test_a_delete_after_that_of_another_client_is_applied() -> None:
    story = world()
    before(story, "DELETE", ALPHA, another_client_deletes(story))
    outcome = forgotten(story)
    assert (ending(outcome), outcome.warnings) == (("applied", None), ())
    assert sent(story) == ["create", "delete"]


def test_an_integration_changed_since_the_plan_is_not_deleted() -> None:
    story = world()

    def somebody_edits() -> None:
        story.put("PUT", ALPHA, {"description": "by hand"})

    before(story, "POST", "/integrations", somebody_edits)
    assert ending(forgotten(story)) == ("failed", "changed-since-plan")
    assert sent(story) == ["create"]


def test_a_denied_delete_of_an_existing_integration_fails() -> None:
    story = world(delete(FaultKind.STATUS, status=403, code="AB03"))
    assert ending(forgotten(story)) == ("failed", "AB03")
    assert "alpha" in story.remote.integrations


def test_a_refused_delete_fails() -> None:
    story = world(delete(FaultKind.STATUS, status=409, code="AB07"))
    assert ending(forgotten(story)) == ("failed", "AB07")
    assert "alpha" in story.remote.integrations


def test_a_lost_delete_that_no_read_can_resolve_is_unknown() -> None:
    no_reading = get(FaultKind.RESET_BEFORE, times=-1)
    story = failing_from_the_delete_on(no_reading, at_once=(delete(FaultKind.RESET_AFTER),))
    outcome = forgotten(story)
    assert outcome.status.value == "unknown"
    assert outcome.error is not None
    assert "the call may or may not have been carried out" in outcome.error.message
    assert "alpha" not in story.remote.integrations


def test_an_integration_still_shown_after_its_delete_is_named() -> None:
    story = failing_from_the_delete_on(get(FaultKind.STALE, times=-1))
    outcome = forgotten(story)
    assert (ending(outcome), outcome.warnings) == (
        ("applied", None),
        ("the API still returns the integration",),
    )
    assert outcome.is_unconfirmed


def test_a_delete_that_cannot_be_verified_is_applied_with_a_warning() -> None:
    story = failing_from_the_delete_on(get(FaultKind.STATUS, status=401, times=-1))
    outcome = forgotten(story)
    assert ending(outcome) == ("applied", None)
    (warning,) = outcome.warnings
    assert warning.startswith("the deletion could not be verified: ")
    assert outcome.is_unconfirmed


def test_a_delete_announces_what_is_lost() -> None:
    story = world()
    another_client_creates(story, description="theirs")()
    story.apply(desired(declared("beta", key=KEY), tombstones=("alpha",)))
    (seen,) = [
        event.last_seen
        for event in story.events
        if isinstance(event, CallStarted) and event.call.slug == "alpha"
    ]
    assert seen is not None
    assert (seen.models_read, seen.workspaces_read) == (True, True)
    assert seen.fields["description"] == "theirs"


def test_an_integration_that_cannot_be_read_completely_is_not_deleted() -> None:
    models = Fault(kind=FaultKind.STATUS, status=400, method="GET", path="alpha/models", times=-1)
    story = world(models)
    with pytest.raises(RemoteError):
        forgotten(story)
    assert sent(story) == []
    assert "alpha" in story.remote.integrations


def test_an_integration_that_cannot_be_read_completely_before_its_delete_is_kept() -> None:
    script = FaultScript(())
    story = World(faults=script)
    broken = Fault(
        kind=FaultKind.STATUS, status=400, method="GET", path="alpha/workspaces", times=-1
    )
    before(story, "POST", "/integrations", lambda: script.add(broken))
    outcome = forgotten(story)
    assert outcome.status.value == "failed"
    assert sent(story) == ["create"]
    assert "alpha" in story.remote.integrations


def test_a_replace_whose_create_fails_states_that_the_next_apply_needs_no_approval() -> None:
    story = world(post(FaultKind.STATUS, status=400, code="AB01"))
    outcome = replaced(story)
    assert ending(outcome) == ("failed", "AB01")
    assert outcome.error is not None
    assert "which needs no approval of a replace" in outcome.error.hint
    assert "(already done: " in outcome.error.message
    assert story.remote.integrations == {}


def test_an_integration_still_shown_after_its_delete_is_not_created_again() -> None:
    story = failing_from_the_delete_on(get(FaultKind.STALE, times=-1))
    outcome = replaced(story)
    assert ending(outcome) == ("unknown", "not-confirmed")
    assert sent(story) == ["delete"]


def test_a_replace_creates_after_a_delete_by_another_client() -> None:
    story = world()
    before(story, "DELETE", ALPHA, another_client_deletes(story))
    assert ending(replaced(story)) == ("applied", None)
    assert sent(story) == ["delete", "create"]
    assert story.remote.integrations["alpha"]["ai_provider_id"] == "openai"


@pytest.mark.parametrize("part", ["", "/models", "/workspaces"])
def test_a_shadow_of_another_repository_is_not_read(part: str) -> None:
    denied = Fault(
        kind=FaultKind.STATUS, status=403, method="GET", path=f"/theirs--next{part}$", times=-1
    )
    story = world(denied)
    mark = "Shadow of theirs while its credential is rotated, by run 20260101T000000Z-00000000"
    another_client_creates(story, "theirs--next", description=mark)()
    planned = story.plan(desired(declared("ours", key=KEY)))
    assert [action.slug for action in planned.actions] == ["ours"]
    assert planned.unmanaged == ("theirs--next",)
