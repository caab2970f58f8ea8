"""Commands that reconcile.yaml names and the environment allows.

A pull request can edit reconcile.yaml, so a command runs only if a variable of the environment
lists it, with an environment of PATH, HOME and named variables. `reconciler.limited_process` runs
it.
"""

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

ANY_ARGUMENTS = "*"
"""Last word of an allowed command that permits further arguments."""


@dataclass(frozen=True, slots=True)
class AllowedCommands:
    """Commands that a variable of the environment lists, each as a list of words.

    Entries are separated by commas and compared word by word; an entry whose last word is `*`
    permits any further arguments.
    """

    variable: str
    commands: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, text: str | None, *, variable: str) -> "AllowedCommands":
        """Parse the value of a variable; raise `InvalidInput` for an entry with open quotes."""
        commands = []
        for entry in (text or "").split(","):
            try:
                words = tuple(shlex.split(entry))
            except ValueError:
                summary = f"{variable}: an entry has a quote that is not closed"
                hint = "separate commands by commas, and quote words as in a shell"
                raise InvalidInput([error("bad-allow-list", summary, hint=hint)]) from None
            if words:
                commands.append(words)
        return cls(variable, tuple(commands))

    def permits(self, command: Sequence[str]) -> bool:
        """Return whether the environment allows exactly this command."""
        words = tuple(command)
        for allowed in self.commands:
            if allowed == words:
                return True
            fixed = allowed[:-1]
            # The program itself is always compared, so `*` alone permits nothing.
            if allowed[-1] == ANY_ARGUMENTS and fixed and words[: len(fixed)] == fixed:
                return True
        return False

    def hint_for(self, command: Sequence[str]) -> str:
        """Return how to allow a command that is not listed."""
        return (
            f"if this command may run here, add {shlex.join(command)} to the environment variable "
            f"{self.variable}"
        )


def find_program(name: str, *, path: str) -> str | None:
    """Return the absolute path of an executable program, None if there is none.

    Relative paths, and relative entries of PATH, lead into the checkout, whose files a pull request
    can edit; they are never used.
    """
    if "/" in name and not name.startswith("/"):
        return None
    return shutil.which(name, path=_absolute_entries(path))


def find_program_outside(repository: Path, name: str, *, path: str) -> str | None:
    """Return the path of a program outside the repository, None if there is none.

    A program inside the repository is found only by its absolute path, because the environment
    lists that path.
    """
    found = find_program(name, path=path_outside(path, repository))
    # A link outside the repository can point into it.
    if found is None or (not name.startswith("/") and _is_inside(found, repository)):
        return None
    return found


def path_outside(path: str, repository: Path) -> str:
    """Return a search path without relative folders and without those of a repository."""
    folders = _absolute_entries(path).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not _is_inside(folder, repository))


def _is_inside(path: str, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)


def repository_around(folder: Path) -> Path:
    """Return the real path of the Git repository around a folder, or of the folder itself."""
    here = Path(os.path.realpath(folder))
    for parent in (here, *here.parents):
        if (parent / ".git").exists():
            return parent
    return here


def _absolute_entries(path: str) -> str:
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith("/"))


def command_environment(environ: Mapping[str, str], variables: Sequence[str]) -> dict[str, str]:
    """Return the environment of a command: PATH, HOME and the named variables that are set."""
    passed = {name: environ[name] for name in ("HOME", *variables) if name in environ}
    return passed | {"PATH": _absolute_entries(environ.get("PATH", ""))}
