"""Progress line of a long read on a terminal: shown after one second, erased at the end."""

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.domain.facts import SubResource
from reconciler.domain.state import Observed
from reconciler.remote.api import ReadProgress
from reconciler.remote.observe import WantedDetails, observe, read_parts
from reconciler.simulator.faults import Fault, FaultKind
from reconciler.views.status_line import StatusLine
from tests.cli.project import Here
from tests.end_to_end.harness import COMMAND
from tests.end_to_end.upstream import serving
from tests.remote.fake_api import FakeAPI, names
from tests.remote.limiter import LimiterProbe
from tests.runs import World

SEQUENCE = re.compile(r"\x1b\[(\d*)([A-Z])|(\r)|(\n)|([^\x1b\r\n])")


class Screen:
    """Terminal that wraps lines at its width, including existing lines when it is resized."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns
        self.rows, self.row, self.column = [""], 0, 0
        self.writes: list[str] = []

    def write(self, text: str) -> None:
        self.writes.append(text)
        for count, order, carriage, newline, character in SEQUENCE.findall(text):
            if order == "A":
                self.row = max(0, self.row - int(count or 1))
            elif order in {"K", "J"}:
                self.rows[self.row] = self.rows[self.row][: self.column]
                del self.rows[self.row + 1 if order == "J" else len(self.rows) :]
            elif carriage:
                self.column = 0
            elif newline:
                self._next_row()
            else:
                self._put(character)

    def resize(self, columns: int) -> None:
        """Wrap the last row, like terminals that reflow."""
        self.columns = columns
        last = self.rows.pop()
        self.rows += [last[at : at + columns] for at in range(0, max(1, len(last)), columns)]
        self.row, self.column = len(self.rows) - 1, len(self.rows[-1])

    @property
    def text(self) -> str:
        return "\n".join(self.rows).rstrip()

    def _put(self, character: str) -> None:
        if self.column == self.columns:
            self._next_row()
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
        self.column += 1

    def _next_row(self) -> None:
        self.row, self.column = self.row + 1, 0
        self.rows += [""] * (self.row + 1 - len(self.rows))


class Stage:
    """Status line with a screen, and a clock that only a test advances."""

    def __init__(self, **words: str) -> None:
        self.now = 50.0
        self.screen = Screen()
        self.line = StatusLine(
            self.screen.write, clock=lambda: self.now, width=lambda: self.screen.columns, **words
        )

    def read(self, done: int, wanted: int, *, is_listed: bool = True) -> None:
        self.line.update(ReadProgress(done, wanted, is_listed))

    def after(self, seconds: float) -> str:
        self.now += seconds
        self.line.draw()
        return self.screen.text


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nothing_is_drawn_in_the_first_second(stage: Stage) -> None:
    stage.read(0, 500)
    for _ in range(9):
        assert stage.after(0.1) == ""
    assert stage.screen.writes == []
    stage.now += 0.1
    stage.read(120, 500)
    assert stage.after(0) == "reading 120/500 · 4 s left"


def test_the_remaining_time_follows_the_measured_rate(stage: Stage) -> None:
    stage.read(0, 5000)
    for seconds, done, text in (
        (10, 100, "reading 100/5,000 · 9 min left"),
        (40, 2500, "reading 2,500/5,000 · 50 s left"),
        (50, 4999, "reading 4,999/5,000 · 1 s left"),
    ):
        stage.now += seconds
        stage.read(done, 5000)
        assert stage.after(0) == text
    stage.read(5000, 5000)
    assert stage.after(0.1) == ""


def test_the_remaining_time_does_not_grow_while_no_response_arrives(stage: Stage) -> None:
    stage.read(0, 3)
    stage.now += 5
    stage.read(1, 3)
    assert stage.after(0) == "reading 1/3 · 10 s left"
    assert stage.after(4) == "reading 1/3 · 6 s left"
    assert stage.after(60) == "reading 1/3 · 1 s left"


def test_no_remaining_time_is_shown_while_the_list_is_read(stage: Stage) -> None:
    assert stage.after(1.5) == "reading …"
    stage.read(0, 100, is_listed=False)
    assert stage.after(0.1) == "reading 0/100"
    stage.read(40, 300, is_listed=False)
    assert stage.after(0.1) == "reading 40/300"
    stage.read(0, 0)  # a list without further reads
    assert stage.after(0.1) == ""


def test_a_second_read_is_timed_separately(stage: Stage) -> None:
    stage.read(0, 10)
    stage.read(10, 10)
    stage.after(100)
    stage.read(0, 10)
    stage.now += 1
    stage.read(5, 10)
    assert stage.after(0) == "reading 5/10 · 1 s left"


def test_a_pause_of_the_rate_limit_is_named_and_counted_down(stage: Stage) -> None:
    stage.read(120, 500)
    stage.after(2)
    stage.line.pause(12)
    stage.line.pause(3)
    assert stage.after(0) == "waiting 12 s: rate limit"
    assert stage.after(10.5) == "waiting 2 s: rate limit"
    assert stage.after(1.5).startswith("reading 120/500")


def test_members_of_a_fleet_are_counted() -> None:
    stage = Stage(verb="planning", unit="members")
    stage.read(0, 12)
    stage.now += 5
    stage.read(3, 12)
    assert stage.after(0) == "planning 3/12 members · 15 s left"


def test_an_unchanged_line_is_not_redrawn(stage: Stage) -> None:
    stage.read(0, 500, is_listed=False)
    for _ in range(20):
        stage.after(0.1)
    assert len(stage.screen.writes) == 1
    # It is never erased before it is rewritten, which would flicker.
    assert not stage.screen.writes[0].startswith(("\r\x1b[K", "\x1b[2K"))


def test_a_shorter_line_erases_the_rest_of_a_longer_one(stage: Stage) -> None:
    stage.read(100, 500)
    stage.after(60)
    stage.read(1, 2, is_listed=False)
    assert stage.after(0.1) == "reading 1/2"


@pytest.mark.parametrize("columns", [5, 9, 10, 13, 26, 27, 40])
def test_after_a_resize_there_is_one_line(stage: Stage, columns: int) -> None:
    stage.screen.write("above\n")
    stage.read(0, 500)
    stage.now += 2
    stage.read(120, 500)
    stage.after(0)
    stage.screen.resize(columns)
    stage.read(121, 500)
    above, line = stage.after(0.1).split("\n")
    assert above == "above"
    assert "reading 121/500 · 7 s left".startswith(line)
    assert len(line) < columns
    stage.screen.resize(80)
    assert stage.after(0.1) == "above\nreading 121/500 · 7 s left"
    stage.line.close()
    assert stage.screen.text == "above"
    assert stage.after(1) == "above"


class Terminal(io.StringIO):
    """Stream to a screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.screen.write(text)
        return len(text)


