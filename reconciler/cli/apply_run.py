"""Run of one apply with its ledger, and its display on stderr.

`apply` and every member of a fleet call `run_apply` once a session is open. `RunDisplay` is only
for a single apply: a member of a fleet shows nothing.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from reconciler import apply_workflow
from reconciler.apply_workflow import Applied
from reconciler.cli import output, settings
from reconciler.cli.console import Console
from reconciler.cli.signals import SignalHandler
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, ReconcilerError, Rejection
from reconciler.execution.batch_writer import BatchWriter, defect, finished, unanswered
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Emit, Event, RunStarted, to_all
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.preflight import Approval
from reconciler.execution.result import ActionFailure
from reconciler.execution.threads import in_thread
from reconciler.ledger.models import Anchor
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.views.plan_outline import question
from reconciler.views.progress import LineProgress, LiveProgress, QuietProgress, UnfailingStream
from reconciler.views.sections import CommandContext, suggested_command
from reconciler.workflows import Session


async def run_apply(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    run: str,
    ledger_listener: LedgerListener | None,
    listeners: Sequence[Emit],
    confirm: Callable[[Plan], bool],
    cancel: CancelToken,
    abort_on_error: bool = False,
) -> Applied:
    """Apply, and record the run and the new last-applied state in the ledger.

    The ledger receives each event before the listeners; raises what `apply_workflow.apply` raises.
    """

    async def apply(*recorded: Emit) -> Applied:
        return await apply_workflow.apply(
            session,
            options,
            approval=approval,
            confirm=confirm,
            emit=to_all(*recorded, *listeners),
            run=run,
            cancel=cancel,
            abort_on_error=abort_on_error,
        )

    if ledger_listener is None:
        return await apply()
    # `problem` is read after the block, because the last batch is written while the writer closes.
    async with BatchWriter(ledger_listener.emit_all, cancel) as writer:
        applied = await apply(writer.emit)
    return await _recorded(
        applied, ledger_listener, session, options, cancel=cancel, problem=writer.problem
    )


async def _recorded(
    applied: Applied,
    ledger_listener: LedgerListener,
    session: Session,
    options: PlanOptions,
    *,
    cancel: CancelToken,
    problem: ReconcilerError | None,
) -> Applied:
    """Record the new state, and add the end of the ledger's records to the result.

    `problem` is the error that kept the ledger from recording the whole run. After the first write,
    a failure of the ledger does not hide the result but becomes part of it.
    """

    def close() -> Anchor | None:
        ledger_listener.close(
            applied.plan,
            desired=session.desired,
            observed=applied.observed,
            selection=options.selection,
            organisation=applied.organisation_id,
        )
        return ledger_listener.anchor()

    try:
        if problem is not None:
            raise problem
        # In a thread, so that an unresponsive ledger cannot keep a signal from ending the run.
        closing = asyncio.ensure_future(in_thread(close))
        if not await finished(closing, cancel):
            closing.cancel()
            raise unanswered()
        return replace(applied, result=replace(applied.result, ledger=closing.result()))
    except Exception as failure:
        # After writes, the result must be shown even if the record of the run failed.
        if not applied.result.outcomes:
            raise
        known = failure if isinstance(failure, ReconcilerError) else defect(failure)
        return _with_failure(applied, known)


def _with_failure(applied: Applied, failure: ReconcilerError) -> Applied:
    """Return the result with the error that the ledger does not contain all of it."""
    # An apply reads the API first, so it needs no record to continue.
    hint = f"{failure.hint}; once the ledger works, run apply again: it makes only the changes left"
    found = error(
        failure.code,
        f"{failure.summary}; the ledger's record of this run is incomplete, the result is complete",
        hint=hint,
    )
    ledger = ActionFailure(found.code, found.summary, found.hint)
    return replace(applied, result=replace(applied.result, ledger=ledger), diagnostics=(found,))


_CUT_SHORT = (
    "calls in progress may or may not have taken effect, and the remaining actions were not "
    "started; to see what is left, run: {}"
)


class RunDisplay:
    """Display of a run on stderr, and handler of signals during the run.

    Until the first write, a signal ends the command; after that, it requests the run to stop.
    """

    def __init__(
        self,
        console: Console,
        handler: SignalHandler,
        cancel: CancelToken,
        *,
        style: str,
        ledger: str,
        context: CommandContext,
    ) -> None:
        self._console = console
        self._handler = handler
        self.cancel = cancel
        self._shows_plan = style == "text" and console.json_log is None
        self._ledger = ledger
        self._context = context
        self._progress = _progress(console)
        self._has_work = False
        self.has_shown_plan = False

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Before anything is printed, because a live display would draw over it.
        self._progress.__exit__(kind, error, trace)
        self._console.above = None
        if isinstance(error, Rejection) and isinstance(error.plan, Plan) and self._shows_plan:
            # The caller reports the diagnostics that stop the run, after the plan.
            rest = tuple(d for d in error.plan.diagnostics if d not in error.diagnostics)
            self._show(replace(error.plan, diagnostics=rest))

    def confirm(self, plan: Plan) -> bool:
        """Show the plan and ask for confirmation."""
        # Otherwise, the run would show the same plan again after the confirmation.
        self._shows_plan = False
        # Not `info`, because a plan that --quiet hides could not be reviewed.
        self._console.warning(self._as_text(plan))
        self.has_shown_plan = True
        hint = "review the plan, then use --yes"
        try:
            # Reading the answer blocks the event loop and therefore the signal handlers.
            with self._handler.suspended():
                return self._console.confirm(question(plan), hint=hint)
        except InvalidInput as problem:
            # Raised with the plan, because the suggested command repeats its digest.
            raise InvalidInput(problem.diagnostics, plan=plan) from None

    def emit(self, event: Event) -> None:
        """Handle an event of the run."""
        if isinstance(event, RunStarted):
            # A cancelled call has an unknown outcome, so from now on the run stops by itself. The
            # event decides this, not the caller: only the executor knows when the first write
            # starts.
            self._handler.on_signal = self._ask_to_stop
            self._handler.if_interrupted = _CUT_SHORT.format(self._plan_again(event.plan))
            if self._console.status is not None:
                self._console.status.close()  # from now on, the progress of the run is shown
            self._show(event.plan)
            self._has_work = bool(event.plan.actions)
        if self._has_work:
            self._progress(event)

    def _plan_again(self, plan: Plan) -> str:
        options, context = self._context.plan_options, self._context
        return suggested_command(plan.target.name, "plan", *options, context=context)

    def _ask_to_stop(self) -> None:
        number = self._handler.received or signal.SIGINT
        self.cancel.request(f"interrupted by {number.name}")
        self._console.warning(
            "finishing the calls in progress; press Ctrl-C again to stop immediately"
        )

    def _show(self, plan: Plan) -> None:
        """Show a plan, once."""
        if self._shows_plan:
            self._shows_plan = False
            self._console.info(self._as_text(plan))
            self.has_shown_plan = not self._console.quiet

    def _as_text(self, plan: Plan) -> str:
        console = self._console
        text = output.plan_text(console, plan, ledger=self._ledger, color=console.colors_stderr)
        return text.rstrip("\n") + "\n\n"  # a prompt, progress or an error follows


def _progress(console: Console) -> QuietProgress:
    if console.quiet or console.stderr is None or console.json_log is not None:
        return QuietProgress()
    stream = UnfailingStream(console.stderr, console.draw)
    if console.is_live:
        # Imported late, because commands that draw nothing must start without rich.
        from rich.console import Console as RichConsole

        # Without a width, which rich reads again for each line: the terminal can be resized.
        rich = RichConsole(file=stream, no_color=not console.colors_stderr)
        live = LiveProgress(rich, clock=settings.monotonic)
        console.above = live.print_above
        return live
    return LineProgress(stream, clock=settings.monotonic)
