"""Two in-process ways to the simulated API: a transport of the client, and the API protocol itself.

Both fail like a network: faults become the errors that a connection or the HTTP client raises. Over
a real socket: `reconciler.simulator.http_server`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

from reconciler.domain.calls import Call, Reply
from reconciler.remote.errors import BrokenConnection
from reconciler.remote.exchange import RawAnswer, Sent, read_answer
from reconciler.remote.exchange import Request as SentRequest
from reconciler.remote.operations import prepare
from reconciler.remote.transport import remote_error
from reconciler.remote.wire_secrets import encode_body, sent_secrets
from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import ConnectionEnd, Delivery, Wire
from reconciler.simulator.messages import Request

Sleep = Callable[[float], Awaitable[None]]

READ_TIMEOUT_SECONDS = 30.0
"""Even a client without a timeout does not wait forever for a response that never comes."""

_ERRORS: dict[ConnectionEnd, type[Exception]] = {
    ConnectionEnd.RESET: BrokenConnection,
    ConnectionEnd.NEVER: TimeoutError,
    ConnectionEnd.TRUNCATED: BrokenConnection,
}


class SimulatorTransport:
    """Transport over an `ApiService`: the real client without a socket.

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

    async def send(self, request: SentRequest) -> RawAnswer:
        """Return the response to a request, or raise the error of a broken connection."""
        if self._latency is not None:
            await self._sleep(self._latency())
        # Names of headers have no case in HTTP; the state machine reads them in lower case.
        headers = {name.lower(): value for name, value in request.headers}
        # Undecoded, because an encoded slash belongs to a slug and is not a separator.
        target = request.target
        delivery = self._service.respond(request.method, target, headers, request.content or b"")
        await self._wait(delivery)
        return _answer(delivery)

    async def aclose(self) -> None:
        """Call `on_close`."""
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    async def _wait(self, delivery: Delivery) -> None:
        if delivery.ending is ConnectionEnd.NEVER or delivery.delay > READ_TIMEOUT_SECONDS:
            await self._sleep(READ_TIMEOUT_SECONDS)
            raise TimeoutError
        if delivery.delay:
            await self._sleep(delivery.delay)


def _answer(delivery: Delivery) -> RawAnswer:
    if delivery.ending is not ConnectionEnd.COMPLETE:
        raise _ERRORS[delivery.ending]
    headers = {name.lower(): value for name, value in delivery.headers.items()}
    return RawAnswer(delivery.status, headers, delivery.content)


class InProcessAPI:
    """The API protocol over a `Wire`, without a client; several instances may share a wire.

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
        sent = Sent(
            prepared.method,
            prepared.path,
            sent_secrets(prepared.body or {}),
            read_body=prepared.operation.read_body,
        )
        try:
            answer = _answer(delivery)
        except (BrokenConnection, TimeoutError) as failure:
            raise remote_error(failure, what=str(sent), base_url="simulator:") from None
        return read_answer(sent, answer, wall_clock=self._wall_clock())
