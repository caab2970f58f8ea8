"""The probe recognises each behaviour of the API, and cleans up after any failure."""

import asyncio
from typing import Any

import pytest

from reconciler.doctor.checks import Check, CheckStatus
from reconciler.doctor.probe import BehaviourProbe
from reconciler.domain.calls import Call, Reply
from reconciler.domain.secrets import Redacted
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.contract.questions import open_questions
from tests.runs import World

SLUG = "reconcile-probe-1"
ARCHIVED = f"{SLUG}, {SLUG}-z, {SLUG}-y"


def probed(world: World, workspace: str | None = None) -> tuple[Check, BehaviourProbe]:
    probe = BehaviourProbe(world.api, SLUG, Redacted("sk-probe-0123456789"), workspace=workspace)
    return asyncio.run(probe.run()), probe


def ticking(switches: Switches) -> World:
    """Return a world in which every request takes a second."""

    def tick(_request: Request) -> None:
        world.seconds += 1

    world = World(switches, before=tick)
    return world


def left_in(world: World) -> list[str]:
    body: Any = world.remote.handle(Request("GET", "/integrations", {}, None)).body
    return [row["slug"] for row in body["data"] if row["status"] == "active"]


def test_each_answer_has_its_row_among_the_open_questions() -> None:
    _, probe = probed(World(Switches()))
    assert set(probe.answers) == {name for row in open_questions() for name in row["probe"]}


@pytest.mark.parametrize(
    ("switches", "question", "answer"),
    [
        (Switches(), "chosen_slug", "honoured"),
        (Switches(configurations_put="merge"), "configurations_put", "merge"),
        (Switches(configurations_put="replace"), "configurations_put", "replace"),
        (Switches(duplicate_slug="409_AB07"), "duplicate_slug", "409 AB07"),
        (Switches(duplicate_slug="400_AB01"), "duplicate_slug", "400 AB01"),
        (Switches(missing="404_AB08"), "get_after_delete", "404 AB08"),
        (Switches(missing="403_AB03"), "get_after_delete", "403 AB03"),
        (Switches(delete="archived"), "get_after_delete", "200 archived"),
        (Switches(delete="archived"), "listed_after_delete", "archived"),
        (Switches(), "listed_after_delete", "no"),
        (Switches(empty_put="accept"), "empty_put", "accepted"),
        (Switches(empty_put="refuse"), "empty_put", "400 AB01"),
        (Switches(description_null="clear"), "description_null", "clears"),
        (Switches(description_null="keep"), "description_null", "keeps"),
        (Switches(), "description_empty", "clears"),
        (Switches(), "masked_key", "2 + ***** + 3 characters, as sent"),
        (Switches(slug_reuse_after_delete=True), "slug_reuse", "allowed"),
        (Switches(), "access_touches_integration", "yes"),
        (Switches(access_touches_integration=False), "access_touches_integration", "no"),
        (Switches(), "models_touch_integration", "yes"),
        (Switches(access_touches_integration=False), "models_touch_integration", "no"),
        (Switches(), "provider_auth_type", "not needed with custom_host"),
        (
            Switches(require_provider_auth_type=True),
            "provider_auth_type",
            "needed with custom_host, 400 AB01 without it",
        ),
        (Switches(), "unknown_field_put", "400 AB01"),
        (Switches(unexpected_fields="ignore"), "unknown_field_put", "ignored"),
        (Switches(unexpected_fields="keep"), "unknown_field_put", "kept"),
        (
            Switches(unexpected_fields="ignore", empty_put="refuse"),
            "unknown_field_put",
            "ignored",
        ),
        (Switches(), "immutable_field_put", "400 AB01"),
        (Switches(unexpected_fields="ignore"), "immutable_field_put", "ignored"),
        (Switches(immutable_fields="change"), "immutable_field_put", "changed"),
        (Switches(), "largest_page", "at least 3 rows, all that exist"),
        (Switches(page_max=2), "largest_page", "2 rows"),
        (
            Switches(page_max=300, larger_page="refuse"),
            "largest_page",
            "at least 3 rows, all that exist; 500 is refused with 400 AB01",
        ),
        (Switches(), "sort_order", "created_at ascending"),
        (Switches(list_order="newest"), "sort_order", "created_at descending"),
    ],
)
def test_each_behaviour_is_recognised(switches: Switches, question: str, answer: str) -> None:
    world = ticking(switches)
    check, probe = probed(world)
    assert check.status is CheckStatus.OK, check
    assert probe.answers[question] == answer
    assert left_in(world) == []


