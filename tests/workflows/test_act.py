"""The unchanged workflows, run by act against a fake GitHub."""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.desired.init_files import UNKNOWN_SOURCE
from tests.github.fake import REPO, FakeGitHub, serving
from tests.workflows.acting import TOKEN, VALUE, Scratch
from tests.workflows.test_actions import own_workflow
from tests.workflows.test_callers import lines_for_comments, with_trigger

pytestmark = pytest.mark.needs_system

HEAD = "d" * 40


@contextmanager
def serving_scratch(folder: Path) -> Iterator[Scratch]:
    with serving(FakeGitHub(tokens={TOKEN: None})) as github:
        yield Scratch(folder, github)


@contextmanager
def scratch(folder: Path) -> Iterator[Scratch]:
    with serving_scratch(folder) as made:
        made.prepare()
        yield made


@contextmanager
def own_layout(folder: Path) -> Iterator[Scratch]:
    """Create a second repository with the workflow of the guide that calls the actions directly."""
    with serving_scratch(folder) as made:
        made.prepare_other("reconcile.yml", own_workflow().replace("COMMIT", UNKNOWN_SOURCE.commit))
        yield made


def steps(log: str) -> list[str]:
    return re.findall(r"Success - Main (.*?) \[", log)


def checks(here: Scratch, environment: str) -> dict[str, str]:
    """Return the title of the check run of each commit."""
    found = here.github.check_runs.values()
    assert {item["name"] for item in found} == {f"reconcile / {environment}"}
    return {item["head_sha"]: item["output"]["title"] for item in found}


def play(here: Scratch, *, plan: str, apply: str, drift: str, environment: str) -> None:
    """Plan a pull request, merge it, apply it and check for drift, each by its workflow."""
    base = here.git("rev-parse", "HEAD")
    request = {
        "number": 7,
        "head": {"sha": HEAD, "repo": {"full_name": REPO}},
        "base": {"sha": base},
    }
    code, log = here.act("pull_request", plan, {"number": 7, "pull_request": request})
    assert code == 0, log
    assert {"Plan", "Report"} <= set(steps(log))
    # Here SECRET_VALUES is a repository secret, which a pull request could print.
    assert ("pull requests can read this secret" in log) == (plan == "reconcile-plan")
    (comment,) = here.github.comments[7]
    assert "**4 to create" in comment["body"]
    assert checks(here, environment) == {HEAD: "4 to create"}
    uploaded = here.store / f"reconcile-plan-{environment}-{HEAD}" / "plan.json"
    installed = (here.folder / "installed.log").read_text()
    assert "--require-hashes --only-binary :all: -r " in installed

    merged = here.push()
    publish(here.github, uploaded, merged=merged, before=base, workflow=plan)
    code, log = here.act("push", apply, {"before": base, "after": merged})
    assert code == 0, log
    assert {"Gather the approved plans", "Apply", "Report"} <= set(steps(log))
    assert "**4 applied, 0 failed, 0 skipped, 0 unknown.**" in log
    assert checks(here, environment)[merged] == "applied 4"
    assert (here.store / f"reconcile-applied-{environment}" / "plan.json").is_file()
    assert (here.store / "cache" / "ledger.db").is_file()
    assert VALUE not in log

    code, log = here.act("schedule", drift, {"schedule": "23 5 * * *"})
    assert code == 0, log
    assert "In sync: the API matches Git; 4 unchanged." in log
    assert here.github.issues == {}


def test_plan_apply_and_drift_run_when_called_by_a_repository(tmp_path: Path) -> None:
    with scratch(tmp_path) as here:
        play(
            here,
            plan="reconcile-plan",
            apply="reconcile-apply",
            drift="reconcile-drift",
            environment="simulator",
        )


