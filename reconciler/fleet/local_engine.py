"""Engine for one machine: a few members at a time, each in a separate thread.

Reading a member's files and secrets blocks, and a hanging member must not delay the others.
Beyond one machine: `reconciler.fleet.temporal`.
"""

import asyncio
from collections.abc import Callable, Iterable

from reconciler.execution.cancellation import CancelToken
from reconciler.execution.threads import in_thread
from reconciler.fleet.outcome import FleetOperation, MemberNote, MemberOutcome, MemberStatus
from reconciler.fleet.task import MemberTask, TaskHandler

GRACE = 30.0
"""Seconds beyond its deadline after which a member is abandoned."""


async def run_locally(
    tasks: Iterable[MemberTask],
    handler: TaskHandler,
    *,
    parallelism: int,
    cancel: CancelToken,
    ended: Callable[[MemberOutcome], None],
    grace: float = GRACE,
) -> None:
    """Carry out every task, at most `parallelism` at a time; `ended` receives each outcome."""
    waiting = iter(tasks)  # shared, so that each worker takes the next task when it is free

    async def work() -> None:
        for task in waiting:
            if cancel.requested:
                ended(not_run(task))
            else:
                ended(await _carry_out(task, handler, cancel, grace))

    async with asyncio.TaskGroup() as group:
        for _ in range(parallelism):
            group.create_task(work())


def not_run(task: MemberTask) -> MemberOutcome:
    """Return the outcome of a member that was not started."""
    note = MemberNote("notice", "not-run", "the fleet was stopped before this member started")
    return MemberOutcome(task.member, MemberStatus.NOT_RUN, 0, notes=(note,))


async def _carry_out(
    task: MemberTask, handler: TaskHandler, cancel: CancelToken, grace: float
) -> MemberOutcome:
    """Wait for one member up to its deadline; each member has its own cancel token."""
    own = CancelToken()
    # A separate token, so that a late member can be stopped without the others.
    cancel.add_callback(own.request)
    work = asyncio.ensure_future(in_thread(lambda: handler(task, own)))
    try:
        async with asyncio.timeout(task.deadline + grace):
            # A late member is abandoned, not cancelled, because its thread may still write.
            return await asyncio.shield(work)
    except TimeoutError:
        own.request("its deadline passed")
        return _abandoned(task)
    finally:
        cancel.remove_callback(own.request)


def _abandoned(task: MemberTask) -> MemberOutcome:
    summary = f"the member did not end within {task.deadline:g} seconds"
    note = MemberNote("error", "deadline", summary)
    if task.operation is FleetOperation.APPLY:
        # It may have started to write, so it counts as half done.
        return MemberOutcome(task.member, MemberStatus.INCOMPLETE, 5, notes=(note,))
    return MemberOutcome(task.member, MemberStatus.FAILED, 1, notes=(note,))
