"""Player of a single seed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from reconciler import apply_workflow, workflows
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import LastAppliedState
from reconciler.errors import ReconcilerError, Refused
from reconciler.execution.credential_probe import ProbeRequest, ProbeResult, ProbeVerdict
from reconciler.execution.events import Emit, Event
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.result import ApplyResult
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import RunFacts
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.client import make_client
from reconciler.simulator.auth import ApiService, accept_without_key
from reconciler.simulator.transport import InProcessAPI, SimulatorTransport
from tests.simulation.chronicle import Chronicle
from tests.simulation.memory_ledger import MemoryLedger
from tests.simulation.oracles import Watch, leaks
from tests.simulation.recipes import REAL, Recipe
from tests.simulation.scenario import (
    CLOSING,
    KEYS,
    OPTIONS,
    VALUES,
    Scenario,
    make_scenario,
)
from tests.simulation.strangers import Strangers
from tests.simulation.theatre import Hesitant, Line, Theatre
from tests.simulation.verdict import Verdict
from tests.simulation.weather import Crash, CrashPlan, Weather, draw_crash

LEDGER_KEY = TargetKey.of(name="production", base_url="http://127.0.0.1:1/v1", organisation=None)


@dataclass
class Story:
    """Result of a seed."""

    seed: int
    over_http: bool
    violations: list[str]
    chronicle: Chronicle
    marks: set[str] = field(default_factory=set)
    ending: str = ""

    @property
    def replay(self) -> str:
        """Return the command that replays this seed."""
        more = " --http" if self.over_http else ""
        return f"python -m tests.simulation --seeds 1 --start {self.seed} --story{more}"

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.violations)} violations"]
        lines += [f"  {text}" for text in self.violations]
        lines += ["", *self.chronicle.told(), "", f"replay: {self.replay}"]
        return "\n".join(lines)


class BreakingBooks(LedgerListener):
    """Recorder of a ledger that fails after `lasts` events; None means never."""

    lasts: int | None = None
    broke = False

    def emit(self, event: Event) -> None:
        """Record an event, or fail like a ledger with a full disk."""
        if self.lasts is not None:
            self.lasts -= 1
            self.broke = self.broke or self.lasts < 0
        if self.broke:
            raise LedgerError("the disk is full", code="ledger-unreachable")
        super().emit(event)


@dataclass
class Alive:
    """Prober of a story, in which every credential is alive; a killed process sends no probe."""

    play: "Play"

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        if self.play.line is not None and self.play.line.dead:
            raise Crash
        record = self.play.theatre.remote.integrations.get(request.slug)
        if record is None or record["key"] not in KEYS.values():
            return ProbeResult(ProbeVerdict.DEAD, "no shadow has our credential")
        return ProbeResult(ProbeVerdict.ALIVE)

    async def obstacle(self, request: ProbeRequest) -> str:
        """Return none: the records of a story have no providers."""
        if self.play.line is not None and self.play.line.dead:
            raise Crash
        return ""


@dataclass
class Play:
    """One story in progress."""

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
    ledger: Any = field(default_factory=MemoryLedger)
    breaks: Random = field(default_factory=Random)
    line: Line | None = None

    async def run(self) -> None:
        """Play some runs with faults and one clean run, and check the result."""
        self.theatre.furnish(self.scenario)
        self.theatre.chronicle.writing = self._judge_write
        self.theatre.chronicle.written = self._judge_change
        if self.scenario.desired.target.has_change_times:
            # It closes or opens soon after the story begins, or within it.
            self.theatre.seconds = CLOSING - self.breaks.choice((0.1, 0.3, 1.0, 5.0, 20.0))
        for number in range(1, self.dice.choice((1, 2, 2, 3)) + 1):
            await self._under_fire(number)
            self._between_runs()
        for line in self.lines:
            line.deliver_late()
        self.theatre.seconds = self.scenario.next_opening(self.theatre.seconds + 60.0)
        await Verdict(self).reach()

    def _judge_write(self, step: Any, record: Any) -> None:
        watch = self.watches.get(step.who)
        if watch is not None:
            watch.check_write(step, record)

    def _judge_change(self, step: Any, before: Any, after: Any) -> None:
        watch = self.watches.get(step.who)
        if watch is not None:
            watch.check_change(step, before, after)

    async def _under_fire(self, number: int) -> None:
        rate = self.dice.choice((0.0, 0.03, 0.1, 0.1, 0.3))
        # A staged rotation needs the ledger, which only one of two concurrent runs has.
        if self.dice.random() < 0.15 and not self.scenario.staged:
            names = (f"run-{number}a", f"run-{number}b")
            await asyncio.gather(*(self._apply(who, rate=rate) for who in names))
        else:
            await self._apply(f"run-{number}", rate=rate, crash=draw_crash(self.dice))

    def _between_runs(self) -> None:
        """Advance the time. If a taken slug gets a suffix, late requests arrive first."""
        suffixes = self.scenario.switches.duplicate_slug == "suffixed"
        for line in self.lines:
            if suffixes or self.dice.random() < 0.5:
                line.deliver_late()
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
            await self.one_run(who, line)
        except Crash:
            self.crashed.add(who)
            self.story.marks.add("crash")
        except ReconcilerError as problem:
            self._take_refusal(who, problem)

    def _take_refusal(self, who: str, problem: ReconcilerError) -> None:
        self.story.marks.add(f"refused:{problem.code}")
        sent = (step for step in self.theatre.chronicle.steps if step.who == who)
        if isinstance(problem, Refused) and any(step.request.writes for step in sent):
            self.blame(f"{who} was refused and has written")
        self.theatre.chronicle.note(f"{who} ended: {problem.code}: {problem.summary}")
        if leaks(f"{problem.summary} {problem.hint}"):
            self.blame(f"{who}: a secret stands in an error")

    async def one_run(self, who: str, line: Line) -> ApplyResult:
        watch = Watch(
            who,
            self.scenario.wanted,
            self.theatre.chronicle,
            lambda: self.theatre.remote.integrations,
            bool(self.scenario.switches.stale_read_ms),
            self.story.violations,
        )
        self.watches[who] = watch
        watch.is_closed = lambda: self.scenario.is_closed(self.theatre.seconds)

        books = self._books(who) if self.keeps_records(who) else None
        applied: apply_workflow.Applied = await self.through(
            line,
            lambda api: self.recipe.apply(
                self.session(api), OPTIONS, emit=self._listener(line, watch, books), run=who
            ),
        )
        if books is not None and not books.broke:
            books.close(
                applied.plan,
                desired=self.scenario.desired,
                observed=applied.observed,
                selection=OPTIONS.selection,
            )
        self._take(who, applied.result)
        return applied.result

    def keeps_records(self, who: str) -> bool:
        """Return whether a run has the ledger: only one of two concurrent runs gets its lock."""
        return self.scenario.remembers and not who.endswith("b")

    def _books(self, who: str) -> "BreakingBooks":
        """Open the recorder of a run; in a run with faults, it may fail at any event."""
        books = BreakingBooks(
            self.ledger, key=LEDGER_KEY, facts=RunFacts(run=who), now=self.theatre.now
        )
        books.values = VALUES
        if who.startswith("run-") and self.breaks.random() < 0.15:
            books.lasts = self.breaks.randint(1, 25)
        return books

    def _listener(self, line: Line, watch: Watch, books: "BreakingBooks | None") -> Emit:
        """Notify the ledger of an event first, like the command; a killed process emits nothing."""

        def emit(event: Event) -> None:
            if line.dead:
                return
            try:
                if books is not None:
                    books.emit(event)
            finally:
                watch.listen(event)  # it checks what happened, even if the ledger fails

        return emit

    def _take(self, who: str, result: ApplyResult) -> None:
        self.results.append(result)
        if leaks(result.as_json()):
            self.blame(f"{who}: a secret stands in the result")
        for outcome in result.outcomes:
            code = outcome.error.code if outcome.error else ""
            self.story.marks.add(f"{outcome.kind.value}:{outcome.status.value}:{code}")
            self.story.marks |= {f"warning:{w.partition(':')[0]}" for w in outcome.warnings}
            said = f"{outcome.kind.value} {outcome.slug}: {outcome.status.value}"
            why = f" {code}: {outcome.error.message}" if outcome.error else ""
            line = f"{who}: {said}{why} {' / '.join(outcome.warnings)}"
            self.theatre.chronicle.note(line.rstrip())

    async def through(self, line: Line, act: Callable[[IntegrationsAPI], Any]) -> Any:
        self.line = line
        if not self.over_http:
            api = InProcessAPI(line, wall_clock=self.theatre.clock.wall_clock)
            return await act(Hesitant(api, self.dice))
        client = make_client(
            base_url="http://simulator/v1",
            api_key=Redacted("pk-not-a-real-key"),
            clock=self.theatre.clock,
            transport=SimulatorTransport(
                ApiService(line, accepts=accept_without_key),
                latency=lambda: 0.001,
                sleep=self.theatre.sleep,
            ),
        )
        async with client:
            return await act(client)

    def session(self, api: IntegrationsAPI) -> workflows.Session:
        prober = Alive(self) if self.scenario.staged else None
        return workflows.Session(
            prober=prober,
            probes_writes=False,
            desired=self.scenario.desired,
            api=api,
            clock=self.theatre.clock,
            secrets=VALUES,
            last_applied=self._memory(),
            parallelism=3,
        )

    def _memory(self) -> LastAppliedState:
        """Return what Git withdrew before the story, and the current state of the ledger."""
        if not self.scenario.remembers:
            return self.scenario.last_applied
        kept = self.ledger.last_applied(LEDGER_KEY)
        if self.scenario.staged:
            kept = self.ledger.with_shadows(LEDGER_KEY, kept, is_locked=True)
        known = {**self.scenario.last_applied.integrations, **kept.integrations}
        return replace(kept, integrations=known, complete=False)

    def blame(self, text: str) -> None:
        """Record a broken rule."""
        self.story.violations.append(text)
        self.theatre.chronicle.note(f"VIOLATION {text}")


async def play(
    seed: int, *, over_http: bool = False, recipe: Recipe = REAL, ledger: Any = None
) -> Story:
    """Play a seed and return its story; `ledger` replaces the one in memory."""
    dice = Random(f"{seed}{'h' if over_http else ''}")
    scenario = make_scenario(dice, over_http=over_http)
    theatre = Theatre(scenario.switches, chance=dice)
    story = Story(seed, over_http, [], theatre.chronicle)
    told = Play(seed, over_http, recipe, dice, scenario, theatre, story)
    told.breaks = Random(f"ledger {seed}")
    # Drawn separately, so that a seed keeps its world. Broken recipes plan without a prober.
    if scenario.remembers and recipe.draws_rules and Random(f"staged {seed}").random() < 0.3:
        told.scenario = scenario.as_staged
        story.marks.add("staged")
    if recipe.draws_rules:
        _draw_rules(told, seed)
    told.ledger = ledger or told.ledger
    await told.run()
    return story


def _draw_rules(told: Play, seed: int) -> None:
    """Draw rules of the files and the target, each separately, so that a seed keeps its world."""
    dice = Random(f"ignored {seed}")
    if dice.random() < 0.3:
        told.scenario = told.scenario.with_ignored(dice)
        told.story.marks.add("ignored")
    dice = Random(f"window {seed}")
    if dice.random() < 0.15:
        told.scenario = told.scenario.with_window(dice)
        told.story.marks.add("window")


def run_seed(
    seed: int, *, over_http: bool = False, recipe: Recipe = REAL, ledger: Any = None
) -> Story:
    """Play a seed in a separate event loop."""
    return asyncio.run(play(seed, over_http=over_http, recipe=recipe, ledger=ledger))
