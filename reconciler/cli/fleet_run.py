"""One run of a fleet: selected members, their tasks and the result.

`reconciler.cli.fleet_member` runs one member, and the engines in `reconciler.fleet` distribute the
tasks.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from reconciler.cli import output, settings
from reconciler.cli.console import Console
from reconciler.cli.fleet_member import MemberRunner
from reconciler.cli.fleet_options import FleetSelection, unmatched_globs
from reconciler.cli.ledger_access import state_folder_in
from reconciler.cli.signals import SignalHandler
from reconciler.cli.wiring import new_run_id
from reconciler.desired.source import MAX_FILE
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, Refused
from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.checkpoint import Checkpoint, resume
from reconciler.fleet.config import Fleet, Member, read_fleet
from reconciler.fleet.duplicates import SharedRecords
from reconciler.fleet.local_engine import not_run, run_locally
from reconciler.fleet.outcome import FleetOperation, FleetResult, MemberOutcome, MemberStatus
from reconciler.fleet.table import action_counts, line_of, table
from reconciler.fleet.task import MemberTask
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.api import ReadProgress
from reconciler.views.escape import visible

_VERBS = {
    FleetOperation.PLAN: "planning",
    FleetOperation.DRIFT: "checking",
    FleetOperation.APPLY: "applying",
}
CONFIRM_HINT = "review the output of `reconcile fleet plan`, then use --yes"
Ended = Callable[[MemberOutcome], None]


class Engine(Protocol):
    """Engine that runs tasks and reports each outcome when it is known."""

    @property
    def name(self) -> str:
        """Name of the engine in outputs."""
        ...

    def run(
        self, tasks: Sequence[MemberTask], *, cancel: CancelToken, ended: Ended
    ) -> Awaitable[None]:
        """Run every task."""
        ...


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Engine that runs tasks on this machine."""

    runner: MemberRunner
    parallelism: int
    name: str = "local"

    async def run(self, tasks: Sequence[MemberTask], *, cancel: CancelToken, ended: Ended) -> None:
        """Run every task, at most `parallelism` at a time."""
        await run_locally(
            tasks, self.runner, parallelism=self.parallelism, cancel=cancel, ended=ended
        )


def read(file: Path) -> Fleet:
    """Read a fleet.yaml; raise `InvalidInput` with all its mistakes."""
    content = output.read(file, limit=MAX_FILE, code="not-utf8", hint="save it as UTF-8")
    environment = settings.from_environment()
    records = SharedRecords(environment.ledger_url is not None, environment.base_url)
    fleet, found = read_fleet(content.encode(), path=file, records=records)
    if fleet is None:
        raise InvalidInput(found)
    return fleet


def member_runner(console: Console, fleet: Fleet) -> MemberRunner:
    """Return the runner of the members of a fleet in this process."""
    environment = settings.from_environment().environment
    return MemberRunner({member.name: member for member in fleet.members}, environment, console)


