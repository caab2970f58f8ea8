"""Two in-process ways to the simulated API: an httpx transport, and the API protocol itself.

Both fail like a network: faults become the errors that httpx or the HTTP client raises. Over a real
socket: `reconciler.simulator.http_server`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from reconciler.domain.calls import Call, Reply
from reconciler.remote.operations import prepare
from reconciler.remote.responses import RawAnswer, Sent, read_answer
from reconciler.remote.transport import from_httpx
from reconciler.remote.wire_secrets import encode_body, sent_secrets
from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import ConnectionEnd, Delivery, Wire
from reconciler.simulator.messages import Request

Sleep = Callable[[float], Awaitable[None]]

_DEFAULT_READ_TIMEOUT_SECONDS = 30.0

_HTTPX_ERRORS: dict[ConnectionEnd, type[httpx.TransportError]] = {
    ConnectionEnd.RESET: httpx.ReadError,
    ConnectionEnd.NEVER: httpx.ReadTimeout,
    ConnectionEnd.TRUNCATED: httpx.RemoteProtocolError,
}


class SimulatorTransport(httpx.AsyncBaseTransport):
    """httpx transport over an `ApiService`: the real client without a socket.

    `latency` returns seconds, and `sleep` waits for them. `on_close` is called once, when the
    client closes; it closes a store on disk, for example.
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
        """Return the response to a request, or raise the httpx error of a broken connection."""
        content = await request.aread()
        if self._latency is not None:
            await self._sleep(self._latency())
        headers = {name.lower(): value for name, value in request.headers.items()}
        # Undecoded, because an encoded slash belongs to a slug and is not a separator.
        target = request.url.raw_path.decode("ascii")
        delivery = self._service.respond(request.method, target, headers, content)
        await self._wait(delivery, request)
        return self._response(delivery, request)

    async def aclose(self) -> None:
        """Call `on_close`."""
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    async def _wait(self, delivery: Delivery, request: httpx.Request) -> None:
        timeout = request.extensions.get("timeout", {}).get("read")
        # Even a client without a timeout must not wait forever for a response that never comes.
        timeout = timeout or _DEFAULT_READ_TIMEOUT_SECONDS
        if delivery.ending is ConnectionEnd.NEVER or delivery.delay > timeout:
            await self._sleep(timeout)
            raise httpx.ReadTimeout("no response arrived in time", request=request)
        if delivery.delay:
            await self._sleep(delivery.delay)

    def _response(self, delivery: Delivery, request: httpx.Request) -> httpx.Response:
        if delivery.ending is ConnectionEnd.RESET:
            raise httpx.ReadError("connection reset by peer", request=request)
        headers = {**delivery.headers, "content-length": str(len(delivery.content))}
        if delivery.ending is ConnectionEnd.TRUNCATED:
            stream = _TruncatedStream(delivery.content[: len(delivery.content) // 2])
            return httpx.Response(delivery.status, headers=headers, stream=stream)
        return httpx.Response(delivery.status, headers=headers, content=delivery.content)


class _TruncatedStream(httpx.AsyncByteStream):
    """Body that ends before its announced length."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        raise httpx.RemoteProtocolError("peer closed connection before the whole body was sent")


class InProcessAPI:
    """The API protocol over a `Wire`, without httpx; several instances may share a wire.

    Responses are interpreted by the same function as in the real client, without retries.
    `wall_clock` returns epoch seconds for dates in `Retry-After`. Hanging and slow responses take
    no time: the first is an error at once, the second arrives at once.
    """

    def __init__(self, wire: Wire, *, wall_clock: Callable[[], float] = lambda: 0.0) -> None:
        self._wire = wire
        self._wall_clock = wall_clock

    async def call(self, call: Call) -> Reply:
        """Make one call; raise what the HTTP client raises for the same response."""
        prepared = prepare(call)
        # Through bytes, so that the simulator gets the JSON that a network would carry.
        body = None if prepared.body is None else json.loads(encode_body(prepared.body))
        query = {name: str(value) for name, value in prepared.query.items()}
        request = Request(prepared.method, prepared.path, query, body)
        delivery = self._wire.deliver(request)
        sent = Sent(prepared.method, prepared.path, sent_secrets(prepared.body or {}))
        if delivery.ending is not ConnectionEnd.COMPLETE:
            error_type = _HTTPX_ERRORS[delivery.ending]
            raise from_httpx(error_type(""), what=str(sent), base_url="simulator:")
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        answer = RawAnswer(delivery.status, headers, delivery.content)
        return read_answer(sent, answer, wall_clock=self._wall_clock())
