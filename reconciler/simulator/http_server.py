"""Small HTTP/1.1 server for the simulator: asyncio and h11, keep-alive, graceful shutdown.

It needs only the core dependencies and breaks connections on request of the
application. It is for loopback and tests: no TLS, no HTTP/2, no worker processes.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import unquote

import h11

from reconciler.simulator.asgi import ConnectionBroken, Message, Receive, Send

Application = Callable[[Message, Receive, Send], Awaitable[None]]

_READ_SIZE = 64 * 1024
_SHUTDOWN_GRACE_SECONDS = 5.0
_LINGER_SECONDS = 1.0
_LINGER_READS = 64
# Two more than asyncio needs, see `_stop_accepting`.
_ACCEPT_LOOP_TURNS = 5
# SO_LINGER with a timeout of zero: close sends a reset.
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

    `ready` is called with the port once connections are accepted; `port` 0 chooses a free one.
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
    # A copy, because a connection that ends leaves the set.
    for connection in list(connections):
        connection.shut_down()
    await _wait_closed(connections)


async def _stop_accepting(server: asyncio.Server) -> None:
    """Close the listening sockets once every accepted socket has become a connection.

    asyncio needs up to three iterations of the loop for that. A closed server ignores a pending
    socket, which would then stay open.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_ACCEPT_LOOP_TURNS):
        await asyncio.sleep(0)
    server.close()


async def _wait_closed(connections: "set[_Connection]") -> None:
    """Wait for requests in flight, then cancel the rest."""
    tasks = {connection.task for connection in connections}
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_SHUTDOWN_GRACE_SECONDS)
        for task in late:
            task.cancel()
        # Cancelled tasks need an iteration of the loop to end; their results do not matter.
        await asyncio.gather(*tasks, return_exceptions=True)


class _Connection:
    """Connection of one client; requests are answered one by one, in the order of arrival."""

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
        """Answer requests until either side closes the connection."""
        try:
            while not self._ending and await self._serve_request():
                self._protocol.start_next_cycle()
            # Answered before its body was read, for example with 413.
            if self._protocol.their_state is h11.SEND_BODY:
                await self._linger()
        except h11.RemoteProtocolError as reason:
            await self._refuse(reason.error_status_hint)
        except ConnectionBroken:
            self._abort()
        except (ConnectionError, h11.LocalProtocolError):
            # The client has disconnected, or h11 can no longer send, so nothing remains to be done.
            pass
        finally:
            self._writer.close()
            # The client may have closed it first.
            with suppress(ConnectionError):
                await self._writer.wait_closed()

    def shut_down(self) -> None:
        """Close after the request in flight, or immediately if there is none."""
        self._ending = True
        if not self._busy:
            self._writer.transport.close()

    async def _serve_request(self) -> bool:
        """Answer one request; return whether another may follow on this connection."""
        request = await self._next_event()
        if not isinstance(request, h11.Request):
            return False
        self._busy = True
        await self._app(self._scope(request), self._receive, self._send)
        self._busy = False
        return self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE

    async def _linger(self) -> None:
        """Read some of the client's remaining data, because a reset would discard the response."""
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                for _ in range(_LINGER_READS):
                    if not await self._reader.read(_READ_SIZE):
                        return

    def _abort(self) -> None:
        """Cut the connection: after a part of a response, or with a reset."""
        # Closing is enough here, because the client has received less than the announced length.
        if self._protocol.our_state is h11.SEND_BODY:
            return
        self._writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
        self._writer.transport.abort()

    async def _next_event(self) -> object:
        event = self._protocol.next_event()
        while event is h11.NEED_DATA:
            # Such a client sends its body only after this response.
            if self._protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._write(self._protocol.send(go_on))
            # Empty at the end of the stream, which h11 then reports as an event.
            self._protocol.receive_data(await self._reader.read(_READ_SIZE))
            event = self._protocol.next_event()
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
            headers = list(message["headers"])
            # The server is stopping, so the client must not send another request here.
            if self._ending:
                headers.append((b"connection", b"close"))
            event = h11.Response(status_code=message["status"], headers=headers)
            # Kept for the body, so that both are sent in one write.
            self._head = self._protocol.send(event) or b""
            return
        body = self._protocol.send(h11.Data(data=message["body"])) or b""
        more = message.get("more_body", False)
        end = b"" if more else self._protocol.send(h11.EndOfMessage()) or b""
        head, self._head = self._head, b""
        await self._write(head + body + end)

    async def _refuse(self, status: int) -> None:
        # A response that has begun cannot be replaced by another one.
        if self._protocol.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [("content-length", "0"), ("connection", "close")]
            event = h11.Response(status_code=status, headers=headers)
            await self._write(self._protocol.send(event))
            await self._linger()

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()
