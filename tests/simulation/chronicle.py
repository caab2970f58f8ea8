"""Record of every request: its sender, its outcome, and which integration it created.

The oracles use only this record, so that they judge by the state of the API and not by the view of
the reconciler.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import ConnectionEnd, Delivery, Fault
from reconciler.simulator.messages import Request, Response
from reconciler.simulator.store import Record

STRANGER = "other"
RECORD = "record"


@dataclass(slots=True)
class Step:
    """One request as it was sent, handled and answered."""

    seconds: float
    who: str
    request: Request
    late: bool = False
    fault: Fault | None = None
    handled: int | None = None
    answered: int | None = None
    ending: ConnectionEnd = ConnectionEnd.COMPLETE
    shown: Any = None
    changed: bool = False

    @property
    def faithful(self) -> bool:
        """Return whether the response was that of the API."""
        return self.fault is None

    @property
    def slug(self) -> str | None:
        """Return the slug of the request; for a create, the created or else the requested one."""
        if self.request.method == "POST":
            made = self.shown if self.handled == 200 else self.request.body
            return str(made.get("slug")) if isinstance(made, dict) else None
        parts = self.request.path.split("/")
        return parts[2] if len(parts) > 2 else None

    @property
    def part(self) -> str:
        """Return the part of the integration: the record, models or workspaces."""
        parts = self.request.path.split("/")
        return parts[3] if len(parts) > 3 else RECORD

    def __str__(self) -> str:
        arrow = "…" if self.late else "→"
        body = "" if self.request.body is None else f" {self.request.body}"
        said = f"{self.handled}" if self.handled else "not handled"
        if self.answered is not None and self.answered != self.handled:
            said += f", answered {self.answered}"
        if self.ending is not ConnectionEnd.COMPLETE:
            said += f", {self.ending.value}"
        if self.fault is not None:
            status = f" {self.fault.status}" if self.fault.status else ""
            said += f" [{self.fault.kind.value}{status}]"
        query = f" {self.request.query}" if self.request.query else ""
        return (
            f"{self.seconds:9.3f} {self.who:9} {arrow} {self.request.method} "
            f"{self.request.path}{query}{body}  ⇒ {said}"
        )


@dataclass(slots=True)
class Made:
    """One integration that a create produced, by its id."""

    who: str
    slug: str
    wanted: str
    step: int


@dataclass
class Chronicle:
    """Record of a story, in the order in which the API handled the requests."""

    clock: Callable[[], float]
    steps: list[Step] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)
    writing: Callable[[Step, Record | None], None] = lambda _step, _record: None
    written: Callable[[Step, Any, Any], None] = lambda _step, _before, _after: None
    current: Step | None = None

    def open(self, who: str, request: Request) -> Step:
        """Announce a request; it gets its position in the order when it is handled."""
        self.current = Step(self.clock(), who, request)
        return self.current

    def handle(self, remote: SimulatedAPI, request: Request) -> Step:
        """Record that the API is about to handle a request; an unannounced one arrives late."""
        step = self.current
        repaged = (
            "current_page" in request.query
        )  # a fault may request another page than the client
        if step is None or not (step.request is request or repaged):
            step = Step(self.clock(), self._sender(request), request, late=True)
        self.steps.append(step)
        if request.writes:
            self.writing(step, remote.integrations.get(step.slug or ""))
        return step

    def handled(self, step: Step, response: Response) -> None:
        """Record what the API did."""
        step.handled = response.status
        step.shown = response.body
        request = step.request
        if response.status == 200 and request.method == "POST" and isinstance(response.body, dict):
            slug = response.body["slug"]
            wanted = request.body.get("slug", slug)
            self.made[response.body["id"]] = Made(step.who, slug, wanted, len(self.steps) - 1)

    def close(self, step: Step, delivery: Delivery, fault: Fault | None) -> None:
        """Record the response."""
        if step.handled is None:
            self.steps.append(step)
        step.answered = delivery.status
        step.ending = delivery.ending
        step.fault = fault
        self.current = None

    def note(self, text: str) -> None:
        """Insert a line between the steps."""
        self.notes.append((len(self.steps), text))

    def _sender(self, request: Request) -> str:
        return next(step.who for step in reversed(self.steps) if step.request is request)

    def told(self) -> list[str]:
        """Return the story with one line for each request."""
        lines = []
        notes = list(self.notes)
        for number, step in enumerate(self.steps):
            while notes and notes[0][0] <= number:
                lines.append(f"-- {notes.pop(0)[1]}")
            lines.append(str(step))
        lines += [f"-- {text}" for _, text in notes]
        return lines


class WatchedRemote(SimulatedAPI):
    """State machine that records every request."""

    chronicle: Chronicle

    def handle(self, request: Request, *, stale: bool = False) -> Response:
        """Answer and record one request."""
        step = self.chronicle.handle(self, request)
        before = essence(self.integrations.get(step.slug or "")) if request.writes else None
        response = super().handle(request, stale=stale)
        self.chronicle.handled(step, response)
        if request.writes:
            after = essence(self.integrations.get(step.slug or ""))
            step.changed = after != before
            self.chronicle.written(step, before, after)
        return response

    def act(self, who: str, request: Request) -> Response:
        """Handle a request of a client other than the run under test."""
        mine = self.chronicle.current
        self.chronicle.open(who, request)
        response = self.handle(request)
        self.chronicle.current = mine
        return response


def essence(value: Any) -> Any:
    """Return a record without the times of its writes."""
    if isinstance(value, dict):
        return {k: essence(v) for k, v in value.items() if k != "last_updated_at"}
    if isinstance(value, list):
        return [essence(item) for item in value]
    return value
