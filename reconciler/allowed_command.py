"""Commands that reconcile.yaml names and the environment allows.

A pull request can edit reconcile.yaml, so a command runs only if a variable of the environment
lists it. It runs without a shell, with an environment of PATH, HOME and named variables, in a
process group of its own that is killed after a time limit. Its output is limited and belongs to
the caller; what it writes to stderr is dropped.
"""

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.frozen_dataclass import dataclass

ANY_ARGUMENTS = "*"
"""Last word of an allowed command that permits further arguments."""

_PIPE_SECONDS = 1.0
"""Time for the pipes to close after the process group was killed."""

_CHUNK = 65_536


class CommandError(ReconcilerError):
    """A command could not be run to its end, so it has no result."""


@dataclass(frozen=True, slots=True)
class AllowedCommands:
    """Commands that a variable of the environment lists, each as its words.

    Entries are separated by commas and compared word by word; an entry whose last word is `*`
    permits any further arguments.
    """

    variable: str
    commands: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, text: str | None, *, variable: str) -> "AllowedCommands":
        """Parse the value of a variable; raise `InvalidInput` for an entry with open quotes."""
        commands = []
        for entry in (text or "").split(","):
            try:
                words = tuple(shlex.split(entry))
            except ValueError:
                summary = f"{variable}: an entry has a quote that is not closed"
                hint = "separate commands by commas, and quote words as in a shell"
                raise InvalidInput([error("bad-allow-list", summary, hint=hint)]) from None
            if words:
                commands.append(words)
        return cls(variable, tuple(commands))

    def permits(self, command: Sequence[str]) -> bool:
        """Return whether the environment allows exactly this command."""
        words = tuple(command)
        for allowed in self.commands:
            if allowed == words:
                return True
            fixed = allowed[:-1]
            # The program itself is always compared, so `*` alone permits nothing.
            if allowed[-1] == ANY_ARGUMENTS and fixed and words[: len(fixed)] == fixed:
                return True
        return False

    def hint_for(self, command: Sequence[str]) -> str:
        """Return how to allow a command that is not listed."""
        return (
            f"if this command may run here, add {shlex.join(command)} to the environment variable "
            f"{self.variable}"
        )


def find_program(name: str, *, path: str) -> str | None:
    """Return the absolute path of an executable program, None if there is none.

    Relative paths, and relative entries of PATH, lead into the checkout, whose files a pull request
    can edit; they are never used.
    """
    if "/" in name and not name.startswith("/"):
        return None
    return shutil.which(name, path=_absolute_entries(path))


def find_program_outside(repository: Path, name: str, *, path: str) -> str | None:
    """Return the path of a program that is no file of the repository, None if there is none.

    A program inside it is found only by its absolute path, because the environment lists that.
    """
    found = find_program(name, path=path_outside(path, repository))
    # A link outside can lead into the repository.
    if found is None or (not name.startswith("/") and _is_inside(found, repository)):
        return None
    return found


def path_outside(path: str, repository: Path) -> str:
    """Return a search path without relative folders and without those of a repository."""
    folders = [entry for entry in path.split(os.pathsep) if entry.startswith("/")]
    return os.pathsep.join(folder for folder in folders if not _is_inside(folder, repository))


def _is_inside(path: str, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)


def repository_around(folder: Path) -> Path:
    """Return the real path of the Git repository around a folder, or of the folder itself."""
    here = Path(os.path.realpath(folder))
    for parent in (here, *here.parents):
        if (parent / ".git").exists():
            return parent
    return here


def _absolute_entries(path: str) -> str:
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith("/"))


def command_environment(environ: Mapping[str, str], variables: Sequence[str]) -> dict[str, str]:
    """Return the environment of a command: PATH, HOME and the named variables that are set."""
    passed = {name: environ[name] for name in ("HOME", *variables) if name in environ}
    return passed | {"PATH": _absolute_entries(environ.get("PATH", ""))}


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit code and output of a command that was not killed. The output may contain a secret."""

    exit_code: int
    output: bytes = field(repr=False)


@dataclass
class CommandRun:
    """One run of a command; `kill` ends it from another thread.

    `output_limit` is the maximum number of bytes of its output; 0 drops all output. `folder` must
    not be one that a pull request can fill, if the command reads files relative to it.
    """

    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    timeout_seconds: float
    stdin: bytes = field(repr=False)
    output_limit: int = 0
    folder: Path = Path("/")
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _killed: bool = False
    _too_large: bool = False
    _output: bytearray = field(default_factory=bytearray, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self) -> CommandResult:
        """Run the command to its end; raise `CommandError` if it cannot start or end in time."""
        process = self._start()
        threads = [threading.Thread(target=self._write, args=(process,), daemon=True)]
        if process.stdout is not None:
            threads.append(threading.Thread(target=self._read, args=(process,), daemon=True))
        for thread in threads:
            thread.start()
        in_time = True
        try:
            process.wait(self.timeout_seconds)
            # A process of its group that outlives it keeps the pipes open.
            for thread in threads:
                thread.join(_PIPE_SECONDS)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            # Also after it ended: it may have left processes behind.
            self.kill_group()
            process.wait()
        for thread in threads:
            thread.join(_PIPE_SECONDS)
        return self._result(process.returncode, in_time=in_time)

    def kill(self) -> None:
        """End the command from another thread; `run` then raises `CommandError`."""
        with self._lock:
            self._killed = True
        self.kill_group()

    def kill_group(self) -> None:
        """Kill every process of the group that is still there."""
        with self._lock:
            if self._process is not None:
                # The group can be empty already; its id is free only once nothing is left in it.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _start(self) -> "subprocess.Popen[bytes]":
        program = find_program(self.command[0], path=self.environ.get("PATH", ""))
        if program is None:
            raise CommandError(
                f"the program `{self.command[0]}` is not installed",
                code="missing-program",
                hint="name a program on PATH, or its absolute path",
            )
        with self._lock:
            if self._killed:
                raise _stopped()
            try:
                self._process = subprocess.Popen(  # noqa: S603 - allowed command, no shell
                    [program, *self.command[1:]],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE if self.output_limit else subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=dict(self.environ),
                    cwd=self.folder,
                    start_new_session=True,
                )
            except (OSError, ValueError):
                raise CommandError(
                    f"the program `{self.command[0]}` cannot be run",
                    code="missing-program",
                    hint="check that it is executable",
                ) from None
            return self._process

    def _write(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None  # noqa: S101 - it was requested
        # A command that does not read its input closes the pipe.
        with suppress(OSError):
            process.stdin.write(self.stdin)
        with suppress(OSError):
            process.stdin.close()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # noqa: S101 - it was requested
        with suppress(OSError, ValueError), process.stdout as stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                self._output += chunk
                if len(self._output) > self.output_limit:
                    self._too_large = True
                    self.kill_group()
                    return

    def _result(self, exit_code: int, *, in_time: bool) -> CommandResult:
        name = self.command[0]
        if self._killed:
            raise _stopped()
        if self._too_large:
            limit = f"{self.output_limit} bytes"
            raise CommandError(
                f"the output of `{name}` is larger than {limit}", code="command-output-too-large"
            )
        if not in_time:
            raise CommandError(
                f"`{name}` did not end within {self.timeout_seconds:g} s", code="command-timeout"
            )
        return CommandResult(exit_code, bytes(self._output))


def _stopped() -> CommandError:
    return CommandError("the command was stopped with the run", code="command-stopped")
