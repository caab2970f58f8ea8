"""Line on a terminal that shows how far a long read is: `reading 120/500 · 4 s left`.

It appears after a second, is redrawn only when its text has changed, and is removed before other
output and at the end. `reconciler.cli.console` decides when it is shown.
"""

import math
from collections.abc import Callable

from reconciler.remote.api import ReadProgress

DELAY_SECONDS = 1.0
"""Time after which the line appears, so that a short command shows none."""

# After the text, not before it: an erased line would flicker.
_TO_LINE_END = "\x1b[K"
_DEFAULT_COLUMNS = 80


class StatusLine:
    """Status of one read on a terminal.

    `verb` and `unit` name what is counted: `planning 3/12 members`. `write` gets control
    sequences; `width` is asked at each redraw, because a terminal can be resized.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        clock: Callable[[], float],
        width: Callable[[], int | None],
        verb: str = "reading",
        unit: str = "",
    ) -> None:
        self._write = write
        self._clock = clock
        self._width = width
        self._verb = verb
        self._unit = f" {unit}" if unit else ""
        self._began = clock()
        self._since = self._updated = self._began
        self._progress: ReadProgress | None = None
        self._paused_until = -math.inf
        self._shown = ""
        self._is_closed = False

    def update(self, progress: ReadProgress) -> None:
        """Store how far the read is; the next redraw shows it."""
        last = self._progress
        # A second read of the same command counts from 0, and so does its remaining time.
        if last is None or progress.done < last.done or last.is_over:
            self._since = self._clock()
        self._updated = self._clock()
        self._progress = progress

    def pause(self, seconds: float) -> None:
        """Store that the rate limit pauses all calls."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def draw(self) -> None:
        """Redraw the line if its text changed."""
        if self._is_closed or self._clock() - self._began < DELAY_SECONDS:
            return
        columns = self._width() or _DEFAULT_COLUMNS
        # The last column stays free: some terminals start a new line after it.
        text = self._text()[: columns - 1]
        if text != self._shown:
            self._write(f"{self._to_line_start(columns)}{text}{_TO_LINE_END}")
            self._shown = text

    def clear(self) -> None:
        """Remove the line before other output; the next redraw shows it again."""
        if self._shown:
            columns = self._width() or _DEFAULT_COLUMNS
            self._write(f"{self._to_line_start(columns)}{_TO_LINE_END}")
            self._shown = ""

    def close(self) -> None:
        """Wipe the line for good."""
        self.clear()
        self._is_closed = True

    def _to_line_start(self, columns: int) -> str:
        """Return the sequence that moves to the start of the line that is shown."""
        # A terminal that became narrower has wrapped the line into several rows.
        rows = (len(self._shown) - 1) // columns if self._shown else 0
        return f"\r\x1b[{rows}A\x1b[J" if rows else "\r"

    def _text(self) -> str:
        now = self._clock()
        if now < self._paused_until:
            return f"waiting {_duration(self._paused_until - now)}: rate limit"
        progress = self._progress
        if progress is None or not (progress.wanted or progress.is_listed):
            return f"{self._verb} …"
        if progress.is_over:
            return ""
        counts = f"{self._verb} {progress.done:,}/{progress.wanted:,}{self._unit}"
        # While the list is being read, the number of integrations grows.
        if not progress.is_listed or not progress.done:
            return counts
        seconds_each = (self._updated - self._since) / progress.done
        # Counted down until the next update; a rate computed now would let the time grow.
        left = seconds_each * (progress.wanted - progress.done) - (now - self._updated)
        return f"{counts} · {_duration(left)} left"


def _duration(seconds: float) -> str:
    whole = max(1, math.ceil(seconds))
    return f"{whole} s" if whole < 100 else f"{math.ceil(whole / 60)} min"
