"""The stand-in at the seam of the API protocol: calls in, replies or typed errors out, no wire.

What an answer means is decided by the same function as for the real client; there are no retries
here. Through httpx: `reconciler.simulator.transport`.
"""

import json
from collections.abc import Callable

import httpx

from reconciler.domain.calls import Call, Reply
from reconciler.remote.operations import prepare
from reconciler.remote.request_body import encode_body, sent_secrets
from reconciler.remote.responses import RawAnswer, Sent, read_answer
from reconciler.remote.transport_errors import from_httpx
from reconciler.simulator.faults import ConnectionEnd, Wire
from reconciler.simulator.messages import Request

_BREAKS: dict[ConnectionEnd, type[httpx.TransportError]] = {
    ConnectionEnd.RESET: httpx.ReadError,
    ConnectionEnd.NEVER: httpx.ReadTimeout,
    ConnectionEnd.TRUNCATED: httpx.RemoteProtocolError,
}


class InProcessAPI:
    """Answers calls over a `Wire`, which several of these may share.

    `wall_clock` gives epoch seconds for dates in `Retry-After`. Hanging and slow answers cost no
    time: the one is an error at once, the other arrives at once.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        wall_clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._wire = wire
        self._wall_clock = wall_clock

    async def call(self, call: Call) -> Reply:
        """Make one call; raises what the HTTP client raises for the same answer."""
        prepared = prepare(call)
        body = None if prepared.body is None else json.loads(encode_body(prepared.body))
        query = {name: str(value) for name, value in prepared.query.items()}
        request = Request(prepared.method, prepared.path, query, body)
        delivery = self._wire.deliver(request)
        sent = Sent(prepared.method, prepared.path, sent_secrets(prepared.body or {}))
        if delivery.ending is not ConnectionEnd.COMPLETE:
            broken = _BREAKS[delivery.ending]
            raise from_httpx(broken(""), what=str(sent), base_url="simulator:")
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        answer = RawAnswer(delivery.status, headers, delivery.content)
        return read_answer(sent, answer, wall_clock=self._wall_clock())
