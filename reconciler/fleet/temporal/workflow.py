"""One member's run as a workflow: carry out, or plan, wait for the approval, and carry out.

It decides nothing about integrations; it only makes sure that what was begun is ended, on another
worker if need be. Starting anew is safe, because every apply plans afresh from what is there.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError

with workflow.unsafe.imports_passed_through():
    from reconciler.fleet.local_engine import GRACE
    from reconciler.fleet.outcome import MemberStatus
    from reconciler.fleet.temporal.messages import Report, WorkflowInput, failed

CARRY_OUT = "carry-out"
"""The activity that every task becomes; the local engine calls the same function."""

_AGAIN = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=15),
    maximum_attempts=8,
)


@workflow.defn(name="reconcile")
class Reconciliation:
    """A member's run; its id holds the member's name."""

    def __init__(self) -> None:
        self._waiting: str | None = None
        self._answer: bool | None = None

    @workflow.run
    async def run(self, task: WorkflowInput) -> Report:
        """Carry out a task to its end."""
        if not task.asks:
            return await self._carry_out(task)
        planned = await self._carry_out(replace(task, verb="plan", asks=False))
        if planned.standing != MemberStatus.DIFFERENT:
            return planned
        if not planned.pieces:
            return failed(task, "too-large-to-approve", MemberStatus.REFUSED, 4)
        if not await self._approved(planned, task.patience):
            return failed(task, "declined", MemberStatus.REFUSED, 4)
        return await self._carry_out(replace(task, approved=planned.pieces, asks=False))

    @workflow.signal
    def approve(self, digest: str) -> None:
        """Approve the plan with this digest; any other digest changes nothing."""
        if self._waiting is not None and digest == self._waiting:
            self._answer = True

    @workflow.signal
    def decline(self) -> None:
        """Refuse the plan that waits."""
        if self._waiting is not None and self._answer is None:
            self._answer = False

    @workflow.query
    def waiting(self) -> str | None:
        """Give the digest that waits for an approval."""
        return self._waiting

    async def _approved(self, planned: Report, patience: float) -> bool:
        self._waiting = planned.digest
        try:
            await workflow.wait_condition(
                lambda: self._answer is not None, timeout=timedelta(seconds=patience)
            )
        except TimeoutError:
            return False
        finally:
            self._waiting = None
        return bool(self._answer)

    async def _carry_out(self, task: WorkflowInput) -> Report:
        try:
            done: Report = await workflow.execute_activity(
                CARRY_OUT,
                task,
                result_type=Report,
                start_to_close_timeout=timedelta(seconds=task.deadline + 2 * GRACE),
                heartbeat_timeout=timedelta(seconds=task.heartbeat),
                retry_policy=_AGAIN,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as problem:
            if isinstance(problem.cause, CancelledError):
                return failed(task, "interrupted", MemberStatus.INTERRUPTED, 130)
            # Whether the lost worker had begun to write is not known: half done, for all we know.
            if task.verb == "apply":
                return failed(task, "worker-lost", MemberStatus.INCOMPLETE, 5)
            return failed(task, "worker-lost", MemberStatus.FAILED, 1)
        else:
            return done
