"""Staged rotation with a fault at every call and probe: no outage, and no false success.

The credential of `alpha` is rotated from a working one to another one, which works or is dead.
After any fault at any call, the stored credential always works, no run reports a dead one as
working, no integration of another client is changed, and one clean run leads to an empty plan
without a shadow.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from reconciler import workflows
from reconciler.domain.policy import Probe, Rotation
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import DesiredState
from reconciler.errors import ReconcilerError, Refused
from reconciler.execution.credential_probe import ProbeRequest, ProbeResult, ProbeVerdict
from reconciler.execution.events import Event
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.result import ApplyResult
from reconciler.ledger.models import RunFacts
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from reconciler.simulator.transport import InProcessAPI
from tests.builders import KEY, declared, desired
from tests.simulation.chronicle import STRANGER, Record, Step
from tests.simulation.memory_ledger import MemoryLedger
from tests.simulation.play import LEDGER_KEY
from tests.simulation.recipes import REAL
from tests.simulation.scenario import NO_LIMITS, OPTIONS
from tests.simulation.test_boundaries import CRASHES, FAULTS, Once
from tests.simulation.theatre import Line, Theatre
from tests.simulation.weather import Crash, CrashPlan

pytestmark = pytest.mark.slow

OLD, NEW, LATER = "sk-old-alive-0001", "sk-new-alive-0002", "sk-later-alive-03"
DEAD = "sk-dead-000000004"
SHADOW = "alpha--next"
READS_OF_PLAN = 3
"""The list, and the details of both integrations."""

THEIRS = {"slug": SHADOW, "name": "Theirs", "ai_provider_id": "openai", "key": "tt-theirs-alive"}


@dataclass
class Prober:
    """Prober that queries the simulated gateway, unless killed or the response is lost."""

    theatre: Theatre
    line: Line
    killed_at: int = 0
    lost_at: int = 0
    asked: int = 0

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        self.asked += 1
        if self.line.dead or self.asked == self.killed_at:
            self.line.dead = True
            raise Crash
        if self.asked == self.lost_at:
            return ProbeResult(ProbeVerdict.UNKNOWN, "no answer")
        provider = f"@{request.gateway_slug}"
        response = self.theatre.remote.act("probe", Request("GET", "/models", provider=provider))
        verdicts = {200: ProbeVerdict.ALIVE, 401: ProbeVerdict.DEAD}
        return ProbeResult(verdicts.get(response.status, ProbeVerdict.UNKNOWN))

    async def obstacle(self, request: ProbeRequest) -> str:
        if self.line.dead:
            raise Crash
        provider = f"@{request.gateway_slug}"
        response = self.theatre.remote.act("probe", Request("GET", "/models", provider=provider))
        return "another provider has the name" if response.status == 200 else ""


@dataclass
class Stage:
    """Organisation, ledger, and the credential in the secret store."""

    theatre: Theatre
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    value: str = OLD
    runs: int = 0
    outages: list[str] = field(default_factory=list)
    workspace: str | None = None
    provider: str = "openai"
    probes_writes: bool = False
    may_be_absent: bool = False

    @property
    def files(self) -> DesiredState:
        fields: dict[str, Any] = {"ai_provider_id": self.provider}
        if self.provider == "openai":
            fields["configurations"] = {"openai_organization": "org-1"}
        return desired(
            declared("alpha", key=KEY, **fields),
            declared("beta", description="as ever"),
            limits=NO_LIMITS,
            probe=Probe(workspace=self.workspace),
            rotation=Rotation(staged=True),
        )

    def line(self, *, who: str = "clean", **more: Any) -> Line:
        given: dict[str, Any] = {"weather": None, "strangers": None, "crash": None} | more
        return Line(self.theatre, who=who, **given)

    def session(self, line: Line, **more: Any) -> workflows.Session:
        return workflows.Session(
            desired=self.files,
            api=InProcessAPI(line),
            clock=self.theatre.clock,
            secrets={KEY: Redacted(self.value)},
            last_applied=self.ledger.last_applied(LEDGER_KEY),
            parallelism=2,
            probes_writes=self.probes_writes,
            **more,
        )

    def apply(self, line: Line, prober: Prober | None = None) -> ApplyResult:
        """Apply like the command: the ledger records each event, and is closed at the end."""
        self.runs += 1
        run = f"run-{self.runs}"
        books = LedgerListener(
            self.ledger,  # type: ignore[arg-type]  # it stores the same
            key=LEDGER_KEY,
            facts=RunFacts(run=run),
            now=self.theatre.now,
        )
        books.values = {KEY: Redacted(self.value)}

        def emit(event: Event) -> None:
            if not line.dead:
                books.emit(event)

        session = self.session(line, prober=prober or Prober(self.theatre, line))
        applied = asyncio.run(REAL.apply(session, OPTIONS, emit=emit, run=run))
        books.close(
            applied.plan,
            desired=session.desired,
            observed=applied.observed,
            selection=OPTIONS.selection,
        )
        return applied.result

    @property
    def records(self) -> dict[str, Record]:
        return self.theatre.remote.integrations

    def watch(self, _step: Step | None = None, _record: Record | None = None) -> None:
        """Record an outage: the stored credential must never be dead or absent.

        A replace deletes the integration for a while, which its plan states.
        """
        record = self.records.get("alpha")
        if record is None and self.may_be_absent:
            return
        stored = "absent" if record is None else record["key"]
        if stored not in {OLD, NEW, LATER}:
            self.outages.append(stored)


def stage(*, workspace: str | None = None, **switches: Any) -> Stage:
    """Return a stage in which `alpha` was applied with the old credential."""
    theatre = Theatre(Switches(dead_keys="*dead*", **switches))
    made = Stage(theatre, workspace=workspace)
    for slug in ("alpha", "beta"):
        body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": OLD}
        more = {"configurations": {"openai_organization": "org-1"}} if slug == "alpha" else {}
        theatre.put_in("POST", "/integrations", {**body, "description": "as ever", **more})
    theatre.seconds += 600
    options = replace(OPTIONS, push_secrets=True)
    session = made.session(made.line(), prober=Prober(theatre, made.line()))
    applied = asyncio.run(REAL.apply(session, options, emit=lambda _event: None, run="first"))
    assert applied.result.complete
    # A second run records it in the ledger.
    made.value = NEW
    assert made.apply(made.line()).complete
    made.value = OLD
    assert made.apply(made.line()).complete
    assert made.apply(made.line()).outcomes == ()
    theatre.chronicle.steps.clear()
    theatre.seconds += 600
    theatre.chronicle.writing = made.watch
    return made


@cache
def calls(workspace: str | None, value: str) -> int:
    """Return the number of calls of a rotation without faults."""
    made = stage(workspace=workspace)
    made.value = value
    made.apply(made.line())
    return sum(step.who == "clean" for step in made.theatre.chronicle.steps)


def struck(made: Stage, line: Line, prober: Prober | None = None) -> str:
    """Apply with a fault, and return the result; a dead credential must not be a success."""
    try:
        result = made.apply(line, prober)
    except Crash:
        return "killed"
    except ReconcilerError as problem:
        return f"refused: {problem.code}"
    made.watch()
    if made.value == DEAD:
        assert not result.complete
    return "all applied" if result.complete else "some failed"


def check_healed(made: Stage, *, beside: frozenset[str] = frozenset()) -> None:
    """Apply once without a fault, and check that the plan is empty and no shadow is left."""
    made.theatre.seconds += 60
    healed = made.apply(made.line())
    told = "\n".join(made.theatre.chronicle.told())
    assert healed.complete, told
    made.watch()
    assert made.records["alpha"]["key"] == made.value, told
    assert set(made.records) == {"alpha", "beta"} | beside, told
    assert made.theatre.remote.providers == []
    made.theatre.seconds += 60
    plan = asyncio.run(workflows.plan(made.session(made.line()), OPTIONS))
    assert plan.in_sync, told
    assert made.outages == [], told


@pytest.mark.parametrize("workspace", [None, "ws-probe"])
def test_a_rotation_without_faults_leaves_no_shadow(workspace: str | None) -> None:
    made = stage(workspace=workspace)
    made.value = NEW
    assert made.apply(made.line()).complete
    writes = [
        (step.request.method, step.slug, step.part)
        for step in made.theatre.chronicle.steps
        if step.request.writes
    ]
    grant = [("PUT", SHADOW, "workspaces")] if workspace else []
    assert writes == [
        ("POST", SHADOW, "record"),
        *grant,
        ("PUT", "alpha", "record"),
        ("DELETE", SHADOW, "record"),
    ]
    check_healed(made)


def test_a_dead_credential_never_reaches_the_integration() -> None:
    made = stage()
    made.value = DEAD
    [outcome] = made.apply(made.line()).outcomes
    assert outcome.error is not None
    assert outcome.error.code == "credential-dead"
    assert "the old one stays in use" in outcome.error.message
    assert made.records["alpha"]["key"] == OLD
    assert set(made.records) == {"alpha", "beta"}
    made.value = LATER
    check_healed(made)


@pytest.mark.parametrize("value", [NEW, DEAD])
@pytest.mark.parametrize("kind", CRASHES)
def test_after_a_kill_at_any_call_the_next_apply_converges(kind: str, value: str) -> None:
    for number in range(calls("ws-probe", value)):
        made = stage(workspace="ws-probe")
        made.value = value
        crash = CrashPlan(number + 1, writes_only=False, after=CRASHES[kind])
        assert struck(made, made.line(who="struck", crash=crash)) == "killed"
        made.value = LATER if value == DEAD else value
        check_healed(made)


@pytest.mark.parametrize("value", [NEW, DEAD])
def test_after_a_kill_in_any_probe_the_next_apply_converges(value: str) -> None:
    for number in (1, 2) if value == NEW else (1,):
        made = stage()
        made.value, made.probes_writes = value, True
        line = made.line(who="struck")
        prober = Prober(made.theatre, line, killed_at=number)
        assert struck(made, line, prober) == "killed"
        made.value = LATER if value == DEAD else value
        check_healed(made)


@pytest.mark.parametrize("number", [1, 2])
def test_a_probe_without_a_response_is_not_a_success(number: int) -> None:
    made = stage()
    made.value, made.probes_writes = NEW, True
    line = made.line(who="struck")
    assert struck(made, line, Prober(made.theatre, line, lost_at=number)) == "some failed"
    assert made.records["alpha"]["key"] == (OLD if number == 1 else NEW)
    check_healed(made)


def test_after_two_kills_at_any_writes_the_next_apply_converges() -> None:
    for first in range(1, 5):
        for second in range(1, 6):
            made = stage(workspace="ws-probe")
            made.value = NEW
            for number in (first, second):
                crash = CrashPlan(number, writes_only=True, after=True)
                struck(made, made.line(who="struck", crash=crash))
                made.theatre.seconds += 60
            check_healed(made)


def test_a_value_that_returns_after_a_kill_needs_no_rotation() -> None:
    """Only the shadow received the new value, so the plan only removes the shadow."""
    made = stage()
    made.value = NEW
    crash = CrashPlan(1, writes_only=True, after=True)
    assert struck(made, made.line(who="struck", crash=crash)) == "killed"
    made.value = OLD
    made.theatre.seconds += 60
    plan = asyncio.run(workflows.plan(made.session(made.line()), OPTIONS))
    assert [(a.kind.value, a.slug, a.reason) for a in plan.actions] == [
        ("delete", SHADOW, "left over from a rotation of alpha")
    ]
    assert plan.unmanaged == ()
    check_healed(made)


OF_DEAD = ("lost response", "late by 1", "503, carried out", "stale read")
"""Faults that can make a dead credential look applied; the others are those of a living one."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "value"), [*((kind, NEW) for kind in FAULTS), *((kind, DEAD) for kind in OF_DEAD)]
)
def test_after_a_fault_at_any_call_the_next_apply_converges(kind: str, value: str) -> None:
    # The reads of the plan come first; `test_boundaries` tests faults of such reads.
    for number in range(READS_OF_PLAN, calls("ws-probe", value)):
        made = stage(workspace="ws-probe")
        made.value = value
        line = made.line(who="struck", weather=Once(number, FAULTS[kind]))
        struck(made, line)
        line.deliver_late()
        made.value = LATER if value == DEAD else value
        made.theatre.seconds += 60
        check_healed(made)


