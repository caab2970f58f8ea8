"""The stand-in as an httpx transport: the real client, no socket.

It fails as a network does: faults become the errors httpx raises for them. Over a real socket:
`reconciler.simulator.http_server`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import ConnectionEnd, Delivery

Sleep = Callable[[float], Awaitable[None]]

_PATIENCE_SECONDS = 30.0


class SimulatorTransport(httpx.AsyncBaseTransport):
    """Answers requests with a `ApiService`; `latency` is in seconds, `sleep` is what waits.

    `on_close` is called once when the client closes; it closes a store on disk, for example.
    """

    def __init__(
        self,
        service: ApiService,
        *,
        latency: Callable[[], float] | None = None,
        sleep: Sleep = asyncio.sleep,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._service = service
        self._latency = latency
        self._sleep = sleep
        self._on_close = on_close

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, or raise what httpx raises when the wire breaks."""
        content = await request.aread()
        if self._latency is not None:
            await self._sleep(self._latency())
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode("ascii")
        delivery = self._service.respond(request.method, target, headers, content)
        await self._wait(delivery, request)
        return self._response(delivery, request)

    async def aclose(self) -> None:
        """Let go of what the stand-in holds open."""
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    async def _wait(self, delivery: Delivery, request: httpx.Request) -> None:
        patience = request.extensions.get("timeout", {}).get("read") or _PATIENCE_SECONDS
        if delivery.ending is ConnectionEnd.NEVER or delivery.delay > patience:
            await self._sleep(patience)
            raise httpx.ReadTimeout("no answer came in time", request=request)
        if delivery.delay:
            await self._sleep(delivery.delay)

    def _response(self, delivery: Delivery, request: httpx.Request) -> httpx.Response:
        if delivery.ending is ConnectionEnd.RESET:
            raise httpx.ReadError("connection reset by peer", request=request)
        headers = {**delivery.headers, "content-length": str(len(delivery.content))}
        if delivery.ending is ConnectionEnd.TRUNCATED:
            stream = _Broken(delivery.content[: len(delivery.content) // 2])
            return httpx.Response(delivery.status, headers=headers, stream=stream)
        return httpx.Response(delivery.status, headers=headers, content=delivery.content)


class _Broken(httpx.AsyncByteStream):
    """A body that ends before its length."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        raise httpx.RemoteProtocolError("peer closed connection before the whole body was sent")
