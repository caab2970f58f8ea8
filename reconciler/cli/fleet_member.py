"""One member of a fleet, run exactly as the single commands run: session, plan, books.

What it shares with the other members is the process: it has its own settings, session, client,
ledger and event loop. Who runs when: the engines in `reconciler.fleet`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from reconciler import workflows
from reconciler.cli import error_reporting, exit_codes, settings, wiring
from reconciler.cli.apply_run import carry_out
from reconciler.cli.console import Console
from reconciler.cli.global_options import Invocation
from reconciler.cli.options import ReadingOptions
from reconciler.cli.telemetry import RunTelemetry
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Event, RunStarted
from reconciler.execution.preflight import Approval
from reconciler.fleet.config import Member
from reconciler.fleet.outcome import (
    FleetOperation,
    MemberNote,
    MemberOutcome,
    MemberStatus,
    status_of_failure,
)
from reconciler.fleet.task import MemberTask, change_digests, require_approved
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan

TOLD = 20
"""Findings that stand in an outcome; the single command names all."""


@dataclass(frozen=True, slots=True)
class MemberRunner:
    """The members of a fleet, ready to carry out orders; called with one, from any thread."""

    members: Mapping[str, Member]
    environment: Mapping[str, str] = field(repr=False)
    console: Console = field(repr=False)
    parallelism: int = 10

    def __call__(self, order: MemberTask, cancel: CancelToken) -> MemberOutcome:
        """Carry out an order to its end; whatever goes wrong is in the outcome."""
        member = self.members[order.member]
        run = wiring.new_run()
        watch = RunTelemetry(
            self._invocation(member), command=f"fleet {order.operation.value}", run=run
        )
        began = settings.monotonic()
        with watch:
            outcome = _outcome_of(
                partial(_Run(order, watch, self.parallelism).to_end, cancel), order
            )
        took = round((settings.monotonic() - began) * 1000)
        target = watch.figures.target or member.target
        return replace(outcome, target=target, run=run, duration_ms=took)

    def _invocation(self, member: Member) -> Invocation:
        """Give a member its own view of the environment, and nobody to talk to but the journal."""
        console = Console(stdin=None, stdout=None, stderr=None)
        if self.console.journal is not None:
            console.journal = self.console.journal.about(member=member.name)
        environment = settings.from_environment(member.environment(self.environment))
        return Invocation(console, member.dir, member.target, environment)


def _outcome_of(work: Callable[[], MemberOutcome], order: MemberTask) -> MemberOutcome:
    """Do the work and turn any end of it into an outcome."""
    try:
        return work()
    except (asyncio.CancelledError, KeyboardInterrupt):
        note = MemberNote("notice", "interrupted", "stopped before the first write")
        return MemberOutcome(order.member, MemberStatus.INTERRUPTED, 130, notes=(note,))
    except Exception as problem:  # noqa: BLE001  one member's failure is its own, whatever it is
        ending = error_reporting.explain(problem)
        return MemberOutcome(
            order.member,
            status_of_failure(ending.exit_code),
            ending.exit_code,
            digest=ending.plan.digest if ending.plan else None,
            summary=MappingProxyType(ending.plan.summary if ending.plan else {}),
            notes=_notes(ending.diagnostics),
        )


class _Run:
    """One order while it is carried out, in an event loop of its own."""

    def __init__(self, order: MemberTask, watch: RunTelemetry, parallelism: int) -> None:
        self._order = order
        self._watch = watch
        self._reading = ReadingOptions(parallelism=parallelism, deadline=order.deadline)
        self._writing: CancelToken | None = None

    def to_end(self, cancel: CancelToken) -> MemberOutcome:
        """Carry the order out in this thread."""
        return asyncio.run(self._until(cancel))

    async def _until(self, cancel: CancelToken) -> MemberOutcome:
        """Stop when asked: before the first write at once, then after what is in flight."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(reason: str) -> None:
            if self._writing is not None:
                self._writing.request(reason)
            elif task is not None:
                task.cancel()

        def ask(reason: str) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stop, reason)

        cancel.add_callback(ask)
        if self._order.operation is FleetOperation.APPLY:
            return await self._apply(cancel)
        return await self._plan()

    async def _plan(self) -> MemberOutcome:
        async with wiring.session(self._watch.invocation, self._reading) as session:
            self._watch.opened(session.desired.target.name, ledger=session.ledger)
            if self._order.operation is FleetOperation.DRIFT:
                workflows.require_ledger(session)
            options = PlanOptions(audit=self._order.operation is FleetOperation.DRIFT)
            plan = await workflows.plan(session, options)
        self._watch.planned(plan)
        order = self._order
        matters = order.operation is FleetOperation.DRIFT or order.differences_matter
        return MemberOutcome(
            order.member,
            MemberStatus.IN_SYNC if plan.in_sync else MemberStatus.DIFFERENT,
            exit_codes.of_differences(plan) if matters else 0,
            digest=plan.digest,
            summary=MappingProxyType(plan.summary),
            notes=_notes(plan.diagnostics),
            change_digests=change_digests(plan) if order.operation is FleetOperation.PLAN else (),
        )

    async def _apply(self, cancel: CancelToken) -> MemberOutcome:
        order, options = self._order, PlanOptions()
        async with wiring.run(
            self._watch.invocation,
            self._reading,
            selection=options.selection,
            name=self._watch.run,
            keeps_records=order.keeps_records,
        ) as (session, books):
            self._watch.opened(session.desired.target.name, ledger=session.ledger)
            stop = CancelToken()
            applied = await carry_out(
                session,
                options,
                Approval(assumed=order.approved is None),
                run=self._watch.run,
                books=books,
                listeners=(self._watch.emit, partial(self._begins, stop)),
                confirm=self._confirm,
                stop=stop,
            )
        result = applied.result
        self._watch.recorded(result)
        code = exit_codes.of_result(applied.result)
        if not result.complete and cancel.requested:
            return self._applied(applied, MemberStatus.INTERRUPTED, 130)
        if code != 0:
            return self._applied(applied, MemberStatus.INCOMPLETE, code)
        return self._applied(
            applied, MemberStatus.APPLIED if result.outcomes else MemberStatus.IN_SYNC, 0
        )

    def _applied(
        self, applied: workflows.Applied, status: MemberStatus, code: int
    ) -> MemberOutcome:
        problems = [
            MemberNote("error", outcome.error.code, f"{outcome.slug}: {outcome.error.message}")
            for outcome in applied.result.outcomes
            if outcome.error is not None
        ]
        return MemberOutcome(
            self._order.member,
            status,
            code,
            digest=applied.plan.digest,
            summary=MappingProxyType(applied.result.summary),
            notes=(
                *problems[:TOLD],
                *_notes(applied.diagnostics),
                *_notes(applied.plan.diagnostics),
            ),
        )

    def _confirm(self, plan: Plan) -> bool:
        return require_approved(plan, approved=self._order.approved or ())

    def _begins(self, stop: CancelToken, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._writing = stop


def _notes(diagnostics: Iterable[Diagnostic]) -> tuple[MemberNote, ...]:
    worth = [d for d in diagnostics if d.severity is not Severity.NOTICE]
    return tuple(MemberNote(d.severity.value, d.code, d.summary) for d in worth[:TOLD])
