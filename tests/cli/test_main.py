"""List of commands, and handling of invalid command lines."""

import io
import json
from typing import Any

import click
import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import COMMANDS, reconcile, run


def outcome(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = run(words, Console(stdin=None, stdout=out, stderr=err))
    return code, out.getvalue(), err.getvalue()


def error_document(*words: str) -> Any:
    code, out, err = outcome(*words)
    document = json.loads(out)
    assert (document["kind"], document["format_version"]) == ("error", "1")
    assert document["exit_code"] == code
    assert err == ""
    return document


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_line_of_each_help(name: str) -> None:
    command = reconcile.get_command(click.Context(reconcile), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",),
        ("--bogus",),
        ("plan", "--bogus"),
        ("plan", "unexpected"),
        ("plan", "--shard", "3/2"),
        ("plan", "--format", "pdf"),
        ("plan", "--parallelism", "0"),
        ("plan", "--deadline", "0"),
        ("get",),
    ],
)
def test_a_wrong_command_line_is_bad_input(words: tuple[str, ...]) -> None:
    code, out, err = outcome(*words)
    assert code == 3
    assert out == ""
    assert "error[usage]" in err


def test_the_choices_of_a_missing_argument_are_named_on_the_line() -> None:
    _, _, err = outcome("completion")
    assert "error[usage]: missing argument 'SHELL'. Choose from: bash, zsh, fish\n" in err


def test_a_wrong_command_line_is_reported_as_json_with_format_json() -> None:
    document = error_document("plan", "--bogus", "--format", "json")
    assert document["exit_code"] == 3
    assert [item["code"] for item in document["diagnostics"]] == ["usage"]


def test_the_environment_variable_of_format_selects_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILE_PLAN_FORMAT", "json")
    assert error_document("plan", "--bogus")["exit_code"] == 3


def test_the_command_without_arguments_shows_its_help_and_is_bad_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = outcome()
    assert (code, out) == (3, "")
    assert "Every day:" in capsys.readouterr().err


def test_a_word_in_place_of_a_number_is_reported() -> None:
    code, _, err = outcome("plan", "--deadline", "soon")
    assert code == 3
    assert "invalid value for '--deadline': 'soon' is not a number" in err
