"""Allow-list of commands: whole commands, word by word."""

import pytest

from reconciler.errors import InvalidInput
from reconciler.policies.allowlist import allowed_policies, require_allowed
from reconciler.policies.errors import PolicyProblem


def allows(text: str | None, *command: str) -> bool:
    try:
        require_allowed(command, allowed_policies(text))
    except PolicyProblem:
        return False
    return True


def test_commands_are_separated_by_commas() -> None:
    text = "conftest test -o json -, /opt/check,'/opt/my check' --limit 3"
    assert allows(text, "conftest", "test", "-o", "json", "-")
    assert allows(text, "/opt/check")
    assert allows(text, "/opt/my check", "--limit", "3")


@pytest.mark.parametrize(
    "command",
    [
        ("conftest",),
        ("conftest", "test"),
        ("conftest", "test", "-", "--no-fail"),
        ("conftest", "test", "--update", "https://rules.example", "-"),
        ("conftest", "test -"),
        ("conftest test", "-"),
        ("/usr/bin/conftest", "test", "-"),
        ("./conftest", "test", "-"),
        ("CONFTEST", "test", "-"),
        ("conftest", "test", "-", ""),
        ("sh", "-c", "conftest test -"),
    ],
)
def test_any_other_command_is_refused(command: tuple[str, ...]) -> None:
    assert not allows("conftest test -", *command)


@pytest.mark.parametrize("text", [None, "", " ", ",", ",,", "*", "conft* test"])
def test_nothing_is_allowed_by_default(text: str | None) -> None:
    assert not allows(text, "conftest", "test")


def test_an_unclosed_quote_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="a quote that is not closed"):
        allowed_policies("conftest 'test")


def test_the_hint_names_what_to_add() -> None:
    command = ("my check", "--name", "a'b")
    with pytest.raises(PolicyProblem) as found:
        require_allowed(command, allowed_policies(None))
    entry = found.value.hint.partition(" add ")[2].partition(" to the environment")[0]
    assert allows(f"other, {entry}", *command)
