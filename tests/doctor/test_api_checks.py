"""Read-only checks of the API: refusals, scopes, paging and clocks."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from reconciler.doctor.api_checks import ApiChecks, clock_check
from reconciler.doctor.checks import Check, CheckStatus
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from reconciler.simulator.switches import Switches
from tests.runs import World

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def world_with(count: int, *faults: Fault, **switches: Any) -> World:
    world = World(Switches(**switches), faults=FaultScript(faults))
    for number in range(count):
        body = {"slug": f"a{number}", "name": "A", "ai_provider_id": "openai", "key": "sk-1234"}
        world.put("POST", "/integrations", body)
    return world


def examined(world: World) -> dict[str, Check]:
    api_checks = ApiChecks(world.api)
    asyncio.run(api_checks.run())
    return {check.name: check for check in api_checks.results}


def refusal(status: int, code: str, **more: Any) -> Fault:
    return Fault(kind=FaultKind.STATUS, times=-1, status=status, code=code, **more)


def statuses(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.status.value for name, check in checks.items()}


def test_a_rejected_key_is_the_only_failure() -> None:
    checks = examined(world_with(1, refusal(401, "AB05")))
    assert statuses(checks) == {"api": "ok", "key": "fail"}


def test_a_key_that_cannot_list_fails_with_the_scope_it_needs() -> None:
    checks = examined(world_with(1, refusal(403, "AB03")))
    assert statuses(checks) == {"api": "ok", "key": "ok", "scopes": "fail"}
    assert "organisation_integrations.list" in checks["scopes"].hint


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (r"/integrations/a0$", "the integration"),
        (r"/models$", "models"),
        (r"/workspaces$", "workspaces"),
    ],
)
def test_a_key_that_lists_and_cannot_read_fails(path: str, what: str) -> None:
    checks = examined(world_with(1, refusal(403, "AB03", path=path)))
    assert checks["scopes"].status is CheckStatus.FAIL
    assert what in checks["scopes"].summary


def test_a_truncated_list_is_a_failure_of_paging() -> None:
    wrong = Fault(kind=FaultKind.WRONG_TOTAL, times=-1, amount=5)
    checks = examined(world_with(3, wrong))
    assert checks["paging"].status is CheckStatus.FAIL


def test_pages_that_repeat_are_a_failure_of_paging() -> None:
    again = Fault(kind=FaultKind.DUPLICATE_PAGE, times=-1)
    assert examined(world_with(3, again))["paging"].status is CheckStatus.FAIL


def test_more_rows_than_a_page_show_the_size_of_a_page() -> None:
    checks = examined(world_with(120, page_max=50))
    assert "up to 50 rows" in checks["paging"].summary
    assert checks["paging"].status is CheckStatus.OK


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, "ok"), (-29, "ok"), (31, "warn"), (-119, "warn"), (121, "fail"), (-9000, "fail")],
)
def test_clocks_are_compared_in_both_directions(seconds: int, status: str) -> None:
    date = format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)
    check = clock_check(date, now=NOON)
    assert check.status.value == status
    assert bool(check.hint) == (status != "ok")


@pytest.mark.parametrize("date", [None, "", "soon", "Mon, 99 Foo 2026 25:00:00 GMT"])
def test_an_invalid_date_is_not_compared(date: str | None) -> None:
    assert clock_check(date, now=NOON).status is CheckStatus.OK
