"""Change windows in an apply, in virtual time from Monday, 2026-11-23 at 12:00 UTC."""

from typing import Any

import pytest

from reconciler.domain.policy import ChangeWindow, Freeze
from reconciler.errors import Refused
from reconciler.execution.events import CallStarted, RunStarted
from reconciler.execution.preflight import Approval
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


def test_a_running_apply_is_not_stopped() -> None:
    world = World()

    def wait(_event: object) -> None:
        world.seconds += 3600

    files = desired(
        declared("a", key=KEY), declared("b", key=KEY), windows=(window("Mon 13:00-13:30"),)
    )
    assert world.apply(files, listen=wait).complete


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