def test_the_actions_do_the_same_in_another_repository(tmp_path: Path) -> None:
    with own_layout(tmp_path) as here:
        name = "reconcile"
        play(here, plan=name, apply=name, drift=name, environment="production")
        request = {"number": 8, "head": {"sha": HEAD, "repo": {"full_name": "mallory/gateway"}}}
        here.github.calls.clear()
        code, log = here.act("pull_request", name, {"number": 8, "pull_request": request})
        assert code == 0, log
        assert "Validate" in steps(log)
        assert not {"Plan", "Report"} & set(steps(log))
        assert here.github.calls == []


def test_a_fork_is_checked_offline_without_secrets(tmp_path: Path) -> None:
    with scratch(tmp_path) as here:
        request = {"number": 8, "head": {"sha": HEAD, "repo": {"full_name": "mallory/gateway"}}}
        event = {"number": 8, "pull_request": request}
        code, log = here.act("pull_request", "plan", event)
        assert code == 0, log
        assert "Validate" in steps(log)
        assert "Plan" not in steps(log)
        assert here.github.calls == []


def test_an_unapproved_plan_fails_the_job_with_a_reason_and_keeps_the_ledger(
    tmp_path: Path,
) -> None:
    with scratch(tmp_path) as here:
        before = here.git("rev-parse", "HEAD")
        merged = here.push()
        code, log = here.act("push", "apply", {"before": before, "after": merged})
        assert code != 0
        assert "not-approved" in log
        assert "Apply" not in steps(log)
        assert "Report" in steps(log)
        assert (here.store / "cache").is_dir()


def test_invalid_files_after_a_merge_are_reported_on_the_merged_pull_request(
    tmp_path: Path,
) -> None:
    with scratch(tmp_path) as here:
        before = here.git("rev-parse", "HEAD")
        (here.repository / "desired-state/integrations/bad.yaml").write_text("slug: bad\nnam: x\n")
        merged = here.push()
        here.github.merged_by_commit[merged] = [7]
        merge = {"number": 7, "merged_at": "2026-11-23T08:00:00Z", "merge_commit_sha": merged}
        here.github.pulls[7] = merge
        code, log = here.act("push", "apply", {"before": before, "after": merged})
        assert code != 0
        assert "Apply" not in steps(log)
        (comment,) = here.github.comments[7]
        assert "### Apply failed before the first write" in comment["body"]
        assert "bad.yaml:2:1" in comment["body"]


def hostile_merge(here: Scratch) -> tuple[str, str, str]:
    """Merge a head with an integration, and with programs and links that must not be used."""
    base = here.git("rev-parse", "HEAD")
    here.git("checkout", "--quiet", "-b", "feature")
    folder = here.repository
    (folder / "desired-state/integrations/added.yaml").write_text(
        "slug: added\nai_provider_id: openai\nname: Added\nkey: null\n"
    )
    for module in ("pip.py", "venv.py", "reconciler.py", "json.py"):
        (folder / module).write_text(f"open({str(here.folder / 'owned')!r}, 'w')\n")
    (folder / "plan.json").symlink_to(here.folder / "owned")
    (folder / ".reconcile").mkdir()
    (folder / ".reconcile/ledger.db").write_text("committed by a fork")
    here.git("add", "--force", ".")
    here.git("commit", "--quiet", "--message", "feature")
    head = here.git("rev-parse", "HEAD")
    here.git("checkout", "--quiet", "main")
    here.git("merge", "--quiet", "--no-ff", "--no-edit", "feature")
    merge = here.git("rev-parse", "HEAD")
    here.git("reset", "--quiet", "--hard", base)
    return base, head, merge


def requested(here: Scratch, base: str, head: str, merge: str) -> None:
    """Add pull request #8 of a fork to the fake GitHub, and enable comments in the caller."""
    here.github.permissions["carol"] = "write"
    here.github.pulls[8] = {
        "number": 8,
        "state": "open",
        "mergeable": True,
        "merge_commit_sha": merge,
        "base": {"ref": "main"},
        "head": {
            "sha": head,
            "ref": "feature",
            "repo": {"full_name": "mallory/gateway", "pushed_at": "2026-11-23T07:00:00Z"},
        },
    }
    here.github.commits[merge] = {"sha": merge, "parents": [{"sha": base}, {"sha": head}]}
    file = here.repository / ".github/workflows/reconcile-plan.yml"
    file.write_text(with_trigger(file.read_text(), lines_for_comments()[0]))