@pytest.mark.parametrize(
    "switches",
    [
        {"missing": "403_AB03"},
        {"delete": "archived"},
        {"stale_read_ms": 400},
        {"duplicate_slug": "suffixed"},
        {"duplicate_slug": "400_AB01"},
        {"configurations_put": "merge"},
        {"detail_shape": "documented"},
        {"put_body": "empty"},
        {"access_touches_integration": False},
        {"workspace_id_form": "uuid"},
        {"list_order": "newest"},
    ],
)
def test_after_a_kill_at_any_write_of_any_api_the_next_apply_converges(
    switches: dict[str, Any],
) -> None:
    for after in (False, True):
        for number in range(1, 5):
            made = stage(workspace="ws-probe", **switches)
            made.value = NEW
            crash = CrashPlan(number, writes_only=True, after=after)
            assert struck(made, made.line(who="struck", crash=crash)) == "killed"
            archived = {SHADOW} if switches.get("delete") == "archived" else set()
            check_healed(made, beside=frozenset(archived & set(made.records)) | archived)


@pytest.mark.parametrize("how", ["create", "replace"])
@pytest.mark.parametrize("value", [NEW, DEAD])
def test_after_a_kill_at_any_write_of_a_new_integration_the_next_apply_converges(
    how: str, value: str
) -> None:
    for after in (False, True):
        for number in range(1, 5 if how == "create" else 6):
            made = stage(workspace="ws-probe")
            made.may_be_absent = True
            made.value = value
            if how == "create":
                made.theatre.put_in("DELETE", "/integrations/alpha", {})
            else:
                made.provider = "anthropic"
            crash = CrashPlan(number, writes_only=True, after=after)
            ended = struck(made, made.line(who="struck", crash=crash))
            # With a dead credential, only the shadow is created and removed.
            assert ended == ("killed" if value == NEW or number <= 3 else "some failed")
            if value == DEAD:
                stored = made.records.get("alpha", {}).get("key")
                assert stored == (None if how == "create" else OLD)
            made.value = LATER if value == DEAD else value
            check_healed(made)


