"""Progress of a run: lines for logs, a live display for terminals, and escaped names."""

import re
from collections.abc import Iterable
from io import StringIO

import pytest
from rich.console import Console

from reconciler.execution.events import ActionEnded, ActionStarted, Event, RunEnded, RunStarted
from reconciler.execution.result import ApplyResult, Outcome, Status
from reconciler.planning.plan import Plan
from reconciler.views.progress import LineProgress, LiveProgress, QuietProgress
from tests.views import samples


class ManualClock:
    """Clock that a test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def events(plan: Plan, outcomes: Iterable[Outcome]) -> list[Event]:
    result = ApplyResult("run-1", plan.target, plan.digest, tuple(outcomes))
    middle: list[Event] = []
    for action, outcome in zip(plan.actions, result.outcomes, strict=True):
        middle += [ActionStarted(action), ActionEnded(action, outcome)]
    return [RunStarted("run-1", plan), *middle, RunEnded(result)]


def test_without_a_terminal_each_completed_action_has_a_line() -> None:
    plan = samples.mixed_plan()
    stream, clock = StringIO(), ManualClock()
    with LineProgress(stream, clock=clock) as listen:
        for event in events(plan, samples.partial_result(plan).outcomes):
            listen(event)
            clock.now += 0.5
    assert stream.getvalue().splitlines() == [
        "run run-1: 4 actions to apply",
        "applied  integration/openai-production (create) 2.3 s, 2 attempts",
        "failed   integration/azure-search (update) 140 ms",
        "         AB07 (HTTP 409): workspace ws-team-b is locked",
        "unknown  integration/bedrock-eu (update) 1 min 32 s, 4 attempts",
        "         no-answer: the connection was lost after the request was sent",
        "run run-1 finished after 4.5 s",
    ]


def test_text_of_the_api_is_not_a_command() -> None:
    plan = samples.plan(samples.creation("a\n::error::b"))
    stream = StringIO()
    listen = LineProgress(stream, clock=ManualClock())
    for event in events(plan, samples.complete_result(plan).outcomes):
        listen(event)
    assert not [line for line in stream.getvalue().splitlines() if line.startswith("::")]


def terminal() -> Console:
    return Console(
        file=StringIO(),
        width=80,
        force_terminal=True,
        force_interactive=True,
        color_system=None,
        _environ={},
    )


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_on_a_terminal_running_actions_have_lines_and_the_run_a_bar() -> None:
    plan = samples.mixed_plan()
    first, second, *_ = plan.actions
    console, clock = terminal(), ManualClock()
    failed = samples.partial_result(plan).outcomes[1]
    with LiveProgress(console, clock=clock, refresh=False) as listen:
        listen(RunStarted("run-1", plan))
        listen(ActionStarted(first))
        listen(ActionStarted(second))
        clock.now += 65
        listen(ActionEnded(second, failed))
        picture = written(console).rpartition("applying")[2]
    assert "1/4" in picture
    assert "0:01:05" in picture
    assert "+ create openai-production" in picture
    assert "azure-search" not in picture


def test_on_a_terminal_only_lines_of_unapplied_actions_remain() -> None:
    plan = samples.mixed_plan()
    console = terminal()
    with LiveProgress(console, clock=ManualClock(), refresh=False) as listen:
        for event in events(plan, samples.partial_result(plan).outcomes):
            listen(event)
    assert "failed   integration/azure-search (update) 140 ms" in written(console)
    # The result counts them with their common reason.
    assert "skipped" not in written(console)
    assert "applied  integration" not in written(console)


def test_an_aborted_run_restores_the_cursor() -> None:
    console = terminal()
    try:
        with LiveProgress(console, clock=ManualClock(), refresh=False) as listen:
            listen(RunStarted("run-1", samples.mixed_plan()))
            raise RuntimeError
    except RuntimeError:
        pass
    assert written(console).rpartition("\x1b[?25")[2].startswith("h")


def test_quiet_shows_no_progress() -> None:
    plan = samples.empty_plan()
    with QuietProgress() as listen:
        said = [listen(event) for event in events(plan, ())]  # type: ignore[func-returns-value]  # that is the point
    assert said == [None, None]


def test_an_outcome_without_an_attempt_has_no_duration() -> None:
    plan = samples.plan(samples.deletion())
    stream = StringIO()
    listen = LineProgress(stream, clock=ManualClock())
    listen(ActionEnded(plan.actions[0], Outcome("x", plan.actions[0].kind, Status.FAILED)))
    assert stream.getvalue() == "failed   integration/x (delete)\n"


def test_a_message_during_a_run_stays_above_the_display() -> None:
    console = terminal()
    listen = LiveProgress(console, clock=ManualClock(), refresh=False)
    # Without a live display, the caller writes the message.
    assert not listen.print_above("too early\n")
    with listen:
        listen(RunStarted("run-1", samples.mixed_plan()))
        assert listen.print_above("finishing [the calls] in progress\n")
        above, _, picture = written(console).rpartition("finishing [the calls] in progress\n")
    assert "applying" in above
    assert "applying" in picture
    assert not listen.print_above("too late\n")
    assert "too" not in written(console)


UP = "\x1b[1A"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@pytest.mark.parametrize("columns", [200, 119, 60, 41, 20])
def test_a_terminal_that_became_narrower_keeps_no_row_of_the_display(columns: int) -> None:
    plan = samples.plan(*(samples.creation(f"{'long-name-' * 4}{n}") for n in range(4)))
    console = terminal()
    console.width = 120
    with LiveProgress(console, clock=ManualClock(), refresh=False) as listen:
        listen(RunStarted("run-1", plan))
        for action in plan.actions:
            listen(ActionStarted(action))
        listen.print_above("first")
        shown = CODES.sub("", written(console).rpartition("first")[2]).split("\n")[1:]
        assert len(shown) == 5
        console.width = columns
        before = len(written(console))
        listen.print_above("second")
        drawn = written(console)[before:]
    removed = drawn.partition("applying")[0]
    # A terminal shows a line of `columns` characters in one row.
    rows = sum(max(1, -(-len(line) // columns)) for line in shown)
    assert removed.count(UP) == rows - 1
    # From then on, the display has the lines that were drawn last.
    assert drawn.partition("second")[0].rpartition("applying")[2].count(UP) == len(shown) - 1
