"""Talking to the person or the pipe at the other end: stdout is data, stderr is conversation.

What is said is decided elsewhere (`reconciler.views` words it, the commands choose it); here is how
it gets out, and what is known about the other end.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput

if TYPE_CHECKING:
    from reconciler.cli.json_log import JsonLog


class Console:
    """The three standard streams, with what the global options said about them.

    A reader that has gone away (`reconcile list | head -1`) is not an error: what follows is
    dropped, and the exit code still tells how the work ended. `lost` is why data did not arrive
    that somebody waits for, on a full disk for one.
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
        self.journal: JsonLog | None = None

    @classmethod
    def of_this_process(cls) -> "Console":
        """Take the streams of the process; text is UTF-8 in every locale."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        return cls(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)

    @property
    def width(self) -> int:
        """Give the columns of the terminal, 80 where there is none."""
        import shutil  # takes a third of the time that `--version` needs

        return shutil.get_terminal_size((80, 24)).columns

    @property
    def colors_data(self) -> bool:
        """Tell whether data goes to a person's eyes and may be coloured."""
        return self.color_allowed and _is_terminal(self._out)

    @property
    def colors_talk(self) -> bool:
        """Tell whether conversation goes to a person's eyes and may be coloured."""
        return self.color_allowed and _is_terminal(self._err)

    @property
    def is_live(self) -> bool:
        """Tell whether lines on stderr can be redrawn."""
        return _is_terminal(self._err)

    @property
    def stderr(self) -> TextIO | None:
        """Give the stream of conversation, for what draws on it itself; None where it is closed."""
        return self._err

    def data(self, text: str) -> None:
        """Write a result to stdout, with the newline at its end that it may lack."""
        self.has_written = True
        problem = None if self._out is None else _write(self._out, text)
        if problem is None:
            return
        self._out = None
        if not isinstance(problem, BrokenPipeError):
            self.lost = OSError(problem.errno, problem.strerror, "standard output")

    def say(self, text: str) -> None:
        """Write conversation to stderr, unless `--quiet` asked for silence."""
        if not self.quiet:
            self._talk(text, level="info")

    def detail(self, text: str) -> None:
        """Write what only `--verbose` asks for."""
        if self.verbosity:
            self._talk(text, level="debug")

    def insist(self, text: str) -> None:
        """Write what has to be seen even with `--quiet`: problems and questions."""
        self._talk(text, level="warning")

    def log_as_json(self, now: Callable[[], datetime]) -> None:
        """Write conversation as the lines of a journal from now on."""
        from reconciler.cli.json_log import JsonLog

        self.journal = JsonLog(self._converse, now)

    def _talk(self, text: str, *, level: str) -> None:
        if self.journal is not None:
            self.journal.talk(text, level=level)
        else:
            self._converse(text)

    def _converse(self, text: str) -> None:
        if self._err is not None and _write(self._err, text) is not None:
            self._err = None

    def require_terminal(self, *, otherwise: str) -> None:
        """Insist on somebody to ask; `otherwise` is the hint that names the option that answers."""
        if not _is_terminal(self._in) or not _is_terminal(self._err):
            problem = error("no-terminal", "there is no terminal to ask on", hint=otherwise)
            raise InvalidInput([problem])

    def confirm(self, question: str, *, otherwise: str) -> bool:
        """Ask a question whose default answer is no.

        Keys that were typed before the question was there do not answer it. Without a terminal to
        ask on this is bad input, see `require_terminal`.
        """
        self.require_terminal(otherwise=otherwise)
        assert self._in is not None  # noqa: S101  a terminal is a stream; this tells the type checker
        assert self._err is not None  # noqa: S101
        _discard_typed_ahead(self._in)
        self._err.write(f"{question} [y/N] ")
        self._err.flush()
        answer = self._in.readline()
        if not answer.endswith("\n"):  # Ctrl-D leaves the cursor behind the question
            self._err.write("\n")
        return answer.strip().lower() in {"y", "yes"}

    def close(self) -> None:
        """Flush what is left, before the interpreter does so and complains of a gone reader."""
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except OSError:
                _silence(stream)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _discard_typed_ahead(stream: TextIO) -> None:
    """Drop the keys that a terminal holds and nobody has read yet, unfinished lines included."""
    try:
        import termios
    except ImportError:  # no POSIX terminal
        return
    # A stream in memory has no descriptor, and a terminal may be gone by now: reading tells then.
    with suppress(OSError, termios.error):
        termios.tcflush(stream.fileno(), termios.TCIFLUSH)


def _write(stream: TextIO, text: str) -> OSError | None:
    """Write whole lines at once; what hinders it is given and never met again."""
    try:
        stream.write(text if text.endswith("\n") else text + "\n")
        stream.flush()
    except OSError as problem:
        _silence(stream)
        return problem
    return None


def _silence(stream: TextIO) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
