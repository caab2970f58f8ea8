"""Connection to Temporal, and the error for its failures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from reconciler.domain.secrets import Redacted
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass

CONNECT_TIMEOUT = timedelta(seconds=10)


class ServiceUnavailable(ReconcilerError):
    """Temporal cannot be reached, or refuses a request."""


@dataclass(frozen=True, slots=True)
class TemporalClient:
    """Address of Temporal, and the task queue shared by workers and callers of a fleet.

    A key is for Temporal Cloud and is sent only over TLS.
    """

    address: str = "localhost:7233"
    namespace: str = "default"
    queue: str = "reconcile"
    key: Redacted | None = None
    tls: bool = False

    def workflow_id(self, member: str) -> str:
        """Return the id of a member's runs; Temporal runs one workflow per id at a time."""
        return f"{self.queue}/{member}"

    async def connect(self) -> Client:
        """Connect; raises `ServiceUnavailable`."""
        try:
            return await Client.connect(
                self.address,
                namespace=self.namespace,
                api_key=self.key.reveal() if self.key is not None else None,
                tls=True if self.tls or self.key is not None else None,
                connect_timeout=CONNECT_TIMEOUT,
            )
        # The SDK raises RuntimeError if it cannot connect.
        except (RPCError, RuntimeError, OSError, TimeoutError) as reason:
            raise self._unavailable(reason) from None

    @asynccontextmanager
    async def translated_errors(self) -> AsyncIterator[None]:
        """Raise `ServiceUnavailable` for a request that Temporal refuses."""
        try:
            yield
        except RPCError as reason:
            raise self._unavailable(reason) from None

    async def has_workers(self, client: Client) -> bool:
        """Return whether any worker polls the queue."""
        request = DescribeTaskQueueRequest(
            namespace=self.namespace,
            task_queue=TaskQueue(name=self.queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        answer = await client.workflow_service.describe_task_queue(request)
        return bool(answer.pollers)

    def _unavailable(self, reason: BaseException) -> ServiceUnavailable:
        status = f" ({reason.status.name.lower()})" if isinstance(reason, RPCError) else ""
        return ServiceUnavailable(
            f"Temporal at {self.address}, namespace {self.namespace}, cannot be used{status}",
            code="temporal",
            hint="set --address and --namespace, or TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE",
        )
