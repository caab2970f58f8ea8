"""Workflows of a user's repository: the guide shows the output of `init`, and it is complete."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.desired.init_files import UNKNOWN_SOURCE, WorkflowSource, workflows
from tests.workflows.test_rules import GITHUB, REUSABLE, TOOLS, environments, load

GUIDE = (GITHUB / "workflows/README.md").read_text(encoding="utf-8")
LEVELS = ("none", "read", "write")


def lines_for_comments() -> tuple[str, str]:
    """Return the lines that the guide adds to the caller of plan.yml: trigger and cache mode."""
    (block,) = re.findall(r"```yaml\n(on: # in addition.*?)```", GUIDE, re.DOTALL)
    trigger, cache = block.partition("\n")[2].split("\n\n")
    return f"{trigger}\n", cache


def with_trigger(caller: str, trigger: str) -> str:
    return caller.replace("  merge_group:\n", f"  merge_group:\n{trigger}")


@pytest.fixture
def callers(tmp_path: Path) -> dict[str, Any]:
    """Write the callers to a repository, and return them by the workflow that they call."""
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    for name, text in workflows("desired-state", UNKNOWN_SOURCE).items():
        (folder / name).write_text(text, encoding="utf-8")
    (tmp_path / ".git").mkdir()
    return {name: load(folder / f"reconcile-{name}.yml") for name in REUSABLE}


def called(name: str) -> Any:
    return load(GITHUB / f"workflows/{name}.yml")


def job_of(caller: Any) -> Any:
    (job,) = caller["jobs"].values()
    return job


def required_permissions(workflow: Any) -> dict[str, str]:
    """Return the highest level of each permission that a job of a workflow requests."""
    found: dict[str, str] = {}
    for job in workflow["jobs"].values():
        for permission, level in job["permissions"].items():
            found[permission] = max(found.get(permission, "none"), level, key=LEVELS.index)
    return found


def test_the_guide_shows_what_init_writes() -> None:
    shown = dict(
        re.findall(r"`\.github/workflows/([\w-]+\.yml)`:\n\n```yaml\n(.*?)```", GUIDE, re.DOTALL)
    )
    assert shown == workflows("desired-state", WorkflowSource("OWNER/REPO", "COMMIT"))


@pytest.mark.parametrize("name", REUSABLE)
def test_a_caller_grants_only_the_permissions_of_the_called_jobs(
    callers: dict[str, Any], name: str
) -> None:
    assert callers[name]["permissions"] == {}
    assert job_of(callers[name])["permissions"] == required_permissions(called(name))


@pytest.mark.parametrize("name", REUSABLE)
def test_a_caller_passes_every_input_and_every_secret(callers: dict[str, Any], name: str) -> None:
    interface, job = called(name)["on"]["workflow_call"], job_of(callers[name])
    assert job["with"].keys() == interface["inputs"].keys()
    assert job["secrets"] == {
        secret: f"${{{{ secrets.{secret} }}}}" for secret in interface["secrets"]
    }


@pytest.mark.parametrize("name", REUSABLE)
def test_a_caller_has_the_triggers_and_manual_inputs_of_the_called_workflow(
    callers: dict[str, Any], name: str
) -> None:
    triggers = called(name)["on"]
    triggers.pop("workflow_call")
    assert callers[name]["on"] == triggers
    for asked in triggers.get("workflow_dispatch", {}).get("inputs", {}):
        assert job_of(callers[name])["with"][asked].startswith(f"${{{{ inputs.{asked} ||")


def test_apply_uses_the_plans_of_the_workflow_file_that_uploads_them(
    callers: dict[str, Any],
) -> None:
    written = workflows("desired-state", UNKNOWN_SOURCE)
    wanted = job_of(callers["apply"])["with"]["plan-workflow"]
    assert "plan.yml@" in written[wanted]
    for given in ("target", "environment", "directory"):
        assert len({job_of(caller)["with"][given] for caller in callers.values()}) == 1


def test_a_caller_installs_nothing_and_pins_what_it_calls(callers: dict[str, Any]) -> None:
    for caller in callers.values():
        for job in caller["jobs"].values():
            assert "steps" not in job
            assert re.fullmatch(r"[\w/.-]+/\.github/workflows/\w+\.yml@[0-9a-f]{40}", job["uses"])


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["desired-state", "teams/search team/state [1]"])
def test_actionlint_zizmor_and_the_schema_find_nothing_in_what_init_writes(
    tmp_path: Path, folder: str
) -> None:
    made = tmp_path / ".github/workflows"
    made.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    files = workflows(folder, UNKNOWN_SOURCE, branch="trunk")
    for name, text in files.items():
        (made / name).write_text(text, encoding="utf-8")
    for tool, *words in (
        ("actionlint", "-no-color", *files),
        ("zizmor", "--offline", "--persona", "auditor", "--no-progress", *files),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files),
    ):
        done = subprocess.run(
            [str(TOOLS / tool), *words], cwd=made, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ignored" not in done.stdout


def test_the_lines_for_plans_by_comment_fit_the_caller_and_only_their_trigger_is_excused(
    tmp_path: Path,
) -> None:
    made = tmp_path / ".github/workflows"
    made.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    trigger, cache = lines_for_comments()
    text = with_trigger(workflows("desired-state", UNKNOWN_SOURCE)["reconcile-plan.yml"], trigger)
    file = made / "reconcile-plan.yml"
    file.write_text(text.replace("permissions: {}\n", f"permissions: {{}}\n{cache}"), "utf-8")
    assert load(file)["on"]["issue_comment"] == {"types": ["created"]}
    assert load(file)["cache-mode"] == "read"
    for tool, *words in (
        ("actionlint", "-no-color"),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
        ("zizmor", "--offline", "--persona", "auditor", "--no-progress"),
    ):
        done = subprocess.run(
            [str(TOOLS / tool), *words, file.name],
            cwd=made,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout
    assert "1 ignored" in done.stdout


def used_secrets() -> dict[str, set[str]]:
    """Return the secrets that the jobs of all workflows read, by environment."""
    found: dict[str, set[str]] = {}
    for name in REUSABLE:
        jobs = called(name)["jobs"]
        for job, environment in environments(name).items():
            secrets = set(re.findall(r"secrets\.(\w+) (?!!=)", str(jobs[job])))
            found.setdefault(environment, set()).update(secrets)
    return found


def listed_secrets() -> Iterator[tuple[str, set[str]]]:
    """Return the rows of the guide's table of environments."""
    for environment, row in re.findall(r"^\| `(production[\w-]*)` \|(.*)$", GUIDE, re.MULTILINE):
        yield environment, {"PORTKEY_API_KEY", *re.findall(r"`((?:SECRET|RECONCILE)_\w+)`", row)}


def test_the_guide_lists_the_secrets_that_each_environment_needs() -> None:
    assert dict(listed_secrets()) == used_secrets()


def test_the_guide_creates_each_environment_and_restricts_all_but_that_of_pull_requests() -> None:
    (script,) = re.findall(r"```sh\n(gh api .*?)```", GUIDE, re.DOTALL)
    (restricted,) = re.findall(r"for name in (.*?);", script)
    assert set(restricted.split()) == used_secrets().keys() - {"production-plan"}
    stored = set(re.findall(r"gh secret set (\w+) --env ([\w-]+)", script))
    for environment, secrets in used_secrets().items():
        for secret in secrets & {"PORTKEY_API_KEY", "SECRET_VALUES"}:
            assert (secret, environment) in stored
    assert ("SECRET_VALUES", "production-plan") not in stored


def test_the_required_check_of_the_guide_exists(callers: dict[str, Any]) -> None:
    (caller_job,) = callers["plan"]["jobs"]
    names = {f"{caller_job} / {job['name']}" for job in called("plan")["jobs"].values()}
    assert names == set(re.findall(r"`(\w+ / \w+)`", GUIDE))
    # Without this trigger, the check never completes in a merge queue.
    assert "merge_group" in callers["plan"]["on"]
