"""Folder with a fleet.yaml and a folder of files for each member."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from tests.cli.project import Here
from tests.end_to_end.harness import Done, Project


class Terminal(io.StringIO):
    """Stream that reports to be a terminal."""

    def isatty(self) -> bool:
        return True


class FleetProject(Here):
    """Project whose commands run in this process, in the folder of fleet.yaml."""

    def __init__(self, folder: Path, **variables: str) -> None:
        super().__init__(folder, **variables)
        self.members: list[dict[str, Any]] = []

    def member(self, name: str, *slugs: str, base_url: str = "simulator:", **more: Any) -> Project:
        """Add a member with separate files, whose key is PORTKEY_API_KEY_<NAME>."""
        project = Project(self.folder / name)
        variable = f"PORTKEY_API_KEY_{name.upper().replace('-', '_')}"
        project.config(base_url, api_key=f"${{env:{variable}}}")
        self.environment.setdefault(variable, f"pk-{name}")
        for slug in slugs or ("alpha",):
            project.integration(slug)
        self.members.append({"name": name, "dir": f"{name}/desired-state", **more})
        self.write_fleet(members=self.members)
        return project

    def write_fleet(self, **document: Any) -> Path:
        file = self.folder / "fleet.yaml"
        file.write_text(json.dumps({"version": 1, **document}, indent=1))
        return file

    def of(self, name: str) -> Project:
        """Return the project of a member."""
        return Project(self.folder / name)

    def ask(self, *words: str, answer: str) -> Done:
        """Run one command at a terminal at which this answer is typed."""
        out, terminal = io.StringIO(), Terminal()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            code = run(list(words), Console(stdin=Terminal(answer), stdout=out, stderr=terminal))
        return Done(code, out.getvalue(), terminal.getvalue())

    def fleet(self, *words: object, **variables: str) -> Done:
        """Run a fleet command and return its JSON document."""
        return self.run("fleet", *words, "--format", "json", **variables)


def statuses(done: Done) -> dict[str, str]:
    """Return the status of each member."""
    return {member["name"]: member["status"] for member in done.json["members"]}


def codes(done: Done) -> dict[str, set[str]]:
    """Return the diagnostic codes of each member."""
    return {m["name"]: {d["code"] for d in m["diagnostics"]} for m in done.json["members"]}