@pytest.mark.parametrize("stream", ["info", "warning", "data"])
def test_other_output_is_on_separate_lines(stage: Stage, stream: str) -> None:
    terminal = Terminal(stage.screen)
    console = Console(stdin=None, stdout=terminal, stderr=terminal)
    console.status = stage.line
    stage.read(120, 500)
    stage.after(2)
    shown = stage.screen.text
    getattr(console, stream)("one\ntwo")
    assert stage.screen.text == "one\ntwo"
    assert stage.after(0) == f"one\ntwo\n{shown}"


class Keyboard(Terminal):
    """Terminal at which a line was typed."""

    def readline(self, _size: int = -1, /) -> str:
        return "y\n"


def test_the_prompt_is_on_a_separate_line(stage: Stage) -> None:
    console = Console(stdin=Keyboard(Screen()), stdout=None, stderr=Terminal(stage.screen))
    console.status = stage.line
    stage.read(120, 500)
    stage.after(2)
    assert console.confirm("Apply?", hint="no")
    assert stage.screen.text == "Apply? [y/N]"


@pytest.mark.parametrize("without", ["terminal", "quiet", "json", "dumb"])
def test_without_cursor_control_no_line_is_drawn(
    without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO() if without == "terminal" else Terminal(Screen())
    console = Console(stdin=None, stdout=None, stderr=stream)
    console.quiet = without == "quiet"
    if without == "json":
        console.log_as_json(lambda: pytest.fail("nothing is logged"))
    monkeypatch.setenv("TERM", "dumb" if without == "dumb" else "xterm")

    async def status() -> StatusLine | None:
        async with console.show_status() as found:
            return found

    assert asyncio.run(status()) is None


def test_a_failure_erases_the_line_and_ends_its_redraws() -> None:
    console = Console(stdin=None, stdout=None, stderr=Terminal(Screen()))

    async def broken() -> None:
        async with console.show_status(verb="checking") as status:
            assert status is console.status is not None
            async with console.show_status() as inner:
                assert inner is status
            raise RuntimeError("broken")

    async def work() -> set[str]:
        with pytest.raises(RuntimeError, match="broken"):
            await broken()
        return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}

    assert asyncio.run(work()) == set()
    assert console.status is None


