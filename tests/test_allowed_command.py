"""Allowed commands: the allow-list, the environment of the program, and where it is looked up."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.allowed_command import (
    AllowedCommands,
    command_environment,
    find_program,
)
from reconciler.errors import InvalidInput


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


def test_a_command_gets_only_path_home_and_the_named_variables() -> None:
    given = {"HOME": "/h", "SECRET_A": "a", "PORTKEY_API_KEY": "pk", "PATH": f"bin:{os.defpath}"}
    environ = command_environment(given, ["SECRET_A", "UNSET"])
    assert environ == {"HOME": "/h", "SECRET_A": "a", "PATH": os.defpath.removeprefix(":")}


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