@pytest.mark.parametrize(
    ("switches", "left"),
    [
        (Switches(), "17 questions answered, reconcile-probe-1 is removed"),
        (
            Switches(delete="archived", slug_reuse_after_delete=False),
            f"17 questions answered, this API archives deleted integrations: {ARCHIVED}",
        ),
    ],
)
def test_the_summary_names_what_the_probe_leaves_behind(switches: Switches, left: str) -> None:
    check, _ = probed(World(switches))
    assert (check.status, check.summary) == (CheckStatus.OK, left)


@pytest.mark.parametrize("touches", [True, False])
def test_update_times_are_distinguished_although_the_clock_does_not_advance(touches: bool) -> None:
    _, probe = probed(World(Switches(access_touches_integration=touches)))
    expected = "yes" if touches else "no"
    assert probe.answers["access_touches_integration"] == expected
    assert probe.answers["models_touch_integration"] == expected


@pytest.mark.parametrize("switch", ["allow", "refuse"])
def test_an_integration_with_a_provider_is_deleted_or_named_with_it(switch: Any) -> None:
    created: list[str] = []

    def look(request: Request) -> None:
        if request.method == "DELETE":
            created.extend(p["id"] for p in world.remote.providers if p["id"] not in created)

    world = World(Switches(delete_with_providers=switch), before=look)
    check, probe = probed(world, workspace="ws-team-a")
    if switch == "allow":
        assert probe.answers["delete_with_provider"] == "allowed"
        (provider,) = created
        gone = f"17 questions answered, {SLUG} is removed"
        assert check.status is CheckStatus.WARN
        assert check.summary == f"{gone}; provider {provider} may be left"
        assert "ws-team-a" in check.hint
        assert left_in(world) == []
        return
    assert probe.answers["delete_with_provider"] == "409 AB07"
    (provider,) = world.remote.providers
    kept = world.remote.integrations[f"{SLUG}-x"]
    assert check.status is CheckStatus.FAIL
    assert f"{SLUG}-x (id {kept['id']}, provider {provider['id']})" in check.summary
    assert "DELETE /integrations/SLUG" in check.hint
    assert left_in(world) == [f"{SLUG}-x"]


@pytest.mark.parametrize("times", [1, -1])
def test_a_failed_probe_names_the_provider_that_may_be_left(times: int) -> None:
    fault = Fault(kind=FaultKind.STATUS, method="DELETE", path=f"{SLUG}-x", times=times, status=500)
    seen: list[str] = []

    def look(_request: Request) -> None:
        seen.extend(provider["id"] for provider in world.remote.providers)

    world = World(faults=FaultScript([fault]), before=look)
    check, _ = probed(world, workspace="ws-team-a")
    assert check.status is CheckStatus.FAIL
    assert f"provider {seen[0]}" in check.summary
    assert "ws-team-a" in check.hint or f"{SLUG}-x" in check.summary


def test_without_a_workspace_no_provider_is_created_and_the_question_is_not_asked() -> None:
    _, probe = probed(World())
    assert probe.answers["delete_with_provider"].startswith("not asked: ")


@pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.RESET_AFTER, FaultKind.HTML])
@pytest.mark.parametrize("skip", range(0, 24, 3))
def test_a_probe_changes_nothing_that_it_did_not_create(kind: FaultKind, skip: int) -> None:
    status = {"status": 500} if kind is FaultKind.STATUS else {}
    world = World(faults=FaultScript([Fault(kind=kind, skip=skip, **status)]))
    for slug in ("theirs", f"{SLUG}-y"):
        body = {"slug": slug, "name": "Theirs", "ai_provider_id": "openai", "key": "sk-theirs"}
        world.put("POST", "/integrations", body)
    before = world.remote.integrations
    probed(world)
    assert world.remote.integrations == before


