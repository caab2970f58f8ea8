"""Interface of the remote API, the record of a request, and the clock of a run.

Nothing here reads the system clock: the command line passes the real one, tests a virtual one.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from reconciler.domain.calls import Call, Reply
from reconciler.frozen_dataclass import dataclass


class IntegrationsAPI(Protocol):
    """Interface of an API: the HTTP client, the simulator's core in tests, or a recorder."""

    async def call(self, call: Call) -> Reply:
        """Make one call and return its successful response.

        Raises `reconciler.remote.errors.RemoteError` otherwise.
        """
        ...


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and its outcome, for logs and metrics; it contains no secret, body or header.

    `status` is None if no response arrived; `error` is the code of a failure, `date` the server's
    clock according to its header.
    """

    method: str
    path: str
    seconds: float
    status: int | None = None
    request_id: str | None = None
    error: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """Number of integrations that were read, and of those that are wanted.

    The latter grows until the list is complete (`is_listed`).
    """

    done: int
    wanted: int
    is_listed: bool

    @property
    def is_over(self) -> bool:
        """Return whether nothing is left to read."""
        return self.is_listed and self.done >= self.wanted


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """Measured rate that a server accepts, and the seconds over which it counts calls."""

    calls_per_second: float
    window_seconds: float


OnProgress: TypeAlias = Callable[[ReadProgress], None]
"""Listener of a read, called for each integration."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and randomness for the client.

    `clock` is monotonic, `wall_clock` counts seconds since 1970 (only for dates in headers),
    `random` returns floats in [0, 1).
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
