"""Limited processes: time and output limits, the environment, and no process left behind."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.limited_process import Ended, ProcessFailure, TimeLimit, run


def sh(script: str, folder: Path, *, stdin: bytes = b"", limits: TimeLimit | None = None) -> Ended:
    """Run a shell script to completion."""
    limits = limits or TimeLimit(30, time.monotonic)
    command = ["/bin/sh", "-c", script]
    environ = {"PATH": os.defpath}
    return asyncio.run(run(command, stdin=stdin, environ=environ, folder=folder, limits=limits))


def hurried(seconds: float = 10) -> TimeLimit:
    """Return limits whose clock advances by one second at each reading."""
    ticks = iter(range(10_000))
    return TimeLimit(seconds, lambda: float(next(ticks)))


def await_end(pid: int) -> None:
    """Wait until a killed process has ended, which takes the kernel a moment."""
    while _state(pid) not in {"", "Z"}:
        os.sched_yield()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_status_and_both_outputs_are_returned(tmp_path: Path) -> None:
    ended = sh("cat; echo problem >&2; exit 7", tmp_path, stdin=b"plan")
    assert ended == Ended(7, b"plan", b"problem\n")


def test_output_beyond_the_kept_part_is_dropped(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "yes | head -c 3000000; echo canary >&2; exit 3"]
    environ, limits = {"PATH": os.defpath}, TimeLimit(30, time.monotonic)
    ended = asyncio.run(
        run(
            command,
            stdin=b"",
            environ=environ,
            folder=tmp_path,
            limits=limits,
            keeps_output=False,
        )
    )
    assert ended == Ended(3, b"", b"")


def test_shell_syntax_is_passed_as_a_plain_argument(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "$(id)", "; rm"]
    limits = TimeLimit(30, time.monotonic)
    ended = asyncio.run(run(command, stdin=b"", environ={}, folder=tmp_path, limits=limits))
    assert ended.stdout == b"['$(id)', '; rm']\n"


def test_a_program_need_not_read_a_large_plan(tmp_path: Path) -> None:
    assert sh("exit 0", tmp_path, stdin=b"x" * 4_000_000).status == 0


def test_it_runs_in_its_folder_with_only_the_given_variables(tmp_path: Path) -> None:
    ended = sh("pwd; echo ${SECRET_KEY-none} ${HOME-none}", tmp_path)
    assert ended.stdout.decode().split() == [os.path.realpath(tmp_path), "none", "none"]


def test_a_program_over_its_time_limit_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"
    limits = TimeLimit(5, Ticking(pids.exists).clock)
    with pytest.raises(ProcessFailure, match="did not finish within 5 s and was stopped"):
        sh(script, tmp_path, limits=limits)
    for pid in map(int, pids.read_text().split()):
        await_end(pid)


class Ticking:
    """Clock that does not advance until an event has occurred."""

    def __init__(self, happened: Callable[[], bool]) -> None:
        self.happened = happened
        self.seconds: Iterator[int] = iter(range(10_000))

    def clock(self) -> float:
        return float(next(self.seconds)) if self.happened() else 0.0


def test_a_daemon_is_not_left_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"sleep 600 > /dev/null 2>&1 & echo $! > {pid}.new; mv {pid}.new {pid}"
    with pytest.raises(ProcessFailure, match="left a process running after its end"):
        sh(script, tmp_path, limits=TimeLimit(600, Ticking(pid.exists).clock))
    await_end(int(pid.read_text()))


def test_children_that_end_soon_are_waited_for(tmp_path: Path) -> None:
    frozen = TimeLimit(600, lambda: 0.0)
    assert sh("(exit 0) & exit 0", tmp_path, limits=frozen).status == 0


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_over_the_limit_is_cut_off(tmp_path: Path, stream: str) -> None:
    script = "yes" if stream == "stdout" else "yes >&2"
    with pytest.raises(ProcessFailure, match=f"wrote more than 1 MiB to {stream}"):
        sh(script, tmp_path, limits=TimeLimit(600, lambda: 0.0))


def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"

    async def scenario() -> None:
        command = ["/bin/sh", "-c", script]
        running = asyncio.create_task(
            run(
                command,
                stdin=b"",
                environ={"PATH": os.defpath},
                folder=tmp_path,
                limits=TimeLimit(600, lambda: 0.0),
            )
        )
        while not pids.exists():  # noqa: ASYNC110  the script cannot set an event
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scenario())
    for pid in map(int, pids.read_text().split()):
        await_end(pid)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"#!/does/not/exist\n", "No such file"),
        (b"#!/bin/sh\r\nexit 0\r\n", "its first line ends with CRLF"),
        (b"\x7fELF nothing", "Exec format error"),
    ],
)
def test_a_file_that_is_not_a_program_is_an_error(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(0o755)
    with pytest.raises(ProcessFailure, match=f"cannot be run: {reason}"):
        asyncio.run(run([str(program)], stdin=b"", environ={}, folder=tmp_path, limits=hurried()))
