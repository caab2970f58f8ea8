"""Server of several ASGI applications in one process, each on a port, with a graceful stop.

uvicorn serves HTTP. Added here: a stop event instead of signals, connections that are counted over
all ports (`reconciler.adapter.connections`), and hooks for failures that Python or a library would
print to stderr. Stderr is the access log: each line is JSON, and a traceback may quote a request.
The protocol of a connection: `reconciler.adapter.http_protocol`.
"""

import asyncio
import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import uvicorn

from reconciler.adapter.connections import ConnectionTable, Listener
from reconciler.adapter.http_protocol import HTTPProtocol
from reconciler.adapter.request_context import Application
from reconciler.frozen_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Time limits, and the maximum number of connections.

    The head of a request must arrive within `head_seconds`. An idle connection is kept for
    `idle_seconds`. A caller that does not read its response for `write_seconds` is disconnected.
    After the stop, requests in flight have `grace_seconds`. All ports together keep `connections`:
    at the limit the connection that has been idle longest is closed, and if none is idle the new
    one gets a 503.
    """

    head_seconds: float = 10.0
    write_seconds: float = 15.0
    idle_seconds: int = 30
    grace_seconds: int = 4
    connections: int = 1000


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets whose protocol is TCP, unlike those of
    # `create_server`; without it, a response waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Without it a restart fails until the old connections have left TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Whether `::` also takes IPv4 would otherwise depend on the system.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(
    applications: Sequence[tuple[Application, socket.socket]],
    *,
    stop: asyncio.Event,
    ready: Callable[[], None],
    trusted_proxies: Sequence[str] = (),
    limits: ServerLimits = ServerLimits(),
) -> None:
    """Serve every application on its socket until `stop` is set.

    Then no further connection is accepted, and requests in flight may finish. `trusted_proxies` are
    the addresses whose `X-Forwarded-For` and `X-Forwarded-Proto` are used.
    """
    silence_libraries()
    table = ConnectionTable(limits.connections)
    servers = [_Server(app, trusted_proxies, limits, table) for app, _ in applications]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, (_, listener) in zip(servers, applications, strict=True)
    ]
    stopped = asyncio.create_task(stop.wait())
    try:
        for server in servers:
            await server.is_up.wait()
        ready()
        # A server that ends on its own stops the others, and `gather` raises its error.
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the CLI and sets `is_up` when it accepts."""

    def __init__(
        self,
        application: Application,
        trusted_proxies: Sequence[str],
        limits: ServerLimits,
        table: ConnectionTable,
    ) -> None:
        super().__init__(_configuration(application, trusted_proxies, limits, table))
        self.is_up = asyncio.Event()
        self._table = table

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections with our own listeners."""
        # Without sockets uvicorn runs the application's startup and opens no listener of its own.
        await super().startup(sockets=[])
        protocol: Any = self.config.http_protocol_class
        make = partial(
            protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        listeners: Any = [Listener(each, make, self._table) for each in sockets or ()]
        self.servers = listeners
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would install handlers; the CLI sets `should_exit` through the stop event.
        yield


def _configuration(
    app: Application, trusted_proxies: Sequence[str], limits: ServerLimits, table: ConnectionTable
) -> uvicorn.Config:
    application: Any = app
    settings = {
        "head_seconds": limits.head_seconds,
        "write_seconds": limits.write_seconds,
        "table": table,
    }
    # uvicorn creates the protocol of each connection itself, so the settings are class attributes.
    protocol = type("Protocol", (HTTPProtocol,), settings)
    return uvicorn.Config(
        application,
        http=protocol,
        # The middleware checks HTTP only and would pass a WebSocket on unchecked.
        ws="none",
        # The loop is already running.
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Off by default, because any caller could put an arbitrary address into the access log.
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=limits.grace_seconds,
        timeout_keep_alive=limits.idle_seconds,
    )


_LOGGERS: Final = ("asyncio", "mcp", "uvicorn", "uvicorn.access", "uvicorn.error")


@contextmanager
def reported_failures(failed: Callable[[BaseException], None]) -> Iterator[None]:
    """Pass every unhandled exception to `failed`; needs a running event loop."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler(), sys.unraisablehook, threading.excepthook

    # asyncio may report a message without an exception.
    def report(error: BaseException | None) -> None:
        failed(error or RuntimeError())

    def from_loop(_loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        error = context.get("exception")
        report(error if isinstance(error, BaseException) else None)

    loop.set_exception_handler(from_loop)
    sys.unraisablehook = lambda unraisable: report(unraisable.exc_value)
    threading.excepthook = lambda arguments: report(arguments.exc_value)
    try:
        yield
    finally:
        handler, sys.unraisablehook, threading.excepthook = before
        loop.set_exception_handler(handler)


def silence_libraries() -> None:
    """Keep log records of libraries, which may quote a request, out of stderr."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        # Without any handler, Python's handler of last resort would write warnings to stderr.
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
