"""Environment of a story: an organisation, and a connection for each run, which can be cut."""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from reconciler.domain.calls import Call, Reply
from reconciler.remote.api import IntegrationsAPI
from reconciler.simulator.faults import Delivery, Wire
from reconciler.simulator.messages import Request
from tests.runs import World
from tests.simulation.chronicle import Chronicle, WatchedRemote
from tests.simulation.scenario import Scenario
from tests.simulation.weather import Crash, CrashPlan, Strikes


class Line(Wire):
    """Connection of one run to the API, which can be cut permanently."""

    def __init__(
        self,
        theatre: "Theatre",
        *,
        who: str,
        weather: Strikes | None,
        strangers: Callable[[Request], None] | None,
        crash: CrashPlan | None,
    ) -> None:
        super().__init__(theatre.remote, faults=weather, before=strangers)
        self._theatre = theatre
        self.who = who
        self._weather = weather
        self._crash = crash
        self._seen = 0
        self.dead = False

    def deliver(self, request: Request) -> Delivery:
        """Carry out a request, unless the process is killed."""
        if self.dead:
            raise Crash
        dies = self._dies_at(request)
        if dies and self._crash and not self._crash.after:
            self._die(request)
        self._theatre.pass_time()
        step = self._theatre.chronicle.open(self.who, request)
        delivery = super().deliver(request)
        fault = self._weather.struck if self._weather else None
        self._theatre.chronicle.close(step, delivery, fault)
        if dies:
            self._die(request)
        return delivery

    def _dies_at(self, request: Request) -> bool:
        if self._crash is None or (self._crash.writes_only and not request.writes):
            return False
        self._seen += 1
        return self._seen == self._crash.number

    def _die(self, request: Request) -> None:
        self.dead = True
        self._theatre.chronicle.note(f"{self.who} was killed at {request.method} {request.path}")
        raise Crash


class Hesitant:
    """Remote that sometimes runs other tasks first, so that calls interleave."""

    def __init__(self, api: IntegrationsAPI, dice: Random) -> None:
        self._api = api
        self._dice = dice

    async def call(self, call: Call) -> Reply:
        """Make one call, slightly delayed."""
        for _ in range(self._dice.choice((0, 0, 1))):
            await asyncio.sleep(0)
        return await self._api.call(call)


class Theatre(World):
    """World that records every request."""

    remote: WatchedRemote

    def __post_init__(self) -> None:
        self.chronicle = Chronicle(lambda: self.seconds)
        self.remote = WatchedRemote(self.switches, self.now, self.new_id)
        self.remote.chronicle = self.chronicle
        self.wire = Wire(self.remote)

    def pass_time(self) -> None:
        """Advance the time for a request, so that no two events have the same time."""
        self.seconds += 0.011

    def furnish(self, scenario: Scenario) -> None:
        """Create the initial integrations."""
        for body in scenario.present:
            self.put_in("POST", "/integrations", body)
        for path, body in scenario.after:
            self.put_in("PUT", path, body)
        self.seconds += 600.0

    def put_in(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Write a part of the initial state, and repeat the write after a 429."""
        self.pass_time()
        request = Request(method, path, {}, body)
        statuses = (self.remote.act("before", request).status for _ in range(2))
        assert 200 in statuses, request
