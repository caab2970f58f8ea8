"""Run two ASGI applications on two ports of one process, and end both in good order.

uvicorn speaks HTTP; what it lacks is added here: a limit on how long a request's head may take, an
end that a caller asks for instead of a signal, and silence on stderr, which belongs to the access
log.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.adapter.exchanges import Application

HEAD_SECONDS: Final = 10.0
"""How long the head of a request may take to arrive."""

GRACE_SECONDS: Final = 4
"""How long requests in flight may go on after the end was asked for."""

CONNECTIONS: Final = 1000
"""Connections on a port; whoever comes after is told 503."""

_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "mcp")


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


async def serve(
    applications: Sequence[tuple[Application, socket.socket]],
    *,
    stop: asyncio.Event,
    ready: Callable[[], None],
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Serve every application on its socket until `stop` is set.

    Then no connection is accepted any more, and requests in flight have `GRACE_SECONDS` to finish.
    `trusted_proxies` are the addresses whose `X-Forwarded-For` and `-Proto` are believed.
    """
    _silence_libraries()
    servers = [_Server(_configuration(app, trusted_proxies)) for app, _ in applications]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, (_, listener) in zip(servers, applications, strict=True)
    ]
    stopped = asyncio.create_task(stop.wait())
    try:
        for server in servers:
            await server.is_up.wait()
        ready()
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """A server that leaves signals to the command line and tells when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """HTTP/1.1 with a deadline for the head of each request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start the clock while a head is incomplete; a head that drips does not reset it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _configuration(app: Application, trusted_proxies: Sequence[str]) -> uvicorn.Config:
    application: Any = app
    return uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
    )


def _silence_libraries() -> None:
    """Keep what libraries log to themselves: it may quote a request."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
