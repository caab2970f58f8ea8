"""The one activity: an order carried out in a thread, while the worker says that it is alive."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError

from reconciler.errors import ReconcilerError
from reconciler.fleet.config import Fleet
from reconciler.fleet.local_engine import in_thread
from reconciler.fleet.outcome import MemberOutcome, MemberStatus, standing_of_failure
from reconciler.fleet.task import CarryOut, MemberCancelToken
from reconciler.fleet.temporal.messages import Report, WorkflowInput, failed, order_of, report_of
from reconciler.fleet.temporal.workflow import CARRY_OUT

BEATS = 4
"""Signs of life in the time that a worker may be silent."""


@dataclass(frozen=True)
class Activities:
    """What a worker can do. `fleet` gives the fleet.yaml as it is now, with those who work it."""

    fleet: Callable[[], tuple[Fleet, CarryOut]]
    ended: Callable[[MemberOutcome], None]

    @activity.defn(name=CARRY_OUT)
    async def carry_out(self, task: WorkflowInput) -> Report:
        """Carry out a task; raises only what makes Temporal try it again.

        No other exception gets out: Temporal would keep its words for ever.
        """
        try:
            return await self._carry_out(task)
        except ReconcilerError as problem:
            standing = standing_of_failure(problem.exit_code)
            return failed(task, problem.code, standing, problem.exit_code)
        except ApplicationError:
            raise
        except Exception:  # noqa: BLE001  whatever it is, its words stay here
            return failed(task, "internal", MemberStatus.FAILED, 1)

    async def _carry_out(self, task: WorkflowInput) -> Report:
        fleet, crew = self.fleet()
        if task.fleet and task.fleet != fleet.digest:
            return failed(task, "other-fleet", MemberStatus.REFUSED, 4)
        if fleet.member(task.member) is None:
            return failed(task, "unknown-member", MemberStatus.INVALID, 3)
        halt = MemberCancelToken()
        done = in_thread(lambda: crew(order_of(task), halt), name=task.member)
        outcome = await _alive_until(done, halt, every=task.heartbeat / BEATS)
        again = activity.info().attempt > 1
        if again and any(remark.code == "locked" for remark in outcome.remarks):
            # The worker that was given up may still be at it; its lock goes when it does.
            raise ApplicationError("the lost worker still holds the lock", type="locked")
        self.ended(outcome)
        return report_of(outcome)


async def _alive_until(
    done: "asyncio.Future[MemberOutcome]", halt: MemberCancelToken, *, every: float
) -> MemberOutcome:
    """Wait while telling Temporal that the work goes on; a cancellation asks it to stop."""
    while not done.done():
        activity.heartbeat()
        try:
            await asyncio.wait((done,), timeout=every)
        except asyncio.CancelledError:
            if halt.requested:
                raise
            halt.request("cancelled")
    return done.result()
