"""A new field of the API is one line in the schema, from which everything else is derived.

The line is added to a copy of the package, whose commands then run as a user runs them. The
simulator is that of the real package and does not know the field.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.architecture.source import PACKAGE
from tests.end_to_end.harness import Project

NEXT_FIELD = "    key: Annotated[Reference"
NEW_FIELD = (
    "    routing_hint: Annotated[Text | None, Facts(risk=RiskRule.SETTING, example='eu')] = "
    "Field(None, description='Where calls are routed.')\n"
)
COMMANDS = """
import io, json, sys
from reconciler.cli.console import Console
from reconciler.cli.main import run

done = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    code = run(arguments, Console(stdin=None, stdout=out, stderr=err))
    done.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(done))
"""


@dataclass
class Copy:
    """Copy of the package with one more field, and a project for its commands."""

    project: Project

    def run(self, *commands: str) -> list[tuple[int, str]]:
        """Run commands in one process; return the exit code and the output of each."""
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, json.dumps([line.split() for line in commands])],
            cwd=self.project.folder,
            env=self.project.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [(code, out or err) for code, out, err in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("one-field")
    source = folder / "source"
    shutil.copytree(PACKAGE, source / "reconciler")  # with compiled modules: starts faster
    module = source / "reconciler" / "domain" / "integration.py"
    text = module.read_text(encoding="utf-8")
    assert text.count(NEXT_FIELD) == 1
    module.write_text(text.replace(NEXT_FIELD, NEW_FIELD + NEXT_FIELD), encoding="utf-8")
    switches = folder / "switches.json"
    switches.write_text(json.dumps({"switches": {"unexpected_fields": "keep"}, "faults": []}))
    project = Project(folder / "project", PYTHONPATH=str(source), PORTKEY_API_KEY="pk-test")
    serving = Project(folder / "serving")
    with serving.serving("--fault", switches) as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        yield Copy(project)


def changes(plan: str) -> list[dict[str, Any]]:
    return [change for action in json.loads(plan)["actions"] for change in action["changes"]]


@pytest.mark.slow
def test_a_field_added_to_the_schema_is_known_everywhere(changed: Copy) -> None:
    changed.project.integration("alpha", routing_hint="eu")
    validated, created, again = changed.run("validate", "apply --yes", "plan --format json")
    assert validated[0] == created[0] == 0, (validated, created)
    assert json.loads(again[1])["actions"] == []

    changed.project.integration("alpha", routing_hint="us")
    planned, applied, again = changed.run("plan --format json", "apply --yes", "plan --format json")
    (change,) = changes(planned[1])
    assert (change["path"], change["before"], change["after"]) == ("routing_hint", "eu", "us")
    assert change["risk"] == "restrictive"
    assert applied[0] == 0, applied
    assert json.loads(again[1])["actions"] == []

    file = changed.project.integration("alpha", routing_hint="elsewhere")
    pulled, schema, explained, body = changed.run(
        "pull alpha", "schema", "explain routing_hint", "explain"
    )
    assert pulled[0] == 0, pulled
    assert json.loads(file.read_text())["routing_hint"] == "us"
    assert "routing_hint" in json.loads(schema[1])["properties"]
    assert "Where calls are routed." in explained[1]
    assert "routing_hint" in body[1]


def test_a_value_of_another_type_is_refused(changed: Copy) -> None:
    changed.project.integration("alpha", routing_hint=["eu"])
    ((code, problems),) = changed.run("validate")
    assert code == 3
    assert "routing_hint" in problems
