"""Help texts: a sentence for each command, a fragment for each option."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli.command_examples import EXAMPLES
from reconciler.cli.console import Console
from reconciler.cli.environment_variables import VARIABLES
from reconciler.cli.main import COMMAND_GROUPS, COMMANDS, reconcile, run
from tests.architecture.source import ROOT


def commands(group: click.Group, path: str = "reconcile") -> Iterator[tuple[str, click.Command]]:
    """Return every command below a group with its path, including hidden ones."""
    context = click.Context(group)
    names = {*group.list_commands(context), *(["github"] if group is reconcile else [])}
    for name in sorted(names):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


EVERY = dict(commands(reconcile))
HIDDEN = {path for path in EVERY if path.startswith("reconcile github")}
"""Commands that the help does not list, because only the workflows use them."""


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


def test_the_list_of_commands_has_the_sentence_of_each() -> None:
    described = {name: (EVERY[f"reconcile {name}"].help or "").splitlines()[0] for name in COMMANDS}
    assert described == COMMANDS


def argument_names(command: click.Command) -> list[str]:
    return [p.metavar or "" for p in command.params if isinstance(p, click.Argument)]


def section(text: str, title: str) -> str:
    """Return the lines of a section of a help text."""
    return text.partition(f"\n{title}:\n")[2].partition("\n\n")[0]


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the output of a help command line."""
    assert run(words, Console.of_this_process()) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("path", EVERY)
def test_every_argument_has_a_text(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, *path.split()[1:], "--help")
    listed = section(text, "Arguments")
    for name in argument_names(EVERY[path]):
        assert re.search(rf"^  {re.escape(name)}\s+[A-Z]", listed, re.MULTILINE), name
    assert "Positional arguments" not in text


def test_every_command_is_in_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--help")
    for title, commands in COMMAND_GROUPS.items():
        assert set(commands) == set(re.findall(r"^  (\S+)", section(text, title), re.MULTILINE))
    assert sum(map(len, COMMAND_GROUPS.values())) == len(COMMANDS)


@pytest.mark.parametrize("columns", ["40", "80", "100", "200"])
def test_no_summary_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for group in ((), ("fleet",), ("report",), ("github",)):
        text = " ".join(shown(capsys, *group, "--help").split())
        prefix = " ".join(("reconcile", *group))
        for path, command in EVERY.items():
            if path.rpartition(" ")[0] == prefix and path not in HIDDEN:
                assert (command.help or "").splitlines()[0] in text, path


@pytest.mark.parametrize("path", EVERY)
def test_global_options_are_described_once(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    if isinstance(EVERY[path], click.Group):
        return
    text = shown(capsys, *path.split()[1:], "--help")
    assert "Desired-state folder" not in text
    assert "Global options: --dir, --target, -v, -q, --log-format, --no-color" in text


@pytest.mark.parametrize("width", range(60, 121, 6))
def test_no_line_ends_inside_an_option_or_a_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for words in (("--help",), ("serve", "--help"), ("doctor", "--help"), ("help", "environment")):
        lines = shown(capsys, *words).splitlines()
        assert [line for line in lines if line.endswith("-") or line.count("`") % 2] == []


@pytest.mark.parametrize("path", [path for path in EVERY if path not in HIDDEN])
def test_a_command_shows_two_or_three_examples(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = path.partition(" ")[2]
    text = shown(capsys, *name.split(), "--help")
    assert 2 <= len(EXAMPLES[name]) <= 3
    for purpose, line in EXAMPLES[name]:
        assert f"  # {purpose}\n  {line}\n" in text


def test_examples_belong_to_commands() -> None:
    assert {f"reconcile {name}" for name in EXAMPLES} == EVERY.keys() - HIDDEN | {"reconcile help"}


@pytest.mark.parametrize(
    ("name", "line"),
    [(name, line) for name, examples in EXAMPLES.items() for _, line in examples],
)
def test_an_example_is_accepted_by_the_command_line(name: str, line: str) -> None:
    words = shlex.split(re.split(r" [|>] ", line)[0])
    assert words[0] == "reconcile"
    context, words = click.Context(reconcile, info_name="reconcile"), words[1:]
    if words[0] == "--target":
        words = words[2:]
    command: click.Command = reconcile
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, info_name=command.name, parent=context)
    assert context.command_path.startswith(f"reconcile {name}")
    command.make_context(command.name, list(words))


# Constants of the code that look like variables but are not read from the environment.
NOT_READ = {
    "AWS_EC2_METADATA_DISABLED": "set for sops",
    "CHANGES_REQUESTED": "a word of GitHub",
    "HTTPS_PROXY": "set for sops",
    "HTTP_PROXY": "set for sops",
    "IN_PROCESS": "a name of Python",
    "KNOWN_PROVIDERS": "a name of Python",
    "LC_ALL": "set for git",
    "ON_DEMAND": "a word of a provider",
    "PYDANTIC_DISABLE_PLUGINS": "set for pydantic",
    "XDG_CACHE_HOME": "set for sops",
    "XDG_DATA_HOME": "set for sops",
    "XDG_RUNTIME_DIR": "set for sops",
}
# Names without an underscore are searched only where a variable is read.
READERS = {"get", "variable", "text", "first", "_get"}


def constants(file: Path) -> Iterator[str]:
    """Return names in a module that could be environment variables and are not in the reference."""
    text = file.read_text("utf-8")
    if not re.search(r"""["'][A-Z][A-Z0-9_]+["']""", text):
        return  # parsing every module takes more than half a second
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Variables of git are set for its processes, never read.
            if re.fullmatch(r"(?!GIT_)[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", node.value):
                yield node.value
        elif isinstance(node, ast.Call):
            reader = getattr(node.func, "attr", getattr(node.func, "id", ""))
            names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if reader in READERS:
                yield from (n for n in names if isinstance(n, str) and re.fullmatch("[A-Z]{2,}", n))


def test_the_reference_of_variables_lists_those_that_the_code_reads() -> None:
    listed = {
        name
        for variables in VARIABLES.values()
        for names, _ in variables
        for name in names.split(", ")
    }
    files = set((ROOT / "reconciler").rglob("*.py")) - {
        ROOT / "reconciler/cli/environment_variables.py"
    }
    read = {name for file in files for name in constants(file)} - NOT_READ.keys()
    assert read - listed == set()
    # Prefixes, and sets of variables that are passed to git and sops, such as `PATH`.
    source = "".join(file.read_text("utf-8") for file in files)
    unknown = {name for name in listed if name.rstrip("*") not in source}
    assert unknown == set()


def test_the_reference_of_variables_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys, "help", "environment").split())
    for variables in VARIABLES.values():
        for name, description in variables:
            assert f"{name} {' '.join(description.split())}" in text
