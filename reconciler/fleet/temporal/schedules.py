"""Scheduled drift checks: one Temporal Schedule for each member."""

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
from reconciler.errors import InvalidInput
from reconciler.fleet.temporal.client import TemporalClient
from reconciler.fleet.temporal.messages import WorkflowInput
from reconciler.fleet.temporal.workflow import Reconciliation


async def schedule(
    service: TemporalClient, messages: Iterable[WorkflowInput], *, cron: str
) -> None:
    """Schedule each task by a cron expression; an earlier schedule of the member is replaced.

    Raises `InvalidInput` for an expression that Temporal does not accept.
    """
    client = await service.connect()
    async with service.translated_errors():
        for message in messages:
            try:
                await _put(client, service, message, cron)
            except RPCError as reason:
                if reason.status is not RPCStatusCode.INVALID_ARGUMENT:
                    raise
                raise InvalidInput([_invalid_cron(cron)]) from None


async def unschedule(service: TemporalClient, members: Iterable[str]) -> None:
    """Delete the schedules of members, if there are any."""
    client = await service.connect()
    async with service.translated_errors():
        for member in members:
            try:
                await client.get_schedule_handle(_schedule_id(service, member)).delete()
            except RPCError as reason:
                if reason.status is not RPCStatusCode.NOT_FOUND:
                    raise


async def _put(client: Client, service: TemporalClient, message: WorkflowInput, cron: str) -> None:
    name = _schedule_id(service, message.member)
    wanted = Schedule(
        # Temporal adds the time of each run to the id.
        action=ScheduleActionStartWorkflow(
            Reconciliation.run, message, id=name, task_queue=service.queue
        ),
        spec=ScheduleSpec(cron_expressions=[cron]),
        # A check that takes longer than the interval is not started again in the meantime.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )

    def replacement(_current: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(wanted)

    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(replacement)


def _invalid_cron(cron: str) -> Diagnostic:
    return error(
        "usage",
        f"Temporal does not accept the schedule {cron!r}",
        hint="use the five fields of cron, such as '0 6 * * *', or `off`",
    )


def _schedule_id(service: TemporalClient, member: str) -> str:
    return f"{service.workflow_id(member)}/drift"
