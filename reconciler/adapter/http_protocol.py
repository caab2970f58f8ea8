"""One connection of a caller: uvicorn's HTTP/1.1 with limits of time, and refusals in our form.

The application words and logs what is no request like all other refusals. How connections are
accepted and given up: `reconciler.adapter.connections`.
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


class HTTPProtocol(H11Protocol):
    """HTTP/1.1 with deadlines, and with a place in the table of connections."""

    head_seconds: ClassVar[float]
    write_seconds: ClassVar[float]
    table: ClassVar[ConnectionTable]
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if not self.table.add(self):
            application: Any = self.app
            crowded: Any = _crowded(application, self.table)
            self.app = crowded
        self._watch()

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            # The caller has broken the protocol in a state in which h11 has no answer left.
            self.abort()
            return
        self._watch()
        self._update_table()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._update_table()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.table.mark_silent(self)
        self._watch_writing()

    def resume_writing(self) -> None:
        self._forget_stall()
        super().resume_writing()
        self._update_table()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self.abort()

    def abort(self) -> None:
        """Close at once: a caller that does not read would keep the connection open for ever."""
        self.transport.abort()

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
        self.table.remove(self)
        self._forget()
        self._forget_stall()
        super().connection_lost(exc)

    def _update_table(self) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            self.table.mark_silent(self)
        else:
            self.table.mark_busy(self)

    def _watch(self) -> None:
        """Start the clock while a head is incomplete; a head that drips does not reset it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_writing(self) -> None:
        """Close the connection unless the caller takes some of its answer before the next look."""
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._watch_writing()
            else:
                self.abort()

        self._stalled = self.loop.call_later(self.write_seconds, look)

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _crowded(application: Application, table: ConnectionTable) -> Application:
    """Wrap the application for a connection that came when there was no room."""

    async def refused(scope: Scope, receive: Receive, send: Send) -> None:
        if len(table) > table.limit and scope["path"] not in PROBES:
            scope[REFUSED] = _CROWDED
        await application(scope, receive, send)

    return refused
