"""Several listeners receive each event in order, and asynchronous ones are awaited."""

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


def test_listeners_are_called_in_order_and_synchronous_ones_are_not_awaited() -> None:
    heard: list[str] = []
    assert to_all(hears("one", heard), hears("two", heard))(OVER) is None
    assert heard == ["one", "two"]


def test_each_listener_receives_the_event() -> None:
    told: list[Event] = []
    to_all(told.append, told.append)(OVER)
    assert told == [OVER, OVER]


def test_an_awaitable_of_a_listener_is_awaited() -> None:
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


def test_listeners_after_a_failed_one_are_not_called() -> None:
    heard: list[str] = []

    def cannot(_event: Event) -> None:
        raise ReconcilerError("the disk is full", code="ledger-unwritable")

    with pytest.raises(ReconcilerError):
        to_all(hears("one", heard), cannot, hears("three", heard))(OVER)
    assert heard == ["one"]
