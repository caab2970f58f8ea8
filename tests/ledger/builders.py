"""Builders of ledgers, and of runs recorded in them."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.diagnostics import SourceLocation
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Mask, SecretRef
from reconciler.domain.state import Declared, LastApplied, Lifecycle, Observed
from reconciler.execution.events import (
    ActionEnded,
    ActionStarted,
    CallEnded,
    CallStarted,
    RunEnded,
    RunStarted,
)
from reconciler.execution.ledger_listener import record_in
from reconciler.execution.result import ApplyResult, Outcome, Status
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import RunFacts, SeenState
from reconciler.ledger.store import Ledger, open_ledger
from reconciler.planning.actions import Action, ActionInputs, ActionKind, Risk
from reconciler.planning.plan import Plan, PlanTarget

BASE_URL = "https://api.portkey.ai/v1"
KEY = TargetKey.of(name="production", base_url=BASE_URL, organisation="org-1")
PEPPER = "pepper of the test"
REF = SecretRef.parse("env:SECRET_A")


def clock() -> Callable[[], str]:
    """Return a clock that advances by a second with each call."""
    seconds = itertools.count()
    return lambda: f"2026-03-01T10:{(n := next(seconds)) // 60:02}:{n % 60:02}Z"


@contextmanager
def ledger_in(folder: Path, **more: Any) -> Iterator[Ledger]:
    given: dict[str, Any] = {"url": None, "path": folder / "ledger.db", "pepper": PEPPER} | more
    with open_ledger(given.pop("url"), **given) as ledger:
        yield ledger


def action(
    slug: str,
    kind: ActionKind = ActionKind.UPDATE,
    *,
    before: Observed | None = None,
    remembered: LastApplied = LastApplied(),
) -> Action:
    subject = ActionInputs(observed=before, remembered=remembered)
    return Action(slug=slug, kind=kind, reason="differs", risk=Risk.COSMETIC, subject=subject)


def plan(*actions: Action) -> Plan:
    return Plan(
        target=PlanTarget("production", BASE_URL, "org-1"),
        created_at="2026-03-01T09:00:00Z",
        desired_digest="sha256:0",
        actions=actions,
        commit="c0ffee",
    )


def observed(slug: str, **fields: Any) -> Observed:
    return Observed(
        slug=slug,
        fields={"name": slug.title(), "key": Mask("sk-***"), **fields},
        id=f"id-{slug}",
        last_updated_at="2026-02-01T00:00:00Z",
        detailed=True,
    )


def seen(slug: str, *, at: str = "2026-03-01T00:00:00Z", **fields: Any) -> SeenState:
    return SeenState(observed(slug, **fields), at)


def declared(slug: str, *, protected: bool = False, **fields: Any) -> Declared:
    return Declared(
        slug=slug,
        fields={"name": slug.title(), "key": REF, **fields},
        source=SourceLocation(f"{slug}.yaml"),
        lifecycle=Lifecycle(protected=protected),
    )


def call(slug: str) -> Call:
    body = {"name": "New", "key": REF, "configurations": {"custom_headers": {"x-api-key": REF}}}
    return Call(OperationName.UPDATE, slug, body=body)


def record_run(
    ledger: Ledger,
    run: str,
    *slugs: str,
    key: TargetKey = KEY,
    now: Callable[[], str] | None = None,
    stop_before_answer: bool = False,
) -> None:
    """Record the events of a run that updates these integrations."""
    facts = RunFacts(run=run, actor="ada", pull_request="17")
    emit = record_in(ledger.recorder(key, facts=facts, now=now or clock()))
    known = ledger.last_applied(key)
    the_plan = plan(
        *(action(slug, before=observed(slug), remembered=known.of(slug)) for slug in slugs)
    )
    emit(RunStarted(run, the_plan))
    outcomes = []
    for item in the_plan.actions:
        emit(ActionStarted(item))
        emit(CallStarted(item, call(item.slug)))
        if stop_before_answer:
            return
        emit(CallEnded(item, call(item.slug), request_id=f"req-{item.slug}"))
        outcomes.append(Outcome(item.slug, item.kind, Status.APPLIED, attempts=1))
        emit(ActionEnded(item, outcomes[-1]))
    emit(RunEnded(ApplyResult(run, the_plan.target, the_plan.digest, tuple(outcomes))))
