"""Work for a fleet until told to stop: poll the queue and carry out what comes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio.worker import Worker

from reconciler.fleet.temporal.activity import Activities
from reconciler.fleet.temporal.client import TemporalClient
from reconciler.fleet.temporal.workflow import Reconciliation

FAREWELL = timedelta(seconds=5)
"""How long members in flight may take once the worker is told to stop; others take them over."""


async def work(
    service: TemporalClient,
    activities: Activities,
    *,
    parallelism: int,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Take at most `parallelism` members at a time until `stop` is set."""
    client = await service.connect()
    async with service.explained():
        worker = Worker(
            client,
            task_queue=service.queue,
            workflows=[Reconciliation],
            activities=[activities.carry_out],
            max_concurrent_activities=parallelism,
            graceful_shutdown_timeout=FAREWELL,
            sticky_queue_schedule_to_start_timeout=FAREWELL,
        )
        async with worker:
            ready()
            await stop.wait()
