"""Exceptions become an exit code and a diagnostic without secrets."""

import click
import pytest

from reconciler.cli.error_reporting import explain, wants_json
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, ReconcilerError, Refused
from reconciler.remote.errors import Unauthorised

COMMANDS = ("plan", "apply")


def is_json(*words: str) -> bool:
    return wants_json(words, commands=COMMANDS, prefix="RECONCILE")


def test_bad_input_keeps_all_its_diagnostics_and_exits_3() -> None:
    found = [error("unknown-field", "one"), error("missing-field", "two")]
    ending = explain(InvalidInput(found))
    assert (ending.exit_code, ending.diagnostics) == (3, tuple(found))


def test_a_refusal_exits_4() -> None:
    assert explain(Refused([error("locked", "somebody is at it")])).exit_code == 4


def test_a_remote_failure_exits_1_with_its_code_and_hint() -> None:
    ending = explain(Unauthorised("the key is not accepted", code="AB01", hint="check the key"))
    assert ending.exit_code == 1
    assert [(d.code, d.hint) for d in ending.diagnostics] == [("AB01", "check the key")]


def test_a_usage_error_exits_3_and_names_the_help() -> None:
    context = click.Context(click.Command("plan"), info_name="plan")
    ending = explain(click.UsageError("No such option: --bogus", ctx=context))
    assert ending.exit_code == 3
    assert "no such option: --bogus" in ending.diagnostics[0].summary
    assert "plan --help" in ending.diagnostics[0].hint


def test_an_unexpected_exception_shows_only_its_type() -> None:
    ending = explain(KeyError("sk-canary-1234"))
    assert ending.exit_code == 1
    assert "KeyError" in ending.diagnostics[0].summary
    assert "canary" not in str(ending)


def test_the_known_exception_of_a_group_is_reported() -> None:
    ours = ReconcilerError("the list ended early", code="incomplete-read")
    group = ExceptionGroup("several", [ExceptionGroup("inner", [ValueError("x"), ours])])
    assert explain(group).diagnostics[0].code == "incomplete-read"


def test_a_system_error_names_the_file() -> None:
    ending = explain(FileNotFoundError(2, "No such file or directory", "/somewhere/plan.json"))
    assert ending.diagnostics[0].summary == "No such file or directory: /somewhere/plan.json"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("plan", "--format", "json"), True),
        (("plan", "--format=json", "--bogus"), True),
        (("--format=json", "--bogus"), True),
        (("plan", "--format", "json", "--format", "text"), False),
        (("plan", "--", "--format", "json"), False),
        (("plan", "--format"), False),
        (("plan",), False),
        ((), False),
    ],
)
def test_an_invalid_command_line_still_selects_the_format(
    words: tuple[str, ...], expected: bool
) -> None:
    assert is_json(*words) is expected


def test_the_environment_variable_of_format_also_selects_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECONCILE_PLAN_FORMAT", "json")
    assert is_json("plan", "--bogus")
    assert not is_json("apply", "--bogus")
    assert not is_json("plan", "--format", "text")
