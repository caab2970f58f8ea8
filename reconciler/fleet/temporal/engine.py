"""Carry out the orders of a fleet as workflows, and wait for their reports."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import CancelledError, WorkflowAlreadyStartedError

from reconciler.fleet.local_engine import not_run
from reconciler.fleet.outcome import MemberNote, MemberOutcome, MemberStatus
from reconciler.fleet.task import MemberCancelToken, MemberTask
from reconciler.fleet.temporal.client import TemporalClient
from reconciler.fleet.temporal.messages import Report, WorkflowInput, outcome_of, task_of
from reconciler.fleet.temporal.workflow import Reconciliation

AT_ONCE = 50
"""Workflows that are started, and waited for, at the same time."""


@dataclass(frozen=True)
class TemporalEngine:
    """Workers somewhere; how many members they take at a time is theirs to say.

    `fleet` is the digest of fleet.yaml: a worker with another one refuses. With `asks` every plan
    waits for its signal.
    """

    service: TemporalClient
    fleet: str
    say: Callable[[str], None]
    asks: bool = False
    name: str = "temporal"

    async def run(
        self,
        orders: Sequence[MemberTask],
        *,
        halt: MemberCancelToken,
        ended: Callable[[MemberOutcome], None],
    ) -> None:
        """Carry out every order; asked to stop, cancel what was started."""
        client = await self.service.connect()
        async with self.service.explained():
            if orders and not await self.service.has_workers(client):
                self.say(
                    f"no worker listens on queue {self.service.queue}; start `reconcile worker`"
                )
        waiting = iter(orders)

        async def work() -> None:
            for order in waiting:
                stop = halt.requested
                ended(not_run(order) if stop else await self._one(client, order, halt))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(orders))):
                group.create_task(work())

    async def _one(
        self, client: Client, order: MemberTask, halt: MemberCancelToken
    ) -> MemberOutcome:
        task = task_of(order, fleet=self.fleet, asks=self.asks)
        async with self.service.explained():
            try:
                handle = await self._start(client, task)
            except WorkflowAlreadyStartedError:
                remark = MemberNote("error", "locked", "another run of this member is going on")
                return MemberOutcome(order.member, MemberStatus.REFUSED, 4, remarks=(remark,))
            return await _report(handle, order, halt)

    async def _start(
        self, client: Client, task: WorkflowInput
    ) -> WorkflowHandle[Reconciliation, Report]:
        return await client.start_workflow(
            Reconciliation.run,
            task,
            id=self.service.workflow_id(task.member),
            task_queue=self.service.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )


async def _report(
    handle: WorkflowHandle[Reconciliation, Report], order: MemberTask, halt: MemberCancelToken
) -> MemberOutcome:
    loop = asyncio.get_running_loop()
    cancelling: list[asyncio.Task[None]] = []

    def cancel(_reason: str) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda: cancelling.append(loop.create_task(handle.cancel())))

    halt.listen(cancel)
    try:
        return outcome_of(await handle.result())
    except WorkflowFailureError as problem:
        if isinstance(problem.cause, CancelledError):
            remark = MemberNote("notice", "interrupted", "stopped while it waited")
            return MemberOutcome(order.member, MemberStatus.INTERRUPTED, 130, remarks=(remark,))
        remark = MemberNote("error", "workflow-failed", "the workflow ended without a report")
        return MemberOutcome(order.member, MemberStatus.INCOMPLETE, 5, remarks=(remark,))
