"""Help texts: a sentence for each command, a fragment for each option."""

from collections.abc import Iterator

import click
import pytest

from reconciler.cli.main import COMMANDS, reconcile


def commands(group: click.Group, path: str = "reconcile") -> Iterator[tuple[str, click.Command]]:
    """Return every command below a group, with its path, hidden ones included."""
    context = click.Context(group)
    names = {*group.list_commands(context), *(["github"] if group is reconcile else [])}
    for name in sorted(names):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


EVERY = dict(commands(reconcile))


@pytest.mark.parametrize("path", EVERY)
def test_a_command_is_described_by_one_sentence(path: str) -> None:
    first_line = (EVERY[path].help or "").splitlines()[0]
    assert first_line[:1].isupper()
    assert first_line.endswith(".")
    assert ". " not in first_line


@pytest.mark.parametrize("path", EVERY)
def test_an_option_is_described_by_a_fragment(path: str) -> None:
    command = EVERY[path]
    for option in command.get_params(click.Context(command)):
        if isinstance(option, click.Option):
            text = option.help or ""
            assert text[:1].isupper(), option.name
            assert not text.endswith("."), option.name


@pytest.mark.parametrize("path", EVERY)
def test_a_duration_names_its_unit(path: str) -> None:
    command = EVERY[path]
    units = {"SECONDS": "seconds", "MS": "milliseconds"}
    for option in command.params:
        if isinstance(option, click.Option) and option.metavar in units:
            assert f"in {units[option.metavar]}" in (option.help or ""), option.name


def test_the_list_of_commands_holds_the_sentence_of_each() -> None:
    described = {name: (EVERY[f"reconcile {name}"].help or "").splitlines()[0] for name in COMMANDS}
    assert described == COMMANDS
