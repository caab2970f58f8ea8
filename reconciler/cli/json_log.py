"""What happens, one JSON object a line: what `--log-format json` makes of stderr.

A line has time, level and event, and whatever is known of run, target, slug, operation, duration
and HTTP status. There is no field for a body, a header or a value, and none for what a server said.
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
"""The level of a diagnostic, by its severity."""

NOT_THERE = 404
"""The expected answer when it is made sure that something is absent."""


class JsonLog:
    """Writes events as lines; `write` takes one whole line, `context` stands in each of them."""

    def __init__(
        self, write: Callable[[str], None], now: Callable[[], datetime], **context: str
    ) -> None:
        self._write = write
        self._now = now
        self._context = context

    def about(self, **context: str) -> "JsonLog":
        """Give a journal of the same lines that knows more of what they are about."""
        return JsonLog(self._write, self._now, **{**self._context, **context})

    def say(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line; a field that is None is left out."""
        moment = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
        line = {"time": moment.replace("+00:00", "Z"), "level": level, "event": event}
        known = {name: value for name, value in fields.items() if value is not None}
        # Pure ASCII, so that no terminal obeys what a name may hold.
        self._write(json.dumps({**line, **self._context, **known}, allow_nan=False))

    def talk(self, text: str, *, level: str) -> None:
        """Write what is said to people."""
        if text.strip():
            self.say("message", level=level, message=text.strip())

    def diagnostics(self, found: Iterable["Diagnostic"]) -> None:
        """Write a line for each finding."""
        for item in found:
            place = {"file": item.at.file, "line": item.at.line} if item.at else {}
            level = LEVELS[item.severity.value]
            self.say("diagnostic", level=level, code=item.code, summary=item.summary, **place)

    def plan(self, plan: "Plan") -> None:
        """Write what was decided, and what was found on the way."""
        self.diagnostics(plan.diagnostics)
        self.say("planned", digest=plan.digest, in_sync=plan.in_sync, summary=plan.summary)

    def exchange(self, exchange: "RequestRecord") -> None:
        """Write one request and what came of it."""
        from reconciler.remote.operations import match

        known = match(exchange.method, exchange.path)
        self.say(
            "request",
            level="warning" if exchange.error and exchange.status != NOT_THERE else "info",
            operation=known[0].name if known else None,
            slug=known[1] if known else None,
            method=exchange.method,
            status=exchange.status,
            duration_ms=round(exchange.seconds * 1000),
            request_id=exchange.request_id,
            code=exchange.error,
        )

    def recorded(self, result: "ApplyResult") -> None:
        """Write where the record of a run ends."""
        from reconciler.ledger.models import Anchor

        end = result.ledger
        if isinstance(end, Anchor):
            self.say("ledger_anchored", head=end.head, length=end.length, state=end.state)

    def event(self, event: "Event") -> None:
        """Write an event of an apply; its calls come as requests with their durations."""
        from reconciler.execution import events

        match event:
            case events.RunStarted(plan=plan):
                self.plan(plan)
                self.say("run_started", digest=plan.digest)
            case events.ActionStarted(action=action):
                self.say("action_started", slug=action.slug, action=action.kind.value)
            case events.ActionEnded(outcome=outcome):
                error = outcome.error
                self.say(
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
                self.say("run_ended", level=level, summary=result.summary)
            case _:
                pass  # a call: the request that follows says more of it
