"""The actions for users need only their own repository, and are documented."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.desired.init_files import UNKNOWN_SOURCE
from tests.workflows.acting import write_program
from tests.workflows.test_rules import GITHUB, REUSABLE, TOOLS, action, load, parse

GUIDE = (GITHUB / "workflows/README.md").read_text(encoding="utf-8")
SECRETS = {
    "PORTKEY_API_KEY": "portkey-api-key",
    "RECONCILE_DRIFT_NOTIFY": "drift-notify",
    "RECONCILE_LEDGER_PEPPER": "ledger-pepper",
    "RECONCILE_LEDGER_URL": "ledger-url",
    "SECRET_VALUES": "secret-values",
}
"""The input of an action that takes each secret."""


def own_workflow() -> str:
    """Return the workflow of the guide that calls the actions directly."""
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (found,) = (block for block in blocks if ".github/actions/apply@COMMIT" in block)
    return str(found)


def step(name: str, titled: str) -> Any:
    (found,) = (s for s in action(name)["runs"]["steps"] if s.get("name") == titled)
    return found


def calls(workflow: Any) -> list[tuple[Any, Any, str]]:
    """Return the jobs of a workflow, each with its call of an action and the name of the action."""
    found = []
    for job in workflow["jobs"].values():
        for call in job["steps"]:
            name = re.search(r"/\.github/actions/(\w+)(@COMMIT)?$", call.get("uses", ""))
            if name:
                found.append((job, call, name[1]))
    return found


def all_calls() -> list[tuple[Any, Any, str]]:
    """Return the calls in the workflows for users and in the guide."""
    of_workflows = [load(GITHUB / f"workflows/{name}.yml") for name in REUSABLE]
    return [call for one in [*of_workflows, parse(own_workflow())] for call in calls(one)]


@pytest.mark.parametrize("name", [*REUSABLE, "setup-reconcile"])
def test_an_action_calls_no_other_action_of_its_repository_and_reads_no_secret(name: str) -> None:
    text = (GITHUB / f"actions/{name}/action.yml").read_text(encoding="utf-8")
    # `$/` does not exist on every GitHub, and `./` would be the repository of the caller.
    assert not re.search(r"uses: [$.]/", text)
    # These contexts are not available in an action.
    assert not re.search(r"\b(secrets|vars)\.", text)


def test_every_call_passes_declared_inputs_and_each_secret_to_its_input() -> None:
    found = all_calls()
    assert len(found) == 10
    for _, call, name in found:
        declared = action(name)["inputs"]
        required = {key for key, item in declared.items() if item.get("required")}
        assert required <= call["with"].keys() <= declared.keys()
        for key, value in call["with"].items():
            secret = re.fullmatch(r"\$\{\{ secrets\.(\w+) \}\}", value)
            assert (key in SECRETS.values()) == (secret is not None)
            assert secret is None or SECRETS[secret[1]] == key


def test_each_secret_is_passed_only_to_commands_and_not_to_third_party_actions() -> None:
    for name in REUSABLE:
        for one in action(name)["runs"]["steps"]:
            if "uses" in one:
                used = re.findall(r"inputs\.([\w-]+)", str(one))
                assert not set(used) & {*SECRETS.values(), "github-token"}, one


def documented_permissions(name: str) -> dict[str, str]:
    """Return the permissions that the comment of an action requires."""
    text = (GITHUB / f"actions/{name}/action.yml").read_text(encoding="utf-8")
    comment = text.partition("name:")[0].replace("\n#", "")
    return dict(sorted(re.findall(r"([a-z-]+): (read|write)\b", comment)))


@pytest.mark.parametrize("name", REUSABLE)
def test_an_action_documents_its_permissions(name: str) -> None:
    needed: dict[str, str] = {}
    for job, _, called in all_calls():
        for permission, level in job["permissions"].items() if called == name else ():
            needed[permission] = max(level, needed.get(permission, ""))  # write includes read
    assert documented_permissions(name) == needed


@pytest.mark.parametrize("name", REUSABLE)
def test_an_action_has_the_outputs_of_its_report(name: str) -> None:
    outputs = {key: item["value"] for key, item in action(name)["outputs"].items()}
    (said,) = re.findall(r"outputs of the\s+step \((.*?)\)", GUIDE)
    assert set(re.findall(r"`(\w+)`", said)) == outputs.keys()
    assert outputs == {key: f"${{{{ steps.report.outputs.{key} }}}}" for key in outputs}


def run_step(one: Any, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", one["run"]],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}:{os.defpath}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", REUSABLE)
@pytest.mark.parametrize("missing", ["TARGET", "ENVIRONMENT"])
def test_an_action_without_a_target_or_an_environment_fails_first(
    tmp_path: Path, name: str, missing: str
) -> None:
    given = {"TARGET": "production", "ENVIRONMENT": "production", missing: ""}
    done = run_step(step(name, "Install"), tmp_path, GITHUB_ACTION_PATH=str(tmp_path), **given)
    assert done.returncode != 0
    assert f"{missing}: is the input {missing.lower()}, and is empty" in done.stderr


def test_a_plan_in_the_repository_is_not_an_approval(tmp_path: Path) -> None:
    write_program(
        tmp_path / "bin/reconcile", 'mkdir approved && echo "{}" > approved/gathered.json'
    )
    (tmp_path / "approved").mkdir()
    (tmp_path / "approved/committed.json").write_text("{}")
    done = run_step(
        step("apply", "Gather the approved plans"), tmp_path, ENVIRONMENT="e", WORKFLOW="plan.yml"
    )
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (tmp_path / "approved").iterdir()] == ["gathered.json"]


def test_a_slug_that_resembles_an_option_is_pulled_as_a_slug(tmp_path: Path) -> None:
    write_program(
        tmp_path / "bin/reconcile",
        'case "$*" in *moved*) echo --all ;; *" pull "*) printf "%s\\n" "$@" > pulled.txt ;; esac',
    )
    done = run_step(
        step("drift", "Pull the changes made in the API"),
        tmp_path,
        DIRECTORY="desired-state",
        TARGET="production",
        GITHUB_ACTION_PATH=str(GITHUB / "actions/drift"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pulled.txt").read_text().splitlines()[-3:] == ["pull", "--", "--all"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("", []),
        ('INC-7: "leaked" $(id) key', ['--break-freeze=INC-7: "leaked" $(id) key']),
        ("--yes", ["--break-freeze=--yes"]),
    ],
)
def test_the_reason_to_break_a_freeze_is_one_argument(
    tmp_path: Path, reason: str, words: list[str]
) -> None:
    write_program(tmp_path / "bin/reconcile", 'printf "%s\\n" "$@" > words.txt')
    (tmp_path / "approved").mkdir()
    (tmp_path / "approved/one.json").write_text("{}")
    done = run_step(
        step("apply", "Apply"),
        tmp_path,
        DIRECTORY="desired-state",
        TARGET="production",
        DIGEST="",
        BREAK_FREEZE=reason,
        SECRET_VALUES="",
        GITHUB_ACTION_PATH=str(GITHUB / "actions/apply"),
    )
    assert done.returncode == 0, done.stderr
    found = (tmp_path / "words.txt").read_text().splitlines()
    around = ["--dir", "desired-state", "--target", "production", "apply"]
    assert found == [*around, *words, "approved/one.json", "--format", "json"]


def test_a_server_without_artifacts_needs_no_upload() -> None:
    for name, uploads in (("plan", 1), ("apply", 2)):
        steps = [s for s in action(name)["runs"]["steps"] if "upload-artifact" in s.get("uses", "")]
        assert len(steps) == uploads
        assert all("inputs.upload-artifacts == 'true'" in s["if"] for s in steps)


@pytest.mark.slow
def test_actionlint_zizmor_and_the_schema_find_nothing_in_the_workflow_of_the_guide(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    text = own_workflow().replace("@COMMIT", f"@{UNKNOWN_SOURCE.commit}")
    (folder / "reconcile.yml").write_text(text, encoding="utf-8")
    for tool, *words in (
        ("actionlint", "-no-color"),
        ("zizmor", "--offline", "--persona", "auditor", "--no-progress"),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    ):
        done = subprocess.run(
            [str(TOOLS / tool), *words, "reconcile.yml"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ignored" not in done.stdout


def test_the_jobs_of_the_guide_use_the_environments_whose_keys_they_need() -> None:
    found = {name: job["environment"] for name, job in parse(own_workflow())["jobs"].items()}
    assert found == {
        "plan": "production-plan",
        "preview": "production-read",
        "apply": "production",
        "drift": "production-read",
    }
