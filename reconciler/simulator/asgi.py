"""The simulator as an ASGI application, with latency and broken connections.

Any ASGI server can run it. `reconciler.simulator.http_server` also breaks connections when the
application asks for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from reconciler.simulator.auth import BODY_LIMIT, ApiService
from reconciler.simulator.faults import ConnectionEnd, Delivery

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


class ConnectionBroken(Exception):
    """Raised by the application, which makes any ASGI server cut the connection."""


class SimulatorApp:
    """ASGI application over an `ApiService`; `latency` returns the seconds a response takes."""

    def __init__(
        self,
        service: ApiService,
        *,
        latency: Callable[[], float] | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._service = service
        self._latency = latency
        self._sleep = sleep

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope: HTTP or lifespan."""
        if scope["type"] == "lifespan":
            await _handle_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ConnectionBroken(f"no answer to {scope['type']}")

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        content = await _read_body(receive)
        if self._latency is not None:
            await self._sleep(self._latency())
        # Not `path`, which is already decoded: an encoded slash in a slug would become a separator.
        query = scope["query_string"]
        target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        delivery = self._service.respond(scope["method"], target, headers, content)
        if delivery.delay:
            await self._sleep(delivery.delay)
        if delivery.ending is ConnectionEnd.NEVER:
            await _wait_for_disconnect(receive)
        await _send(delivery, send)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Send nothing until the client disconnects, then raise `ConnectionBroken`."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ConnectionBroken("the client went away")


async def _read_body(receive: Receive) -> bytes:
    """Read the body, at most one byte more than the limit."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionBroken("the client went away")
        content += message.get("body", b"")
        if len(content) > BODY_LIMIT or not message.get("more_body", False):
            # The byte beyond the limit shows the service that the body is too large.
            return bytes(content[: BODY_LIMIT + 1])


async def _send(delivery: Delivery, send: Send) -> None:
    if delivery.ending is ConnectionEnd.RESET:
        raise ConnectionBroken("by the script of faults")
    # The full length even of a truncated body, so that the client detects the missing part.
    headers = {**delivery.headers, "content-length": str(len(delivery.content))}
    pairs = [
        (name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()
    ]
    await send({"type": "http.response.start", "status": delivery.status, "headers": pairs})
    if delivery.ending is ConnectionEnd.TRUNCATED:
        half = delivery.content[: len(delivery.content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        raise ConnectionBroken("by the script of faults")
    await send({"type": "http.response.body", "body": delivery.content})


async def _handle_lifespan(receive: Receive, send: Send) -> None:
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return
