"""Safety rules of the workflows: third-party linters and our own checks."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
REUSABLE = ("plan", "apply", "drift")
"""The workflows for users, and the actions that they call."""
TOOLS = Path(sys.executable).parent
SECRET_STEPS = re.compile(r"\$\{\{[^}]*\bsecrets\.")
FROM_OUTSIDE = re.compile(r"\$\{\{[^}]*\b(github\.(event|head_ref|ref)|inputs|steps|needs)\b")


def action(name: str) -> Any:
    return load(GITHUB / f"actions/{name}/action.yml")


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(TOOLS / words[0]), *words[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def parse(text: str) -> Any:
    # Other loaders parse `on` as true; this one returns only strings, lists and mappings.
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506


def load(file: Path) -> Any:
    return parse(file.read_text(encoding="utf-8"))


def jobs() -> Iterator[tuple[str, Any]]:
    for file in WORKFLOWS:
        for name, job in load(file)["jobs"].items():
            yield f"{file.stem}/{name}", job


def steps() -> Iterator[tuple[str, Any]]:
    for where, job in jobs():
        for step in job["steps"]:
            yield where, step
    for file in ACTIONS:
        for step in load(file)["runs"]["steps"]:
            yield file.parent.name, step


def test_actionlint_finds_nothing() -> None:
    assert run("actionlint", "-no-color", *map(str, WORKFLOWS)) == (0, "")


def test_zizmor_finds_nothing_as_an_auditor() -> None:
    code, said = run("zizmor", "--offline", "--persona", "auditor", "--no-progress", ".github")
    assert code == 0, said
    assert "No findings to report" in said
    assert "ignored" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.github-actions", ACTIONS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE/config.yml"]),
        ("vendor.github-issue-forms", sorted(GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml"))),
    ],
)
def test_every_file_conforms_to_the_schema_of_github(schema: str, files: list[Path]) -> None:
    assert files
    code, said = run("check-jsonschema", "--builtin-schema", schema, *map(str, files))
    assert code == 0, said


def test_only_jobs_grant_permissions_with_a_reason() -> None:
    for file in WORKFLOWS:
        assert load(file)["permissions"] == {}, file.name
        for line in file.read_text(encoding="utf-8").splitlines():
            if re.match(r" {6}[a-z-]+: (read|write)\b", line):
                assert re.search(r": (read|write) # \w", line), f"{file.name}: {line}"
    assert [where for where, job in jobs() if "permissions" not in job] == []


def test_third_party_actions_are_pinned_by_commit_with_their_version() -> None:
    for file in [*WORKFLOWS, *ACTIONS]:
        for line in file.read_text(encoding="utf-8").splitlines():
            used = re.match(r"[ -]+uses: (\S+)(.*)", line)
            if used and not used[1].startswith("$/"):
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", used[1]), line
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", used[2]), line


def test_no_checkout_keeps_its_token_and_no_fork_gets_a_secret() -> None:
    for where, step in steps():
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false", where
    for file in WORKFLOWS:
        assert "pull_request_target" not in file.read_text(encoding="utf-8")
    plan = load(GITHUB / "workflows/plan.yml")["jobs"]
    assert "secrets." not in str(plan["validate"])
    assert "head.repo.full_name == github.repository" in plan["plan"]["if"]


def test_a_comment_starts_a_plan_only_after_a_check_of_its_author_and_its_commit() -> None:
    condition = load(GITHUB / "workflows/plan.yml")["jobs"]["plan"]["if"]
    assert "github.event.issue.pull_request && contains(" in condition
    steps = action("plan")["runs"]["steps"]
    names = [step.get("name", step.get("uses", "")) for step in steps]
    checked, read = names.index("Check the comment"), names.index("Plan")
    (checkout,) = (i for i, step in enumerate(steps) if "checkout@" in step.get("uses", ""))
    # `reconcile` is installed before any file of the pull request is checked out.
    assert names.index("Install") < checked < checkout < read
    assert steps[checkout]["with"]["ref"] == "${{ steps.comment.outputs.merge }}"
    for step in steps[checkout:]:
        guarded = "steps.comment.outputs.merge" in step.get("if", "")
        planned = "steps.plan.outcome" in step.get("if", "")
        assert guarded or planned or step["name"] == "Validate", step
    # No key is available when the comment is checked.
    assert "portkey-api-key" not in str(steps[: checkout + 1])


def test_no_shell_text_contains_untrusted_expressions() -> None:
    assert [where for where, step in steps() if FROM_OUTSIDE.search(step.get("run", ""))] == []
    assert [where for where, step in steps() if "secrets." in step.get("run", "")] == []


def test_secrets_are_passed_to_single_steps_in_an_environment() -> None:
    for where, job in jobs():
        assert not SECRET_STEPS.search(str(job.get("env", {}))), where
        if SECRET_STEPS.search(str(job)):
            assert "environment" in job, where
    for file in WORKFLOWS:
        assert not SECRET_STEPS.search(str(load(file).get("env", {})))


@pytest.mark.parametrize("name", REUSABLE)
def test_the_workflows_for_users_can_be_called_and_name_target_hosts_and_secrets(
    name: str,
) -> None:
    workflow = load(GITHUB / f"workflows/{name}.yml")
    assert {"target", "environment"} <= set(workflow["on"]["workflow_call"]["inputs"])
    for job_name, job in workflow["jobs"].items():
        # Neither of them uses a key.
        if job_name in {"validate", "failed"}:
            continue
        lists = {f"RECONCILE_ALLOWED_{what}" for what in ("HOSTS", "SECRETS", "POLICIES")}
        assert lists <= set(job["env"])
        (call,) = (s for s in job["steps"] if s.get("uses") == f"$/.github/actions/{name}")
        assert {"target", "environment", "directory"} <= set(call["with"])


@pytest.mark.parametrize("name", REUSABLE)
def test_every_command_of_an_action_names_its_target(name: str) -> None:
    commands = []
    for step in action(name)["runs"]["steps"]:
        commands += re.findall(r"reconcile --dir.*(?:\\\n.*)*", step.get("run", ""))
    assert len(commands) >= 3
    for command in commands:
        if not re.search(r" (github|validate) ", command):
            assert '--target "$TARGET"' in command


def test_applies_wait_for_each_other_and_none_is_cancelled() -> None:
    apply = load(GITHUB / "workflows/apply.yml")["jobs"]["apply"]
    assert apply["concurrency"]["queue"] == "max"
    assert apply["concurrency"]["cancel-in-progress"] == "false"
    (save,) = (s for s in action("apply")["runs"]["steps"] if "cache/save" in s.get("uses", ""))
    # Also after a failure, but not where a fork can read it.
    assert save["if"].startswith("always() && ")
    assert "github.event.repository.visibility != 'public'" in save["if"]


def test_a_cancelled_apply_stops_and_records_its_changes() -> None:
    for step in action("apply")["runs"]["steps"]:
        # In an action, success() refers to the action and cancelled() to the job.
        assert re.match(r"(success\(\) && !cancelled\(\)|always\(\) && .)", step["if"]), step
    recording = [s for s in action("apply")["runs"]["steps"] if s["if"].startswith("always()")]
    names = [step.get("name") or step["uses"].partition("@")[0] for step in recording]
    assert names[1:] == ["Report", "actions/cache/save"]
    apply = load(GITHUB / "workflows/apply.yml")["jobs"]["apply"]["steps"][-1]
    # Otherwise the runner would stop the complete action.
    assert apply["if"] == "success() || cancelled()"


def environments(name: str) -> dict[str, str]:
    """Return the environment of each job of a workflow, for the environment `production`."""
    found = {}
    for job_name, job in load(GITHUB / f"workflows/{name}.yml")["jobs"].items():
        if "environment" in job:
            found[job_name] = re.sub(r"\$\{\{.*?\}\}", "production", job["environment"].strip())
    return found


def test_each_job_uses_the_environment_whose_keys_it_needs() -> None:
    assert environments("plan") == {"plan": "production-plan"}
    assert environments("apply") == {"plan": "production-read", "apply": "production"}
    assert environments("drift") == {"drift": "production-read", "adopt": "production-read"}


def test_a_job_of_a_pull_request_reads_no_secret_value_and_no_pepper() -> None:
    jobs = load(GITHUB / "workflows/plan.yml")["jobs"]
    read = re.findall(r"secrets\.(\w+)( != '')?", str(jobs))
    assert not {"secret-values", "ledger-pepper"} & action("plan")["inputs"].keys()
    # SECRET_VALUES is only compared with the empty string, for a warning; no step gets its value.
    assert set(read) == {
        ("PORTKEY_API_KEY", ""),
        ("RECONCILE_LEDGER_URL", ""),
        ("SECRET_VALUES", " != ''"),
    }


@pytest.mark.parametrize(("found", "warnings"), [("true", 1), ("false", 0)])
def test_a_secret_value_available_to_a_pull_request_is_a_warning(found: str, warnings: int) -> None:
    steps = load(GITHUB / "workflows/plan.yml")["jobs"]["plan"]["steps"]
    (step,) = (s for s in steps if s.get("env", {}).keys() == {"FOUND"})
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        env={"PATH": "/usr/bin:/bin", "FOUND": found, "ENVIRONMENT": "production"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("::warning title=SECRET_VALUES::") == warnings
    assert ("production-plan" in done.stdout) == bool(warnings)


@pytest.mark.parametrize("name", REUSABLE)
def test_a_caller_can_pass_exactly_the_secrets_that_are_used(name: str) -> None:
    workflow = load(GITHUB / f"workflows/{name}.yml")
    used = set(re.findall(r"secrets\.(\w+)", str(workflow["jobs"])))
    declared = workflow["on"]["workflow_call"]["secrets"]
    assert set(declared) == used
    # A required secret would fail if it is stored in an environment, which the caller cannot read.
    assert not any(secret.get("required") for secret in declared.values())


def test_an_environment_restores_only_its_own_ledger() -> None:
    def key(text: str, environment: str) -> str:
        return text.replace("${{ inputs.environment }}", environment)

    caches = [s["with"] for _, s in steps() if s.get("uses", "").startswith("actions/cache/")]
    restored = {cache["restore-keys"] for cache in caches if "restore-keys" in cache}
    assert len({cache["key"] for cache in caches}) == len(restored) == 1
    for prefix in restored:
        assert key(caches[0]["key"], "production").startswith(key(prefix, "production"))
        for other in ("production-eu", "production-", "production-1"):
            assert not key(caches[0]["key"], other).startswith(key(prefix, "production"))


def test_the_cache_contains_the_ledger_without_its_key() -> None:
    paths = [
        step["with"]["path"].split()
        for _, step in steps()
        if step.get("uses", "").startswith("actions/cache/")
    ]
    assert len(paths) == 4
    # A folder would be cached completely, including the excluded files.
    assert all(path == ["**/.reconcile/**/*.db*", "!**/*.pepper"] for path in paths)


@pytest.mark.parametrize(
    "lock", [GITHUB / "tools.txt", GITHUB / "actions/setup-reconcile/requirements.txt"]
)
def test_lock_files_have_a_hash_for_every_package_and_no_url(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    for entry in re.split(r"\n(?=[A-Za-z])", text.strip()):
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry


def test_the_lock_file_contains_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [
        *project["dependencies"],
        *(d for extra in extras.keys() - {"dev"} for d in extras[extra]),
    ]
    wanted = {re.split(r"[\[<>=;! ]", item)[0].lower().replace("_", "-") for item in declared}
    lock = (GITHUB / "actions/setup-reconcile/requirements.txt").read_text(encoding="utf-8")
    locked = {line.split("==")[0].split("[")[0] for line in lock.splitlines() if "==" in line}
    assert wanted | {"hatchling"} <= locked


def test_code_owners_review_the_rules() -> None:
    owners = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8")
    assert re.search(r"^/desired-state/reconcile\.yaml\s+@\w", owners, re.MULTILINE)
    updates = load(GITHUB / "dependabot.yml")["updates"]
    assert all(int(update["cooldown"]["default-days"]) >= 3 for update in updates)


def test_every_script_is_valid_shell() -> None:
    scripts = [(where, step["run"]) for where, step in steps() if "run" in step]
    scripts += [(file.name, file.read_text(encoding="utf-8")) for file in GITHUB.rglob("*.sh")]
    for where, script in scripts:
        done = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), where
