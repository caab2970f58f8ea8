"""A run while it happens, on stderr: what the executor announces, as lines or as a moving picture.

Three listeners for `execution.events`: `LiveProgress` for a terminal, `LineProgress` for logs,
`QuietProgress` for nobody. Each is a context manager, so that the terminal is left in order when a
run breaks off. The end of the run is told by `reconciler.views.terminal`.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from reconciler.execution.events import ActionEnded, ActionStarted, Event, RunEnded, RunStarted
from reconciler.execution.result import Outcome, Status
from reconciler.planning.actions import Action
from reconciler.views import phrases
from reconciler.views.escape import visible
from reconciler.views.result_outline import OutcomeItem, duration, of_outcome

Monotonic = Callable[[], float]
"""Seconds that only grow, from wherever."""


class QuietProgress:
    """Listen and say nothing."""

    def __call__(self, event: Event) -> None:
        """Take an event."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream in order; may be called more than once."""


class LineProgress(QuietProgress):
    """Write a line for each action that is over, and the elapsed time at the end."""

    def __init__(self, stream: TextIO, *, clock: Monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()

    def __call__(self, event: Event) -> None:
        """Write what is worth a line in a log."""
        match event:
            case RunStarted():
                self._began = self._clock()
                self._say(f"run {visible(event.run)}: {_actions(len(event.plan.actions))}")
            case ActionEnded():
                for line in _lines(event.outcome):
                    self._say(line)
            case RunEnded():
                elapsed = duration((self._clock() - self._began) * 1000)
                self._say(f"run {visible(event.result.run)} is over after {elapsed}")
            case _:
                pass

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class LiveProgress(QuietProgress):
    """Show a bar, the elapsed time and one line for each action that is running.

    An action that was not applied leaves a line above the picture; the rest only moves the bar.
    """

    def __init__(self, console: Console, *, clock: Monotonic, refresh: bool = True) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            _OfTheWhole(BarColumn(bar_width=30)),
            _OfTheWhole(MofNCompleteColumn()),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=refresh,
            transient=True,
            get_time=clock,
        )
        self._whole: TaskID | None = None
        self._running: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Move the picture."""
        match event:
            case RunStarted():
                self._whole = self._progress.add_task(
                    "applying", total=len(event.plan.actions), whole=True
                )
                self._progress.start()
            case ActionStarted():
                self._running[event.action.slug] = self._progress.add_task(
                    _headline(event.action), total=1
                )
            case ActionEnded():
                self._end(event)
            case RunEnded():
                self.close()
            case _:
                pass

    def close(self) -> None:
        """Take the picture away; what was printed above it stays."""
        self._progress.stop()

    def _end(self, event: ActionEnded) -> None:
        task = self._running.pop(event.action.slug, None)
        if task is not None:
            self._progress.remove_task(task)
        if self._whole is not None:
            self._progress.advance(self._whole)
        if event.outcome.status is not Status.APPLIED:
            for line in _lines(event.outcome):
                self._progress.console.print(Text(line), soft_wrap=True)
            self._progress.refresh()


class _OfTheWhole(ProgressColumn):
    """Show a column for the run and nothing for its single actions."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        """Draw the column, or nothing."""
        return self._column.render(task) if task.fields.get("whole") else Text()


def _actions(count: int) -> str:
    return f"{count} action{'s' * (count != 1)} to carry out"


def _headline(action: Action) -> str:
    return f"{phrases.SYMBOLS[action.kind]} {action.kind.value} {visible(action.slug, limit=60)}"


def _lines(outcome: Outcome) -> list[str]:
    item: OutcomeItem = of_outcome(outcome)
    effort = f" {item.effort}" if item.effort else ""
    lines = [f"{item.status.value:<7}  integration/{item.slug} ({item.kind.value}){effort}"]
    if item.problem:
        lines.append(f"         {item.problem}")
    return lines