def test_the_flag_also_probes_the_integration() -> None:
    made = stage()
    made.value, made.probes_writes = NEW, True
    line = made.line()
    prober = Prober(made.theatre, line)
    assert made.apply(line, prober).complete
    assert prober.asked == 2


def test_a_reserved_shadow_slug_fails_and_keeps_the_old_credential() -> None:
    made = stage()
    # The slug of the shadow was used by earlier rotations.
    switches = replace(made.theatre.switches, slug_reuse_after_delete=False)
    made.theatre.remote._organisation._switches = switches
    made.value = NEW
    result = made.apply(made.line())
    assert not result.complete
    made.watch()
    assert (made.records["alpha"]["key"], made.outages) == (OLD, [])
    assert set(made.records) == {"alpha", "beta"}


def test_a_shadow_that_cannot_be_deleted_is_neither_an_outage_nor_a_success() -> None:
    made = stage()
    made.workspace = "ws-probe"
    made.theatre.remote.switches = replace(
        made.theatre.remote.switches, delete_with_providers="refuse"
    )
    made.value = NEW
    for _ in range(2):
        [outcome] = made.apply(made.line()).outcomes
        assert outcome.error is not None
        assert outcome.error.code == "AB07"
        assert "alpha--next may be left" in outcome.error.message
    made.watch()
    assert made.outages == []