def test_a_create_whose_response_is_lost_is_found_under_another_slug() -> None:
    lost = Fault(kind=FaultKind.RESET_AFTER, method="POST", skip=1)
    world = World(Switches(duplicate_slug="suffixed"), faults=FaultScript([lost]))
    check, _ = probed(world)
    assert check.status is CheckStatus.FAIL
    assert left_in(world) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_fault_of_the_server_is_never_recorded_as_an_answer(method: str, skip: int) -> None:
    fault = Fault(kind=FaultKind.STATUS, method=method, skip=skip, status=500)
    _, probe = probed(World(faults=FaultScript([fault])))
    assert not any(answer.startswith("500") for answer in probe.answers.values())


def test_both_integrations_of_a_server_that_renames_duplicates_are_removed() -> None:
    world = World(Switches(duplicate_slug="suffixed"))
    check, probe = probed(world)
    assert check.status is CheckStatus.OK
    assert probe.answers["duplicate_slug"].startswith("created ")
    assert left_in(world) == []


def test_a_slug_that_may_not_be_used_again_is_an_answer() -> None:
    world = World(Switches(slug_reuse_after_delete=False))
    check, probe = probed(world)
    assert check.status is CheckStatus.OK
    assert probe.answers["slug_reuse"][:3] in {"400", "409"}


@pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.RESET_AFTER, FaultKind.HTML])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_one_failure_at_any_call_leaves_nothing_behind(
    kind: FaultKind, method: str, skip: int
) -> None:
    status = {"status": 500} if kind is FaultKind.STATUS else {}
    fault = Fault(kind=kind, method=method, skip=skip, **status)
    world = World(faults=FaultScript([fault]))
    check, _ = probed(world)
    assert check.status in {CheckStatus.OK, CheckStatus.FAIL}
    assert left_in(world) == []


def test_an_integration_that_cannot_be_removed_is_named_with_a_hint() -> None:
    fault = Fault(kind=FaultKind.STATUS, method="DELETE", times=-1, status=403, code="AB03")
    world = World(faults=FaultScript([fault]))
    check, _ = probed(world)
    assert check.status is CheckStatus.FAIL
    assert SLUG in check.summary
    assert "console" in check.hint
    assert left_in(world) == [SLUG]


def test_a_key_that_cannot_write_fails_with_the_scopes_it_needs() -> None:
    fault = Fault(kind=FaultKind.STATUS, method="POST", times=-1, status=403, code="AB03")
    check, _ = probed(World(faults=FaultScript([fault])))
    assert check.status is CheckStatus.FAIL
    assert ".create" in check.hint


class Cancelling:
    """API that cancels the run before or after the Nth call."""

    def __init__(self, world: World, number: int, *, before: bool) -> None:
        self._api = world.api
        self._number = number
        self._before = before
        self.calls = 0
        self.task: asyncio.Task[Check] | None = None

    async def call(self, call: Call) -> Reply:
        self.calls += 1
        is_now = self.calls == self._number and self.task is not None
        if is_now and self._before and self.task is not None:
            self.task.cancel()
            await asyncio.sleep(0)
        try:
            return await self._api.call(call)
        finally:
            if is_now and not self._before and self.task is not None:
                self.task.cancel()
            await asyncio.sleep(0)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", range(1, 40))
def test_a_probe_that_is_cancelled_at_any_call_cleans_up(number: int, before: bool) -> None:
    world = World()
    api = Cancelling(world, number, before=before)
    announced: list[str] = []

    async def run() -> None:
        probe = BehaviourProbe(api, SLUG, Redacted("sk-probe-012"), announce=announced.append)
        api.task = asyncio.create_task(probe.run())
        with pytest.raises(asyncio.CancelledError):
            await api.task

    asyncio.run(run())
    assert left_in(world) == []
    assert announced[-1] == ""
    assert f"may have left {SLUG}; " in announced[0]


def test_the_made_up_key_is_shown_nowhere() -> None:
    world = World()
    check, probe = probed(world)
    assert "0123456789" not in repr((check, probe, probe.answers))
