"""Connections of callers: accepting them, within the limit of open files.

They are counted on all ports when they are accepted. At the limit, the connection that has been
silent for longest is closed, so that clients that only connect do not block others. asyncio's own
listener accepts its whole backlog before it creates the first connection, which is too late to
count; hence `Listener`.
"""

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Callable
from typing import Final, Protocol

from reconciler.frozen_dataclass import dataclass

MAX_CALLERS: Final = 2000
MAX_UPSTREAM: Final = 100

_OTHER_FILES: Final = 64
"""Reserve for files read from disk, the ledger, the ports, and connections about to be closed."""

_UPSTREAM_CLIENTS: Final = 3
"""Number of connection pools: the operations, the page and the planning tools have one each."""

_BATCH: Final = 16
"""Maximum number of connections accepted at once, before those closed for them have ended."""

_RETRY_SECONDS: Final = 0.05
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}  # accept(2)
)


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """Maximum connections of callers on all ports, and of each client to the upstream."""

    callers: int
    upstream: int


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one if allowed; return the current limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems refuse an unlimited hard limit; the soft limit is then kept.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Read again, because some systems accept a value and set a lower one.
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def connection_budget(file_limit: int) -> ConnectionBudget:
    """Divide a limit of open files between callers and the upstream.

    A process at its limit can neither accept a connection nor open a file or a connection upstream,
    so the limit is divided before anything is served. `resource.RLIM_INFINITY` allows the maximum.
    """
    if file_limit == resource.RLIM_INFINITY:
        return ConnectionBudget(MAX_CALLERS, MAX_UPSTREAM)
    # A quarter, so that the reserve does not use up a very low limit.
    usable = file_limit - min(_OTHER_FILES, file_limit // 4)
    # All clients together get at most half; callers get the rest.
    upstream = max(1, min(MAX_UPSTREAM, usable // (2 * _UPSTREAM_CLIENTS)))
    callers = max(1, min(MAX_CALLERS, usable - _UPSTREAM_CLIENTS * upstream))
    return ConnectionBudget(callers, upstream)


class ClientConnection(Protocol):
    """A connection that can be closed to make room for another."""

    def abort(self) -> None:
        """Close without waiting for the other side."""
        ...


class ConnectionTable:
    """Connections of callers, and which of them are idle.

    A connection is idle if it has no complete request in progress, or if its caller does not read
    the response. `limit` applies to idle and busy connections together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: set[ClientConnection] = set()
        # A dict keeps the order in which the connections became idle.
        self._idle: dict[ClientConnection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: ClientConnection) -> bool:
        """Add a new, idle connection; return whether there is room for it.

        There is no room if all others have a request in progress.
        """
        # A loop, because the limit can be exceeded by connections that wait for their 503.
        while len(self._open) >= self.limit and self._idle:
            self.shed()
        has_room = len(self._open) < self.limit
        # Added even without room, because it is open until it has received its 503.
        self._open.add(connection)
        self._idle[connection] = None
        return has_room

    def shed(self) -> bool:
        """Close the connection that has been idle longest; return whether there was one."""
        if not self._idle:
            return False
        oldest = next(iter(self._idle))
        # Removed first, because after `abort` the loop reports the loss later, but `add` counts at
        # once.
        self.remove(oldest)
        oldest.abort()
        return True

    def mark_idle(self, connection: ClientConnection) -> None:
        """Mark a connection that waits for its caller; an idle one keeps its position."""
        if connection in self._open:
            self._idle.setdefault(connection)

    def mark_busy(self, connection: ClientConnection) -> None:
        """Mark a connection with a complete request; it is never closed to make room."""
        self._idle.pop(connection, None)

    def remove(self, connection: ClientConnection) -> None:
        """Remove a connection that is closed."""
        self._open.discard(connection)
        self._idle.pop(connection, None)


class Listener:
    """Listener of one port, with the interface of `asyncio.Server` that uvicorn uses.

    `make_protocol` returns the protocol of a connection, which adds itself to `table`.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        table: ConnectionTable,
    ) -> None:
        self._socket = listening
        self._make_protocol = make_protocol
        self._table = table
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        # `accept` must return at once if there is none; it runs in the event loop.
        listening.settimeout(0)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Stop accepting connections; open ones continue."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket)

    async def wait_closed(self) -> None:
        """Wait until every accepted connection is in the table."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> None:
        # Connections that are being opened are not in the table yet.
        # A batch, so that a flood of connections does not keep the loop from serving open ones.
        for _ in range(_BATCH - len(self._opening)):
            try:
                accepted, _address = self._socket.accept()
            except OSError as problem:
                # All other errors mean that the backlog is empty, or that the caller has
                # disconnected.
                if problem.errno in _OUT_OF_RESOURCES:
                    self._pause()
                return
            opening = self._loop.create_task(self._open(accepted))
            # The loop keeps only a weak reference to a task.
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, accepted)
        except OSError:
            # The caller has disconnected already.
            accepted.close()

    def _pause(self) -> None:
        """Make room at the limit of open files; pending connections stay in the backlog."""
        self._table.shed()
        self._loop.remove_reader(self._socket)
        # The socket stays readable, so a registered reader would make the loop retry without a
        # pause.
        self._retry = self._loop.call_later(_RETRY_SECONDS, self._resume)

    def _resume(self) -> None:
        # ValueError: the socket was closed during the pause.
        with contextlib.suppress(ValueError):
            self._loop.add_reader(self._socket, self._accept)
