"""One member of a fleet, run exactly like a separate command: session, plan, ledger.

Members share only the process: each has its own settings, session, client, ledger and event loop.
When members run: the engines in `reconciler.fleet`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from types import MappingProxyType

from reconciler import workflows
from reconciler.apply_workflow import Applied
from reconciler.cli import error_reporting, exit_codes, settings, wiring
from reconciler.cli.apply_run import run_apply
from reconciler.cli.console import Console
from reconciler.cli.global_options import Invocation
from reconciler.cli.model_gate import FAILED, escalated, failing, parse_fail_on
from reconciler.cli.options import ReadingOptions
from reconciler.cli.telemetry import RunTelemetry
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Event, RunStarted
from reconciler.execution.preflight import Approval
from reconciler.execution.result import ApplyResult
from reconciler.execution.threads import in_thread
from reconciler.fleet.config import Member
from reconciler.fleet.outcome import (
    NOT_NOW,
    FleetOperation,
    MemberNote,
    MemberOutcome,
    MemberStatus,
    status_of_failure,
)
from reconciler.fleet.task import MemberTask, change_digests, require_approved
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import Plan, PlanOptions, Selection
from reconciler.workflows import Session

MAX_NOTES = 20
"""Maximum number of diagnostics in an outcome; the separate command shows all."""


@dataclass(frozen=True, slots=True)
class MemberRunner:
    """Runner of the members of a fleet, called with a task from any thread."""

    members: Mapping[str, Member]
    environment: Mapping[str, str] = field(repr=False)
    console: Console = field(repr=False)
    parallelism: int = 10

    def __call__(self, task: MemberTask, cancel: CancelToken) -> MemberOutcome:
        """Run a task; a failure becomes part of the outcome."""
        member = self.members[task.member]
        run = wiring.new_run_id()
        telemetry = RunTelemetry(
            self._invocation(member), command=f"fleet {task.operation.value}", run=run
        )
        began = settings.monotonic()
        with telemetry:
            outcome = _outcome_of(
                partial(_Run(task, telemetry, self.parallelism).to_end, cancel), task
            )
        took = round((settings.monotonic() - began) * 1000)
        target = telemetry.figures.target or member.target
        return replace(outcome, target=target, run=run, duration_ms=took)

    def _invocation(self, member: Member) -> Invocation:
        """Return a member's invocation: its own environment, and no output except the JSON log."""
        # Members run at the same time: their outputs would mix, and none may ask a question.
        console = Console(stdin=None, stdout=None, stderr=None)
        if self.console.json_log is not None:
            console.json_log = self.console.json_log.with_context(member=member.name)
        environment = settings.from_environment(member.environment(self.environment))
        return Invocation(console, member.dir, member.target, environment)


def _outcome_of(work: Callable[[], MemberOutcome], task: MemberTask) -> MemberOutcome:
    """Run the work and return its outcome, whether it succeeds or raises."""
    try:
        return work()
    # Both derive from BaseException, so the clause for all other failures does not catch them.
    except (asyncio.CancelledError, KeyboardInterrupt):
        note = MemberNote("notice", "interrupted", "stopped before the first write")
        return MemberOutcome(task.member, MemberStatus.INTERRUPTED, 130, notes=(note,))
    except Exception as problem:  # noqa: BLE001  one member's failure is its own, whatever it is
        # Reported as by the separate command, so that both have the same exit code.
        ending = error_reporting.explain(problem)
        return MemberOutcome(
            task.member,
            status_of_failure(ending.exit_code),
            ending.exit_code,
            digest=ending.plan.digest if ending.plan else None,
            summary=MappingProxyType(ending.plan.summary if ending.plan else {}),
            notes=_notes(ending.diagnostics),
        )


