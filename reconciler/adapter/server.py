"""Run two ASGI applications on two ports of one process, and end both in good order.

uvicorn speaks HTTP; what it lacks is added here: a limit on how long a request's head may take, an
end that a caller asks for instead of a signal, refusals that the application words and logs like
all others, and silence on stderr, which belongs to the access log.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from reconciler.adapter.exchanges import REFUSED, Application, Message, Receive, Scope, Send
from reconciler.adapter.problems import Problem

_CLOSE: Final = {"connection": "close"}
_CROWDED: Final = Problem(
    "unavailable", 503, "The adapter has too many connections; try again later.", headers=_CLOSE
)
_NO_REQUEST: Final[Mapping[str, Any]] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "scheme": "http",
    "method": "",
    "path": "",
    "raw_path": b"",
    "query_string": b"",
    REFUSED: Problem(
        "bad-framing",
        400,
        "This is no request of HTTP/1.1, or its Host or length is missing, ambiguous or malformed.",
        headers=_CLOSE,
    ),
}
_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "mcp")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a port puts up with.

    The head of a request has `head_seconds` to arrive, an idle connection is kept `idle_seconds`,
    requests in flight have `grace_seconds` once the end was asked for. Whoever comes when there are
    `connections` already is told 503.
    """

    head_seconds: float = 10.0
    idle_seconds: int = 30
    grace_seconds: int = 4
    connections: int = 1000


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches delays off only for sockets that say TCP, as those of `create_server` do not;
    # with them an answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
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
    limits: Limits = Limits(),
) -> None:
    """Serve every application on its socket until `stop` is set.

    Then no connection is accepted any more, and requests in flight may finish. `trusted_proxies`
    are the addresses whose `X-Forwarded-For` and `-Proto` are believed.
    """
    _silence_libraries()
    servers = [_Server(app, trusted_proxies, limits) for app, _ in applications]
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

    def __init__(
        self, application: Application, trusted_proxies: Sequence[str], limits: Limits
    ) -> None:
        async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
            if len(self.server_state.connections) >= limits.connections:
                scope[REFUSED] = _CROWDED
            await application(scope, receive, send)

        super().__init__(_configuration(bounded, trusted_proxies, limits))
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """HTTP/1.1 with a deadline for the head of each request."""

    head_seconds: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def send_400_response(self, _msg: str) -> None:
        """Let the application refuse what is no request, or what turns out to be none."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._break_off(self.cycle)
        elif not self._refused:
            self._refused = True
            scope = {**_NO_REQUEST, "client": self.client, "headers": []}
            task = self.loop.create_task(self._refuse(scope))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def _break_off(self, cycle: RequestResponseCycle) -> None:
        if cycle.response_started:
            self.transport.close()
            return
        cycle.scope[REFUSED] = _NO_REQUEST[REFUSED]  # type: ignore[typeddict-unknown-key]  # ours
        cycle.more_body = False
        cycle.message_event.set()

    async def _refuse(self, scope: Scope) -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
                self._write(
                    h11.Response(
                        status_code=status, headers=headers, reason=HTTPStatus(status).phrase
                    )
                )
            else:
                self._write(h11.Data(data=message["body"]))
                self._write(h11.EndOfMessage())
                self.transport.close()

        application: Any = self.app
        await application(scope, receive, send)

    def _write(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.conn.send(event) or b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start the clock while a head is incomplete; a head that drips does not reset it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _configuration(
    app: Application, trusted_proxies: Sequence[str], limits: Limits
) -> uvicorn.Config:
    application: Any = app
    protocol = type("Protocol", (_Protocol,), {"head_seconds": limits.head_seconds})
    return uvicorn.Config(
        application,
        http=protocol,
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=limits.grace_seconds,
        timeout_keep_alive=limits.idle_seconds,
    )


def _silence_libraries() -> None:
    """Keep what libraries log to themselves: it may quote a request."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
