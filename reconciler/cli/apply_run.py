"""One apply: the run with its ledger, and its display on stderr.

`carry_out` is what `apply` and every member of a fleet do once a session is open. `RunDisplay` is
for a single apply: a member of a fleet shows nothing.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from reconciler import workflows
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
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.views.plan_outline import question
from reconciler.views.progress import LineProgress, LiveProgress, QuietProgress
from reconciler.workflows import Applied, Session


async def carry_out(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    run: str,
    books: LedgerListener | None,
    listeners: Sequence[Emit],
    confirm: Callable[[Plan], bool],
    stop: CancelToken,
    abort_on_error: bool = False,
) -> Applied:
    """Apply while the books take it down, and remember in them what has become true.

    The books hear of each event before the listeners; raises what `workflows.apply` raises.
    """

    async def apply(*recorded: Emit) -> Applied:
        return await workflows.apply(
            session,
            options,
            approval=approval,
            confirm=confirm,
            emit=to_all(*recorded, *listeners),
            run=run,
            stop=stop,
            abort_on_error=abort_on_error,
        )

    if books is None:
        return await apply()
    async with BatchWriter(books.emit_all, stop) as clerk:
        applied = await apply(clerk.emit)
    return await _remembered(applied, books, session, options, stop=stop, problem=clerk.problem)


async def _remembered(
    applied: Applied,
    books: LedgerListener,
    session: Session,
    options: PlanOptions,
    *,
    stop: CancelToken,
    problem: ReconcilerError | None,
) -> Applied:
    """Remember what is true now, and add to the result where its record ends.

    `problem` is what kept the books from taking the run down to its end. Once something was
    written, a failure of the ledger does not hide what was done: it becomes part of the result.
    """

    def close() -> Anchor | None:
        books.close(
            applied.plan,
            desired=session.desired,
            observed=applied.observed,
            selection=options.selection,
            organisation=applied.organisation_id,
        )
        return books.anchor()

    try:
        if problem is not None:
            raise problem
        closing = asyncio.ensure_future(in_thread(close))
        if not await finished(closing, stop):
            closing.cancel()
            raise unanswered()
        return replace(applied, result=replace(applied.result, ledger=closing.result()))
    except Exception as failure:
        if not applied.result.outcomes:
            raise
        known = failure if isinstance(failure, ReconcilerError) else defect(failure)
        return _with_failure(applied, known)


def _with_failure(applied: Applied, failure: ReconcilerError) -> Applied:
    """Add to a result that the ledger does not hold all of it."""
    hint = f"{failure.hint}; once the ledger is well, run apply again: it does only what is left"
    found = error(
        failure.code,
        f"{failure.summary}; the record of this run is not complete, its result is",
        hint=hint,
    )
    ledger = ActionFailure(found.code, found.summary, found.hint)
    return replace(applied, result=replace(applied.result, ledger=ledger), diagnostics=(found,))


_CUT_SHORT = (
    "what was in flight may have been done or not, and the rest was not begun; "
    "`reconcile plan` tells what is left"
)


class RunDisplay:
    """Listens to a run, all of it on stderr, and connects the signals to it.

    Until the first write a signal ends the command; from then on it asks the run to stop.
    """

    def __init__(
        self,
        console: Console,
        interruption: SignalHandler,
        stop: CancelToken,
        *,
        style: str,
        ledger: str,
    ) -> None:
        self._console = console
        self._interruption = interruption
        self.stop = stop
        self._shows_plan = style == "text" and console.journal is None
        self._ledger = ledger
        self._progress = _progress(console)
        self._has_work = False

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        if isinstance(error, Rejection) and isinstance(error.plan, Plan) and self._shows_plan:
            # What stops the run is said last, and by whoever ends it: not twice.
            rest = tuple(d for d in error.plan.diagnostics if d not in error.diagnostics)
            self._show(replace(error.plan, diagnostics=rest))

    def confirm(self, plan: Plan) -> bool:
        """Show the plan and ask for it."""
        self._shows_plan = False
        self._console.insist(self._as_text(plan))
        otherwise = "look at the plan, then use --yes"
        try:
            with self._interruption.left_to_python():
                return self._console.confirm(question(plan), otherwise=otherwise)
        except InvalidInput as problem:
            raise InvalidInput(problem.diagnostics, plan=plan) from None

    def emit(self, event: Event) -> None:
        """Take an event of the run."""
        if isinstance(event, RunStarted):
            self._interruption.ask = self._ask_to_stop
            self._interruption.undone = _CUT_SHORT
            self._show(event.plan)
            self._has_work = bool(event.plan.actions)
        if self._has_work:
            self._progress(event)

    def _ask_to_stop(self) -> None:
        number = self._interruption.received or signal.SIGINT
        self.stop.request(f"interrupted by {number.name}")
        self._console.insist("finishing what is in flight; press Ctrl-C again to leave at once")

    def _show(self, plan: Plan) -> None:
        """Show a plan, once."""
        if self._shows_plan:
            self._shows_plan = False
            self._console.say(self._as_text(plan))

    def _as_text(self, plan: Plan) -> str:
        console = self._console
        text = output.plan_text(console, plan, ledger=self._ledger, color=console.colors_talk)
        return text.rstrip("\n") + "\n\n"  # what follows is the question, progress or an error


def _progress(console: Console) -> QuietProgress:
    stream = console.stderr
    if console.quiet or stream is None or console.journal is not None:
        return QuietProgress()
    if console.is_live:
        from rich.console import Console as RichConsole

        rich = RichConsole(file=stream, no_color=not console.colors_talk, width=console.width)
        return LiveProgress(rich, clock=settings.monotonic)
    return LineProgress(stream, clock=settings.monotonic)
