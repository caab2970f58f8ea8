"""One apply of twelve writes, with every kind of fault at every single call.

It has three creates, six updates (fields, models and workspaces, two of each) and three deletes.
After any fault at any call, one clean run makes the API equal to the files, and no integration of
another owner is changed. The table below the test results counts the outcomes of the runs with
faults.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from reconciler import workflows
from reconciler.domain.state import DesiredState, LastApplied, LastAppliedState
from reconciler.errors import ReconcilerError
from reconciler.execution.result import ApplyResult, Status
from reconciler.simulator.faults import Fault, FaultKind
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from reconciler.simulator.transport import InProcessAPI
from tests.builders import declared, desired
from tests.simulation.chronicle import STRANGER
from tests.simulation.oracles import differences
from tests.simulation.recipes import REAL
from tests.simulation.scenario import KEYS, NO_LIMITS, OPTIONS, VALUES
from tests.simulation.theatre import Line, Theatre
from tests.simulation.weather import Crash, CrashPlan

pytestmark = pytest.mark.slow

KEY = next(iter(KEYS))
GRANT = [{"id": "ws-a", "enabled": True}]
MODELS = [{"slug": "gpt-5", "enabled": False}]
OLD = ("old-a", "old-b", "old-c")

FAULTS = {
    "lost request": Fault(kind=FaultKind.RESET_BEFORE),
    "lost response": Fault(kind=FaultKind.RESET_AFTER),
    "no answer": Fault(kind=FaultKind.HANG_BEFORE),
    "no answer, carried out": Fault(kind=FaultKind.HANG_AFTER),
    "late by 0": Fault(kind=FaultKind.LATE, amount=0),
    "late by 1": Fault(kind=FaultKind.LATE, amount=1),
    "late by 5": Fault(kind=FaultKind.LATE, amount=5),
    "429": Fault(kind=FaultKind.STATUS, status=429, code="AB06"),
    "429 with Retry-After": Fault(
        kind=FaultKind.STATUS, status=429, code="AB06", headers={"Retry-After": "2"}
    ),
    "500": Fault(kind=FaultKind.STATUS, status=500),
    "503, carried out": Fault(kind=FaultKind.STATUS_AFTER, status=503),
    "401": Fault(kind=FaultKind.STATUS, status=401, code="AB05"),
    "403": Fault(kind=FaultKind.STATUS, status=403, code="AB03"),
    "a page of HTML": Fault(kind=FaultKind.HTML),
    "truncated": Fault(kind=FaultKind.TRUNCATE),
    "empty": Fault(kind=FaultKind.EMPTY),
    "not JSON": Fault(kind=FaultKind.RAW, status=200, body="{"),
    "stale read": Fault(kind=FaultKind.STALE),
    "page repeated": Fault(kind=FaultKind.DUPLICATE_PAGE),
    "total too small": Fault(kind=FaultKind.WRONG_TOTAL, amount=-1),
    "no total": Fault(kind=FaultKind.MISSING_TOTAL),
}
CRASHES = {"killed before": False, "killed after": True}
STRANGERS = {
    "somebody creates": ("POST", "/integrations", "new"),
    "somebody takes our slug": ("POST", "/integrations", "create-1"),
    "somebody edits": ("PUT", "/integrations/fields-1", None),
    "somebody deletes ours": ("DELETE", "/integrations/models-1", None),
    "somebody deletes theirs": ("DELETE", "/integrations/theirs", None),
}
KINDS = (*CRASHES, *FAULTS, *STRANGERS)


class Once:
    """Fault for one request, by its number."""

    def __init__(self, number: int, fault: Fault) -> None:
        self._left = number
        self._fault = fault
        self.struck: Fault | None = None

    def next_fault(self, request: Request) -> Fault | None:
        self._left -= 1
        self.struck = self._fault if self._left == -1 else None
        return self.struck


@cache
def wish() -> DesiredState:
    """Declare nine integrations; three more were declared before."""
    return desired(
        *(declared(f"create-{n}", key=KEY) for n in (1, 2, 3)),
        *(declared(f"fields-{n}", key=KEY, description="new") for n in (1, 2)),
        *(declared(f"models-{n}", key=KEY, models=MODELS) for n in (1, 2)),
        *(declared(f"spaces-{n}", key=KEY, workspaces=GRANT) for n in (1, 2)),
        limits=NO_LIMITS,
    )


def organisation() -> Theatre:
    """Create the initial state of the twelve writes, and an integration of another owner."""
    theatre = Theatre(Switches(page_max=4))
    slugs = [slug for slug in wish().integrations if not slug.startswith("create")]
    for slug in (*slugs, *OLD, "theirs"):
        body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": KEYS[KEY]}
        theatre.put_in("POST", "/integrations", body)
    theatre.seconds += 600
    return theatre


def session(theatre: Theatre, line: Line) -> workflows.Session:
    return workflows.Session(
        desired=wish(),
        api=InProcessAPI(line),
        clock=theatre.clock,
        secrets=VALUES,
        last_applied=LastAppliedState({slug: LastApplied({"name": slug}) for slug in OLD}),
        parallelism=2,
    )


def apply(theatre: Theatre, line: Line) -> ApplyResult:
    applied = asyncio.run(
        REAL.apply(session(theatre, line), OPTIONS, emit=lambda _event: None, run="run")
    )
    return applied.result


def fair(theatre: Theatre) -> Line:
    return Line(theatre, who="clean", weather=None, strangers=None, crash=None)


@cache
def calls() -> int:
    """Count the calls of an apply without faults, of which twelve must be writes."""
    theatre = organisation()
    assert apply(theatre, fair(theatre)).complete
    assert sum(step.request.writes for step in theatre.chronicle.steps if step.who == "clean") == 12
    return sum(step.who == "clean" for step in theatre.chronicle.steps)


def struck_line(theatre: Theatre, kind: str, number: int) -> Line:
    crash, weather, strangers = None, None, None
    if kind in CRASHES:
        crash = CrashPlan(number + 1, writes_only=False, after=CRASHES[kind])
    elif kind in FAULTS:
        weather = Once(number, FAULTS[kind])
    else:
        strangers = stranger(theatre, kind, number)
    return Line(theatre, who="struck", weather=weather, strangers=strangers, crash=crash)


def stranger(theatre: Theatre, kind: str, number: int) -> Callable[[Request], None]:
    method, path, slug = STRANGERS[kind]
    left = [number]

    def act(_request: Request) -> None:
        left[0] -= 1
        if left[0] != -1:
            return
        body = {"slug": slug, "name": "Theirs", "ai_provider_id": "anthropic", "key": "tt-theirs"}
        edit = {"description": "by hand"} if method == "PUT" else None
        theatre.remote.act(STRANGER, Request(method, path, {}, body if slug else edit))

    return act


def struck_run(theatre: Theatre, line: Line) -> str:
    """Apply with one fault and return the result."""
    try:
        result = apply(theatre, line)
    except Crash:
        return "killed"
    except ReconcilerError:
        assert not any(s.request.writes for s in theatre.chronicle.steps if s.who == "struck")
        return "stopped before writing"
    if result.complete:
        return "all applied"
    unknown = any(outcome.status is Status.UNKNOWN for outcome in result.outcomes)
    return "some unknown" if unknown else "some failed"


def check_converged(theatre: Theatre, kind: str) -> None:
    records = theatre.remote.integrations
    for slug, item in wish().integrations.items():
        assert differences(records[slug], item) == []
    theirs = set() if kind == "somebody deletes theirs" else {"theirs"}
    new = {"new"} if kind == "somebody creates" else set()
    assert set(records) == {*wish().integrations, *theirs, *new}
    if theirs:
        assert records["theirs"]["last_updated_at"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_fault_at_any_call_one_clean_run_converges(
    kind: str, request: pytest.FixtureRequest
) -> None:
    endings: Counter[str] = Counter()
    for number in range(calls()):
        theatre = organisation()
        line = struck_line(theatre, kind, number)
        endings[struck_run(theatre, line)] += 1
        line.deliver_late()
        theatre.seconds += 60
        assert apply(theatre, fair(theatre)).complete, "\n".join(theatre.chronicle.told())
        check_converged(theatre, kind)
        theatre.seconds += 60
        assert apply(theatre, fair(theatre)).outcomes == ()
    request.node.user_properties.append(("boundaries", {"kind": kind, **endings}))
