"""Telemetry of one run: its log lines and its metrics.

Format of log lines: `reconciler.cli.json_log`. Format of the metrics file:
`reconciler.views.metrics`.
"""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.cli import error_reporting, settings, signals
from reconciler.cli.global_options import Invocation, RunObserver
from reconciler.diagnostics import error, warning
from reconciler.errors import InvalidInput
from reconciler.ledger.errors import LedgerError, NoLedger
from reconciler.ledger.location import LedgerState
from reconciler.planning.plan import Plan
from reconciler.views.metrics import Figures, exposition

if TYPE_CHECKING:
    from reconciler.execution.events import Event
    from reconciler.execution.result import ApplyResult
    from reconciler.remote.api import RequestRecord


class RunTelemetry(RunObserver):
    """Observer of a run that logs and measures it, and the requests of its `invocation`.

    Metrics are written however the run ends, so
    that an alert can use the exit code.
    """

    def __init__(
        self, invocation: Invocation, *, command: str, run: str, metrics_file: Path | None = None
    ) -> None:
        self._console = invocation.console
        self._file = metrics_file
        self.figures = Figures(command=command, target=invocation.target or "", run=run)
        if self._console.json_log is not None:
            # A fleet as a whole has no run in a ledger, but its members do.
            known = {"run": run, "command": command} if run else {"command": command}
            self._console.json_log = self._console.json_log.with_context(**known)
        super().__init__(replace(invocation, on_request=self._on_request), run)

    def __enter__(self) -> Self:
        _check_place(self._file)
        self._began = settings.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if problem is not None:
            self.figures.exit_code = _code_of(problem)
        # A ledger that does not exist yet has not failed.
        if isinstance(problem, LedgerError) and not isinstance(problem, NoLedger):
            self.figures.ledger = LedgerState.UNREACHABLE
        self.figures.seconds = settings.monotonic() - self._began
        self.figures.ended_at = settings.now().timestamp()
        if self._file is not None:
            self._save(self._file)

    def set_target(self, target: str, *, ledger: str = "") -> None:
        """Store the target, which can be the default one, and the state of its ledger."""
        self.figures.target = target
        self.figures.ledger = ledger
        if self._console.json_log is not None:
            self._console.json_log = self._console.json_log.with_context(target=target)

    def set_plan(self, plan: Plan) -> None:
        """Store and log the plan of a run that writes nothing."""
        self.figures.plan = plan
        if self._console.json_log is not None:
            self._console.json_log.plan(plan)

    def log_ledger(self, result: "ApplyResult") -> None:
        """Log the end of the run's ledger records, so that an audit log can prove them later."""
        if self._console.json_log is not None:
            self._console.json_log.ledger_anchored(result)

    def text(self) -> str:
        """Return the metrics in Prometheus format."""
        return exposition(self.figures)

    def emit(self, event: "Event") -> None:
        """Store and log an event of an apply."""
        from reconciler.execution.events import RunEnded, RunStarted

        match event:
            case RunStarted(plan=plan):
                self.figures.plan = plan
            case RunEnded(result=result):
                self.figures.result = result
        if self._console.json_log is not None:
            self._console.json_log.event(event)

    def finish(self, code: int) -> int:
        """Store the exit code and return it."""
        self.figures.exit_code = code
        return code

    def _on_request(self, exchange: "RequestRecord") -> None:
        status = str(exchange.status) if exchange.status is not None else exchange.error or "none"
        self.figures.calls[exchange.method, status] += 1
        spent = self.figures.call_seconds
        spent[exchange.method] = spent.get(exchange.method, 0.0) + exchange.seconds
        if self._console.json_log is not None:
            self._console.json_log.request(exchange)

    def _save(self, file: Path) -> None:
        """Write the metrics; a failure does not change the result of the run."""
        from reconciler.cli import output
        from reconciler.views.diagnostics import as_text

        try:
            output.save(file, self.text())
        except InvalidInput as reason:
            problem = warning("metrics-not-saved", reason.summary)
            self._console.warning(as_text([problem]))


def _check_place(file: Path | None) -> None:
    """Refuse an unusable path for the file before any work."""
    if file is not None and not file.absolute().parent.is_dir():
        problem = error(
            "cannot-save", f"{file}: the folder does not exist", hint="create the folder first"
        )
        raise InvalidInput([problem])


def _code_of(problem: BaseException) -> int:
    if isinstance(problem, KeyboardInterrupt):
        return signals.exit_code(problem)
    return error_reporting.explain(problem).exit_code
