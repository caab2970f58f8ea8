"""Run `reconcile` in this process as a user does, in a folder and an environment of its own."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from tests.end_to_end.harness import Done, Project

FIRST = "sk-first-0a1b2c3d4e5f"
SECOND = "sk-second-9f8e7d6c5b4a"


class Here(Project):
    """A project whose commands run in this process; calls that were sent are in what `-vv` says."""

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
        """Run one command; a variable that is empty is not set.

        What goes to a `console` that is handed in is not part of what is returned.
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
        """Apply, and insist that it worked."""
        done = self.run("-vv", "apply", "--yes", *options, **variables)
        assert done.code == 0, done.err
        return done

    def plan(self, *options: object, **variables: str) -> Any:
        """Give a fresh plan as JSON."""
        done = self.run("plan", "--format", "json", *options, **variables)
        assert done.code == 0, done.err or done.out
        return done.json

    def slugs(self) -> list[str]:
        """Give what exists."""
        return [i["slug"] for i in self.run("list", "--format", "json").json["integrations"]]

    def remove(self, slug: str) -> None:
        """Take an integration's file away."""
        (self.files / "integrations" / f"{slug}.yaml").unlink()

    @property
    def state(self) -> Path:
        return self.folder / ".reconcile"

    def elsewhere(self) -> "Here":
        """Give another tree of files beside the same simulator, as somebody else's doing."""
        other = Here.__new__(Here)
        other.folder, other.environment = self.folder, self.environment
        other.files = self.folder / "somebody-else"
        other.files.mkdir(exist_ok=True)
        other.config(prune="none")
        return other


def writes(done: Done) -> list[str]:
    """Give the writing calls of a command that ran with `-vv`."""
    lines = (line.split(":")[0] for line in done.err.splitlines())
    return [line for line in lines if line.split(" ")[0] in {"POST", "PUT", "DELETE"}]


def actions(plan: Any) -> dict[str, str]:
    """Give what a plan does to which slug."""
    return {action["slug"]: action["action"] for action in plan["actions"]}


def changes(plan: Any) -> Iterator[tuple[str, str, str]]:
    """Walk the changes of a plan: path, op, origin."""
    for action in plan["actions"]:
        for change in action["changes"]:
            yield change["path"], change["op"], change["origin"]
