"""Workflow of one member's run: apply, or plan, wait for the approval, and apply.

It ensures that a started run is completed, by another worker if necessary. A retry is safe, because
every apply plans from the current state. Temporal imports this module again for each workflow, in a
sandbox that rejects non-deterministic code; keep everything else out of it.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError

# Modules named here are shared with the process instead of being imported again in the sandbox.
with workflow.unsafe.imports_passed_through():
    from reconciler.fleet.local_engine import GRACE
    from reconciler.fleet.outcome import MemberStatus
    from reconciler.fleet.temporal.messages import Report, WorkflowInput, failed

ACTIVITY = "carry-out"
"""Name of the only activity, `reconciler.fleet.temporal.worker.Activities.carry_out`."""

_RETRY_POLICY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=15),
    maximum_attempts=8,
)


@workflow.defn(name="reconcile")
class Reconciliation:
    """Run of a member; the workflow's id contains the member's name."""

    def __init__(self) -> None:
        self._pending_digest: str | None = None
        self._decision: bool | None = None

    @workflow.run
    async def run(self, message: WorkflowInput) -> Report:
        """Carry out a task and return its report."""
        if not message.asks:
            return await self._carry_out(message)
        planned = await self._carry_out(replace(message, verb="plan", asks=False))
        if planned.standing != MemberStatus.DIFFERENT:
            return planned
        # The digests of its changes did not fit into a message, so an approval could not be
        # compared.
        if not planned.pieces:
            return failed(message, "too-large-to-approve", MemberStatus.REFUSED, 4)
        if not await self._approved(planned, message.patience):
            return failed(message, "declined", MemberStatus.REFUSED, 4)
        return await self._carry_out(replace(message, approved=planned.pieces, asks=False))

    @workflow.signal
    def approve(self, digest: str) -> None:
        """Approve the plan with this digest; another digest is ignored."""
        if self._pending_digest is not None and digest == self._pending_digest:
            self._decision = True

    @workflow.signal
    def decline(self) -> None:
        """Decline the plan that waits for an approval."""
        # An approval that came first cannot be withdrawn: the apply may have started.
        if self._pending_digest is not None and self._decision is None:
            self._decision = False

    @workflow.query
    def waiting(self) -> str | None:
        """Return the digest of the plan that waits for an approval."""
        return self._pending_digest

    async def _approved(self, planned: Report, patience: float) -> bool:
        self._pending_digest = planned.digest
        try:
            await workflow.wait_condition(
                lambda: self._decision is not None, timeout=timedelta(seconds=patience)
            )
        except TimeoutError:
            return False
        finally:
            # A later signal concerns a plan that no longer waits.
            self._pending_digest = None
        return bool(self._decision)

    async def _carry_out(self, message: WorkflowInput) -> Report:
        try:
            report: Report = await workflow.execute_activity(
                ACTIVITY,
                message,
                result_type=Report,
                # A member ends at its deadline; this timeout is for one that does not.
                start_to_close_timeout=timedelta(seconds=message.deadline + 2 * GRACE),
                heartbeat_timeout=timedelta(seconds=message.heartbeat),
                retry_policy=_RETRY_POLICY,
                # The report of a stopped apply shows what was done.
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as problem:
            if isinstance(problem.cause, CancelledError):
                return failed(message, "interrupted", MemberStatus.INTERRUPTED, 130)
            # The lost worker may have started to write, so an apply counts as incomplete.
            if message.verb == "apply":
                return failed(message, "worker-lost", MemberStatus.INCOMPLETE, 5)
            return failed(message, "worker-lost", MemberStatus.FAILED, 1)
        else:
            return report
