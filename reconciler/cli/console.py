"""Standard streams of a command: stdout is for data, stderr for messages.

Commands choose what is written, and `reconciler.views` formats it. This module writes it, detects
whether a stream is a terminal, and redraws the status line there.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TextIO

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput

if TYPE_CHECKING:
    from reconciler.cli.json_log import JsonLog
    from reconciler.drift.report import DriftReport
    from reconciler.execution.result import ApplyResult
    from reconciler.planning.plan import Plan
    from reconciler.views.render_options import RenderOptions
    from reconciler.views.sections import CommandContext
    from reconciler.views.status_line import StatusLine


_DEFAULT_COLUMNS = 80
"""Columns of a terminal that does not report its size."""

_REDRAW_SECONDS = 0.1
"""Time between two redraws of the status line."""

RENDERERS: Mapping[str, str] = MappingProxyType(
    {
        "text": "reconciler.views.terminal",
        "json": "reconciler.views.json",
        "markdown": "reconciler.views.markdown",
        "html": "reconciler.views.html",
    }
)
"""Module of each format, with a function for each kind of document: `plan`, `result`, `drift`."""

DOCUMENT_FORMATS = tuple(RENDERERS)


def render(
    kind: Literal["plan", "result", "drift"],
    document: "Plan | ApplyResult | DriftReport",
    options: "RenderOptions",
    *,
    style: str,
) -> str:
    """Return a document in one of `DOCUMENT_FORMATS`."""
    # By name, because importing the modules of all formats takes a tenth of a command's time.
    renderer: Callable[..., str] = getattr(import_module(RENDERERS[style]), kind)
    return renderer(document, options)


_SPOOLED = 1 << 20
"""Number of characters of a result that are kept in memory and written at once."""


class Console:
    """Standard streams, with the global options that concern them.

    A closed reader (`reconcile list | head -1`) is not an error: further output is dropped, and the
    exit code still shows how the work ended. `lost` is the error that prevented the output of data,
    such as a full disk.
    """

    def __init__(
        self, *, stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None
    ) -> None:
        self._in = stdin
        self._out = stdout
        self._err = stderr
        self.verbosity = 0
        self.quiet = False
        self.color_allowed = True
        self.has_written = False
        self.lost: OSError | None = None
        self.json_log: JsonLog | None = None
        self.status: StatusLine | None = None
        self.above: Callable[[str], bool] | None = None
        """Writes a message above a display that is redrawn in place; False if there is none."""

    @classmethod
    def of_this_process(cls) -> "Console":
        """Return the console of this process; text is UTF-8 in every locale."""
        for stream in (sys.stdout, sys.stderr):
            # Python sets a stream to None if its descriptor is closed, as by `>&-`.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        return cls(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)

    @property
    def stdout_width(self) -> int | None:
        """Return the columns of stdout, None if it is not a terminal."""
        return _columns(self._out)

    @property
    def stderr_width(self) -> int | None:
        """Return the columns of stderr, None if it is not a terminal."""
        return _columns(self._err)

    @property
    def is_one_stream(self) -> bool:
        """Return whether stdout and stderr are read together, on a terminal or in a log."""
        if self._out is None or self._err is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._out.fileno()), os.fstat(self._err.fileno()))
        except (OSError, ValueError):  # a stream in memory has no descriptor
            return False

    @property
    def colors_stdout(self) -> bool:
        """Return whether stdout is a terminal that may show colours."""
        return self.color_allowed and _is_terminal(self._out)

    @property
    def colors_stderr(self) -> bool:
        """Return whether stderr is a terminal that may show colours."""
        return self.color_allowed and _is_terminal(self._err)

    @property
    def is_live(self) -> bool:
        """Return whether lines on stderr can be redrawn."""
        return _is_terminal(self._err)

    @property
    def stderr(self) -> TextIO | None:
        """Return stderr, for code that draws on it; None if it is closed."""
        return self._err

    def data(self, text: str) -> None:
        """Write a result to stdout, with a newline at its end."""
        self._write_data(text if text.endswith("\n") else text + "\n")

    def data_parts(self, parts: Iterable[str]) -> None:
        """Write a result that is too large for memory, once all of it is known.

        A failure while the parts are made leaves stdout empty, so that it holds one document.
        """
        # Imported here, because every command imports this module, and few write such a result.
        from tempfile import SpooledTemporaryFile

        limit = _SPOOLED if _can_write_to_disk() else 0  # 0: everything is kept in memory
        with SpooledTemporaryFile(limit, mode="w+", encoding="utf-8", newline="") as held:
            # Not `writelines`, which moves the text to the disk only after the last part.
            for part in parts:
                held.write(part)
            held.seek(0)
            while chunk := held.read(_SPOOLED):
                self._write_data(chunk)

    def _write_data(self, text: str) -> None:
        self._clear_status()
        # Set before the attempt: a part may be written, and no second document may follow it.
        self.has_written = True
        problem = None if self._out is None else _write_whole(self._out, text)
        if problem is None:
            return
        # Dropped after the first failure, so that a command with much output does not fail at each
        # line.
        self._out = None
        if not isinstance(problem, BrokenPipeError):
            # The third argument is the file name, which the error report shows.
            self.lost = OSError(problem.errno, problem.strerror, "standard output")

    def fitted_to_stdout(self, text: str) -> str:
        """Return messages that a command prints as its result, with lines that fit a terminal."""
        return _fitted(text, self.stdout_width)

    def show_plan(
        self, plan: "Plan", *, style: str, ledger: str, context: "CommandContext"
    ) -> None:
        """Write a plan to stdout in one of `DOCUMENT_FORMATS`."""
        options = self._render_options(ledger, context)
        self.data(render("plan", plan, options, style=style))

    def show_result(
        self,
        result: "ApplyResult",
        plan: "Plan | None" = None,
        *,
        style: str,
        ledger: str,
        context: "CommandContext",
        continues: bool = False,
        is_default_target: bool = False,
    ) -> None:
        """Write a result to stdout in one of `DOCUMENT_FORMATS`; its plan adds the changes.

        `continues` states that the plan was shown in the same stream. With `is_default_target`, a
        result of the simulator states in a log that it is one, because it could be mistaken for one
        of production.
        """
        is_simulator = result.target.base_url.startswith("simulator:")
        options = replace(
            self._render_options(ledger, context),
            plan=plan,
            continues=continues,
            # On a terminal, the user has typed the command a moment ago.
            names_simulator=is_default_target and is_simulator and self.stdout_width is None,
        )
        self.data(render("result", result, options, style=style))

    def show_drift(
        self, report: "DriftReport", *, style: str, ledger: str, context: "CommandContext"
    ) -> None:
        """Write a drift report to stdout in one of `DOCUMENT_FORMATS`."""
        options = self._render_options(ledger, context)
        self.data(render("drift", report, options, style=style))

    def _render_options(self, ledger: str, context: "CommandContext") -> "RenderOptions":
        from reconciler.views.render_options import RenderOptions

        return RenderOptions(
            ledger=ledger,
            context=context,
            width=self.stdout_width,
            color=self.colors_stdout,
            verbose=self.verbosity > 0,
        )

    def info(self, text: str) -> None:
        """Write a message to stderr, unless `--quiet` was given."""
        if not self.quiet:
            self._message(text, level="info")

    def debug(self, text: str) -> None:
        """Write a message that only `--verbose` shows."""
        if self.verbosity:
            self._message(text, level="debug")

    def warning(self, text: str) -> None:
        """Write a message that `--quiet` does not suppress: a problem or a question."""
        self._message(text, level="warning")

    def log_as_json(self, now: Callable[[], datetime]) -> None:
        """Write messages as lines of JSON from now on."""
        from reconciler.cli.json_log import JsonLog

        self.json_log = JsonLog(self._write_stderr, now)

    def _message(self, text: str, *, level: str) -> None:
        if self.json_log is not None:
            self.json_log.message(text, level=level)
        else:
            self._write_stderr(_fitted(text, self.stderr_width))

    def draw(self, sequence: str) -> None:
        """Write control sequences and text to stderr, without a newline."""
        if self._err is not None and _write_whole(self._err, sequence) is not None:
            self._err = None

    def _clear_status(self) -> None:
        if self.status is not None:
            self.status.clear()

    def _write_stderr(self, text: str) -> None:
        self._clear_status()
        if self.above is not None and self.above(text):
            return
        if self._err is not None and _write(self._err, text) is not None:
            self._err = None

    @asynccontextmanager
    async def show_status(
        self, *, verb: str = "reading", unit: str = ""
    ) -> AsyncIterator["StatusLine | None"]:
        """Show a status line while the block reads; None if none may be shown.

        There is no status line without a terminal, with `--quiet` or with a JSON log. Its content:
        `reconciler.views.status_line`.
        """
        import asyncio

        from reconciler.cli import settings

        is_wanted = self.is_live and not self.quiet and self.json_log is None
        # A dumb terminal cannot erase, and one line at a time is enough.
        if not is_wanted or settings.variable("TERM") == "dumb" or self.status is not None:
            yield self.status
            return
        from reconciler.views.status_line import StatusLine

        status = StatusLine(
            self.draw,
            clock=settings.monotonic,
            width=lambda: self.stderr_width,
            verb=verb,
            unit=unit,
        )
        self.status = status
        redraws = asyncio.create_task(_redraw(status))
        try:
            yield status
        finally:
            self.status = None
            status.close()
            redraws.cancel()
            with suppress(asyncio.CancelledError):
                await redraws

    def require_terminal(self, *, hint: str) -> None:
        """Raise `InvalidInput` with `hint` if the user cannot be asked."""
        # The question is written to stderr, so that stdout holds only the result.
        for name, stream in (("stdin", self._in), ("stderr", self._err)):
            if not _is_terminal(stream):
                summary = f"cannot ask for confirmation: {name} is not a terminal"
                raise InvalidInput([error("no-terminal", summary, hint=hint)])

    def confirm(self, question: str, *, hint: str) -> bool:
        """Ask a question whose default answer is no.

        Keys typed before the question is shown do not answer it. Raises `InvalidInput` without a
        terminal, see `require_terminal`.
        """
        self.require_terminal(hint=hint)
        assert self._in is not None  # noqa: S101  a terminal is a stream; this tells the type checker
        assert self._err is not None  # noqa: S101
        self._clear_status()
        _discard_typed_ahead(self._in)
        # The space is outside, because the end of a fitted line is stripped.
        self._err.write(_fitted(f"{question} [y/N]", self.stderr_width) + " ")
        self._err.flush()
        answer = self._in.readline()
        if not answer.endswith("\n"):  # Ctrl-D leaves the cursor behind the question
            self._err.write("\n")
        # Anything else is a no, also the end of the input.
        return answer.strip().lower() in {"y", "yes"}

    def close(self) -> None:
        """Flush both streams before the interpreter flushes them and reports a closed reader."""
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except OSError:
                _silence(stream)


async def _redraw(status: "StatusLine") -> None:
    import asyncio

    while True:
        await asyncio.sleep(_REDRAW_SECONDS)
        status.draw()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _columns(stream: TextIO | None) -> int | None:
    """Return the columns of a terminal; COLUMNS overrides them, as in other programs."""
    if stream is None or not _is_terminal(stream):
        return None
    from reconciler.cli import settings

    chosen = settings.variable("COLUMNS") or ""
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    # A stream in memory has no descriptor, and a serial line may not report its size.
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_COLUMNS
    return _DEFAULT_COLUMNS


def _fitted(text: str, width: int | None) -> str:
    """Return a message with lines that fit the terminal, if it is one."""
    if width is None or all(len(line) <= width for line in text.splitlines()):
        return text
    from reconciler.views.text_layout import fitted

    return fitted(text, width)


def _discard_typed_ahead(stream: TextIO) -> None:
    """Drop keys that were typed but not read yet, unfinished lines included."""
    try:
        import termios
    except ImportError:  # no POSIX terminal
        return
    # A stream in memory has no descriptor, and reading a closed terminal fails.
    with suppress(OSError, termios.error):
        termios.tcflush(stream.fileno(), termios.TCIFLUSH)


def _write(stream: TextIO, text: str) -> OSError | None:
    """Write whole lines at once; return the error, after which the stream is silenced."""
    return _write_whole(stream, text if text.endswith("\n") else text + "\n")


def _can_write_to_disk() -> bool:
    """Return whether there is a folder for temporary files; a container may have none."""
    from tempfile import TemporaryFile

    try:
        with TemporaryFile():
            return True
    except OSError:
        return False


def _write_whole(stream: TextIO, text: str) -> OSError | None:
    try:
        stream.write(text)
        stream.flush()
    except OSError as problem:
        _silence(stream)
        return problem
    return None


def _silence(stream: TextIO) -> None:
    # Python flushes the stream again at exit. On /dev/null that succeeds, and no traceback follows.
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
