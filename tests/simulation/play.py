"""Play one seed from beginning to end."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from reconciler import workflows
from reconciler.domain.calls import Call, Reply
from reconciler.domain.memory import Memory, Remembered
from reconciler.domain.rejection import Refused
from reconciler.domain.secrets import Redacted
from reconciler.errors import ReconcilerError
from reconciler.execution.events import Event
from reconciler.execution.outcome import ApplyResult, Status
from reconciler.planning.options import PlanOptions
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.client import make_client
from reconciler.simulator.delivery import Delivery, Wire
from reconciler.simulator.messages import Request
from reconciler.simulator.seam import SimulatorAPI
from reconciler.simulator.service import Service, no_key
from reconciler.simulator.transport import SimulatorTransport
from tests.runs import World
from tests.simulation.chronicle import Chronicle, Made, WatchedRemote
from tests.simulation.oracles import Watch, differences, is_live, leaks
from tests.simulation.recipes import REAL, Recipe
from tests.simulation.scenario import KEYS, VALUES, Scenario, make_scenario
from tests.simulation.strangers import Strangers
from tests.simulation.weather import Crash, CrashPlan, Weather, draw_crash

OPTIONS = PlanOptions(allow_replace=True, max_deletes=99)
REFUSALS = frozenset({"archived"})
"""What a plan may be blocked by in these worlds."""

OPEN = ("may have been carried out", "instead of", "did not say under which slug")
"""How an unknown outcome says that another one may exist; the API may even have lied about it."""


@dataclass
class Story:
    """What became of a seed."""

    seed: int
    over_http: bool
    violations: list[str]
    chronicle: Chronicle
    marks: set[str] = field(default_factory=set)
    ending: str = ""

    @property
    def replay(self) -> str:
        """Give the command that plays this seed again."""
        more = " --httpx" if self.over_http else ""
        return f"python -m tests.simulation --seeds 1 --start {self.seed}{more}"

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.violations)} violations"]
        lines += [f"  {text}" for text in self.violations]
        lines += ["", *self.chronicle.told(), "", f"replay: {self.replay}"]
        return "\n".join(lines)


class Line(Wire):
    """The way of one run to the API; it may be cut for good."""

    def __init__(
        self,
        theatre: "Theatre",
        *,
        who: str,
        weather: Weather | None,
        strangers: Strangers | None,
        crash: CrashPlan | None,
    ) -> None:
        super().__init__(theatre.remote, faults=weather, before=strangers)
        self._theatre = theatre
        self._who = who
        self._weather = weather
        self._crash = crash
        self._seen = 0
        self.dead = False

    def deliver(self, request: Request) -> Delivery:
        """Carry a request out, unless the process dies of it."""
        if self.dead:
            raise Crash
        dies = self._dies_at(request)
        if dies and self._crash and not self._crash.after:
            self._die(request)
        self._theatre.pass_time()
        step = self._theatre.chronicle.open(self._who, request)
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
        self._theatre.chronicle.note(f"{self._who} was killed at {request.method} {request.path}")
        raise Crash


class Hesitant:
    """Lets other tasks go first now and then, so that calls interleave."""

    def __init__(self, api: IntegrationsAPI, dice: Random) -> None:
        self._api = api
        self._dice = dice

    async def call(self, call: Call) -> Reply:
        """Make one call, a little later."""
        for _ in range(self._dice.choice((0, 1, 1, 2))):
            await asyncio.sleep(0)
        return await self._api.call(call)


class Theatre(World):
    """A world whose every request is written down."""

    def __post_init__(self) -> None:
        self.chronicle = Chronicle(lambda: self.seconds)
        self.remote = WatchedRemote(self.switches, self.now, self.new_id)
        self.remote.chronicle = self.chronicle
        self.wire = Wire(self.remote)

    def pass_time(self) -> None:
        """Let a request take its time, so that no two things happen at the same moment."""
        self.seconds += 0.011

    def furnish(self, scenario: Scenario) -> None:
        """Put in what was there before."""
        for body in scenario.present:
            self.put_in("POST", "/integrations", body)
        for path, body in scenario.after:
            self.put_in("PUT", path, body)
        self.seconds += 600.0

    def put_in(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Write what was there before; it must succeed, at the second try after a 429."""
        self.pass_time()
        request = Request(method, path, {}, body)
        statuses = (self.remote.act("before", request).status for _ in range(2))
        assert 200 in statuses, request