class FleetRun:
    """A run of a fleet from its first task to its result."""

    def __init__(
        self,
        console: Console,
        selection: FleetSelection,
        engine: Engine,
        fleet: Fleet,
        task: MemberTask,
    ) -> None:
        """Select the members, and read what an earlier run has completed."""
        self._console = console
        self._selection = selection
        self._engine = engine
        self._members = _selected(console, selection, fleet)
        # A partial result must not be treated as the state of the fleet.
        self._is_partial = len(self._members) < len(fleet.members)
        self._task = task
        folder = state_folder_in(selection.file.absolute().parent) / "fleet"
        self._checkpoint = (
            resume(folder, selection.resume, operation=task.operation)
            if selection.resume is not None
            else Checkpoint(folder, new_run_id(), task.operation)
        )
        self._checkpoint.conditions = task.conditions
        if self._console.json_log is not None:
            self._console.json_log = self._console.json_log.with_context(
                fleet_run=self._checkpoint.run
            )
        # Before the first member, so that an unwritable folder is reported before any write.
        self.can_resume = self._is_saved()
        self._cancel = CancelToken()
        self._outcomes: dict[str, MemberOutcome] = {}

    async def run(self, handler: SignalHandler, *, asks: bool = False) -> FleetResult:
        """Run the task of every member that is not done; with `asks`, plan and confirm first.

        Raises `Refused` if the run is not confirmed.
        """
        self._stop_on(handler)
        tasks = [
            replace(self._task, member=member.name)
            for member in self._members
            if not self._resumed(member)
        ]
        if asks:
            tasks = await self._approved(tasks, handler)
        await self._carry_out(tasks, self._ended)
        return FleetResult(
            self._checkpoint.run,
            self._task.operation,
            self._engine.name,
            # An engine also reports tasks that were not run, so no member is missing.
            tuple(
                _stopped_by(self._outcomes[member.name], handler.exit_code)
                for member in self._members
            ),
            partial=self._is_partial,
            signal_code=handler.exit_code,
        )

    async def _carry_out(self, tasks: Sequence[MemberTask], ended: Ended) -> None:
        """Run tasks of one operation, and show how many members have ended."""
        if not tasks:
            return
        done = 0
        verb = _VERBS[tasks[0].operation]
        async with self._console.show_status(verb=verb, unit="members") as status:

            def counted(outcome: MemberOutcome) -> None:
                nonlocal done
                done += 1
                if status is not None:
                    status.update(ReadProgress(done, len(tasks), is_listed=True))
                ended(outcome)

            if status is not None:
                status.update(ReadProgress(0, len(tasks), is_listed=True))
            await self._engine.run(tasks, cancel=self._cancel, ended=counted)

    def _stop_on(self, handler: SignalHandler) -> None:
        def on_signal() -> None:
            self._cancel.request("interrupted")
            self._console.warning(
                "finishing the calls in progress; press Ctrl-C again to stop immediately"
            )

        handler.on_signal = on_signal

    def _is_saved(self) -> bool:
        """Return whether the state of the run can be saved; an apply raises `InvalidInput`."""
        try:
            self._checkpoint.save()
        except InvalidInput as reason:
            if self._task.operation is FleetOperation.APPLY:
                raise
            # A checkout can be read-only for a command that only reads.
            self._console.warning(f"warning: {reason.summary}; this run cannot be resumed")
            return False
        return True

    def _resumed(self, member: Member) -> bool:
        outcome = self._checkpoint.completed(member)
        if outcome is not None:
            self._outcomes[member.name] = outcome
        return outcome is not None

    def _ended(self, outcome: MemberOutcome) -> None:
        self._outcomes[outcome.member] = outcome
        if self.can_resume:
            self._record(outcome)
        announce(self._console, outcome)

    def _record(self, outcome: MemberOutcome) -> None:
        member = next(m for m in self._members if m.name == outcome.member)
        try:
            self._checkpoint.record(member, outcome)
        except InvalidInput as reason:
            # The member's work is complete; only a resumed run would repeat it.
            self._console.warning(f"warning: {reason.summary}")

    async def _approved(
        self, tasks: Sequence[MemberTask], handler: SignalHandler
    ) -> list[MemberTask]:
        """Plan, show and confirm; return the tasks of the members that have changes to apply."""
        planned: dict[str, MemberOutcome] = {}

        # Not `_ended`, because a plan is not the outcome of an apply, and a resumed run would skip
        # the member.
        def keep(outcome: MemberOutcome) -> None:
            planned[outcome.member] = outcome

        plans = [replace(task, operation=FleetOperation.PLAN) for task in tasks]
        await self._carry_out(plans, keep)
        ready = [o for o in tasks if planned[o.member].status is MemberStatus.DIFFERENT]
        for outcome in planned.values():
            # In sync or failed: there is nothing to apply, so the plan is the outcome.
            if outcome.status is not MemberStatus.DIFFERENT:
                self._ended(outcome)
        if self._cancel.requested:
            for task in ready:
                self._ended(not_run(task))
            return []
        if not ready:
            return []
        shown = FleetResult(
            self._checkpoint.run,
            FleetOperation.PLAN,
            self._engine.name,
            tuple(planned[m.name] for m in self._members if m.name in planned),
        )
        console = self._console
        color, width = console.colors_stderr, console.stderr_width
        # On stderr, because stdout is for the result.
        console.warning(table(shown, width=width, color=color, asks=True))
        with handler.suspended():
            members = [planned[task.member] for task in ready]
            question = f"{action_counts(members)}. Apply to these {len(ready)} members?"
            agreed = console.confirm(question, hint=CONFIRM_HINT)
        if not agreed:
            raise Refused([error("declined", "the run was not confirmed; nothing was written")])
        return [replace(task, approved=planned[task.member].change_digests) for task in ready]


def _selected(console: Console, selection: FleetSelection, fleet: Fleet) -> list[Member]:
    """Return the selected members; raises `InvalidInput` for a pattern that selects none."""
    members = selection.members_of(fleet)
    if not members:
        hint = f"compare --only and --exclude with the members in {selection.file}"
        raise InvalidInput([error("no-members", "no member of the fleet is selected", hint=hint)])
    names = [member.name for member in fleet.members]
    hint = f"compare it with the members in {selection.file}"
    unmatched = [
        error("nothing-selected", f"`--only {visible(glob)}` matches no member", hint=hint)
        for glob in unmatched_globs(selection.only, names)
    ]
    if unmatched:
        raise InvalidInput(unmatched)
    for glob in unmatched_globs(selection.exclude, names):
        # The member that was meant is not excluded.
        console.warning(f"warning: `--exclude {visible(glob)}` matches no member")
    return members


def _stopped_by(outcome: MemberOutcome, signal_code: int) -> MemberOutcome:
    """Return an outcome with the exit code that the separate command has after the signal."""
    if signal_code and outcome.status is MemberStatus.INTERRUPTED:
        return replace(outcome, exit_code=signal_code)
    return outcome


def announce(console: Console, outcome: MemberOutcome) -> None:
    """Report on stderr that a member has ended."""
    if console.json_log is None:
        console.info(line_of(outcome))
        return
    console.json_log.write(
        "member_ended",
        level="info" if outcome.done else "error",
        member=outcome.member,
        target=outcome.target,
        run=outcome.run,
        status=outcome.status.value,
        exit_code=outcome.exit_code,
        duration_ms=outcome.duration_ms,
    )


def show(
    console: Console,
    result: FleetResult,
    *,
    options: Sequence[str],
    style: str,
    can_resume: bool = True,
) -> None:
    """Write the result to stdout; `options` are those that a suggested command repeats."""
    if style == "json":
        from reconciler.views import json

        console.data(json.document(result.as_json()))
    else:
        color, width = console.colors_stdout, console.stdout_width
        shown = table(result, options=options, width=width, color=color, can_resume=can_resume)
        console.data(shown)
