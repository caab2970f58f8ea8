"""An allowed command: what permits it, what it receives, and how it is ended."""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.allowed_command import (
    AllowedCommands,
    CommandError,
    CommandResult,
    CommandRun,
    command_environment,
    find_program,
)
from reconciler.errors import InvalidInput

PYTHON = sys.executable
ENDLESS = "import time\nwhile True: time.sleep(1)"


def run(
    *command: str, stdin: bytes = b"", limit: int = 1000, seconds: float = 20, **environ: str
) -> CommandResult:
    environ.setdefault("PATH", os.defpath)
    return CommandRun(
        command, environ, timeout_seconds=seconds, stdin=stdin, output_limit=limit
    ).run()


@pytest.mark.parametrize(
    ("listed", "command", "permitted"),
    [
        (None, ["alive"], False),
        ("", ["alive"], False),
        ("alive", ["alive"], True),
        ("alive", ["alive", "--fast"], False),
        ("alive --fast", ["alive", "--fast"], True),
        ("alive --fast", ["alive"], False),
        ("alive *", ["alive", "--anything", "x"], True),
        ("alive *", ["alive"], True),
        ("alive *", ["alive2"], False),
        ("alive check *", ["alive", "delete"], False),
        ("alive*", ["alive2"], False),
        ("*", ["alive"], False),
        ("first , /opt/alive 'a b'", ["/opt/alive", "a b"], True),
        ("/opt/alive", ["alive"], False),
        ("ALIVE", ["alive"], False),
        ("alive", [], False),
    ],
)
def test_only_a_listed_command_is_permitted(
    listed: str | None, command: Sequence[str], *, permitted: bool
) -> None:
    assert AllowedCommands.parse(listed, variable="V").permits(command) is permitted


def test_an_entry_with_an_open_quote_is_an_error_that_names_the_variable() -> None:
    with pytest.raises(InvalidInput, match="RECONCILE_ALLOWED_PROBES"):
        AllowedCommands.parse("alive 'x", variable="RECONCILE_ALLOWED_PROBES")


def test_a_command_gets_its_input_and_returns_its_output_and_exit_code() -> None:
    script = "import sys; data = sys.stdin.read(); print(data.upper()); sys.exit(3)"
    assert run(PYTHON, "-c", script, stdin=b"hello") == CommandResult(3, b"HELLO\n")


def test_a_command_sees_path_home_and_the_named_variables_only() -> None:
    given = {"HOME": "/h", "SECRET_A": "a", "PORTKEY_API_KEY": "pk", "PATH": f"bin:{os.defpath}"}
    environ = command_environment(given, ["SECRET_A", "UNSET"])
    assert environ == {"HOME": "/h", "SECRET_A": "a", "PATH": os.defpath.removeprefix(":")}
    script = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"
    result = CommandRun([PYTHON, "-c", script], environ, 20, b"", output_limit=1000).run()
    assert result.output == b"['HOME', 'PATH', 'SECRET_A']\n"


def test_shell_syntax_is_an_argument_like_any_other() -> None:
    script = "import sys; print(sys.argv[1:])"
    assert run(PYTHON, "-c", script, "$(id)", "; rm").output == b"['$(id)', '; rm']\n"


@pytest.mark.parametrize("name", ["./alive", "probes/alive", "../alive", "no-such-program", ""])
def test_a_relative_or_missing_program_is_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for relative in ("alive", "probes/alive"):
        program = tmp_path / relative
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert find_program(name, path=f".:{tmp_path / 'empty'}") is None
    with pytest.raises(CommandError) as raised:
        run(name, PATH=".:probes")
    assert raised.value.code == "missing-program"


def test_a_program_without_a_valid_format_cannot_be_run(tmp_path: Path) -> None:
    program = tmp_path / "alive"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    with pytest.raises(CommandError, match="cannot be run"):
        run(str(program))


def test_a_command_is_killed_with_its_children_at_its_time_limit(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    end = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(CommandError) as raised:
        run("/bin/sh", "-c", f"exec 3>{held}; echo begun >&3; sleep 1000 & wait", seconds=0.5)
    assert raised.value.code == "command-timeout"
    os.set_blocking(end, True)
    with os.fdopen(end, "rb") as stream:
        # It ends only when the command and its child, which both hold it open, are gone.
        assert stream.read() == b"begun\n"


def test_a_command_that_ignores_its_input_is_no_error() -> None:
    assert run(PYTHON, "-c", "pass", stdin=b"x" * 1_000_000) == CommandResult(0, b"")


def test_output_over_the_limit_ends_the_command() -> None:
    with pytest.raises(CommandError) as raised:
        run(PYTHON, "-c", "while True: print('x' * 1000)", limit=5000)
    assert raised.value.code == "command-output-too-large"


def test_output_is_dropped_without_a_limit() -> None:
    assert run(PYTHON, "-c", "print('secret')", limit=0) == CommandResult(0, b"")


def test_another_thread_can_end_a_command() -> None:
    endless = CommandRun([PYTHON, "-c", ENDLESS], {"PATH": os.defpath}, 60, b"")
    raised: list[CommandError] = []

    def wait() -> None:
        try:
            endless.run()
        except CommandError as problem:
            raised.append(problem)

    waiting = threading.Thread(target=wait)
    waiting.start()
    endless.kill()
    waiting.join()
    assert [problem.code for problem in raised] == ["command-stopped"]


def test_neither_input_nor_output_is_printed_with_the_run() -> None:
    script = "import os; print(os.environ['A'])"
    environ = {"A": "canary", "PATH": os.defpath}
    command = CommandRun([PYTHON, "-c", script], environ, 20, b"canary", output_limit=100)
    assert command.run().output == b"canary\n"
    assert "canary" not in repr(command)
    assert "canary" not in repr(command.run())
