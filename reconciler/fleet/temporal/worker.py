"""Worker that carries out tasks from Temporal's queue, with one activity for each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.threads import in_thread
from reconciler.fleet.config import Fleet
from reconciler.fleet.outcome import MemberOutcome, MemberStatus, status_of_failure
from reconciler.fleet.task import TaskHandler
from reconciler.fleet.temporal.client import TemporalClient
from reconciler.fleet.temporal.messages import (
    Report,
    WorkflowInput,
    failed,
    member_task,
    report_of,
)
from reconciler.fleet.temporal.workflow import ACTIVITY, Reconciliation

SHUTDOWN_GRACE = timedelta(seconds=5)
"""Time for running members after a stop request; then other workers take over."""

HEARTBEATS_PER_TIMEOUT = 4


@dataclass(frozen=True)
class Activities:
    """Activities of a worker. `fleet` returns the current fleet.yaml and the handler of its tasks.

    `ended` receives each outcome.
    """

    fleet: Callable[[], tuple[Fleet, TaskHandler]]
    ended: Callable[[MemberOutcome], None]

    @activity.defn(name=ACTIVITY)
    async def carry_out(self, message: WorkflowInput) -> Report:
        """Carry out a task; raises only what makes Temporal retry it.

        Temporal stores the text of an exception, which may contain a secret, so no other is raised.
        """
        try:
            return await self._carry_out(message)
        except ReconcilerError as problem:
            status = status_of_failure(problem.exit_code)
            return failed(message, problem.code, status, problem.exit_code)
        # Raised below without foreign text, so that Temporal retries.
        except ApplicationError:
            raise
        except Exception:  # noqa: BLE001  its text must not reach Temporal
            return failed(message, "internal", MemberStatus.FAILED, 1)

    async def _carry_out(self, message: WorkflowInput) -> Report:
        # Read for each task, because fleet.yaml can change while the worker runs.
        fleet, handler = self.fleet()
        # Another fleet.yaml could name another organisation under the same member.
        if message.fleet and message.fleet != fleet.digest:
            return failed(message, "other-fleet", MemberStatus.REFUSED, 4)
        if fleet.member(message.member) is None:
            return failed(message, "unknown-member", MemberStatus.INVALID, 3)
        cancel = CancelToken()
        work = asyncio.ensure_future(in_thread(lambda: handler(member_task(message), cancel)))
        interval = message.heartbeat / HEARTBEATS_PER_TIMEOUT
        outcome = await _with_heartbeats(work, cancel, interval=interval)
        is_retry = activity.info().attempt > 1
        if is_retry and any(note.code == "locked" for note in outcome.notes):
            # The lost worker may still be running; its lock ends with its process.
            raise ApplicationError("the lost worker still holds the lock", type="locked")
        # After the check above, because an outcome that Temporal retries is not final.
        self.ended(outcome)
        return report_of(outcome)


async def run_worker(
    service: TemporalClient,
    activities: Activities,
    *,
    parallelism: int,
    cancel: CancelToken,
    ready: Callable[[], None],
) -> None:
    """Carry out tasks, at most `parallelism` at a time, until it is cancelled."""
    client = await service.connect()
    async with service.translated_errors():
        worker = Worker(
            client,
            task_queue=service.queue,
            workflows=[Reconciliation],
            activities=[activities.carry_out],
            max_concurrent_activities=parallelism,
            graceful_shutdown_timeout=SHUTDOWN_GRACE,
            # Workflows of a lost worker wait for this time before another worker takes over.
            sticky_queue_schedule_to_start_timeout=SHUTDOWN_GRACE,
        )
        async with worker:
            ready()
            await cancel.wait()


async def _with_heartbeats(
    work: "asyncio.Future[MemberOutcome]", cancel: CancelToken, *, interval: float
) -> MemberOutcome:
    """Wait for work while sending heartbeats; one cancellation requests a stop, a second raises."""
    while not work.done():
        activity.heartbeat()
        try:
            # Unlike `wait_for`, neither the timeout nor a cancellation cancels the work.
            await asyncio.wait((work,), timeout=interval)
        except asyncio.CancelledError:
            if cancel.requested:
                raise
            cancel.request("cancelled")
    return work.result()