class _Run:
    """One task while it runs, in its own event loop."""

    def __init__(self, task: MemberTask, telemetry: RunTelemetry, parallelism: int) -> None:
        self._task = task
        self._telemetry = telemetry
        self._gates = tuple(parse_fail_on(value) for value in task.fail_on)
        self._reading = ReadingOptions(
            parallelism=parallelism, deadline=task.deadline, fail_on=self._gates
        )
        self._run_cancel: CancelToken | None = None

    def to_end(self, cancel: CancelToken) -> MemberOutcome:
        """Run the task in this thread."""
        # In a new loop, because a client and its connections belong to the loop that opened them.
        return asyncio.run(self._until(cancel))

    async def _until(self, cancel: CancelToken) -> MemberOutcome:
        """Run; a cancellation ends it at once before the first write, else after its calls."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(reason: str) -> None:
            if self._run_cancel is not None:
                self._run_cancel.request(reason)
            elif task is not None:
                task.cancel()

        def request_stop(reason: str) -> None:
            # The token outlives this run, and a closed loop raises for a late request.
            if not loop.is_closed():
                # The request comes from the thread of the fleet, and tasks belong to that of this
                # loop.
                loop.call_soon_threadsafe(stop, reason)

        cancel.add_callback(request_stop)
        if self._task.operation is FleetOperation.APPLY:
            return await self._apply(cancel)
        return await self._plan()

    async def _plan(self) -> MemberOutcome:
        async with wiring.session(self._telemetry.invocation, self._reading) as session:
            self._telemetry.set_target(session.desired.target.name, ledger=session.ledger)
            if self._task.operation is FleetOperation.DRIFT:
                workflows.require_ledger(session)
            plan = await workflows.plan(session, self._options())
            notes = await self._recorded(session, plan)
            failed = failing(self._gates, session.desired.models) if self._gates else ()
        plan = replace(plan, diagnostics=escalated(plan.diagnostics, failed))
        self._telemetry.set_plan(plan)
        task = self._task
        matters = task.operation is FleetOperation.DRIFT or task.differences_matter
        status = MemberStatus.IN_SYNC if plan.in_sync else MemberStatus.DIFFERENT
        code = exit_codes.for_plan(plan) if matters else 0
        if failed:
            status, code = MemberStatus.INVALID, FAILED
        return MemberOutcome(
            task.member,
            status,
            code,
            digest=plan.digest,
            summary=MappingProxyType(plan.summary),
            notes=(*_notes((*plan.diagnostics, *notes)), *_times(plan.diagnostics)),
            change_digests=change_digests(plan) if task.operation is FleetOperation.PLAN else (),
        )

    def _options(self) -> PlanOptions:
        overrides = self._task.overrides
        return PlanOptions(
            audit=self._task.operation is FleetOperation.DRIFT,
            allow_budget=overrides.allow_budget,
            allow_used=overrides.allow_used,
        )

    async def _recorded(self, session: Session, plan: Plan) -> tuple[Diagnostic, ...]:
        """Record a drift check of a target that others are promoted from."""
        is_drift = self._task.operation is FleetOperation.DRIFT
        if not is_drift or not session.desired.target.soaks:
            return ()
        from reconciler.cli.soaking import record_drift  # few targets are promoted from

        invocation, desired = self._telemetry.invocation, session.desired
        return await in_thread(
            lambda: record_drift(invocation, plan, desired, Selection(), has_read=lambda _: True)
        )

    async def _apply(self, cancel: CancelToken) -> MemberOutcome:
        task, options, overrides = self._task, self._options(), self._task.overrides
        async with wiring.run(
            self._telemetry.invocation,
            self._reading,
            selection=options.selection,
            name=self._telemetry.run,
            keeps_records=task.keeps_records,
            probe=overrides.probe,
        ) as (session, ledger_listener):
            self._telemetry.set_target(session.desired.target.name, ledger=session.ledger)
            stop = CancelToken()
            applied = await run_apply(
                session,
                options,
                Approval(
                    # None if there was no confirmation: the files decide.
                    assumed=task.approved is None,
                    break_freeze=overrides.break_freeze,
                    allow_unsoaked=overrides.allow_unsoaked,
                ),
                run=self._telemetry.run,
                ledger_listener=ledger_listener,
                listeners=(self._telemetry.emit, partial(self._on_event, stop)),
                confirm=self._confirm,
                cancel=stop,
            )
        result = applied.result
        self._telemetry.log_ledger(result)
        code = exit_codes.for_result(applied.result)
        # A stop request that came too late to skip anything must not turn success into a failure.
        if not result.complete and cancel.requested:
            return self._applied(applied, MemberStatus.INTERRUPTED, 130)
        if code != 0:
            return self._applied(applied, MemberStatus.INCOMPLETE, code)
        return self._applied(
            applied, MemberStatus.APPLIED if result.outcomes else MemberStatus.IN_SYNC, 0
        )

    def _applied(self, applied: Applied, status: MemberStatus, code: int) -> MemberOutcome:
        problems = [
            MemberNote("error", outcome.error.code, f"{outcome.slug}: {outcome.error.message}")
            for outcome in applied.result.outcomes
            if outcome.error is not None
        ]
        return MemberOutcome(
            self._task.member,
            status,
            code,
            digest=applied.plan.digest,
            summary=MappingProxyType(_counts(applied.result)),
            break_freeze=applied.result.break_freeze,
            allow_unsoaked=applied.result.allow_unsoaked,
            notes=(
                # Placed first, because the table shows only the first errors of a member.
                *problems[:MAX_NOTES],
                *_notes(applied.diagnostics),
                *_notes(applied.plan.diagnostics),
            ),
        )

    def _confirm(self, plan: Plan) -> bool:
        return require_approved(plan, approved=self._task.approved or ())

    def _on_event(self, stop: CancelToken, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run_cancel = stop


def _counts(result: ApplyResult) -> dict[str, int]:
    """Return the number of outcomes by status, and of credentials that a probe has proven."""
    probed = sum(outcome.is_probed for outcome in result.outcomes)
    counts = dict(result.summary)
    if probed:
        counts["probed"] = probed
    return counts


def _notes(diagnostics: Iterable[Diagnostic]) -> tuple[MemberNote, ...]:
    worth = [d for d in diagnostics if d.severity is not Severity.NOTICE]
    return tuple(MemberNote(d.severity.value, d.code, _located(d)) for d in worth[:MAX_NOTES])


def _times(diagnostics: Iterable[Diagnostic]) -> tuple[MemberNote, ...]:
    """Return the notices that an apply would be refused now."""
    return tuple(
        MemberNote(d.severity.value, d.code, d.summary) for d in diagnostics if d.code in NOT_NOW
    )


def _located(diagnostic: Diagnostic) -> str:
    """Return the summary with the position in the member's files, if there is one."""
    at = diagnostic.at
    if at is None:
        return diagnostic.summary
    return f"{diagnostic.summary} ({at.file}:{at.line}:{at.column})"
