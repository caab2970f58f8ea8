"""The connection to Temporal, and what can go wrong with it, in our words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from reconciler.domain.secrets import Redacted
from reconciler.errors import ReconcilerError

PATIENCE = timedelta(seconds=10)
"""How long the first connection may take."""


class ServiceUnavailable(ReconcilerError):
    """Temporal cannot be reached, or refuses what it is asked."""


@dataclass(frozen=True, slots=True)
class TemporalClient:
    """Where Temporal is, and the queue on which workers and callers of a fleet meet.

    A key is for Temporal's cloud, and only goes out encrypted.
    """

    address: str = "localhost:7233"
    namespace: str = "default"
    queue: str = "reconcile"
    key: Redacted | None = None
    tls: bool = False

    def workflow_id(self, member: str) -> str:
        """Give the id of a member's runs: one at a time can have it."""
        return f"{self.queue}/{member}"

    async def connect(self) -> Client:
        """Connect, or raise `ServiceUnavailable`."""
        try:
            return await Client.connect(
                self.address,
                namespace=self.namespace,
                api_key=self.key.reveal() if self.key is not None else None,
                tls=True if self.tls or self.key is not None else None,
                connect_timeout=PATIENCE,
            )
        except (RPCError, RuntimeError, OSError, TimeoutError) as reason:
            raise self._unavailable(reason) from None

    @asynccontextmanager
    async def explained(self) -> AsyncIterator[None]:
        """Turn what Temporal refuses into our error."""
        try:
            yield
        except RPCError as reason:
            raise self._unavailable(reason) from None

    async def has_workers(self, client: Client) -> bool:
        """Tell whether anybody would take a task now."""
        request = DescribeTaskQueueRequest(
            namespace=self.namespace,
            task_queue=TaskQueue(name=self.queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        answer = await client.workflow_service.describe_task_queue(request)
        return bool(answer.pollers)

    def _unavailable(self, reason: BaseException) -> ServiceUnavailable:
        what = f" ({reason.status.name.lower()})" if isinstance(reason, RPCError) else ""
        return ServiceUnavailable(
            f"Temporal at {self.address}, namespace {self.namespace}, cannot be used{what}",
            code="temporal",
            hint="name it with --address and --namespace, or TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE",
        )
