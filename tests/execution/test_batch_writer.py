"""Events are written in batches, in order; no call is sent before its intent is stored."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.errors import ReconcilerError
from reconciler.execution.batch_writer import BatchWriter
from reconciler.execution.events import ActionStarted, CallStarted, Event, RunStarted
from tests.ledger.builders import action, plan

A, B, C = (action(slug) for slug in "abc")


def intent(of: object) -> CallStarted:
    return CallStarted(of, Call(OperationName.UPDATE, of.slug))  # type: ignore[attr-defined, arg-type]


class Disk:
    """Storage that blocks on the first batch until it is released."""

    def __init__(self, *, fails: bool = False) -> None:
        self.groups: list[list[Event]] = []
        self.may_go_on = threading.Event()
        self.begun = threading.Event()
        self.fails = fails

    def write(self, events: Sequence[Event]) -> None:
        self.begun.set()
        assert self.may_go_on.wait(10)
        if self.fails:
            raise ReconcilerError("the disk is full", code="ledger-full")
        self.groups.append(list(events))


def test_events_during_a_write_form_one_batch_in_order() -> None:
    disk = Disk()

    async def run() -> None:
        async with BatchWriter(disk.write) as clerk:
            clerk.emit(ActionStarted(A))
            await asyncio.to_thread(disk.begun.wait)
            for event in (ActionStarted(B), intent(B), ActionStarted(C)):
                clerk.emit(event)
            disk.may_go_on.set()

    asyncio.run(run())
    assert disk.groups == [[ActionStarted(A)], [ActionStarted(B), intent(B), ActionStarted(C)]]


def test_a_call_waits_until_its_intent_is_stored() -> None:
    disk = Disk()
    sent: list[str] = []

    async def run() -> None:
        async with BatchWriter(disk.write) as clerk:

            async def send() -> None:
                kept = clerk.emit(intent(A))
                assert kept is not None
                await kept
                sent.append("a")

            sending = asyncio.create_task(send())
            await asyncio.to_thread(disk.begun.wait)
            assert sent == []
            disk.may_go_on.set()
            await sending

    asyncio.run(run())
    assert sent == ["a"]
    assert disk.groups == [[intent(A)]]


def test_a_storage_error_is_raised_before_the_call_and_at_every_later_event() -> None:
    disk = Disk(fails=True)
    disk.may_go_on.set()

    async def run() -> BatchWriter:
        async with BatchWriter(disk.write) as clerk:
            kept = clerk.emit(intent(A))
            assert kept is not None
            with pytest.raises(ReconcilerError, match="the disk is full"):
                await kept
            with pytest.raises(ReconcilerError, match="the disk is full"):
                clerk.emit(ActionStarted(B))
        return clerk

    problem = asyncio.run(run()).problem
    assert problem is not None
    assert problem.code == "ledger-full"


def test_a_run_that_cannot_be_recorded_does_not_start() -> None:
    disk = Disk(fails=True)
    disk.may_go_on.set()

    async def run() -> None:
        async with BatchWriter(disk.write) as clerk:
            clerk.emit(RunStarted("r-1", plan()))

    with pytest.raises(ReconcilerError, match="the disk is full"):
        asyncio.run(run())


def test_a_worker_cancelled_while_waiting_does_not_affect_others() -> None:
    disk = Disk()

    async def run() -> None:
        async with BatchWriter(disk.write) as clerk:
            kept = clerk.emit(intent(A))
            assert kept is not None
            waiting = asyncio.ensure_future(kept)
            await asyncio.to_thread(disk.begun.wait)
            waiting.cancel()
            disk.may_go_on.set()
            clerk.emit(ActionStarted(B))

    asyncio.run(run())
    assert disk.groups == [[intent(A)], [ActionStarted(B)]]
