"""Interface of the remote API: one method that makes one call, and the record of a request."""

from dataclasses import dataclass
from typing import Protocol

from reconciler.domain.calls import Call, Reply


class IntegrationsAPI(Protocol):
    """Anything that answers calls: the HTTP client, the simulator's core in tests, a recorder."""

    async def call(self, call: Call) -> Reply:
        """Make one call and return its successful answer.

        Raises `reconciler.remote.errors.RemoteError` for everything else.
        """
        ...


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and its outcome, for logs and metrics; nothing secret, neither body nor header.

    `status` is None where no answer came; `error` is our code for a failure, `date` the server's
    clock as its header shows it.
    """

    method: str
    path: str
    seconds: float
    status: int | None = None
    request_id: str | None = None
    error: str | None = None
    date: str | None = None
