"""The stand-in at the seam of the API protocol: calls in, replies or typed errors out, no HTTP.

What an answer means is decided by the same function as for the real client; there are no retries
here. Through httpx: `reconciler.simulator.transport`.
"""

import json
from collections.abc import Callable

from reconciler.domain.calls import Call, Reply
from reconciler.remote.answers import RawAnswer, Sent, read_answer
from reconciler.remote.body import encode_body, sent_secrets
from reconciler.remote.errors import NoAnswer
from reconciler.remote.operations import prepare
from reconciler.simulator.delivery import Ending, deliver
from reconciler.simulator.faults import Faults, FaultScript
from reconciler.simulator.messages import Request
from reconciler.simulator.remote import Remote


class SimulatorAPI:
    """Answers calls with a `Remote`; `wall_clock` gives epoch seconds for dates in `Retry-After`.

    Hanging and slow answers cost no time: the one is a `NoAnswer`, the other arrives at once.
    """

    def __init__(
        self,
        remote: Remote,
        *,
        faults: Faults | None = None,
        wall_clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._remote = remote
        self._faults = faults or FaultScript()
        self._wall_clock = wall_clock

    async def call(self, call: Call) -> Reply:
        """Make one call; raises what the HTTP client raises for the same answer."""
        prepared = prepare(call)
        body = None if prepared.body is None else json.loads(encode_body(prepared.body))
        query = {name: str(value) for name, value in prepared.query.items()}
        request = Request(prepared.method, prepared.path, query, body)
        delivery = deliver(self._remote, request, self._faults.strike(request))
        sent = Sent(prepared.method, prepared.path, lambda: sent_secrets(prepared.body or {}))
        if delivery.ending is not Ending.COMPLETE:
            raise NoAnswer(
                f"{sent} was not answered: {delivery.ending.value}",
                code="no-answer",
                hint="Run again: the API may have carried it out.",
            )
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        answer = RawAnswer(delivery.status, headers, delivery.content)
        return read_answer(sent, answer, wall_clock=self._wall_clock)