@dataclass
class Play:
    """One story in the making."""

    seed: int
    over_http: bool
    recipe: Recipe
    dice: Random
    scenario: Scenario
    theatre: Theatre
    story: Story
    lines: list[Line] = field(default_factory=list)
    watches: dict[str, Watch] = field(default_factory=dict)
    results: list[ApplyResult] = field(default_factory=list)
    crashed: set[str] = field(default_factory=set)
    remembered: dict[str, Remembered] = field(default_factory=dict)

    async def run(self) -> None:
        """Some runs under fire, one clean run, and the judgement."""
        self.theatre.furnish(self.scenario)
        self.theatre.chronicle.writing = self._judge_write
        for number in range(1, self.dice.choice((1, 2, 2, 3)) + 1):
            await self._under_fire(number)
            self._between_runs()
        for line in self.lines:
            line.settle()
        self.theatre.seconds += 60.0
        await self._clean()

    def _judge_write(self, step: Any, record: Any) -> None:
        watch = self.watches.get(step.who)
        if watch is not None:
            watch.check_write(step, record)

    async def _under_fire(self, number: int) -> None:
        rate = self.dice.choice((0.0, 0.03, 0.1, 0.1, 0.3))
        if self.dice.random() < 0.15:
            names = (f"run-{number}a", f"run-{number}b")
            await asyncio.gather(*(self._apply(who, rate=rate) for who in names))
        else:
            await self._apply(f"run-{number}", rate=rate, crash=draw_crash(self.dice))

    def _between_runs(self) -> None:
        """Let time pass. Where a taken slug becomes another one, what is late arrives first."""
        suffixes = self.scenario.switches.duplicate_slug == "suffixed"
        for line in self.lines:
            if suffixes or self.dice.random() < 0.5:
                line.settle()
        self.theatre.seconds += self.dice.choice((0.05, 1.0, 30.0))

    async def _apply(self, who: str, *, rate: float, crash: CrashPlan | None = None) -> None:
        suffixes = self.scenario.switches.duplicate_slug == "suffixed"
        weather = Weather(self.dice, rate=rate, latest=2 if suffixes else 6)
        strangers = Strangers(
            self.dice,
            self.scenario,
            remote=self.theatre.remote,
            rate=self.dice.choice((0.0, 0.0, 0.05, 0.15)),
        )
        line = Line(self.theatre, who=who, weather=weather, strangers=strangers, crash=crash)
        self.lines.append(line)
        try:
            await self._one_run(who, line)
        except Crash:
            self.crashed.add(who)
            self.story.marks.add("crash")
        except ReconcilerError as problem:
            self._take_refusal(who, problem)

    def _take_refusal(self, who: str, problem: ReconcilerError) -> None:
        self.story.marks.add(f"refused:{problem.code}")
        self.theatre.chronicle.note(f"{who} ended: {problem.code}: {problem.summary}")
        if leaks(f"{problem.summary} {problem.hint}"):
            self._blame(f"{who}: a secret stands in an error")

    async def _one_run(self, who: str, line: Line) -> ApplyResult:
        watch = Watch(
            who,
            self.scenario.wanted,
            self.theatre.chronicle,
            lambda: self.theatre.remote.integrations,
            bool(self.scenario.switches.stale_read_ms),
            self.story.violations,
        )
        self.watches[who] = watch

        def emit(event: Event) -> None:
            if not line.dead:
                watch.listen(event)

        result = await self._through(
            line,
            lambda api: self.recipe.apply(self._session(api), OPTIONS, emit=emit, run=who),
        )
        self._take(who, result)
        return result

    def _take(self, who: str, result: ApplyResult) -> None:
        self.results.append(result)
        self._remember(result)
        if leaks(result.as_json()):
            self._blame(f"{who}: a secret stands in the result")
        for outcome in result.outcomes:
            code = outcome.error.code if outcome.error else ""
            self.story.marks.add(f"{outcome.kind.value}:{outcome.status.value}:{code}")
            self.story.marks |= {f"warning:{w.partition(':')[0]}" for w in outcome.warnings}
            said = f"{outcome.kind.value} {outcome.slug}: {outcome.status.value}"
            why = f" {code}: {outcome.error.message}" if outcome.error else ""
            self.theatre.chronicle.note(f"{who}: {said}{why} {' / '.join(outcome.warnings)}")

    def _remember(self, result: ApplyResult) -> None:
        """Keep what a ledger would know: the declarations that are true now."""
        failed = {o.slug for o in result.outcomes if o.status is not Status.APPLIED}
        if self.scenario.remembers:
            self.remembered |= {
                slug: Remembered(declared.fields)
                for slug, declared in self.scenario.wanted.items()
                if slug not in failed
            }

    async def _through(self, line: Line, act: Callable[[IntegrationsAPI], Any]) -> Any:
        if not self.over_http:
            api = SimulatorAPI(line, wall_clock=self.theatre.timing.wall_clock)
            return await act(Hesitant(api, self.dice))
        client = make_client(
            base_url="http://simulator/v1",
            api_key=Redacted("pk-not-a-real-key"),
            timing=self.theatre.timing,
            transport=SimulatorTransport(
                Service(line, accepts=no_key), latency=lambda: 0.001, sleep=self.theatre.sleep
            ),
        )
        async with client:
            return await act(client)

    def _session(self, api: IntegrationsAPI) -> workflows.Session:
        return workflows.Session(
            desired=self.scenario.desired,
            api=api,
            timing=self.theatre.timing,
            secrets=VALUES,
            memory=Memory({**self.scenario.memory.integrations, **self.remembered}),
            parallelism=3,
        )

    # -- the end -------------------------------------------------------------------------

    def _blame(self, text: str) -> None:
        self.story.violations.append(text)
        self.theatre.chronicle.note(f"VIOLATION {text}")

    async def _clean(self) -> None:
        """Apply once more in fair weather, and judge what is there."""
        self.theatre.chronicle.note("the faults stop")
        line = Line(self.theatre, who="clean", weather=None, strangers=None, crash=None)
        try:
            result = await self._one_run("clean", line)
        except Refused as refusal:
            codes = {diagnostic.code for diagnostic in refusal.diagnostics}
            self.story.ending = f"refused: {', '.join(sorted(codes))}"
            if not codes <= REFUSALS:
                self._blame(f"the clean run was refused: {codes}")
            return
        self._check_strays()
        excused = self._excused(result)
        self.story.ending = "refused in part" if excused else "converged"
        self._check_state(excused)
        await self._check_rest(excused)

    def _excused(self, result: ApplyResult) -> set[str]:
        """Give the slugs that the API refuses for a documented reason, and blame all others."""
        excused = set()
        held_back = False
        for outcome in result.outcomes:
            if outcome.status is Status.APPLIED:
                if outcome.warnings:
                    self._blame(f"clean: {outcome.slug} has warnings: {outcome.warnings}")
                continue
            if outcome.status is Status.SKIPPED and held_back:
                excused.add(outcome.slug)
            elif self._is_refused(outcome.slug):
                held_back = True
                excused.add(outcome.slug)
            else:
                self._blame(f"clean: {outcome.slug} is {outcome.status.value}: {outcome.error}")
        return excused

    def _is_refused(self, slug: str) -> bool:
        switches = self.scenario.switches
        steps = self.theatre.chronicle.steps
        deleted = any(
            s.request.method == "DELETE" and s.slug == slug and s.handled == 200 for s in steps
        )
        if deleted and not switches.slug_reuse_after_delete:
            return True
        return switches.delete_with_providers == "refuse"

    def _check_state(self, excused: set[str]) -> None:
        records = self.theatre.remote.integrations
        for slug, declared in self.scenario.wanted.items():
            record = records.get(slug)
            if slug in excused:
                continue
            if record is None or not is_live(record):
                self._blame(f"{slug} does not exist after the clean run")
                continue
            wrong = differences(record, declared)
            if wrong:
                self._blame(f"{slug} differs after the clean run: {wrong}")
        for slug in self.scenario.memory.integrations:
            if is_live(records.get(slug)) and slug not in excused:
                made = self.theatre.chronicle.made.get(records[slug]["id"])
                self._blame(f"{slug} was withdrawn and is still there, made by {made}")
        for slug, record in records.items():
            if record["key"] in KEYS.values() and slug not in self.scenario.wanted:
                made = self.theatre.chronicle.made.get(record["id"])
                if made is None or made.slug == made.wanted:
                    self._blame(f"{slug} holds a credential of ours")

    def _check_strays(self) -> None:
        """Nothing that we made may live on under another slug, unless an outcome says so."""
        records = self.theatre.remote.integrations
        for identity, made in self.theatre.chronicle.made.items():
            stray = made.slug != made.wanted and made.who in self.watches
            record = records.get(made.slug)
            lives = record is not None and is_live(record) and record["id"] == identity
            if stray and lives and made.who not in self.crashed:
                self.story.marks.add("stray")
                if not self._is_owned_up(made):
                    self._blame(
                        f"{made.slug} was made for {made.wanted} by {made.who} and lives on"
                    )

    def _is_owned_up(self, made: Made) -> bool:
        """Tell whether the run named the stray, or said that it could not look for one."""
        outcome = self.watches[made.who].outcomes.get(made.wanted)
        if outcome is None or outcome.status is not Status.UNKNOWN or outcome.error is None:
            return False
        said = outcome.error.message
        return made.slug in said or any(phrase in said for phrase in OPEN)

    async def _check_rest(self, excused: set[str]) -> None:
        """Every later plan is empty and sends only GET; a second apply writes nothing."""
        if excused or self.dice.random() < 0.25:
            await self._check_plan(excused)
        if excused:
            return
        self.theatre.seconds += 60.0
        began = len(self.theatre.chronicle.steps)
        line = Line(self.theatre, who="once more", weather=None, strangers=None, crash=None)
        result = await self._one_run("once more", line)
        if result.outcomes:
            self._blame(f"a second apply had to do: {[o.slug for o in result.outcomes]}")
        if any(step.request.writes for step in self.theatre.chronicle.steps[began:]):
            self._blame("a second apply wrote")

    async def _check_plan(self, excused: set[str]) -> None:
        self.theatre.seconds += 60.0
        began = len(self.theatre.chronicle.steps)
        line = Line(self.theatre, who="plan", weather=None, strangers=None, crash=None)
        planned = await self._through(line, lambda api: workflows.plan(self._session(api), OPTIONS))
        if any(step.request.method != "GET" for step in self.theatre.chronicle.steps[began:]):
            self._blame("a plan wrote")
        if leaks(planned.as_json()):
            self._blame("a secret stands in the plan")
        left = {action.slug for action in planned.actions} - excused
        if left:
            self._blame(f"the plan after the clean run is not empty: {left}")


async def play(seed: int, *, over_http: bool = False, recipe: Recipe = REAL) -> Story:
    """Play a seed and give its story."""
    dice = Random(f"{seed}{'h' if over_http else ''}")
    scenario = make_scenario(dice, over_http=over_http)
    theatre = Theatre(scenario.switches, chance=dice)
    story = Story(seed, over_http, [], theatre.chronicle)
    await Play(seed, over_http, recipe, dice, scenario, theatre, story).run()
    return story


def run_seed(seed: int, *, over_http: bool = False, recipe: Recipe = REAL) -> Story:
    """Play a seed in an event loop of its own."""
    return asyncio.run(play(seed, over_http=over_http, recipe=recipe))
