"""Several listeners hear what one would, in their order, and those that wait are waited for."""

import asyncio
from collections.abc import Awaitable

import pytest

from reconciler.errors import ReconcilerError
from reconciler.execution.events import Emit, Event, RunEnded, to_all
from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import PlanTarget

OVER = RunEnded(ApplyResult("run", PlanTarget("here", "http://h"), "sha256:00", ()))


def hears(name: str, heard: list[str]) -> Emit:
    return lambda _event: heard.append(name)


def test_listeners_hear_in_their_order_and_nothing_is_to_be_waited_for() -> None:
    heard: list[str] = []
    assert to_all(hears("one", heard), hears("two", heard))(OVER) is None
    assert heard == ["one", "two"]


def test_each_listener_is_told_what_happened() -> None:
    told: list[Event] = []
    to_all(told.append, told.append)(OVER)
    assert told == [OVER, OVER]


def test_what_a_listener_waits_for_is_waited_for() -> None:
    heard: list[str] = []

    def waits(_event: Event) -> Awaitable[None]:
        async def done() -> None:
            heard.append("kept")

        return done()

    async def tell() -> None:
        waiting = to_all(waits, hears("two", heard), waits)(OVER)
        assert waiting is not None
        await waiting

    asyncio.run(tell())
    assert heard == ["two", "kept", "kept"]


def test_what_one_cannot_take_those_after_it_do_not_hear() -> None:
    heard: list[str] = []

    def cannot(_event: Event) -> None:
        raise ReconcilerError("the disk is full", code="ledger-unwritable")

    with pytest.raises(ReconcilerError):
        to_all(hears("one", heard), cannot, hears("three", heard))(OVER)
    assert heard == ["one"]
