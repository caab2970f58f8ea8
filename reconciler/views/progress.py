"""Progress of a run on stderr: one line per action, or a live display.

Three listeners for `execution.events`: `LiveProgress` for a terminal, `LineProgress` for logs, and
`QuietProgress`, which writes nothing. Each is a context manager, so that the terminal is restored
if a run is interrupted. The result is shown by `reconciler.views.terminal`.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
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
from rich.segment import ControlType, Segment
from rich.text import Text

from reconciler.diagnostics import counted
from reconciler.execution.events import ActionEnded, ActionStarted, Event, RunEnded, RunStarted
from reconciler.execution.result import Outcome, Status
from reconciler.planning.actions import Action
from reconciler.views import phrases
from reconciler.views.escape import visible
from reconciler.views.result_outline import OutcomeItem, duration, of_outcome

Monotonic = Callable[[], float]
"""Returns monotonic seconds from an arbitrary start."""


class UnfailingStream(io.TextIOBase, TextIO):
    """Stream that writes with a function that does not raise, and otherwise acts like another one.

    The run must go on if its terminal is closed, or the disk of its log is full.
    """

    def __init__(self, stream: TextIO, write: Callable[[str], None]) -> None:
        self._stream = stream
        self._write = write

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text, which the function also flushes."""
        self._write(text)
        return len(text)


class QuietProgress:
    """Listener that writes nothing."""

    def __call__(self, event: Event) -> None:
        """Ignore an event."""

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
        """Restore the terminal; can be called more than once."""


class LineProgress(QuietProgress):
    """Listener that writes a line for each action that was tried, and the time at the end."""

    def __init__(self, stream: TextIO, *, clock: Monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()

    def __call__(self, event: Event) -> None:
        """Write a line for the start of the run, for each action that ended, and for the end."""
        match event:
            case RunStarted():
                self._began = self._clock()
                self._write(f"run {visible(event.run)}: {_actions(len(event.plan.actions))}")
            # Skipped actions would fill the log, and the result counts them.
            case ActionEnded() if not _is_counted(event.outcome):
                for line in _lines(event.outcome):
                    self._write(line)
            case RunEnded():
                # The clock counts seconds, but `duration` expects milliseconds.
                elapsed = duration((self._clock() - self._began) * 1000)
                self._write(f"run {visible(event.result.run)} finished after {elapsed}")
            case _:
                pass

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()  # logs are watched during the run


class LiveProgress(QuietProgress):
    """Listener that shows a progress bar, the elapsed time and one line for each running action.

    An action that failed leaves a line above the display; any other only moves the bar.
    """

    def __init__(self, console: Console, *, clock: Monotonic, refresh: bool = True) -> None:
        self._progress = _ResizableProgress(
            SpinnerColumn(finished_text=" "),
            # A description contains a slug from a file or a saved plan, which is not markup.
            TextColumn("{task.description}", markup=False),
            _RunColumn(BarColumn(bar_width=30)),
            _RunColumn(MofNCompleteColumn()),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=refresh,
            transient=True,  # the result that follows repeats it
            get_time=clock,
        )
        self._run_task: TaskID | None = None
        self._running: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Update the display."""
        match event:
            case RunStarted():
                self._run_task = self._progress.add_task(
                    "applying", total=len(event.plan.actions), is_run=True
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

    def print_above(self, text: str) -> bool:
        """Print a message above the display, which would overwrite it; False if it is not shown."""
        is_shown = self._progress.live.is_started
        if is_shown:
            # The display is removed where it is now, not where it was before a resize.
            self._progress.refresh()
            self._progress.console.print(Text(text.rstrip("\n")), soft_wrap=True)
        return is_shown

    def close(self) -> None:
        """Remove the display; lines printed above it are kept."""
        self._progress.stop()

    def _end(self, event: ActionEnded) -> None:
        # A skipped action ends without a start.
        task = self._running.pop(event.action.slug, None)
        if task is not None:
            self._progress.remove_task(task)
        if self._run_task is not None:
            self._progress.advance(self._run_task)
        if event.outcome.status is not Status.APPLIED and not _is_counted(event.outcome):
            self._progress.refresh()
            for line in _lines(event.outcome):
                # As `Text`, in which brackets are not markup; the terminal wraps it, so that it can
                # be copied.
                self._progress.console.print(Text(line), soft_wrap=True)
            # At once, or the line could appear below a bar that is drawn again.
            self._progress.refresh()


class _ResizableProgress(Progress):
    """Progress that is removed completely from a terminal that has become narrower.

    Such a terminal wraps each line of the display into several rows, but rich moves up by lines.
    """

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        # Set first, because the base class renders the display.
        self._rows = _WrappedRows()
        super().__init__(*columns, **options)

    def get_renderable(self) -> RenderableType:
        """Return the display, which begins by removing the rows that rich does not know of."""
        return _AfterWrapped(super().get_renderable(), self._rows)

    def stop(self) -> None:
        """Remove the display."""
        if self.live.is_started:
            self.refresh()
        super().stop()


@dataclass
class _WrappedRows:
    """Widths of the lines that the terminal shows."""

    widths: Sequence[int] = ()

    def beyond(self, columns: int) -> int:
        """Return how many rows more than lines there are on a terminal of this width."""
        return sum(max(0, width - 1) // columns for width in self.widths)


@dataclass(frozen=True)
class _AfterWrapped:
    content: RenderableType
    rows: _WrappedRows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
        more = self.rows.beyond(max(1, console.width))
        if more:
            yield Control(*(up * more))
        lines = console.render_lines(self.content, options, pad=False)
        self.rows.widths = [sum(segment.cell_length for segment in line) for line in lines]
        for line in lines:
            yield from line
            yield Segment.line()


class _RunColumn(ProgressColumn):
    """Column that is shown for the run but not for its actions."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        """Return the column for the run, else nothing."""
        return self._column.render(task) if task.fields.get("is_run") else Text()


def _actions(count: int) -> str:
    return f"{counted(count, 'action')} to apply"


def _is_counted(outcome: Outcome) -> bool:
    """Return whether the result combines an outcome with others that have the same reason."""
    item = of_outcome(outcome)
    return item.status is Status.SKIPPED or bool(item.half_done and item.is_interrupted)


def _headline(action: Action) -> str:
    return f"{phrases.SYMBOLS[action.kind]} {action.kind.value} {visible(action.slug, limit=60)}"


def _lines(outcome: Outcome) -> list[str]:
    item: OutcomeItem = of_outcome(outcome)
    effort = f" {item.effort}" if item.effort else ""
    lines = [f"{item.status.value:<7}  integration/{item.slug} ({item.kind.value}){effort}"]
    if item.problem:
        lines.append(f"         {item.problem}")
    return lines
