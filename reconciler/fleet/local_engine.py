"""The engine for one machine: a few members at a time, each in a thread of its own.

A thread, because reading a member's files and secrets blocks, and a member that hangs must not take
the others along. Beyond one machine: `reconciler.fleet.temporal`.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable

from reconciler.fleet.outcome import MemberNote, MemberOutcome, MemberStatus
from reconciler.fleet.task import CarryOut, MemberCancelToken, MemberTask

GRACE = 30.0
"""Seconds beyond its deadline after which a member is given up."""


async def run_locally(
    orders: Iterable[MemberTask],
    carry_out: CarryOut,
    *,
    parallelism: int,
    halt: MemberCancelToken,
    ended: Callable[[MemberOutcome], None],
    grace: float = GRACE,
) -> None:
    """Carry out every order and tell each outcome as it comes; at most `parallelism` at a time."""
    waiting = iter(orders)

    async def work() -> None:
        for order in waiting:
            ended(not_run(order) if halt.requested else await _one(order, carry_out, halt, grace))

    async with asyncio.TaskGroup() as group:
        for _ in range(parallelism):
            group.create_task(work())


def not_run(order: MemberTask) -> MemberOutcome:
    """Say that a member's turn never came."""
    remark = MemberNote("notice", "not-run", "the fleet was stopped before its turn")
    return MemberOutcome(order.member, MemberStatus.NOT_RUN, 0, remarks=(remark,))


async def _one(
    order: MemberTask, carry_out: CarryOut, halt: MemberCancelToken, grace: float
) -> MemberOutcome:
    """Wait for one member, but not for ever; its own halt lets it be stopped alone."""
    own = MemberCancelToken()
    halt.listen(own.request)
    done = in_thread(lambda: carry_out(order, own), name=order.member)
    try:
        async with asyncio.timeout(order.deadline + grace):
            return await asyncio.shield(done)
    except TimeoutError:
        own.request("its deadline passed")
        return _hangs(order)


def in_thread(work: Callable[[], MemberOutcome], *, name: str) -> "asyncio.Future[MemberOutcome]":
    """Do blocking work in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[MemberOutcome] = loop.create_future()

    def settle(outcome: MemberOutcome | None, problem: BaseException | None) -> None:
        if done.cancelled():
            return
        if problem is not None:
            done.set_exception(problem)
        elif outcome is not None:
            done.set_result(outcome)

    def run() -> None:
        try:
            outcome, problem = work(), None
        except BaseException as error:  # noqa: BLE001  it is raised again where it is awaited
            outcome, problem = None, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome, problem)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done


def _hangs(order: MemberTask) -> MemberOutcome:
    remark = MemberNote("error", "deadline", f"no end {order.deadline:g} seconds after it began")
    # Whether it had begun to write is not known, so it counts as left half done.
    code = 5 if order.verb == "apply" else 1
    standing = MemberStatus.INCOMPLETE if code == 5 else MemberStatus.FAILED
    return MemberOutcome(order.member, standing, code, remarks=(remark,))
