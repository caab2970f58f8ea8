"""The examples for Azure DevOps and Jenkins: their shell lines run in clones."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.harness import Done
from tests.git.repositories import git
from tests.workflows.example_jobs import EXAMPLES, VALUE, Team, team

pytestmark = pytest.mark.needs_system

AZURE = EXAMPLES / "azure-pipelines.yml"
JENKINS = EXAMPLES / "Jenkinsfile"
_PATH = re.compile(r"^##vso\[task\.prependpath\](.+)$", re.MULTILINE)
_CHANGES = re.compile(
    r"^##vso\[task\.setvariable variable=changes;isOutput=true\](\w+)$", re.MULTILINE
)
_SHELL = re.compile(r"'''(#!/usr/bin/env bash\n.*?)'''", re.DOTALL)


@dataclass
class Build:
    """Build in one clone; `plan` returns its exit code, and whether there are changes."""

    team: Team
    commit: str
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.team.clone("build", self.commit, 20)

    def run(self, script: str, **variables: str) -> Done:
        given = {
            "RECONCILE_SOURCE": self.team.tool.as_uri(),
            "RECONCILE_COMMIT": git(self.team.tool, "rev-parse", "HEAD"),
            "RECONCILE_TARGET": "production",
            "RECONCILE_LEDGER_URL": f"sqlite:///{self.team.folder}/ledger.db",
            "WORKSPACE_TMP": str(self.team.folder / "build-tmp"),
            "PIPELINE_WORKSPACE": str(self.team.folder / "pipeline"),
            **self.variables,
            **variables,
        }
        return self.team.bash([script], self.folder, **given)


class Azure(Build):
    """Steps of the two stages, which send commands to the agent with `##vso`."""

    def plan(self) -> tuple[int, bool]:
        (stage, _) = yaml.safe_load(AZURE.read_text())["stages"]
        install, plan = _bash(stage["jobs"][0]["steps"])
        self._install(install)
        done = self.run(plan)
        changes = _CHANGES.findall(done.out)
        (self.team.folder / "pipeline/plan").mkdir(parents=True, exist_ok=True)
        if done.code == 0:
            assert len(changes) == 1
            # Published as an artifact and downloaded by the other stage.
            (self.folder / "plan.json").replace(self.team.folder / "pipeline/plan/plan.json")
        return done.code, changes == ["true"]

    def apply(self) -> int:
        (_, stage) = yaml.safe_load(AZURE.read_text())["stages"]
        install, apply = _bash(stage["jobs"][0]["strategy"]["runOnce"]["deploy"]["steps"])
        self._install(install)
        return self.run(apply, SECRET_KEY=VALUE).code

    def _install(self, script: str) -> None:
        (folder,) = _PATH.findall(self.run(script).out)
        self.variables["PATH"] = f"{folder}:{self.team.folder}/programs:/usr/bin:/bin"


class Jenkins(Build):
    """Three scripts of the stages; the second one returns the exit code of the plan."""

    def plan(self) -> tuple[int, bool]:
        install, plan, _ = _SHELL.findall(JENKINS.read_text())
        (self.team.folder / "build-tmp").mkdir(exist_ok=True)
        assert self.run(install).code == 0
        code = self.run(plan).code
        return (0 if code == 2 else code), code == 2

    def apply(self) -> int:
        *_, apply = _SHELL.findall(JENKINS.read_text())
        return self.run(apply, SECRET_KEY=VALUE).code


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Team]:
    with team(tmp_path) as found:
        yield found


@pytest.mark.parametrize("system", [Azure, Jenkins])
def test_only_the_approved_plan_is_applied(made: Team, system: Callable[[Team, str], Any]) -> None:
    made.integration("alpha", key="${env:SECRET_KEY}")
    first = made.commit("alpha")
    build = system(made, first)
    assert build.plan() == (0, True)
    venv, locked, _ = made.installed[:3]
    assert venv.startswith("-m venv ")
    assert "--require-hashes --only-binary :all: -r " in locked
    # While it waits for its approval, the files change.
    made.integration("beta", key="${env:SECRET_KEY}")
    git(build.folder, "fetch", "--quiet", "origin", made.commit("beta"))
    git(build.folder, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    assert build.apply() == 4
    assert made.slugs() == set()
    git(build.folder, "checkout", "--quiet", "--detach", first)
    assert build.apply() == 0
    assert made.slugs() == {"alpha"}


@pytest.mark.parametrize("system", [Azure, Jenkins])
def test_a_failed_plan_fails_the_build_and_an_empty_one_needs_no_approval(
    made: Team, system: Callable[[Team, str], Any]
) -> None:
    made.integration("alpha", descripton="typo")
    assert system(made, made.commit("a typo")).plan() == (3, False)
    (made.home / "desired-state/integrations/alpha.yaml").unlink()
    assert system(made, made.commit("nothing")).plan() == (0, False)


def test_azure_passes_a_secret_only_to_the_steps_that_need_it() -> None:
    text = AZURE.read_text()
    assert not re.search(r"[&*]\w+ *[|\n]", text), "Azure Pipelines has no anchors"
    stages = yaml.safe_load(text)["stages"]
    steps = [
        *stages[0]["jobs"][0]["steps"],
        *stages[1]["jobs"][0]["strategy"]["runOnce"]["deploy"]["steps"],
    ]
    first, second = (step["bash"] for step in steps if step.get("displayName") == "Install")
    assert first == second
    secret = [step["displayName"] for step in steps if "env" in step]
    assert secret == ["Plan", "Apply"]
    plan, apply = (set(step["env"]) for step in steps if "env" in step)
    assert plan == {"PORTKEY_API_KEY", "RECONCILE_LEDGER_URL"}
    assert apply - plan == {"RECONCILE_LEDGER_PEPPER", "SECRET_OPENAI_KEY"}


def _bash(steps: list[dict[str, Any]]) -> list[str]:
    return [step["bash"] for step in steps if "bash" in step]
