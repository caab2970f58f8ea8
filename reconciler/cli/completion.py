"""Shell completion: the scripts, and the responses to their requests.

A script runs `reconcile` with the variable `_RECONCILE_COMPLETE`, as `click.shell_completion`
defines it. `reconciler.cli.completion_values` returns the values.
"""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
)

PROGRAM = "reconcile"
VARIABLE = "_RECONCILE_COMPLETE"
"""Variable with which a script requests values."""


class _WholeWord(ShellComplete):
    """Completion for shells that replace the whole word, `--target=` included."""

    # In quotes, because the class has no type parameter before click 8.2.
    def get_completions(self, args: list[str], incomplete: str) -> "list[CompletionItem[Any]]":
        """Return the values, each with the option that its word begins with."""
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if not (equals and option.startswith("--")):
            return found
        return [CompletionItem(f"{option}={i.value}", type=i.type, help=i.help) for i in found]


class _Bash(BashComplete):
    """Completion for bash, which splits `--target=x` into three words."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor and the word at it, without equals signs."""
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in args:
            if word == "=" and words and words[-1].startswith("--"):
                continue
            words.append(word)
        return words, incomplete


class _Zsh(_WholeWord, ZshComplete):
    pass


class _Fish(_WholeWord, FishComplete):
    pass


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}
SHELLS = tuple(_SHELLS)


def script(program: click.Command, shell: str) -> str:
    """Return the script that enables completion in a shell."""
    complete = _SHELLS[shell](program, {}, PROGRAM, VARIABLE)
    # Not `source()`: for bash it runs bash, to print a warning about versions before 4.4.
    return complete.source_template % complete.source_vars()


def respond(program: click.Command, instruction: str, *, context: dict[str, Any]) -> str:
    """Return the response to a request of a script, such as `bash_complete`.

    A failure of any kind gives an empty response, because a message would be written into the
    command line that is being typed. `context` has further arguments for the context of the
    program.
    """
    shell, _, request = instruction.partition("_")
    try:
        # Anything that an imported module prints would be treated as a value.
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            if request == "source":
                return script(program, shell)
            complete = _SHELLS[shell](program, context, PROGRAM, VARIABLE)
            return complete.complete() + "\n"
    except Exception:  # noqa: BLE001  see above
        return ""


def answer(program: click.Command, instruction: str, *, context: dict[str, Any]) -> None:
    """Write the response to a request to stdout."""
    try:
        sys.stdout.write(respond(program, instruction, context=context))
        sys.stdout.flush()
    except (OSError, ValueError):
        return  # the shell no longer reads the answer
