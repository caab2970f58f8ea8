"""Run `reconcile` in this process as a user does, in a separate folder and environment."""

import atexit
import copy
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from tests.end_to_end.harness import Done, Project

FIRST = "sk-first-0a1b2c3d4e5f"
SECOND = "sk-second-9f8e7d6c5b4a"


class Here(Project):
    """Project whose commands run in this process; the output of `-vv` has the calls."""

    def __init__(self, folder: Path, *, prune: str = "managed", **variables: str) -> None:
        super().__init__(folder, **{"SECRET_KEY": FIRST, **variables})
        self.config(prune=prune)

    def run(
        self,
        *arguments: object,
        command: tuple[str, ...] = (),
        console: Console | None = None,
        **variables: str,
    ) -> Done:
        """Run one command; an empty variable is left unset.

        Output to a `console` that is passed in is not part of the result.
        """
        out, err = io.StringIO(), io.StringIO()
        console = console or Console(stdin=None, stdout=out, stderr=err)
        environment = {**self.environment, **variables}
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in environment.items():
                patch.setenv(name, value) if value else patch.delenv(name, raising=False)
            code = run([str(word) for word in arguments], console)
        return Done(code, out.getvalue(), err.getvalue())

    def apply(self, *options: object, **variables: str) -> Done:
        """Apply; the test fails unless it succeeds."""
        done = self.run("-vv", "apply", "--yes", *options, **variables)
        assert done.code == 0, done.err
        return done

    def plan(self, *options: object, **variables: str) -> Any:
        """Return a fresh plan as JSON."""
        done = self.run("plan", "--format", "json", *options, **variables)
        assert done.code == 0, done.err or done.out
        return done.json

    def slugs(self) -> list[str]:
        """Return the existing slugs."""
        return [i["slug"] for i in self.run("list", "--format", "json").json["integrations"]]

    def remove(self, slug: str) -> None:
        """Remove an integration's file."""
        (self.files / "integrations" / f"{slug}.yaml").unlink()

    @property
    def state(self) -> Path:
        return self.folder / ".reconcile"

    def elsewhere(self) -> "Here":
        """Return another folder of files with the same simulator, to act as another client."""
        other = Here.__new__(Here)
        other.folder, other.environment = self.folder, self.environment
        other.files = self.folder / "somebody-else"
        other.files.mkdir(exist_ok=True)
        other.config(prune="none")
        return other


def built_once(build: Callable[[Path], Here]) -> Callable[[Path], Here]:
    """Decorate a function that builds a project to run once; each test gets a copy.

    This requires that its commands have ended and that no path in its folder is absolute.
    """
    built: list[Here] = []

    @wraps(build)
    def copied(folder: Path) -> Here:
        if not built:
            template = Path(tempfile.mkdtemp(prefix="reconcile-"))
            atexit.register(shutil.rmtree, template, ignore_errors=True)
            built.append(build(template))
        shutil.copytree(built[0].folder, folder, dirs_exist_ok=True)
        project = copy.copy(built[0])
        project.folder, project.files = folder, folder / built[0].files.name
        project.environment = {**built[0].environment, "HOME": str(folder)}
        return project

    return copied


def writes(done: Done) -> list[str]:
    """Return the write calls of a command that ran with `-vv`."""
    lines = (line.split(":")[0] for line in done.err.splitlines())
    return [line for line in lines if line.split(" ")[0] in {"POST", "PUT", "DELETE"}]


def actions(plan: Any) -> dict[str, str]:
    """Return the kind of action by slug."""
    return {action["slug"]: action["action"] for action in plan["actions"]}


def changes(plan: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the path, op and origin of each change of a plan."""
    for action in plan["actions"]:
        for change in action["changes"]:
            yield change["path"], change["op"], change["origin"]
