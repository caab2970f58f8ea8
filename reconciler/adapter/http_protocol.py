"""Protocol of one connection: uvicorn's HTTP/1.1 with time limits and our refusals.

Malformed requests are refused and logged by the application, like all other refusals. Accepting and
closing connections: `reconciler.adapter.connections`.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from reconciler.adapter.connections import ConnectionTable
from reconciler.adapter.middleware import PROBES
from reconciler.adapter.problems import Problem
from reconciler.adapter.request_context import REFUSED, Application, Message, Receive, Scope, Send

_CLOSE: Final = {"connection": "close"}
_TOO_MANY_CONNECTIONS: Final = Problem(
    "unavailable", 503, "The adapter has too many connections; try again later.", headers=_CLOSE
)
_MALFORMED_SCOPE: Final[Mapping[str, object]] = {
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
        "This is not HTTP/1.1, or the Host or length is missing, ambiguous or malformed.",
        headers=_CLOSE,
    ),
}


class HTTPProtocol(H11Protocol):
    """HTTP/1.1 with deadlines and an entry in the connection table.

    `head_seconds` is the time for the head of a request, `write_seconds` the time in which a caller
    must read a part of its response.
    """

    head_seconds: ClassVar[float]
    write_seconds: ClassVar[float]
    table: ClassVar[ConnectionTable]
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if not self.table.add(self):
            application: Any = self.app
            limited: Any = _refuse_while_full(application, self.table)
            self.app = limited
        self._update_head_timer()

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            # The caller violated the protocol in a state in which h11 cannot send a response.
            self.abort()
            return
        self._update_head_timer()
        self._update_table()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._update_table()

    def pause_writing(self) -> None:
        # asyncio calls this when the caller reads more slowly than the response is produced.
        super().pause_writing()
        self.table.mark_idle(self)
        self._start_write_timer()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()
        self._update_table()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # uvicorn closes gracefully, which waits until the caller has read the rest of its response.
        if self.transport.get_write_buffer_size():
            self.abort()

    def abort(self) -> None:
        """Close at once, without waiting for a caller that does not read."""
        self.transport.abort()

    def send_400_response(self, _msg: str) -> None:
        """Let the application refuse a malformed request, even while its body arrives."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse_cycle(self.cycle)
        elif not self._is_refused:
            # Only once, because h11 also reports an error for all further bytes.
            self._is_refused = True
            scope = {**_MALFORMED_SCOPE, "client": self.client, "headers": []}
            task = self.loop.create_task(self._refuse(scope))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def _refuse_cycle(self, cycle: RequestResponseCycle) -> None:
        if cycle.response_started:
            self.transport.close()
            return
        cycle.scope[REFUSED] = _MALFORMED_SCOPE[REFUSED]  # type: ignore[typeddict-unknown-key]  # ours
        # Wake the application that waits for the rest of the body; the middleware finds REFUSED.
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
        self.table.remove(self)
        self._stop_head_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def _update_table(self) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            self.table.mark_idle(self)
        else:
            self.table.mark_busy(self)

    def _update_head_timer(self) -> None:
        """Start the timer while a head is incomplete; further bytes of the head do not reset it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _start_write_timer(self) -> None:
        """Close the connection unless the caller reads some of its answer before the next check."""
        unread = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < unread:
                self._start_write_timer()
            else:
                self.abort()

        self._write_timer = self.loop.call_later(self.write_seconds, check)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def _refuse_while_full(application: Application, table: ConnectionTable) -> Application:
    """Return the application of a connection beyond the limit: a 503 until there is room."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        # An adapter at its limit still responds to probes: it works, and a restart would drop its
        # requests.
        if len(table) > table.limit and scope["path"] not in PROBES:
            scope[REFUSED] = _TOO_MANY_CONNECTIONS
        await application(scope, receive, send)

    return limited
