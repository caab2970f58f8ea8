"""Command lines that outputs suggest: in one order, with every option, quoted for a shell.

A suggested command finds the same digest only if it looks at the same part of the same files, so
it carries on every option that shaped the plan. Which options those are is collected from the
command line in `reconciler.cli.options`.
"""

import shlex
from dataclasses import dataclass

from reconciler.views.escape import visible


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Options of the current command line that a suggested command repeats.

    `global_options` are all but the target, `plan_options` those that decide what a plan contains
    and what it may do. `saved_plan` is the file that the plan was saved to, if any.
    """

    global_options: tuple[str, ...] = ()
    plan_options: tuple[str, ...] = ()
    saved_plan: str | None = None


def suggested_command(
    target: str | None, command: str, *arguments: str, context: CommandContext = CommandContext()
) -> str:
    """Return `reconcile --target T [--dir D] COMMAND ARGUMENTS`, quoted for a POSIX shell.

    Without a target the option is left out: the commands of a fleet have none.
    """
    options = ("--target", target) if target is not None else ()
    words = ("reconcile", *options, *context.global_options, command, *arguments)
    return " ".join(_quoted(word) for word in words)


def apply_command(target: str, *arguments: str, context: CommandContext = CommandContext()) -> str:
    """Return the `apply` that plans with the same options; `arguments` come last."""
    return suggested_command(target, "apply", *context.plan_options, *arguments, context=context)


def as_operand(path: str) -> str:
    """Return a path that no command parses as an option."""
    return f"./{path}" if path.startswith("-") else path


def _quoted(word: str) -> str:
    # A dot in front, since only the beginning of a line could be a command to a CI.
    if visible(f".{word}", None) == f".{word}":
        return shlex.quote(word)
    # Control and invisible characters: the notation of bash and zsh names them in plain ASCII.
    # The backslash first: quotes are escaped by one.
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible(f'.{escaped}', None)[1:]}'"
