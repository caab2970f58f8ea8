"""Errors of the command line as diagnostics, with the option or command that was probably meant."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import click

from reconciler.desired.suggestions import nearest
from reconciler.diagnostics import Diagnostic, error

OTHER_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "address": "--host",
        "assume-yes": "--yes",
        "auto-approve": "--yes",
        "bind": "--host",
        "chdir": "--dir",
        "check": "plan",
        "concurrency": "--parallelism",
        "config": "--dir",
        "debug": "-vv",
        "destroy": "apply",
        "diff": "plan",
        "directory": "--dir",
        "dry-run": "plan",
        "env": "--target",
        "environment": "--target",
        "filter": "--only",
        "include": "--only",
        "json": "--format json",
        "no-color": "--no-color",
        "no-colour": "--no-color",
        "output": "--format",
        "port": "--rest-port",
        "preview": "plan",
        "refresh-only": "drift",
        "silent": "--quiet",
        "timeout": "--deadline",
        "workers": "--parallelism",
        "y": "--yes",
    }
)
"""Option of this program, or else its command, by the option of another tool."""

_NOT_A_NUMBER = re.compile(r"is not a valid (integer|float|number)( range)?")


def diagnostic_of(
    problem: click.ClickException, arguments: Sequence[str] = (), commands: Iterable[str] = ()
) -> Diagnostic:
    """Return the diagnostic of an error that click found in a command line."""
    # click writes sentences, and choices as a list on lines with tabs. A diagnostic is one line, in
    # lower case and without a full stop.
    summary = " ".join(problem.format_message().split())
    summary = summary[:1].lower() + summary[1:].rstrip(".")
    if not isinstance(problem, click.UsageError):
        return error("usage", summary)
    hint = _help_hint(problem, arguments, commands)
    if isinstance(problem, click.NoSuchOption):
        summary = _unknown_option(problem, arguments)
    elif isinstance(problem, click.BadParameter):
        summary = _NOT_A_NUMBER.sub(_kind_of_number, summary)
    elif "unexpected extra argument" in summary and "--only" in _options_of(problem):
        hint = "to select integrations, use `--only GLOB`"
    return error("usage", summary, hint=hint)


def _help_hint(problem: click.UsageError, arguments: Sequence[str], commands: Iterable[str]) -> str:
    if problem.ctx is not None:
        return f"run `{problem.ctx.command_path} --help` for usage"
    # click does not name the command if the value of an option is missing.
    known = set(commands)
    command = next((word for word in arguments if word in known), None)
    return f"run `reconcile {command} --help` for usage" if command else ""


def _kind_of_number(found: re.Match[str]) -> str:
    return "is not a whole number" if found[1] == "integer" else "is not a number"


def _unknown_option(problem: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """Return the summary for an option that does not exist."""
    typed, options = problem.option_name, _options_of(problem)
    # Terraform and Go accept `-target=x`, of which click reads only `-t`.
    if not typed.startswith("--"):
        typed = next((w for w in arguments if w.startswith(typed) and len(w) > 2), typed)
        typed = typed.partition("=")[0]
    meant = _meant(typed.lstrip("-").lower(), options)
    return f"no such option '{typed}'" + (f". Did you mean `{meant}`?" if meant else "")


def _meant(word: str, options: Iterable[str]) -> str | None:
    options = list(options)
    if f"--{word}" in options:
        return f"--{word}"
    other = OTHER_OPTIONS.get(word)
    if other is not None and not other.startswith("-"):
        return f"reconcile {other}"
    if other is not None and other.split()[0] in {*options, "-vv"}:
        return other
    return nearest(f"--{word}", options, strict=True)


def _options_of(problem: click.UsageError) -> list[str]:
    """Return the long options of the command."""
    params = problem.ctx.command.params if problem.ctx is not None else []
    return [name for param in params for name in param.opts if name.startswith("--")]
