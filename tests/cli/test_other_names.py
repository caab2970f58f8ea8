"""Command names of other tools, and the ways to get help."""

import click
import pytest

from reconciler.cli.main import COMMANDS, reconcile, run
from reconciler.cli.other_names import OTHER_NAMES
from tests.cli.speaking import Listening


def said(*words: str) -> tuple[int, str, str]:
    """Return the exit code and both outputs of a command line."""
    listening = Listening()
    return run(list(words), listening.console), listening.out, listening.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("import", "pull"),
        ("diff", "plan"),
        ("status", "drift"),
        ("rollback", "undo"),
        ("Check", "validate"),
        ("version", "--version"),
        ("hlep", "help"),
        ("plna", "plan"),
    ],
)
def test_the_equivalent_of_another_tools_command_is_suggested(typed: str, meant: str) -> None:
    code, out, err = said(typed)
    assert (code, out) == (3, "")
    assert f"no such command '{typed}'. Did you mean `{meant}`?" in err


@pytest.mark.parametrize("typed", ["destroy", "delete", "remove", "rm"])
def test_a_delete_command_explains_how_to_delete(typed: str) -> None:
    code, _, err = said(typed)
    assert code == 3
    assert "To delete an integration, remove its file and apply" in err


@pytest.mark.parametrize("name", sorted(OTHER_NAMES))
def test_a_name_of_another_tool_suggests_a_command_and_is_not_one(name: str) -> None:
    assert name not in COMMANDS
    words = OTHER_NAMES[name].split()
    assert words[0] in {*COMMANDS, "--version"}
    if len(words) > 1:
        command = reconcile.get_command(click.Context(reconcile), words[0])
        assert command is not None
        assert words[1] in {option for param in command.params for option in param.opts}


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ((), "Usage: reconcile [OPTIONS] COMMAND"),
        (("plan",), "Usage: reconcile plan [OPTIONS]"),
        (("merge-results",), "Usage: reconcile merge-results [OPTIONS]"),
        (("fleet",), "Usage: reconcile fleet [OPTIONS] COMMAND"),
        (("fleet", "plan"), "Usage: reconcile fleet plan [OPTIONS]"),
    ],
)
def test_the_help_command_prints_the_text_of_the_option(
    words: tuple[str, ...], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said("help", *words)
    assert code == 0
    assert out.startswith(usage)
    for option in ("--help", "-h"):
        assert said(*words, option)[0] == 0
        # click generates this one.
        assert capsys.readouterr().out.strip() == out.strip()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import",), "no such command 'import'. Did you mean `pull`?"),
        (("plan", "all"), "`reconcile plan` has no commands"),
        (("fleet", "nothing"), "no such command 'nothing'"),
    ],
)
def test_help_for_an_unknown_command_is_bad_input(words: tuple[str, ...], message: str) -> None:
    code, out, err = said("help", *words)
    assert (code, out) == (3, "")
    assert message in err
