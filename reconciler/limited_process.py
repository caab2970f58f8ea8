"""Run one program with limits: without a shell, with given variables, in its own process group.

Policies and probes are such programs; which of them may run: `reconciler.allowed_command`. Input
and output are files and not pipes. A program therefore cannot block the run if it reads nothing,
writes too much or leaves a process behind that keeps its output open. The whole process group is
killed in every case.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from reconciler.frozen_dataclass import dataclass

MAX_OUTPUT = 1024 * 1024
"""Bytes that a program may write to stdout, and as many to stderr."""

LINGERING_SECONDS = 1.0
"""Time in which all other processes of a program must end after the program has ended."""

_ENDED = frozenset("ZX")
"""States of processes that have ended: zombie and dead."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_LONGEST_FIRST_LINE = 4096
_FLOOD_HINT = "write only denials and warnings, and no more than 1 MiB"
_LINGERING_HINT = "let the program wait for the processes that it starts"


class ProcessFailure(Exception):
    """A program did not end within its limits; the summary follows its name."""

    def __init__(self, summary: str, *, hint: str) -> None:
        super().__init__(summary)
        self.summary = summary
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Ended:
    """End of a program: its exit status, negative for a signal, and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Time limit of a program, and the clock that measures it."""

    seconds: float
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def run(
    command: Sequence[str],
    *,
    stdin: bytes,
    environ: Mapping[str, str],
    folder: Path,
    limits: TimeLimit,
    keeps_output: bool = True,
) -> Ended:
    """Run a program in a folder; raises `ProcessFailure` unless it ends in time.

    Without `keeps_output`, its output is discarded, because it may contain a secret.
    """
    with (
        TemporaryFile() as given,
        _output(is_kept=keeps_output) as stdout,
        _output(is_kept=keeps_output) as stderr,
    ):
        given.write(stdin)
        given.seek(0)
        process = _started(command, environ, folder, (given, stdout, stderr))
        try:
            await _until(lambda: process.poll() is not None, limits, stdout, stderr)
            # A process that is left could still write after the answer was read, and outlive the
            # job.
            lingering = TimeLimit(LINGERING_SECONDS, limits.clock, limits.sleep)
            await _until(lambda: not _group_runs(process.pid), lingering, stdout, stderr)
        except TimeoutError:
            if process.returncode is not None:
                summary = "left a process running after its end"
                raise ProcessFailure(summary, hint=_LINGERING_HINT) from None
            summary = f"did not finish within {limits.seconds:g} s and was stopped"
            hint = "make it faster, or raise `timeout_seconds`, which is at most 600"
            raise ProcessFailure(summary, hint=hint) from None
        finally:
            _kill(process)
        return Ended(process.returncode, _written(stdout), _written(stderr))


def _output(*, is_kept: bool) -> IO[bytes]:
    # The null device has no size and reads as an empty file.
    return TemporaryFile() if is_kept else Path(os.devnull).open("r+b", buffering=0)


def _started(
    command: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
) -> "subprocess.Popen[bytes]":
    stdin, stdout, stderr = files
    try:
        return subprocess.Popen(  # noqa: S603 - a command of the allow-list, without a shell
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environ,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as problem:
        reason = problem.strerror or "unknown reason"
        hint = "check the program, and the first line of a script"
        if _begins_with_crlf_line(command[0]):
            # The system looks for an interpreter whose name ends with the carriage return.
            reason, hint = "its first line ends with CRLF", "save the script with LF line ends"
        raise ProcessFailure(f"cannot be run: {reason}", hint=hint) from None


def _begins_with_crlf_line(program: str) -> bool:
    """Return whether a program is a script with the line ends of Windows."""
    try:
        with Path(program).open("rb") as file:
            first = file.readline(_LONGEST_FIRST_LINE)
    except OSError:
        return False
    return first.startswith(b"#!") and first.endswith(b"\r\n")


async def _until(
    is_done: Callable[[], bool], limits: TimeLimit, stdout: IO[bytes], stderr: IO[bytes]
) -> None:
    """Wait for a condition; raises `TimeoutError`, and `ProcessFailure` for too much output."""
    ends_at, pause = limits.clock() + limits.seconds, _FIRST_PAUSE
    while not is_done():
        _refuse_flood(stdout, stderr)
        if limits.clock() >= ends_at:
            raise TimeoutError
        # Short at first, because most programs end within milliseconds.
        await limits.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    _refuse_flood(stdout, stderr)


def _refuse_flood(stdout: IO[bytes], stderr: IO[bytes]) -> None:
    for name, file in (("stdout", stdout), ("stderr", stderr)):
        if os.fstat(file.fileno()).st_size > MAX_OUTPUT:
            raise ProcessFailure(f"wrote more than 1 MiB to {name}", hint=_FLOOD_HINT)


def _written(file: IO[bytes]) -> bytes:
    # The program shares the file position, so it is at the end of what was written.
    file.seek(0)
    return file.read(MAX_OUTPUT)


def _group_runs(group: int) -> bool:
    """Return whether a process of a group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, for a group of zombies only
        return False
    return _has_living_member(group)


def _has_living_member(group: int) -> bool:
    """Return whether a group has processes other than zombies, which a container may not reap."""
    if not Path("/proc/self/stat").exists():
        return True
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The fields after the name of the program, which can contain any character: state,
            # parent, group.
            state, _, member_of, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(member_of) == group and state not in _ENDED:
                return True
    return False


def _kill(process: "subprocess.Popen[bytes]") -> None:
    # The session is new, so the id of its process group is the id of the program.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
