"""Change windows in an apply, in virtual time from Monday, 2026-11-23 at 12:00 UTC."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.domain.policy import ChangeWindow, Freeze
from reconciler.errors import Refused
from reconciler.execution.events import ActionStarted, CallStarted, RunStarted
from reconciler.execution.preflight import Approval
from reconciler.execution.result import Status
from reconciler.planning.plan import Plan
from reconciler.planning.window_guard import risks_of
from tests.builders import KEY, declared, desired
from tests.runs import World

FOREVER = {"until": "9999-12-31", "reason": "retired"}
HOST = "https://proxy.example/v1"


def window(allow: str, *risks: Any) -> ChangeWindow:
    return ChangeWindow(allow=allow, zone="Europe/Berlin", risks=risks or None)


def calls(world: World) -> list[CallStarted]:
    return [event for event in world.events if isinstance(event, CallStarted)]


@pytest.mark.parametrize("allow", ["Mon 13:00-14:00", "12:00-13:01", "Sun 23:00-22:59"])
def test_an_open_window_allows_an_apply(allow: str) -> None:
    result = World().apply(desired(declared(key=KEY), windows=(window(allow),)))
    assert result.complete
    assert result.break_freeze is None


@pytest.mark.parametrize(
    ("allow", "opens"),
    [
        ("Mon 13:01-14:00", "Mon 2026-11-23 13:01 +01:00 (Europe/Berlin)"),
        ("Mon 12:00-13:00", "Mon 2026-11-30 12:00 +01:00 (Europe/Berlin)"),
        ("Tue 13:00-14:00", "Tue 2026-11-24 13:00 +01:00 (Europe/Berlin)"),
    ],
)
def test_a_closed_window_refuses_before_the_first_write(allow: str, opens: str) -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        world.apply(desired(declared(key=KEY), windows=(window(allow),)))
    [found] = caught.value.diagnostics
    assert (found.code, opens in found.summary) == ("outside-window", True)
    assert caught.value.exit_code == 4
    assert world.events == []


def test_a_window_that_closes_during_the_prompt_refuses() -> None:
    world = World()

    def answer_late(_plan: Plan) -> bool:
        world.seconds += 3600
        return True

    files = desired(declared(key=KEY), windows=(window("Mon 13:00-14:00"),))
    with pytest.raises(Refused):
        world.apply(files, approval=Approval(), confirm=answer_late)
    assert world.events == []


def test_there_is_no_prompt_outside_the_window() -> None:
    asked: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        asked.append(plan)
        return True

    files = desired(declared(key=KEY), windows=(window("Tue 13:00-14:00"),))
    with pytest.raises(Refused):
        World().apply(files, approval=Approval(), confirm=confirm)
    assert asked == []


def test_the_reason_is_announced_before_the_first_write() -> None:
    world = World()
    files = desired(declared(key=KEY), windows=(window("Tue 13:00-14:00"),))
    result = world.apply(files, approval=Approval(assumed=True, break_freeze="leak"))
    assert (result.complete, result.break_freeze) == (True, "leak")
    [started] = [event for event in world.events if isinstance(event, RunStarted)]
    assert started.break_freeze == "leak"
    assert len(calls(world)) == 1


def late(world: World, seconds: float = 3600) -> Callable[[object], None]:
    """Return a listener that lets time pass once the first action has begun."""

    def wait(event: object) -> None:
        if isinstance(event, ActionStarted) and world.seconds < seconds:
            world.seconds += seconds

    return wait


def test_no_action_starts_after_the_window_has_closed() -> None:
    world = World()
    slugs = [f"s-{number}" for number in range(30)]
    files = desired(
        *(declared(slug, key=KEY) for slug in slugs), windows=(window("Mon 13:00-13:30"),)
    )
    result = world.apply(files, listen=late(world))
    begun = {event.action.slug for event in world.events if isinstance(event, ActionStarted)}
    assert 0 < len(begun) < len(slugs)
    # A started action is finished, because its calls belong together.
    assert {o.slug for o in result.outcomes if o.status is Status.APPLIED} == begun
    left = [o for o in result.outcomes if o.slug not in begun]
    assert {(o.status, o.error.code if o.error else "") for o in left} == {
        (Status.SKIPPED, "outside-window")
    }
    [error] = {o.error for o in left}
    assert error is not None
    assert "does not open before Mon 2026-11-30 13:00 +01:00 (Europe/Berlin)" in error.message
    assert "--break-freeze REASON" in error.hint
    # Once the window is open, only the rest is left.
    world.seconds = 7 * 24 * 3600
    assert len(world.plan(files).actions) == len(left)
    assert world.apply(files).complete


def test_deletes_do_not_start_after_the_window_has_closed() -> None:
    world = World()
    for slug in ("old-1", "old-2"):
        body = {"slug": slug, "name": slug, "ai_provider_id": "openai", "key": "sk-value-abc"}
        world.put("POST", "/integrations", body)
    files = desired(
        declared("new", key=KEY),
        windows=(window("Mon 13:00-13:30", "delete"),),
        prune="all",
        limits={"deletes": 9, "delete_ratio": 1.0},
    )
    result = world.apply(files, listen=late(world))
    assert {o.slug: o.status.value for o in result.outcomes} == {
        "new": "applied",
        "old-1": "skipped",
        "old-2": "skipped",
    }
    assert {"old-1", "old-2"} <= world.remote.integrations.keys()


def test_actions_that_need_no_window_run_after_it_has_closed() -> None:
    world = World()
    files = desired(
        *(declared(f"s-{number}", key=KEY) for number in range(30)),
        windows=(window("Mon 13:00-13:30", "delete"),),
    )
    assert world.apply(files, listen=late(world)).complete


def test_an_action_that_the_window_stops_ends_a_run_with_on_error_abort() -> None:
    world = World()
    body = {"slug": "z", "name": "Z", "ai_provider_id": "openai", "key": "sk-value-abc"}
    world.put("POST", "/integrations", body)
    files = desired(
        declared("a-1", key=KEY),
        declared("a-2", key=KEY),
        declared("z", name="Z", description="new"),
        windows=(window("Mon 13:00-13:30", "additive"),),
    )
    result = world.apply(files, listen=late(world), abort_on_error=True, parallelism=1)
    errors = {o.slug: o.error and (o.error.code, o.error.message) for o in result.outcomes}
    assert errors["a-1"] is None
    assert errors["a-2"] is not None
    assert errors["a-2"][0] == "outside-window"
    why = "stopped at the first failure, because of --on-error abort"
    assert errors["z"] == ("skipped", why)


def test_another_window_that_opens_in_the_meantime_lets_the_run_continue() -> None:
    world = World()
    files = desired(
        *(declared(f"s-{number}", key=KEY) for number in range(30)),
        windows=(window("Mon 13:00-13:30"), window("Mon 13:30-15:00")),
    )
    assert world.apply(files, listen=late(world)).complete


def test_a_run_with_a_reason_is_not_stopped() -> None:
    world = World()
    files = desired(
        *(declared(f"s-{number}", key=KEY) for number in range(30)),
        windows=(window("Mon 14:00-14:30"),),
    )
    result = world.apply(
        files, listen=late(world, 7200), approval=Approval(assumed=True, break_freeze="leak")
    )
    assert (result.complete, result.break_freeze) == (True, "leak")


def test_without_a_common_opening_parts_are_suggested() -> None:
    files = desired(
        declared(key=KEY), windows=(window("Mon 13:01-13:00"),), freeze=Freeze(**FOREVER)
    )
    with pytest.raises(Refused) as caught:
        World().apply(files)
    [found] = caught.value.diagnostics
    assert "no later time was found" in found.summary
    assert "--only" in found.hint


def test_a_window_restricts_only_its_risks() -> None:
    world = World()
    for slug in ("kept", "old"):
        world.put(
            "POST",
            "/integrations",
            {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": "sk-value-abc"},
        )
    closed = {"windows": (window("Tue 13:00-14:00", "delete"),), "prune": "all"}
    limits = {"limits": {"deletes": 9, "delete_ratio": 1.0}}
    renamed = desired(
        declared("kept", name="Renamed"), declared("old", name="Old"), **closed, **limits
    )
    assert world.apply(renamed).complete
    with pytest.raises(Refused):
        world.apply(desired(declared("kept", name="Renamed"), **closed, **limits))


def test_a_lower_risk_next_to_a_higher_one_counts() -> None:
    world = World()
    body = {"name": "Alpha", "ai_provider_id": "openai", "slug": "alpha", "key": "sk-value-abc"}
    world.put("POST", "/integrations", body)
    world.put(
        "PUT", "/integrations/alpha/workspaces", {"workspaces": [{"id": "w", "enabled": True}]}
    )
    planned = world.plan(
        desired(
            declared(
                key=KEY,
                workspaces=[{"id": "w", "enabled": False}],
                configurations={"custom_host": HOST, "provider_auth_type": "apiKey"},
            )
        )
    )
    [action] = planned.actions
    assert action.risk.value == "access-removal"
    assert {"access-removal", "credential"} <= risks_of(planned)


def test_a_plan_notes_a_closed_window_and_keeps_its_digest() -> None:
    shut = World().plan(desired(declared(key=KEY), windows=(window("Tue 13:00-14:00"),)))
    free = World().plan(desired(declared(key=KEY)))
    assert shut.opens_at == "2026-11-24T12:00:00Z"
    assert "outside-window" in {item.code for item in shut.diagnostics}
    assert shut.digest == free.digest
    assert free.opens_at is None