# -- strangers ---------------------------------------------------------------------------


def stranger_at(made: Stage, number: int) -> Callable[[Request], None]:
    """Return another client that takes the slug of the shadow before a request of the run."""
    left = [number]

    def act(_request: Request) -> None:
        left[0] -= 1
        if left[0] == -1:
            made.theatre.remote.act(STRANGER, Request("POST", "/integrations", {}, THEIRS))

    return act


@pytest.mark.parametrize("duplicate", ["409_AB07", "400_AB01", "suffixed"])
def test_another_client_that_takes_the_slug_at_any_call_is_not_affected(duplicate: str) -> None:
    for number in range(calls("ws-probe", NEW)):
        made = stage(workspace="ws-probe", duplicate_slug=duplicate)
        made.value = NEW
        struck(made, made.line(who="struck", strangers=stranger_at(made, number)))
        made.theatre.seconds += 60
        theirs = made.records.get(SHADOW)
        # If our shadow existed first, the other client was refused or got another slug.
        names = [record["name"] for record in made.records.values()]
        assert names.count("Alpha (next)") == 0
        if theirs is not None:
            assert (theirs["name"], theirs["key"]) == ("Theirs", THEIRS["key"])
            assert theirs["last_updated_at"] is None
        assert made.outages == []


def test_a_foreign_integration_with_the_slug_blocks_only_the_rotation() -> None:
    made = stage()
    made.theatre.put_in("POST", "/integrations", THEIRS)
    assert made.apply(made.line()).outcomes == ()
    made.value = NEW
    with pytest.raises(Refused) as raised:
        made.apply(made.line())
    assert raised.value.code == "shadow-conflict"
    assert made.records["alpha"]["key"] == OLD
    assert made.records[SHADOW]["last_updated_at"] is None


@pytest.mark.parametrize(
    "description",
    [
        None,
        "by hand",
        "Shadow of alpha while its credential is rotated, by run run-of-another-ledger",
        "Shadow of beta while its credential is rotated, by run run-2",
    ],
)
def test_only_the_ledger_proves_a_shadow(description: str | None) -> None:
    made = stage()
    made.theatre.put_in("POST", "/integrations", {**THEIRS, "description": description})
    made.value = NEW
    plan = asyncio.run(workflows.plan(made.session(made.line()), OPTIONS))
    assert [action.blocked_by for action in plan.actions] == [("shadow-conflict",)]
    made.value = OLD
    still = asyncio.run(workflows.plan(made.session(made.line()), OPTIONS))
    assert still.actions == ()
