"""A small HTTP/1.1 server for the stand-in: asyncio and h11, keep-alive, pipelining, a clean end.

It runs on the core dependencies alone (h11 comes with httpx) and can break connections when the
application asks for it. It is for loopback and tests: no TLS, no HTTP/2, no worker processes.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import unquote

import h11

from reconciler.simulator.asgi import ConnectionBroken, Message, Receive, Send

Application = Callable[[Message, Receive, Send], Awaitable[None]]

_READ_SIZE = 64 * 1024
_GRACE_SECONDS = 5.0
_LINGER_SECONDS = 1.0
_LINGER_READS = 64
_TURNS_OF_ACCEPTING = 5
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def serve(
    app: Application,
    *,
    host: str,
    port: int,
    ready: Callable[[int], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set; requests in flight then have five seconds to finish.

    `ready` is told the port once connections are accepted; `port` 0 lets the system choose.
    """
    connections: set[_Connection] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(app, reader, writer)
        connections.add(connection)
        connection.task.add_done_callback(lambda _task: connections.discard(connection))

    server = await asyncio.start_server(accept, host, port, backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    await stop.wait()
    await _stop_accepting(server)
    for connection in list(connections):
        connection.finish()
    await _settle(connections)


async def _stop_accepting(server: asyncio.Server) -> None:
    """Close the listening sockets once everything that was accepted has become a connection.

    A closed server takes no further connection: one that is still on its way, which takes up to
    three turns of the loop, would stay open with nobody to close it.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_TURNS_OF_ACCEPTING):
        await asyncio.sleep(0)
    server.close()


async def _settle(connections: "set[_Connection]") -> None:
    """Wait for requests in flight, then cut what is left."""
    tasks = {connection.task for connection in connections}
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Connection:
    """One client: requests are answered one after the other, in the order they came."""

    def __init__(
        self, app: Application, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._app = app
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER)
        self._head = b""
        self._busy = False
        self._ending = False
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        """Answer requests until either side has had enough."""
        try:
            while not self._ending and await self._one_request():
                self._protocol.start_next_cycle()
            if self._protocol.their_state is h11.SEND_BODY:
                await self._linger()
        except h11.RemoteProtocolError as reason:
            await self._refuse(reason.error_status_hint)
        except ConnectionBroken:
            self._break()
        except (ConnectionError, h11.LocalProtocolError):
            pass
        finally:
            self._writer.close()
            # Closing takes a turn of the loop, which may be at its end.
            with suppress(ConnectionError):
                await self._writer.wait_closed()

    def finish(self) -> None:
        """End after the request in flight, or at once when there is none."""
        self._ending = True
        if not self._busy:
            self._writer.transport.close()

    async def _one_request(self) -> bool:
        """Answer one request; tells whether another may follow on this connection."""
        request = await self._next_event()
        if not isinstance(request, h11.Request):
            return False
        self._busy = True
        await self._app(self._scope(request), self._receive, self._send)
        self._busy = False
        return self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE

    async def _linger(self) -> None:
        """Read a little of what the client still sends, so that it gets to see the answer."""
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                for _ in range(_LINGER_READS):
                    if not await self._reader.read(_READ_SIZE):
                        return

    def _break(self) -> None:
        """Cut the connection: with a reset, or after what was written of an answer."""
        if self._protocol.our_state is h11.SEND_BODY:
            return
        self._writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
        self._writer.transport.abort()

    async def _next_event(self) -> Any:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            if self._protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._write(self._protocol.send(go_on))
            self._protocol.receive_data(await self._reader.read(_READ_SIZE))
        return event

    def _scope(self, request: h11.Request) -> Message:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": self._writer.get_extra_info("peername"),
            "server": self._writer.get_extra_info("sockname"),
        }

    async def _receive(self) -> Message:
        event = await self._next_event()
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        if isinstance(event, h11.EndOfMessage):
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], *([(b"connection", b"close")] if self._ending else [])]
            event = h11.Response(status_code=message["status"], headers=headers)
            self._head = self._protocol.send(event) or b""
            return
        body = self._protocol.send(h11.Data(data=message["body"])) or b""
        more = message.get("more_body", False)
        end = b"" if more else self._protocol.send(h11.EndOfMessage()) or b""
        head, self._head = self._head, b""
        await self._write(head + body + end)

    async def _refuse(self, status: int) -> None:
        if self._protocol.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [("content-length", "0"), ("connection", "close")]
            event = h11.Response(status_code=status, headers=headers)
            await self._write(self._protocol.send(event))
            await self._linger()

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()
