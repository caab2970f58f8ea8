"""The connections of callers: counted when they are accepted, over all ports.

At the limit the connection that has been silent for longest makes room, so that a crowd that only
connects keeps nobody out. asyncio's own listener accepts up to its whole backlog before it creates
the first connection, which is too late to count; so the listener is here.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final, Protocol

_BATCH: Final = 16
"""Connections accepted before those that were shed get the time to close."""

_RETRY_SECONDS: Final = 0.05
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}  # accept(2)
)


class ClientConnection(Protocol):
    """A connection that can be given up."""

    def abort(self) -> None:
        """Close without waiting for the other side."""
        ...


class ConnectionTable:
    """All connections of callers, and which of them are silent.

    Silent is a connection that has no complete request in progress, or whose caller does not read
    the answer. `limit` counts both kinds.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: set[ClientConnection] = set()
        # A dict keeps the order in which they fell silent.
        self._silent: dict[ClientConnection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: ClientConnection) -> bool:
        """Count a new connection, which is silent; return whether there is room for it.

        There is none where all others have a request in progress.
        """
        while len(self._open) >= self.limit and self._silent:
            self.shed()
        has_room = len(self._open) < self.limit
        self._open.add(connection)
        self._silent[connection] = None
        return has_room

    def shed(self) -> bool:
        """Close the connection that has been silent for longest; return whether there was one."""
        if not self._silent:
            return False
        oldest = next(iter(self._silent))
        self.remove(oldest)
        oldest.abort()
        return True

    def mark_silent(self, connection: ClientConnection) -> None:
        """Note that a connection waits for its caller; it is silent since then if it was not."""
        if connection in self._open:
            self._silent.setdefault(connection)

    def mark_busy(self, connection: ClientConnection) -> None:
        """Note that a connection has a complete request, which is never cut off for another."""
        self._silent.pop(connection, None)

    def remove(self, connection: ClientConnection) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        self._silent.pop(connection, None)


class Listener:
    """Accepts the connections of one port; the interface is that of `asyncio.Server`.

    `make_protocol` makes the protocol of a connection, which adds itself to `table`.
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
        listening.settimeout(0)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Accept no more connections; those that are there go on."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket)

    async def wait_closed(self) -> None:
        """Wait until every accepted connection is in the table."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> None:
        # Those that are being opened are not in the table yet.
        for _ in range(_BATCH - len(self._opening)):
            try:
                accepted, _address = self._socket.accept()
            except OSError as problem:
                if problem.errno in _OUT_OF_RESOURCES:
                    self._pause()
                return
            opening = self._loop.create_task(self._open(accepted))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, accepted)
        except OSError:
            # The caller has left already.
            accepted.close()

    def _pause(self) -> None:
        """Make room when other files use up the limit; the waiting connection is not lost."""
        self._table.shed()
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(_RETRY_SECONDS, self._resume)

    def _resume(self) -> None:
        with contextlib.suppress(ValueError):
            self._loop.add_reader(self._socket, self._accept)