def comment_by(author: str, created_at: str = "2026-11-23T08:00:00Z") -> dict[str, Any]:
    return {
        "action": "created",
        "issue": {"number": 8, "pull_request": {"url": "https://api.github.com/x"}},
        "comment": {
            "id": 99,
            "body": "/plan",
            "user": {"login": author},
            "created_at": created_at,
        },
        "repository": {"default_branch": "main", "visibility": "private"},
    }


def test_a_comment_plans_a_fork_whose_files_are_never_executed(tmp_path: Path) -> None:
    with scratch(tmp_path) as here:
        base, head, merge = hostile_merge(here)
        requested(here, base, head, merge)
        code, log = here.act("issue_comment", "reconcile-plan", comment_by("carol"))
        assert code == 0, log
        assert {"Check the comment", "Plan", "Report"} <= set(steps(log))
        (comment,) = here.github.comments[8]
        assert "<code>added</code>" in comment["body"]
        assert f"commit `{merge[:12]}`" in comment["body"]
        (check,) = here.github.check_runs.values()
        assert (check["name"], check["head_sha"]) == ("reconcile / simulator", head)
        assert check["output"]["title"] == "5 to create"
        uploaded = here.store / f"reconcile-plan-simulator-{head}-pull-request-8/plan.json"
        assert '"added"' in uploaded.read_text()
        assert not (here.folder / "owned").exists()
        assert VALUE not in log

        here.github.check_runs.clear()
        for author, time in (
            ("mallory", "2026-11-23T08:00:00Z"),
            ("carol", "2026-11-23T06:00:00Z"),
        ):
            code, log = here.act("issue_comment", "reconcile-plan", comment_by(author, time))
            assert (code == 0) == (author == "mallory"), log
            assert not {"Plan", "Report"} & set(steps(log))
        assert here.github.check_runs == {}
        assert here.github.reactions == [(99, "eyes"), (99, "confused"), (99, "confused")]


def test_a_failed_installation_is_reported_in_the_drift_issue(tmp_path: Path) -> None:
    with scratch(tmp_path) as here:
        install = here.repository / ".github/actions/setup-reconcile/install.sh"
        install.write_text("echo broken >&2; exit 1\n")
        here.commit()
        code, log = here.act("schedule", "reconcile-drift", {"schedule": "23 5 * * *"})
        assert code != 0
        assert "Compare" not in steps(log)
        (issue,) = here.github.issues.values()
        assert issue["title"] == "Drift: simulator"
        assert "error[no-result]" in issue["body"]
        assert re.search(
            rf"\[run \d+\]\(https://github.com/{REPO}/actions/runs/\d+\)", issue["body"]
        )


def publish(github: FakeGitHub, plan: Path, *, merged: str, before: str, workflow: str) -> None:
    """Add the uploads of the last run and the merge of #7 to the fake GitHub."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(plan, "plan.json")
    github.history = [before, merged]
    github.merged_by_commit[merged] = [7]
    github.pulls[7] = {
        "number": 7,
        "merged_at": "2026-11-23T08:00:00Z",
        "merge_commit_sha": merged,
        "base": {"ref": "main"},
        "head": {"sha": HEAD},
    }
    github.runs[1] = {
        "event": "pull_request",
        "path": f".github/workflows/{workflow}.yml",
        "head_sha": HEAD,
        "conclusion": "success",
        "head_repository": {"full_name": REPO},
    }
    github.archives[2] = content.getvalue()
    github.artifacts[2] = {
        "id": 2,
        "name": plan.parent.name,
        "size_in_bytes": len(content.getvalue()),
        "workflow_run": {"id": 1},
    }
