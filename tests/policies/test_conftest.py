"""Example rules with the real conftest: its answers, and the resulting plan."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here, writes
from tests.policies.examples import CASES, FOLDER, Case

pytestmark = [pytest.mark.needs_conftest, pytest.mark.slow]

COMMAND = ["conftest", "test", "--output", "json", "--policy", "policies/rules", "-"]
# Also next to the interpreter, where `GOBIN=$PWD/.venv/bin go install …` puts it.
SEARCH_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # noqa: TID251  where programs are


def answered(rule: str, document: dict[str, Any]) -> Any:
    """Return the results of one rule."""
    program = shutil.which("conftest", path=SEARCH_PATH)
    assert program is not None
    done = subprocess.run(
        [program, "test", "-o", "json", "--policy", FOLDER / f"rules/{rule}.rego", "-"],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    [result] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_conftest_agrees_about_each_rule(case: Case) -> None:
    found = answered(case.rule, case.bad).get("warnings" if case.warns else "failures", [])
    assert sorted(item["metadata"].get("slug") for item in found) == list(case.slugs)
    good = answered(case.rule, case.good)
    assert (good.get("failures"), good.get("warnings")) == (None, None)
    assert good["successes"] >= 1


class Examples(Here):
    """Project with the example rules and two integrations, judged by conftest."""

    def __init__(self, folder: Path, *, rules: str = "policies/rules") -> None:
        super().__init__(folder)
        shutil.copytree(FOLDER, self.files / "policies")
        command = [word.replace("policies/rules", rules) for word in COMMAND]
        self.config(policies=[{"name": "rules", "command": command}])
        self.environment["PATH"] = SEARCH_PATH
        self.environment["RECONCILE_ALLOWED_POLICIES"] = " ".join(command)
        self.integration("alpha", description="Search")
        self.integration("beta", global_workspace_access={"enabled": True})


def test_a_plan_is_judged_by_the_example_rules(tmp_path: Path) -> None:
    project = Examples(tmp_path)
    plan = project.plan()
    [policy] = plan["policies"]
    assert policy["verdict"] == "denied"
    blocked = {action["slug"]: action["blocked_by"] for action in plan["actions"]}
    assert blocked == {"alpha": [], "beta": ["policy"]}
    shown = {(d["severity"], d["summary"], d["file"]) for d in plan["diagnostics"]}
    beta = "desired-state/integrations/beta.yaml"
    assert {
        (
            "error",
            "policy rules: beta: do not enable global_workspace_access; list the workspaces",
            beta,
        ),
        ("warning", "policy rules: beta: state in `description` which team uses it", beta),
    } <= shown
    done = project.run("-vv", "apply", "--yes")
    assert (done.code, writes(done)) == (4, [])
    project.apply("--exclude", "beta")
    assert project.slugs() == ["alpha"]


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        ("syntax", "package main\ndeny {", "no answer"),
        ("namespace", "package elsewhere\nimport rego.v1\ndeny contains 1 if false", "no rule"),
        ("empty", "package main", "no rule"),
    ],
)
def test_rules_that_conftest_does_not_run_block_the_plan(
    tmp_path: Path, rule: str, text: str, reason: str
) -> None:
    project = Examples(tmp_path, rules=f"policies/{rule}")
    project.write(f"policies/{rule}/{rule}.rego", text)
    [policy] = project.plan()["policies"]
    assert policy["verdict"] == "failed"
    assert reason in policy["findings"][0]["message"]


def test_a_configuration_of_a_pull_request_has_no_effect(tmp_path: Path) -> None:
    project = Examples(tmp_path)
    before = project.plan()["policies"]
    project.write("conftest.toml", 'namespace = "elsewhere"\nno-fail = true\n')
    (tmp_path / "conftest.toml").write_text('namespace = "elsewhere"\n')
    assert project.plan()["policies"] == before
