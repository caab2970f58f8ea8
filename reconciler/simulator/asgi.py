"""The stand-in as an ASGI application: bytes in, bytes out, latency, and a wire that can break.

Any ASGI server can run it; ours, which can also break connections on purpose, is
`reconciler.simulator.http_server`.
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
    """The application wants the connection cut; a server that does not know it cuts it as well."""


class SimulatorApp:
    """Answers HTTP requests with a `ApiService`; `latency` gives the seconds each answer takes."""

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
        """Serve one ASGI scope: HTTP, or the start and end of a server's life."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ConnectionBroken(f"no answer to {scope['type']}")

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        content = await _body(receive)
        if self._latency is not None:
            await self._sleep(self._latency())
        query = scope["query_string"]
        target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        delivery = self._service.respond(scope["method"], target, headers, content)
        if delivery.delay:
            await self._sleep(delivery.delay)
        if delivery.ending is ConnectionEnd.NEVER:
            await _left_alone(receive)
        await _send(delivery, send)


async def _left_alone(receive: Receive) -> None:
    """Keep the client waiting until it goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ConnectionBroken("the client went away")


async def _body(receive: Receive) -> bytes:
    """Read the body, and one byte more than is allowed at most."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionBroken("the client went away")
        content += message.get("body", b"")
        if len(content) > BODY_LIMIT or not message.get("more_body", False):
            return bytes(content[: BODY_LIMIT + 1])


async def _send(delivery: Delivery, send: Send) -> None:
    if delivery.ending is ConnectionEnd.RESET:
        raise ConnectionBroken("as the script of faults says")
    headers = {**delivery.headers, "content-length": str(len(delivery.content))}
    pairs = [
        (name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()
    ]
    await send({"type": "http.response.start", "status": delivery.status, "headers": pairs})
    if delivery.ending is ConnectionEnd.TRUNCATED:
        half = delivery.content[: len(delivery.content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        raise ConnectionBroken("as the script of faults says")
    await send({"type": "http.response.body", "body": delivery.content})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return
