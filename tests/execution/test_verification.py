"""Reads of an integration by its action: before and after its writes, and for how long."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.state import Declared, Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import CancelToken, ChangedSincePlan, NotConfirmed
from reconciler.execution.verification import ExistenceCheck, ResourceVerifier
from reconciler.planning.actions import Action, ActionInputs, ActionKind, Precondition, Risk
from reconciler.planning.normalize import fingerprint
from reconciler.remote.api import Clock
from reconciler.remote.errors import Forbidden, NoAnswer, NotFound, RemoteError
from tests.builders import declared, observed

ID, OTHER_ID = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
MISSING = NotFound("no such thing", code="AB08", http_status=404)
DENIED = Forbidden("not for you", code="AB03", http_status=403)
BROKEN = NoAnswer("GET: the connection broke", code="connection-lost")
LOOK_AGAIN = "plan again to see the changes; this run did not write to the integration"
MODELS, ACCESS = [{"slug": "gpt-5", "enabled": True}], [{"id": "ws-a", "enabled": True}]


def shows(**fields: Any) -> Reply:
    """Return the answer of the API for an existing `alpha`."""
    body = {"id": ID, "slug": "alpha", "name": "Alpha", "ai_provider_id": "openai"}
    return Reply(200, {**body, "status": "active", **fields})


@dataclass
class Scene:
    """API that returns answers in turn, then repeats the last one; time passes only in sleeps."""

    answers: list[Reply | RemoteError]
    seconds: float = 0.0
    looks: int = 0
    asked: list[OperationName] = field(default_factory=list)
    cancel: CancelToken = field(default_factory=CancelToken)
    listed: tuple[str, ...] = ()

    async def call(self, call: Call) -> Reply:
        self.asked.append(call.operation)
        if call.operation is not OperationName.GET:
            return Reply(200, {"total": 0, "models": [], "workspaces": []})
        answer = self.answers[min(self.looks, len(self.answers) - 1)]
        self.looks += 1
        if isinstance(answer, RemoteError):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    async def list_again(self) -> Mapping[str, Observed]:
        return {slug: observed(slug) for slug in self.listed}

    def view(self, want: Declared | None = None, had: Observed | None = None) -> ResourceVerifier:
        before = Precondition(had.last_updated_at if had else None, fingerprint(had))
        action = Action(
            "alpha",
            ActionKind.UPDATE,
            "",
            Risk.COSMETIC,
            precondition=before,
            subject=ActionInputs(want, had),
        )
        clock = Clock(lambda: 0.0, lambda: 0.0, self.sleep, lambda: 0.5)
        listed = frozenset({"alpha"} if had else ())
        return ResourceVerifier(
            action, ExistenceCheck(self, listed, self.list_again), clock, self.cancel
        )


def scene(*answers: Reply | RemoteError, **more: Any) -> Scene:
    return Scene(list(answers), **more)


def described(problem: ReconcilerError) -> tuple[str, str, str]:
    return problem.summary, problem.code, problem.hint


# -- before the writes -----------------------------------------------------------------------

SEEN = observed(id=ID, last_updated_at="2026-11-23T12:00:00Z", description="old")


def changed(now: Observed | None, had: Observed = SEEN) -> tuple[str, str, str]:
    with pytest.raises(ChangedSincePlan) as caught:
        scene().view(declared(), had).confirm_unchanged(now)
    return described(caught.value)


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (None, "the integration no longer exists"),
        (
            replace(SEEN, fields={"name": "X"}),
            "the integration was changed after the plan was made",
        ),
        (
            replace(SEEN, last_updated_at="2026-11-23T12:00:01Z"),
            "the integration was changed after the plan was made",
        ),
        (
            replace(SEEN, id=OTHER_ID),
            "the integration was deleted and re-created after the plan was made",
        ),
    ],
)
def test_an_integration_changed_since_the_plan_is_not_written(
    now: Observed | None, what: str
) -> None:
    assert changed(now) == (what, "changed-since-plan", LOOK_AGAIN)


@pytest.mark.parametrize("now", [SEEN, replace(SEEN, id=None)])
def test_an_unchanged_integration_can_be_written_and_its_id_is_known(now: Observed) -> None:
    view = scene().view(declared(), SEEN)
    view.confirm_unchanged(now)
    assert (view.identity, view.last_seen) == (now.id, now)


def test_a_more_complete_read_is_not_replaced_by_a_later_one() -> None:
    view = scene().view(declared(), SEEN)
    view.last_seen = whole = replace(SEEN, models_read=True)
    view.confirm_unchanged(SEEN)
    assert view.last_seen is whole


def test_a_create_requires_absence_of_an_unlisted_slug() -> None:
    with pytest.raises(ChangedSincePlan) as caught:
        asyncio.run(scene(shows()).view(declared()).confirm_absent())
    what = "the integration exists now, although the list did not contain it"
    assert described(caught.value) == (what, "changed-since-plan", LOOK_AGAIN)


@pytest.mark.parametrize("answer", [MISSING, DENIED, shows(status="archived")])
def test_an_absent_archived_or_unlisted_slug_can_be_created(
    answer: Reply | RemoteError,
) -> None:
    look = scene(answer, listed=("alpha",))
    asyncio.run(look.view(declared()).confirm_absent())
    assert look.looks == 1


@pytest.mark.parametrize(
    ("want", "had", "parts"),
    [
        (declared(), None, set()),
        (declared(models=MODELS), None, {"models"}),
        (declared(allow_all_models=False), None, {"models"}),
        (declared(workspaces=ACCESS), None, {"workspaces"}),
        (declared(models=MODELS, workspaces=ACCESS), None, {"models", "workspaces"}),
        (declared(models=MODELS), observed(), set()),
        (declared(), observed(models=[]), {"models"}),
        (None, observed(workspaces=[]), {"workspaces"}),
        (None, None, set()),
    ],
)
def test_parts_that_were_read_for_the_plan_or_are_declared_are_read(
    want: Declared | None, had: Observed | None, parts: set[str]
) -> None:
    look = scene(shows())
    asyncio.run(look.view(want, had).read())
    read = {OperationName.GET_MODELS: "models", OperationName.GET_WORKSPACES: "workspaces"}
    assert {read[asked] for asked in look.asked if asked in read} == parts


def test_an_integration_to_delete_is_read_completely() -> None:
    look = scene(shows(description="to go"))
    view = look.view(None, observed())
    asyncio.run(view.read_whole())
    assert view.last_seen is not None
    assert (view.last_seen.models_read, view.last_seen.workspaces_read) == (True, True)
    assert view.last_seen.fields["description"] == "to go"
    assert view.warnings == []


def test_an_incompletely_read_integration_is_deleted_with_a_warning() -> None:
    view = scene(BROKEN).view(None, observed())
    asyncio.run(view.read_whole())
    assert view.last_seen is None
    assert view.warnings == ["access could not be read, so undo cannot restore it"]


# -- a namesake ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "shown", "namesake"),
    [
        (ID, OTHER_ID, True),
        (ID, ID, False),
        ("int-a", "int-b", True),
        (ID, "int-a", False),
        ("int-a", ID, False),
        (None, ID, False),
        (None, "int-a", False),
        (ID, None, False),
        ("int-a", None, False),
    ],
)
def test_another_id_of_the_same_form_is_a_namesake(
    ours: str | None, shown: str | None, namesake: bool
) -> None:
    view = scene().view()
    view.identity = ours
    assert view.is_namesake(observed(id=shown)) is namesake
    assert not view.is_namesake(None)


# -- after the writes ------------------------------------------------------------------------

NEW = declared(description="new", tags={"team": "a"})
AS_WANTED = shows(description="new", tags={"team": "a"})


def read_back(*answers: Reply | RemoteError, **more: Any) -> tuple[Scene, ResourceVerifier]:
    look = scene(*answers, **more)
    view = look.view(NEW)
    asyncio.run(view.read_back())
    return look, view


def test_a_state_that_is_shown_as_declared_is_read_once() -> None:
    look, view = read_back(AS_WANTED)
    assert (look.looks, look.seconds, view.warnings) == (1, 0.0, [])
    assert view.seen_after is not None
    assert view.seen_after.fields["description"] == "new"


@pytest.mark.parametrize("at_first", [shows(), MISSING, DENIED])
def test_a_state_that_appears_late_is_awaited(at_first: Reply | RemoteError) -> None:
    look, view = read_back(at_first, at_first, AS_WANTED)
    assert (look.looks, look.seconds, view.warnings) == (3, 0.2 + 0.5, [])


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (shows(description="old"), "description, tags.team"),
        (shows(description="new"), "tags.team"),
        (MISSING, "everything"),
        (DENIED, "everything"),
        (shows(description="new", tags={"team": "a"}, status="archived"), "everything"),
    ],
)
def test_a_state_that_never_appears_is_named(answer: Reply | RemoteError, left: str) -> None:
    look, view = read_back(answer)
    assert (look.looks, look.seconds) == (5, 0.2 + 0.5 + 1.0 + 2.0)
    assert view.warnings == [f"the API does not show yet: {left}"]


def test_a_denial_of_a_listed_integration_is_read_again() -> None:
    look = scene(DENIED, AS_WANTED, listed=("alpha",))
    view = look.view(NEW, observed())
    asyncio.run(view.read_back())
    assert (look.looks, view.warnings) == (2, [])


def test_an_integration_that_cannot_be_read_back_is_not_read_again() -> None:
    look, view = read_back(shows(), BROKEN)
    assert look.looks == 2
    assert view.warnings == ["the result could not be read back: GET: the connection broke"]


def test_a_stopped_run_reads_once_and_does_not_wait() -> None:
    cancel = CancelToken()
    cancel.request("interrupted")
    look, view = read_back(shows(description="new"), cancel=cancel)
    assert (look.looks, look.seconds) == (1, 0.0)
    assert view.warnings == ["the API does not show yet: tags.team"]


def test_a_namesake_can_be_a_stale_read_at_first_but_not_at_the_end() -> None:
    stale = shows(id=OTHER_ID, description="new", tags={"team": "a"})
    look = scene(stale, AS_WANTED)
    view = look.view(NEW)
    view.identity = ID
    asyncio.run(view.read_back())
    assert (look.looks, view.warnings) == (2, [])
    view = scene(stale).view(NEW)
    view.identity = ID
    with pytest.raises(NotConfirmed) as caught:
        asyncio.run(view.read_back())
    summary, code, hint = described(caught.value)
    assert summary == (
        "another client deleted and re-created the integration during the write; "
        "the write may have reached the new one"
    )
    assert code == "changed-since-plan"
    assert hint == "plan again, and check which workspaces can use the new one"
    assert view.seen_after is None


# -- after a delete --------------------------------------------------------------------------


def test_a_delete_that_is_visible_at_once_is_read_once() -> None:
    look = scene(MISSING)
    view = look.view(None, observed())
    asyncio.run(view.confirm_gone())
    asyncio.run(view.prove_gone())
    assert (look.looks, look.seconds, view.warnings) == (2, 0.0, [])


@pytest.mark.parametrize("gone", [MISSING, shows(status="archived"), DENIED])
def test_a_delete_that_is_visible_late_is_awaited(gone: Reply | RemoteError) -> None:
    look = scene(shows(), shows(), gone)
    view = look.view(None, observed())
    asyncio.run(view.confirm_gone())
    assert (look.looks, look.seconds, view.warnings) == (3, 0.2 + 0.5, [])
    assert not view.is_unconfirmed


@pytest.mark.parametrize("there", [shows(), DENIED])
def test_a_delete_that_never_becomes_visible_is_named_or_prevents_a_create(
    there: Reply | RemoteError,
) -> None:
    look = scene(there, listed=("alpha",))
    view = look.view(None)
    asyncio.run(view.confirm_gone())
    assert view.warnings == ["the API still returns the integration"]
    assert (look.looks, look.seconds) == (5, 0.2 + 0.5 + 1.0 + 2.0)
    with pytest.raises(NotConfirmed) as caught:
        asyncio.run(view.prove_gone())
    assert described(caught.value) == (
        "the API still returns the deleted integration, so it was not re-created",
        "not-confirmed",
        "wait a moment and run apply again",
    )


def test_an_absence_that_cannot_be_read_is_a_warning() -> None:
    view = scene(BROKEN).view(None, observed())
    asyncio.run(view.confirm_gone())
    assert view.warnings == ["the deletion could not be verified: GET: the connection broke"]
