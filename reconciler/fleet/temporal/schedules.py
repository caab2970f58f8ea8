"""Drift on a schedule that Temporal keeps: one Schedule for each member."""

from collections.abc import Iterable

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.rejection import InvalidInput
from reconciler.fleet.temporal.client import TemporalClient
from reconciler.fleet.temporal.messages import WorkflowInput
from reconciler.fleet.temporal.workflow import Reconciliation


async def schedule(service: TemporalClient, tasks: Iterable[WorkflowInput], *, cron: str) -> None:
    """Have each task done whenever the cron expression says; an earlier schedule is replaced.

    Raises `InvalidInput` for an expression that Temporal does not take.
    """
    client = await service.connect()
    async with service.explained():
        for task in tasks:
            try:
                await _put(client, service, task, cron)
            except RPCError as reason:
                if reason.status is not RPCStatusCode.INVALID_ARGUMENT:
                    raise
                raise InvalidInput([_no_schedule(cron)]) from None


async def unschedule(service: TemporalClient, members: Iterable[str]) -> None:
    """Take the schedules of members away, where there are any."""
    client = await service.connect()
    async with service.explained():
        for member in members:
            try:
                await client.get_schedule_handle(_id(service, member)).delete()
            except RPCError as reason:
                if reason.status is not RPCStatusCode.NOT_FOUND:
                    raise


async def _put(client: Client, service: TemporalClient, task: WorkflowInput, cron: str) -> None:
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            Reconciliation.run, task, id=_id(service, task.member), task_queue=service.queue
        ),
        spec=ScheduleSpec(cron_expressions=[cron]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    try:
        await client.create_schedule(_id(service, task.member), wanted)
    except ScheduleAlreadyRunningError:

        def replaced(_current: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(wanted)

        await client.get_schedule_handle(_id(service, task.member)).update(replaced)


def _no_schedule(cron: str) -> Diagnostic:
    return error(
        "usage",
        f"Temporal takes no schedule {cron!r}",
        hint="five fields as cron has them, such as '0 6 * * *', or `off`",
    )


def _id(service: TemporalClient, member: str) -> str:
    return f"{service.workflow_id(member)}/drift"
