"""Engine that starts one workflow for each member and waits for its report."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import CancelledError, WorkflowAlreadyStartedError

from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.local_engine import not_run
from reconciler.fleet.outcome import MemberNote, MemberOutcome, MemberStatus
from reconciler.fleet.task import MemberTask
from reconciler.fleet.temporal.client import TemporalClient
from reconciler.fleet.temporal.messages import Report, outcome_of, workflow_input
from reconciler.fleet.temporal.workflow import Reconciliation

MAX_CONCURRENT_WORKFLOWS = 50


@dataclass(frozen=True)
class TemporalEngine:
    """Engine that starts workflows for workers on any machine; workers limit their own parallelism.

    `fleet` is the digest of fleet.yaml: a worker with a different file refuses. `notify` receives
    sentences for the user. With `await_approval`, every plan waits for its signal.
    """

    service: TemporalClient
    fleet: str
    notify: Callable[[str], None]
    await_approval: bool = False
    name: str = "temporal"

    async def run(
        self,
        tasks: Sequence[MemberTask],
        *,
        cancel: CancelToken,
        ended: Callable[[MemberOutcome], None],
    ) -> None:
        """Carry out every task; if cancelled, cancel the running workflows."""
        client = await self.service.connect()
        async with self.service.translated_errors():
            # A notice instead of an error, because a worker can be started while the workflows
            # wait.
            if tasks and not await self.service.has_workers(client):
                queue = self.service.queue
                self.notify(f"no worker is listening on queue {queue}; start `reconcile worker`")
        # One iterator is the queue of all workers, which share this loop.
        waiting = iter(tasks)

        async def work() -> None:
            for task in waiting:
                if cancel.requested:
                    ended(not_run(task))
                else:
                    ended(await self._carry_out(client, task, cancel))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(MAX_CONCURRENT_WORKFLOWS, len(tasks))):
                group.create_task(work())

    async def _carry_out(
        self, client: Client, task: MemberTask, cancel: CancelToken
    ) -> MemberOutcome:
        async with self.service.translated_errors():
            try:
                handle = await self._start(client, task)
            # Exit code 4, as for a lock: the other run has the member.
            except WorkflowAlreadyStartedError:
                note = MemberNote("error", "locked", "another run of this member is in progress")
                return MemberOutcome(task.member, MemberStatus.REFUSED, 4, notes=(note,))
            return await _outcome(handle, task, cancel)

    async def _start(
        self, client: Client, task: MemberTask
    ) -> WorkflowHandle[Reconciliation, Report]:
        message = workflow_input(task, fleet=self.fleet, await_approval=self.await_approval)
        return await client.start_workflow(
            Reconciliation.run,
            message,
            id=self.service.workflow_id(task.member),
            task_queue=self.service.queue,
            # Only one run of a member at a time, regardless of where it was started.
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )


async def _outcome(
    handle: WorkflowHandle[Reconciliation, Report], task: MemberTask, cancel: CancelToken
) -> MemberOutcome:
    """Wait for the report of a workflow, and cancel the workflow on request."""
    loop = asyncio.get_running_loop()
    cancellations: list[asyncio.Task[None]] = []

    def start_cancelling() -> None:
        # The loop keeps only a weak reference to a task.
        cancellations.append(loop.create_task(handle.cancel()))

    def on_request(_reason: str) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(start_cancelling)

    cancel.add_callback(on_request)
    try:
        return outcome_of(await handle.result())
    except WorkflowFailureError as problem:
        if isinstance(problem.cause, CancelledError):
            note = MemberNote("notice", "interrupted", "the run was stopped before it started")
            return MemberOutcome(task.member, MemberStatus.INTERRUPTED, 130, notes=(note,))
        # It may have started to write, so it counts as half done.
        note = MemberNote("error", "workflow-failed", "the workflow ended without a report")
        return MemberOutcome(task.member, MemberStatus.INCOMPLETE, 5, notes=(note,))
    finally:
        cancel.remove_callback(on_request)
