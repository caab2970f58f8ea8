"""Log with one JSON object per line, which `--log-format json` writes to stderr.

A line has time, level and event, and run, target, slug, operation, duration and HTTP status if they
are known. No field contains a body, a header, a value or text from the server.
"""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.execution.events import Event
    from reconciler.execution.result import ApplyResult
    from reconciler.planning.plan import Plan
    from reconciler.remote.api import RequestRecord

LEVELS = {"error": "error", "warning": "warning", "notice": "info"}
"""Log level by severity of a diagnostic."""

NOT_THERE = 404
"""Expected status when a deletion is verified."""


class JsonLog:
    """Writer of events as lines; `write` gets a whole line, and each line contains `context`."""

    def __init__(
        self, write: Callable[[str], None], now: Callable[[], datetime], **context: str
    ) -> None:
        self._write_line = write
        self._now = now
        self._context = context

    def with_context(self, **context: str) -> "JsonLog":
        """Return a log to the same stream with more context in each line."""
        return JsonLog(self._write_line, self._now, **{**self._context, **context})

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line; a field that is None is left out."""
        moment = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
        line = {"time": moment.replace("+00:00", "Z"), "level": level, "event": event}
        known = {name: value for name, value in fields.items() if value is not None}
        # Pure ASCII, so that a name cannot send control sequences to a terminal.
        self._write_line(json.dumps({**line, **self._context, **known}, allow_nan=False))

    def message(self, text: str, *, level: str) -> None:
        """Write a message for people."""
        if text.strip():
            self.write("message", level=level, message=text.strip())

    def diagnostics(self, found: Iterable["Diagnostic"]) -> None:
        """Write a line for each finding."""
        for item in found:
            place = {"file": item.at.file, "line": item.at.line} if item.at else {}
            level = LEVELS[item.severity.value]
            self.write("diagnostic", level=level, code=item.code, summary=item.summary, **place)

    def plan(self, plan: "Plan") -> None:
        """Write the diagnostics and the summary of a plan."""
        self.diagnostics(plan.diagnostics)
        self.write("planned", digest=plan.digest, in_sync=plan.in_sync, summary=plan.summary)

    def request(self, request: "RequestRecord") -> None:
        """Write one request and its outcome."""
        from reconciler.remote.operations import match

        known = match(request.method, request.path)
        self.write(
            "request",
            level="warning" if request.error and request.status != NOT_THERE else "info",
            operation=known[0].name if known else None,
            slug=known[1] if known else None,
            method=request.method,
            status=request.status,
            duration_ms=round(request.seconds * 1000),
            request_id=request.request_id,
            code=request.error,
        )

    def ledger_anchored(self, result: "ApplyResult") -> None:
        """Write the end of a run's ledger records."""
        from reconciler.ledger.models import Anchor

        end = result.ledger
        if isinstance(end, Anchor):
            self.write("ledger_anchored", head=end.head, length=end.length, state=end.state)

    def event(self, event: "Event") -> None:
        """Write an event of an apply; calls are logged as requests with their durations."""
        from reconciler.execution import events

        match event:
            case events.RunStarted(plan=plan):
                self.plan(plan)
                self.write("run_started", digest=plan.digest)
            case events.ActionStarted(action=action):
                self.write("action_started", slug=action.slug, action=action.kind.value)
            case events.ActionEnded(outcome=outcome):
                error = outcome.error
                self.write(
                    "action_ended",
                    level="info" if error is None else "error",
                    slug=outcome.slug,
                    action=outcome.kind.value,
                    outcome=outcome.status.value,
                    attempts=outcome.attempts,
                    duration_ms=outcome.duration_ms,
                    status=error.http_status if error else None,
                    code=error.code if error else None,
                )
            case events.RunEnded(result=result):
                level = "info" if result.complete else "error"
                self.write("run_ended", level=level, summary=result.summary)
            case _:
                pass  # a call, whose request line has more details
