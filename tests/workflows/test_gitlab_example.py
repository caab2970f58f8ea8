"""The GitLab example: its script lines run in clones of 20 commits."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.harness import Done
from tests.git.repositories import git
from tests.github.fake import serving
from tests.gitlab.fake import JOB_TOKEN, PROJECT, TOKEN, FakeGitLab
from tests.workflows.example_jobs import EXAMPLES, VALUE, Team, team

pytestmark = pytest.mark.needs_system

FILE = EXAMPLES / "gitlab-ci.yml"
DEPTH = 20
PIPELINE, JOB, REQUEST = 40, 50, 3


@dataclass
class Pipelines:
    """Jobs of the example, for a team on a fake GitLab."""

    team: Team
    gitlab: FakeGitLab
    jobs: dict[str, Any]

    def run(self, name: str, commit: str, **variables: str) -> Done:
        """Run one job in a separate clone, with the cache of earlier jobs."""
        job = {**self.jobs[".reconcile"], **self.jobs[name]}
        folder = self.team.clone(name, commit, DEPTH)
        assert int(git(folder, "rev-list", "--count", "HEAD")) <= DEPTH
        self._restore(job, folder)
        given = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.gitlab.api_url,
            "CI_PROJECT_ID": str(PROJECT),
            "CI_PROJECT_URL": "https://gitlab.example.test/acme/gateway",
            "CI_PIPELINE_URL": "https://gitlab.example.test/acme/gateway/-/pipelines/9",
            "CI_COMMIT_SHA": commit,
            "CI_COMMIT_BEFORE_SHA": "0" * 40,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_TOKEN": JOB_TOKEN,
            "GITLAB_TOKEN": TOKEN,
            **job["variables"],
            "RECONCILE_SOURCE": self.team.tool.as_uri(),
            "RECONCILE_COMMIT": git(self.team.tool, "rev-parse", "HEAD"),
            **variables,
        }
        done = self.team.bash([*job["before_script"], *job["script"]], folder, **given)
        assert TOKEN not in done.out + done.err
        self._save(job, folder)
        return done

    def plan(self, commit: str, base: str) -> Done:
        merging = {"CI_MERGE_REQUEST_IID": str(REQUEST), "CI_MERGE_REQUEST_DIFF_BASE_SHA": base}
        done = self.run("plan", commit, **merging)
        file = self.team.folder / "plan/plan.json"
        self.gitlab.artifacts[JOB, "plan.json"] = file.read_bytes()
        status = "success" if done.code == 0 else "failed"
        self.gitlab.jobs[PIPELINE] = [{"id": JOB, "name": "plan", "status": status}]
        run = {"source": "merge_request_event", "project_id": PROJECT}
        self.gitlab.pipelines[REQUEST] = [{"id": PIPELINE, "sha": commit, **run}]
        return done

    def merge(self, commit: str) -> None:
        """Set main to a commit, which merges the request by fast-forward."""
        self.gitlab.branches["main"] = commit
        request = {"iid": REQUEST, "state": "merged", "target_branch": "main", "sha": commit}
        self.gitlab.merged[commit] = [request]

    def apply(self, commit: str, before: str, **variables: str) -> Done:
        branch = {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": before, "SECRET_KEY": VALUE}
        return self.run("apply", commit, **branch, **variables)

    def note(self, kind: str) -> str:
        notes = [note["body"] for note in self.gitlab.notes[f"merge_requests/{REQUEST}"]]
        (found,) = [body for body in notes if body.startswith(f"<!-- reconcile:{kind} ")]
        return found

    def _restore(self, job: dict[str, Any], folder: Path) -> None:
        if "cache" in job:
            for file in (self.team.folder / "cache").glob("*"):
                (folder / ".reconcile").mkdir(exist_ok=True)
                (folder / ".reconcile" / file.name).write_bytes(file.read_bytes())

    def _save(self, job: dict[str, Any], folder: Path) -> None:
        if "cache" in job and job["cache"].get("policy") != "pull":
            (self.team.folder / "cache").mkdir(exist_ok=True)
            for pattern in job["cache"]["paths"]:
                for file in folder.glob(pattern):
                    (self.team.folder / "cache" / file.name).write_bytes(file.read_bytes())


@pytest.fixture
def pipelines(tmp_path: Path) -> Iterator[Pipelines]:
    jobs = yaml.safe_load(FILE.read_text())
    with team(tmp_path) as made, serving(FakeGitLab()) as gitlab:
        yield Pipelines(made, gitlab, jobs)


def begin(pipelines: Pipelines, *, steps: int = 0) -> tuple[str, str]:
    """Declare `alpha` and, some commits later, `beta` instead; return the first and last commit."""
    made = pipelines.team
    made.integration("alpha", key="${env:SECRET_KEY}")
    first = made.commit("alpha")
    pipelines.merge(first)
    for number in range(steps):
        made.commit(f"step {number}")
    (made.home / "desired-state/integrations/alpha.yaml").unlink()
    made.integration("beta", key="${env:SECRET_KEY}")
    return first, made.commit("beta")


def test_a_change_is_planned_merged_applied_and_checked(pipelines: Pipelines) -> None:
    first, second = begin(pipelines, steps=30)
    assert pipelines.plan(first, "").code == 0
    done = pipelines.apply(first, "0" * 40)
    assert done.code == 0, done.err

    venv, locked, package = pipelines.team.installed[:3]
    assert venv.startswith("-m venv ")
    assert "--require-hashes --only-binary :all: -r " in locked
    assert "--no-deps --no-build-isolation " in package

    # The base is 31 commits back, beyond a clone of 20 commits.
    done = pipelines.plan(second, first)
    assert done.code == 0, done.err
    counts = json.loads((pipelines.team.folder / "plan/counts.json").read_text())
    assert counts == {"create": 1, "update": 0, "delete": 1}
    assert "**1 to create, 1 to delete" in pipelines.note("plan")
    assert "Merging this merge request applies this plan." in pipelines.note("plan")

    pipelines.merge(second)
    done = pipelines.apply(second, first)
    assert done.code == 0, done.err
    assert "**2 applied, 0 failed" in pipelines.note("result")
    assert pipelines.team.slugs() == {"beta"}
    assert {file.name for file in (pipelines.team.folder / "cache").iterdir()} == {"ledger.db"}

    branch = {"CI_COMMIT_BRANCH": "main", "SECRET_KEY": VALUE}
    done = pipelines.run("drift", second, **branch)
    assert done.code == 0, done.err
    assert pipelines.gitlab.issues == {}


def test_an_unreviewed_plan_is_refused_until_its_digest_approves_it(
    pipelines: Pipelines,
) -> None:
    first, _ = begin(pipelines)
    pipelines.plan(first, "")
    pipelines.team.integration("gamma", key="${env:SECRET_KEY}")
    later = pipelines.team.commit("gamma")
    pipelines.merge(later)
    # Its pipeline is that of the last commit, and shows less than the apply would change.
    pipelines.gitlab.pipelines[REQUEST][0]["sha"] = later
    done = pipelines.apply(later, first)
    assert done.code == 4
    assert "not-approved" in pipelines.note("result")
    assert pipelines.team.slugs() == set()

    digest = json.loads((pipelines.team.folder / "apply/plan.json").read_text())["digest"]
    done = pipelines.apply(later, first, RECONCILE_DIGEST=digest)
    assert done.code == 0, done.err
    assert pipelines.team.slugs() == {"beta", "gamma"}


def test_a_job_of_an_older_pipeline_applies_nothing(pipelines: Pipelines) -> None:
    first, second = begin(pipelines)
    pipelines.plan(first, "")
    pipelines.gitlab.branches["main"] = second
    done = pipelines.apply(first, "0" * 40)
    assert done.code == 4
    assert "stale-commit" in pipelines.note("result")
    assert pipelines.team.slugs() == set()


def test_an_invalid_file_fails_the_job_with_a_report(pipelines: Pipelines) -> None:
    pipelines.team.integration("alpha", descripton="typo")
    commit = pipelines.team.commit("a typo")
    assert pipelines.plan(commit, "").code == 3
    assert "unknown-field" in pipelines.note("plan")
    pipelines.merge(commit)
    assert pipelines.apply(commit, "0" * 40).code != 0
    assert "unknown-field" in pipelines.note("result")


def test_drift_opens_an_issue_and_a_failed_check_fails_the_job(pipelines: Pipelines) -> None:
    first, _ = begin(pipelines)
    branch = {"CI_COMMIT_BRANCH": "main", "SECRET_KEY": VALUE}
    assert pipelines.run("drift", first, **branch).code == 0
    (issue,) = pipelines.gitlab.issues.values()
    assert issue["title"] == "Drift: production"
    done = pipelines.run("drift", first, **branch, PORTKEY_API_KEY="")
    assert done.code not in {0, 2}
    assert "could not check" in issue["description"]


def test_the_ledger_is_cached_for_protected_branches_only_and_without_its_key() -> None:
    jobs = yaml.safe_load(FILE.read_text())
    cached = {name: job["cache"] for name, job in jobs.items() if "cache" in job}
    assert set(cached) == {"apply", "drift"}
    for cache in cached.values():
        assert cache["unprotect"] is False
        assert cache["paths"] == [".reconcile/*.db"]
    for name in cached:
        (rule, *_) = jobs[name]["rules"]
        assert rule["if"].startswith("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && ")
