"""Real planner, executor and decoder against the core of the simulator, in virtual time."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler import apply_workflow, workflows
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import DesiredState
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Event
from reconciler.execution.preflight import Approval
from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.remote.api import Clock, IntegrationsAPI
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import FaultSource, Wire
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from reconciler.simulator.transport import InProcessAPI
from tests.builders import KEY

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class World:
    """Simulated organisation with a clock that only advances during a sleep."""

    switches: Switches = Switches()
    faults: FaultSource | None = None
    before: Callable[[Request], None] | None = None
    seconds: float = 0.0
    ids: int = 0
    remote: SimulatedAPI = field(init=False)
    wire: Wire = field(init=False)
    events: list[Event] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def __post_init__(self) -> None:
        self.remote = SimulatedAPI(self.switches, self.now, self.new_id)
        self.wire = Wire(self.remote, faults=self.faults, before=self.before)

    def now(self) -> str:
        moment = START + timedelta(seconds=self.seconds)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def new_id(self) -> str:
        self.ids += 1
        return f"00000000-0000-4000-8000-{self.ids:012d}"

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)

    @property
    def clock(self) -> Clock:
        return Clock(
            clock=lambda: self.seconds,
            wall_clock=lambda: START.timestamp() + self.seconds,
            sleep=self.sleep,
            random=self.chance.random,
        )

    @property
    def api(self) -> InProcessAPI:
        return InProcessAPI(self.wire, wall_clock=self.clock.wall_clock)

    def put(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Change an integration as another client of the API; the test fails if the API refuses."""
        response = self.remote.handle(Request(method, path, {}, body))
        assert response.status == 200, response
        return response.body

    def session(self, desired: DesiredState, **more: Any) -> workflows.Session:
        values = more.pop("secrets", {KEY: Redacted("sk-value-abc")})
        api: IntegrationsAPI = more.pop("api", self.api)
        return workflows.Session(desired=desired, api=api, clock=self.clock, secrets=values, **more)

    def plan(self, desired: DesiredState, **more: Any) -> Plan:
        options = PlanOptions(**more.pop("options", {}))
        return asyncio.run(workflows.plan(self.session(desired, **more), options))

    def apply(
        self,
        desired: DesiredState,
        *,
        approval: Approval = Approval(assumed=True),
        confirm: Callable[[Plan], bool] = lambda _plan: False,
        cancel: CancelToken | None = None,
        abort_on_error: bool = False,
        listen: Callable[[Event], None] | None = None,
        **more: Any,
    ) -> ApplyResult:
        options = PlanOptions(**more.pop("options", {}))

        def emit(event: Event) -> None:
            self.events.append(event)
            if listen is not None:
                listen(event)

        async def run() -> ApplyResult:
            applied = await apply_workflow.apply(
                self.session(desired, **more),
                options,
                approval=approval,
                confirm=confirm,
                emit=emit,
                run="run-1",
                cancel=cancel or CancelToken(),
                abort_on_error=abort_on_error,
            )
            return applied.result

        return asyncio.run(run())
