"""Stories of staged rotations: each draws the rotation, the fault, and what follows.

A case names one fault at one call of a rotation. `play_case` plays it and returns the rules that
it breaks. `python -m tests.simulation.rotation --cases N --start S` plays many.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

from reconciler import workflows
from reconciler.domain.policy import Probe, Prune, Rotation
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import DesiredState, LastAppliedState
from reconciler.errors import ReconcilerError
from reconciler.execution.credential_probe import Prober, ProbeRequest, ProbeResult, ProbeVerdict
from reconciler.execution.events import Event
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.result import ApplyResult, Outcome, Status
from reconciler.ledger.models import RunFacts
from reconciler.planning.plan import PlanOptions, Selection
from reconciler.simulator.faults import Fault, FaultKind
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from reconciler.simulator.transport import InProcessAPI
from tests.builders import declared, desired
from tests.simulation.chronicle import Record, Step
from tests.simulation.memory_ledger import MemoryLedger
from tests.simulation.oracles import is_live
from tests.simulation.play import LEDGER_KEY
from tests.simulation.recipes import REAL
from tests.simulation.rotation_cases import (
    APIS,
    BESIDE,
    DEAD,
    FAULTS,
    FOREIGN,
    KILLED,
    KINDS,
    LATER,
    LONG,
    MAIN,
    NEW,
    OLD,
    OTHER_BODIES,
    PROBES,
    SECOND,
    SETTINGS,
    WORKSPACE,
    Case,
)
from tests.simulation.scenario import NO_LIMITS, OPTIONS
from tests.simulation.theatre import Line, Theatre
from tests.simulation.weather import Crash, CrashPlan


def draw_case(seed: int) -> Case:
    """Draw a case."""
    dice = Random(f"rotation {seed}")
    beside = frozenset(change for change in BESIDE if dice.random() < 0.15)
    case = Case(
        kind=dice.choice(KINDS),
        number=0,
        value=dice.choice((NEW, NEW, DEAD)),
        slug=dice.choice(("alpha", "alpha", "alpha", LONG)),
        second=dice.random() < 0.3,
        beside=beside,
        staged=dice.choice(SETTINGS),
        workspace=dice.choice((WORKSPACE, None)),
        probes_writes=dice.random() < 0.3,
        switches=dice.choice(APIS),
        scoped=dice.random() < 0.2,
        only=dice.random() < 0.3,
        persists=dice.random() < 0.4,
        killed_again=dice.choice((0, dice.randint(1, 25))),
        prune=dice.choice((Prune.MANAGED, Prune.ALL, Prune.NONE)),
    )
    # Nothing protects from a dead credential that is never probed.
    if not all(case.probes):
        case = replace(case, value=NEW)
    if case.kind in PROBES:
        return replace(case, number=dice.randint(1, 4))
    # `test_boundaries` tests faults before the first write of any plan.
    return replace(case, number=dice.randrange(1, count_calls(case.without_fault)))


@cache
def count_calls(case: Case) -> int:
    """Return the number of calls of a rotation without faults."""
    story = Story(case)
    story.rotate()
    return sum(step.who == "struck" for step in story.theatre.chronicle.steps)


@dataclass
class Strike:
    """Fault of one request by its number, whose answer may depend on what exists then."""

    story: "Story"
    left: int
    struck: Fault | None = None

    def next_fault(self, request: Request) -> Fault | None:
        self.left -= 1
        self.struck = self._fault(request) if self.left == -1 else None
        return self.struck

    def _fault(self, request: Request) -> Fault | None:
        kind = self.story.case.kind
        if kind in OTHER_BODIES:
            slug = OTHER_BODIES[kind]
            slug = slug if slug.isalpha() else f"{self.story.case.slug}{slug}"
            record = self.story.theatre.remote.integrations.get(slug)
            if record is None or request.method == "DELETE":
                return None
            shown = {name: record[name] for name in ("id", "slug", "name", "description")}
            return Fault(kind=FaultKind.EDIT, merge=shown)
        return FAULTS.get(kind)


@dataclass
class GatewayProber:
    """Prober that queries the simulated gateway for each credential."""

    story: "Story"
    line: Line
    asked: int = 0

    def _status(self, request: ProbeRequest) -> int:
        self.asked += 1
        case = self.story.case
        is_struck = case.kind in PROBES and self.line.who == "struck" and self.asked == case.number
        if self.line.dead or (is_struck and case.kind == "probe killed"):
            self.line.dead = True
            raise Crash
        if is_struck:
            return 503
        provider = f"@{request.gateway_slug}"
        return self.story.theatre.remote.act(
            "probe", Request("GET", "/models", provider=provider)
        ).status

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        verdicts = {200: ProbeVerdict.ALIVE, 401: ProbeVerdict.DEAD}
        return ProbeResult(verdicts.get(self._status(request), ProbeVerdict.UNKNOWN), "asked")

    async def obstacle(self, request: ProbeRequest) -> str:
        return "" if self._status(request) == 404 else "the name may have another provider"


@dataclass
class Story:
    """Organisation, ledger and credentials of a case."""

    case: Case
    theatre: Theatre = field(init=False)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    changes: frozenset[str] = frozenset()
    staged: bool = True
    value: str = OLD
    runs: int = 0
    violations: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        switches = Switches(dead_keys="*dead*", **dict(self.case.switches))
        self.theatre = Theatre(switches)
        for slug in self.files.integrations:
            body = {
                "slug": slug,
                "name": slug.title()[:200],
                "ai_provider_id": "openai",
                "key": OLD,
                "create_default_provider": False,
            }
            if self.case.scoped and slug == self.case.slug:
                body["workspace_id"] = WORKSPACE
            self.theatre.put_in("POST", "/integrations", body)
        theirs = {
            "slug": "theirs--next",
            "name": "Theirs",
            "ai_provider_id": "openai",
            "key": FOREIGN,
        }
        if self.case.prune is not Prune.ALL:
            self.theatre.put_in("POST", "/integrations", theirs)
        self.theatre.seconds += 600
        first = replace(OPTIONS, push_secrets=True)
        self.staged = False
        assert self.apply(self.line("first"), first).complete
        self.theatre.seconds += 600
        self.theatre.chronicle.steps.clear()
        self.theatre.chronicle.writing = self.watch

    # -- what is declared ----------------------------------------------------------------

    @property
    def files(self) -> DesiredState:
        """Return what the files declare at this point of the story."""
        fields: dict[str, dict[str, Any]] = {
            self.case.slug: {"key": MAIN, "name": self.case.slug.title()[:200]},
            "beta": {"key": SECOND},
        }
        if self.case.beside & {"delete"} and "delete" not in self.changes:
            fields["gamma"] = {"key": SecretRef("env", "SECRET_OLD")}
        if self.case.beside & {"replace"}:
            provider = "anthropic" if "replace" in self.changes else "openai"
            fields["delta"] = {"key": SecretRef("env", "SECRET_OLD"), "ai_provider_id": provider}
        if "create" in self.changes:
            fields["omega"] = {"key": SecretRef("env", "SECRET_OLD")}
        if self.case.scoped:
            fields[self.case.slug]["workspace_id"] = WORKSPACE
        fields[self.case.slug] |= self._changed_fields()
        return desired(
            *(declared(slug, **more) for slug, more in fields.items()),
            limits=NO_LIMITS,
            prune=self.case.prune,
            probe=Probe(workspace=self.case.workspace),
            rotation=Rotation(staged=self.staged),
        )

    def _changed_fields(self) -> dict[str, Any]:
        more: dict[str, Any] = {}
        # An integration that belongs to a workspace is used in no other one.
        if "access" in self.changes and not self.case.scoped:
            more["workspaces"] = [{"id": "ws-a", "enabled": True}]
        if "models" in self.changes:
            more["models"] = [{"slug": "gpt-5", "enabled": False}]
        if "description" in self.changes:
            more["description"] = "rotated"
        return more

    @property
    def values(self) -> dict[SecretRef, Redacted]:
        """Return the values of the secret store."""
        second = self.value if self.case.second else OLD
        old = SecretRef("env", "SECRET_OLD")
        return {MAIN: Redacted(self.value), SECOND: Redacted(second), old: Redacted(OLD)}

    # -- runs ----------------------------------------------------------------------------

    def line(self, who: str, **more: Any) -> Line:
        given: dict[str, Any] = {"weather": None, "strangers": None, "crash": None} | more
        return Line(self.theatre, who=who, **given)

    async def with_shadows(self, _state: LastAppliedState) -> LastAppliedState:
        return self.ledger.last_applied(LEDGER_KEY)

    def session(self, line: Line, **more: Any) -> workflows.Session:
        known = self.ledger.last_applied(LEDGER_KEY)
        return workflows.Session(
            desired=self.files,
            api=InProcessAPI(line, wall_clock=self.theatre.clock.wall_clock),
            clock=self.theatre.clock,
            secrets=self.values,
            last_applied=known if self.staged else replace(known, shadows={}),
            parallelism=3,
            probes_writes=self.case.probes_writes,
            with_shadows=self.with_shadows,
            **more,
        )

    def apply(self, line: Line, options: PlanOptions = OPTIONS) -> ApplyResult:
        """Apply like the command: the ledger records each event, and is closed at the end."""
        self.runs += 1
        self.before = {slug: record["key"] for slug, record in self.records.items()}
        run = f"run-{self.runs}"
        books = LedgerListener(
            self.ledger,  # type: ignore[arg-type]  # it stores the same
            key=LEDGER_KEY,
            facts=RunFacts(run=run),
            now=self.theatre.now,
        )
        books.values = self.values
        probes = self.staged or self.case.probes_writes
        books.probes_credentials = probes

        def emit(event: Event) -> None:
            if not line.dead:
                books.emit(event)

        session = self.session(line, prober=self.prober(line) if probes else None)
        applied = asyncio.run(REAL.apply(session, options, emit=emit, run=run))
        selection = options.selection
        books.close(
            applied.plan, desired=session.desired, observed=applied.observed, selection=selection
        )
        return applied.result

    def prober(self, line: Line) -> Prober:
        return GatewayProber(self, line)

    def rotate(self) -> str:
        """Apply the rotation under its fault, and return how the run ended."""
        case = self.case
        self.value, self.changes, self.staged = case.value, case.beside, case.staged[0]
        crash = None
        if case.kind in KILLED:
            crash = CrashPlan(case.number + 1, writes_only=False, after=KILLED[case.kind])
        weather = Strike(self, case.number)
        line = self.line("struck", weather=weather, crash=crash)
        try:
            result = self.apply(line)
        except Crash:
            return "killed"
        except ReconcilerError as problem:
            return f"refused: {problem.code}"
        finally:
            line.deliver_late()
        self.watch()
        self._check_result(result)
        return "all applied" if result.complete else "some failed"

    # -- rules ---------------------------------------------------------------------------

    def blame(self, text: str) -> None:
        self.violations.append(text)
        self.theatre.chronicle.note(f"VIOLATION {text}")

    @property
    def records(self) -> dict[str, Record]:
        return self.theatre.remote.integrations

    @property
    def shadows(self) -> list[str]:
        """Return the shadows that exist."""
        names = {f"{slug}--next" for slug in (*self.files.integrations, "gamma")}
        return sorted(slug for slug in names if is_live(self.records.get(slug)))

    def watch(self, _step: Step | None = None, _record: Record | None = None) -> None:
        """Check that each credential in use works, so that there is no outage at any time.

        A dead credential that is not staged is in use until it is corrected.
        """
        alive = {OLD, NEW, LATER} if all(self.case.staged) else {OLD, NEW, LATER, DEAD}
        for slug in (self.case.slug, "beta"):
            record = self.records.get(slug)
            stored = "absent" if record is None else record["key"]
            if stored not in alive:
                self.blame(f"outage: the credential of {slug} is {stored}")
        theirs = self.records.get("theirs--next", {"key": "absent", "last_updated_at": 1})
        if self.case.prune is not Prune.ALL and (theirs["key"], theirs["last_updated_at"]) != (
            FOREIGN,
            None,
        ):
            self.blame("an integration of another owner was changed")

    def _check_result(self, result: ApplyResult) -> None:
        text = json.dumps(result.as_json())
        if any(value in text for value in (OLD, NEW, DEAD, LATER, FOREIGN)):
            self.blame("a secret stands in the result")
        if self.value == DEAD and result.complete:
            self.blame("a run with a dead credential ended well")
        if result.complete and self.shadows:
            self.blame(f"a run ended well and left {self.shadows}")
        for shadow in self.shadows:
            if shadow not in text:
                self.blame(f"{shadow} is left, and the result does not name it")
        for outcome in result.outcomes:
            self._check_outcome(outcome)

    def _check_outcome(self, outcome: Outcome) -> None:
        record = self.records.get(outcome.slug)
        error = outcome.error
        rotates = outcome.slug == self.case.slug or (outcome.slug == "beta" and self.case.second)
        stored = record["key"] if record is not None else None
        if rotates and outcome.status is Status.APPLIED and stored != self.value:
            self.blame(f"{outcome.slug} is said to be applied")
        if error is None:
            return
        if "the old one stays in use" in error.message and stored != self.before.get(outcome.slug):
            self.blame(f"{outcome.slug}: {error.message}")

    def check_noticed(self) -> None:
        """Check that a plan and a drift report name each shadow that is left."""
        left = self.shadows
        if not left:
            return
        plan = asyncio.run(workflows.plan(self.session(self.line("plan")), OPTIONS))
        drift = asyncio.run(workflows.drift(self.session(self.line("drift")), OPTIONS))
        for name, document in {"plan": plan.as_json(), "drift": drift.as_json()}.items():
            text = json.dumps(document)
            for shadow in left:
                if shadow not in text:
                    self.blame(f"the {name} does not name {shadow}")
            if any(
                step.request.writes for step in self.theatre.chronicle.steps if step.who == name
            ):
                self.blame(f"a {name} wrote")

    def apply_others(self) -> None:
        """Apply only the other integrations, which must not change the shadow."""
        before = set(self.shadows) & {f"{self.case.slug}--next"}
        selection = Selection(exclude=(self.case.slug,))
        try:
            result = self.apply(self.line("others"), replace(OPTIONS, selection=selection))
        except ReconcilerError as problem:
            self.blame(f"the others were refused: {problem.code}")
            return
        if any(outcome.slug in before for outcome in result.outcomes):
            self.blame("a run of other integrations changed a shadow")
        if not before <= self.records.keys():
            self.blame("a run of other integrations removed a shadow")

    def apply_again(self) -> None:
        """Apply the same credential again; with a dead one, no run may succeed."""
        crash = CrashPlan(self.case.killed_again, writes_only=False, after=True)
        try:
            result = self.apply(self.line("again", crash=crash))
        except Crash:
            return
        except ReconcilerError as problem:
            self.blame(f"the same files were refused: {problem.code}")
            return
        self.watch()
        self._check_result(result)
        plan = asyncio.run(workflows.plan(self.session(self.line("plan")), OPTIONS))
        if self.value == DEAD and plan.in_sync:
            self.blame("a plan with a dead credential is in sync")

    def check_healed(self) -> None:
        """Apply once without a fault, and check that nothing is left to do or left over."""
        self.theatre.seconds += 60
        try:
            healed = self.apply(self.line("clean"))
        except ReconcilerError as problem:
            self.blame(f"the next apply was refused: {problem.code}: {problem.summary}")
            return
        for outcome in healed.outcomes:
            if outcome.status is not Status.APPLIED:
                self.blame(f"the next apply left {outcome.slug}: {outcome.error}")
        self.watch()
        self._check_end()
        self.theatre.seconds += 60
        plan = asyncio.run(workflows.plan(self.session(self.line("last")), OPTIONS))
        if not plan.in_sync or plan.unverified:
            self.blame(f"the last plan is not empty: {plan.as_json()['actions']} {plan.unverified}")

    def _check_end(self) -> None:
        kept = (
            {"gamma"} if self.case.prune is Prune.NONE and "delete" in self.case.beside else set()
        )
        theirs = set() if self.case.prune is Prune.ALL else {"theirs--next"}
        live = {slug for slug, record in self.records.items() if is_live(record)}
        if live != {*self.files.integrations, *theirs, *kept}:
            self.blame(f"in the end there are {sorted(live)}")
        for slug, declared_ in self.files.integrations.items():
            wanted = self.values[declared_.fields["key"]].reveal()
            if slug in self.records and self.records[slug]["key"] != wanted:
                self.blame(f"in the end {slug} has another credential")
        shadows = [p["slug"] for p in self.theatre.remote.providers if p["slug"].endswith("--next")]
        if shadows:
            self.blame(f"in the end there are the providers {shadows}")


@dataclass(frozen=True)
class Ending:
    """Result of a case."""

    case: Case
    ending: str
    violations: tuple[str, ...]
    told: Callable[[], str]


def play_case(case: Case, make: Callable[[Case], Story] = Story) -> Ending:
    """Play a case to its end; `make` returns the story."""
    story = make(case)
    ending = story.rotate()
    story.theatre.seconds += 60
    story.staged = case.staged[1]
    if case.persists:
        story.apply_again()
        story.theatre.seconds += 60
    if story.value == DEAD:
        # A dead credential is corrected, or the previous one is set again.
        story.value = LATER if case.number % 2 else OLD
    story.check_noticed()
    if case.only:
        story.apply_others()
        story.theatre.seconds += 60
    story.check_healed()

    def told() -> str:
        return "\n".join([str(case), *story.violations, *story.theatre.chronicle.told()])

    return Ending(case, ending, tuple(story.violations), told)


def main() -> int:
    """Play the seeds of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.rotation", description=__doc__
    )
    parser.add_argument("--cases", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--start", type=int, default=0, help="the first one (default 0)")
    parser.add_argument("--shown", type=int, default=2, help="stories to tell in full (default 2)")
    given = parser.parse_args()
    broken = []
    for seed in range(given.start, given.start + given.cases):
        ending = play_case(draw_case(seed))
        if ending.violations:
            broken.append(seed)
            if len(broken) <= given.shown:
                sys.stdout.write(f"{ending.told()}\n\n")
    sys.stdout.write(f"{given.cases} cases, {len(broken)} broken: {broken[:50]}\n")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