def test_a_read_reports_an_integration_once_all_its_parts_are_read() -> None:
    api = FakeAPI(names(250))
    seen: list[ReadProgress] = []

    def wants(row: Observed) -> WantedDetails | None:
        return WantedDetails(models=True) if row.slug < "s-0120" else None

    asyncio.run(observe(api, wants=wants, concurrency=5, on_progress=seen.append))
    assert seen[-1] == ReadProgress(120, 120, is_listed=True)
    assert [it.done for it in seen] == sorted(it.done for it in seen)
    assert sum(it.is_over for it in seen) == 1
    assert all(it.done <= it.wanted for it in seen)


def test_the_parts_of_an_audit_are_reported() -> None:
    seen: list[ReadProgress] = []
    wanted = {slug: list(SubResource) for slug in names(3)}
    asyncio.run(read_parts(FakeAPI(names(3)), wanted, concurrency=2, on_progress=seen.append))
    count = 3 * len(SubResource)
    assert [it.done for it in seen] == list(range(1, count + 1))
    assert seen[-1].is_over


def test_the_rate_limiter_reports_its_pauses() -> None:
    pauses: list[float] = []
    probe = LimiterProbe(on_pause=pauses.append)
    probe.refused(7.0)
    probe.refused(3.0)
    assert pauses == [7.0, 3.0]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Here]:
    slow = Fault(
        kind=FaultKind.STATUS,
        method="GET",
        path="/integrations/alpha$",
        status=429,
        code="AB06",
        headers={"Retry-After": "2"},
    )
    world = World()
    body = {"slug": "alpha", "name": "Alpha", "ai_provider_id": "openai"}
    world.put("POST", "/integrations", {**body, "key": "sk-first-0a1b2c3d4e5f"})
    with serving(slow, world=world) as upstream:
        made = Here(tmp_path, PORTKEY_API_KEY="pk-1")
        made.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        made.integration("alpha")
        yield made


def test_a_short_command_draws_nothing(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    terminal = Terminal(Screen())
    project.run("plan", console=Console(stdin=None, stdout=io.StringIO(), stderr=terminal))
    assert "reading" not in "".join(terminal.screen.writes)


@pytest.mark.slow
def test_a_real_terminal_shows_the_pause_and_erases_it(project: Here) -> None:
    keyboard, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, "plan"],
            cwd=project.folder,
            env={**project.environment, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            written = b"".join(iter(lambda: read(keyboard), b""))
            assert process.stdout is not None
            out = process.stdout.read().decode()
            assert process.wait(timeout=60) == 0
    finally:
        os.close(keyboard)
    text = written.decode()
    assert "waiting 1 s: rate limit" in text
    screen = Screen()
    screen.write(text)
    assert "rate limit" not in screen.text
    # The output is the same as without a terminal.
    assert out == project.run("plan").out


def read(descriptor: int) -> bytes:
    """Read from a terminal; return nothing once no process writes to it."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_it_needs_no_heavy_import() -> None:
    code = (
        "import sys, reconciler.cli.console\nprint('rich' in sys.modules, 'httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
