"""The plan approved by a merge: that of the newest pipeline for the last commit of this project."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.planning import codec
from reconciler.planning.plan import Plan
from tests.github.fake import Answer
from tests.github.reporting import Done
from tests.gitlab.fake import PROJECT, FakeGitLab
from tests.gitlab.reporting import DEFAULT_BRANCH, SHA, Reporter
from tests.views import samples

PLAN = samples.mixed_plan()
SHOWN = replace(PLAN, actions=PLAN.actions[:2])
HEAD = "c" * 40
RESULTS = "d" * 40
PIPELINE, JOB = 40, 50
PATH = "plan.json"


def merged(gitlab: FakeGitLab, plan: bytes = codec.encode(SHOWN).encode()) -> FakeGitLab:
    """Merge request 3, whose plan a pipeline has uploaded."""
    request = {
        "iid": 3,
        "state": "merged",
        "target_branch": "main",
        "merge_commit_sha": SHA,
        "sha": HEAD,
        "merged_at": "2030-01-02T03:04:05.678Z",
        "author": {"username": "ada"},
    }
    run = {"source": "merge_request_event", "project_id": PROJECT}
    gitlab.branches["main"] = SHA
    gitlab.merged[SHA] = [request]
    gitlab.pipelines[3] = [
        {"id": PIPELINE, "sha": HEAD, **run},
        {"id": PIPELINE - 1, "sha": "e" * 40, **run},
        {"id": PIPELINE + 1, "sha": HEAD, **run, "source": "push"},
    ]
    gitlab.jobs[PIPELINE] = [
        {"id": JOB - 1, "name": "validate", "status": "success"},
        {"id": JOB, "name": "plan", "status": "success"},
    ]
    gitlab.artifacts[JOB, PATH] = plan
    return gitlab


def find(reporter: Reporter, fresh: Plan = PLAN, *options: str, **variables: str) -> Done:
    file = reporter.save("fresh.json", codec.encode(fresh))
    words = ("gitlab", "approved-plan", "--plan", str(file), "--out", "approved.json", *options)
    return reporter.run(*words, **(DEFAULT_BRANCH | variables))


def test_the_plan_of_the_merged_request_is_saved_and_its_age_counts_from_the_merge(
    reporter: Reporter,
) -> None:
    merged(reporter.gitlab)
    done = find(reporter)
    assert (done.code, done.err) == (0, f"plan of !3: {SHOWN.digest}\n")
    saved = codec.decode((reporter.folder / "approved.json").read_text(), name="approved.json")
    assert saved.digest == SHOWN.digest
    assert saved.approved_at == "2030-01-02T03:04:05Z"


def test_the_json_names_the_source_of_the_plan_or_why_there_is_none(reporter: Reporter) -> None:
    gitlab = merged(reporter.gitlab)
    found = json.loads(find(reporter, PLAN, "--format", "json").out)
    assert found["kind"] == "approved_plans"
    assert found["plans"] == [
        {"merge_request": 3, "digest": SHOWN.digest, "author": "ada", "merged_by": None}
    ]
    no_pipeline(gitlab)
    refused = json.loads(find(reporter, PLAN, "--format", "json").out)
    assert (refused["kind"], refused["exit_code"]) == ("error", 4)
    assert refused["plan"]["digest"] == PLAN.digest


def test_a_pipeline_for_merged_results_counts_if_it_merges_the_last_commit(
    reporter: Reporter,
) -> None:
    gitlab = merged(reporter.gitlab)
    gitlab.pipelines[3][0]["sha"] = RESULTS
    gitlab.parents[RESULTS] = ["f" * 40, HEAD]
    assert find(reporter).code == 0
    gitlab.parents[RESULTS] = ["f" * 40, "e" * 40]
    assert find(reporter).code == 4


def fork(gitlab: FakeGitLab) -> None:
    gitlab.pipelines[3][0]["project_id"] = 99


def older_commit(gitlab: FakeGitLab) -> None:
    gitlab.pipelines[3][0]["sha"] = "e" * 40
    gitlab.parents["e" * 40] = []


def no_pipeline(gitlab: FakeGitLab) -> None:
    gitlab.pipelines[3] = gitlab.pipelines[3][2:]


def failed_job(gitlab: FakeGitLab) -> None:
    gitlab.jobs[PIPELINE][1]["status"] = "failed"


def no_artifact(gitlab: FakeGitLab) -> None:
    gitlab.artifacts.clear()


def damaged(gitlab: FakeGitLab) -> None:
    gitlab.artifacts[JOB, PATH] = b'{"format_version": "1", "kind": "pl\xff'


def tampered(gitlab: FakeGitLab) -> None:
    text = codec.encode(PLAN).replace(PLAN.digest, SHOWN.digest)
    gitlab.artifacts[JOB, PATH] = text.encode()


def other_branch(gitlab: FakeGitLab) -> None:
    gitlab.merged[SHA][0]["target_branch"] = "release"


def only_contained(gitlab: FakeGitLab) -> None:
    gitlab.merged[SHA][0]["merge_commit_sha"] = "9" * 40


def not_merged(gitlab: FakeGitLab) -> None:
    gitlab.merged[SHA][0]["state"] = "opened"


@pytest.mark.parametrize(
    "change",
    [
        fork,
        older_commit,
        no_pipeline,
        failed_job,
        no_artifact,
        damaged,
        tampered,
        other_branch,
        only_contained,
        not_merged,
    ],
)
def test_an_invalid_plan_is_refused_and_nothing_is_saved(
    reporter: Reporter, change: Callable[[FakeGitLab], None]
) -> None:
    change(merged(reporter.gitlab))
    done = find(reporter)
    assert done.code == 4
    assert "error[not-approved]: no plan was approved: " in done.err
    assert "RECONCILE_DIGEST" in done.err
    assert not (reporter.folder / "approved.json").exists()


@pytest.mark.parametrize("key", ["merge_commit_sha", "squash_commit_sha", "sha"])
def test_each_way_to_merge_counts(reporter: Reporter, key: str) -> None:
    gitlab = merged(reporter.gitlab)
    (request,) = gitlab.merged[SHA]
    del request["merge_commit_sha"]
    request[key] = SHA
    gitlab.pipelines[3][0]["sha"] = request["sha"]
    assert find(reporter).code == 0


@pytest.mark.parametrize("tip", ["b" * 40, None])
def test_an_older_commit_or_a_lost_branch_is_refused(reporter: Reporter, tip: str | None) -> None:
    gitlab = merged(reporter.gitlab)
    gitlab.branches = {"main": tip} if tip else {}
    done = find(reporter)
    assert done.code == 4
    assert "error[stale-commit]" in done.err


def test_without_differences_no_approval_is_needed(reporter: Reporter) -> None:
    reporter.gitlab.branches["main"] = SHA
    done = find(reporter, replace(PLAN, actions=(), unverified=()))
    assert (done.code, done.err) == (0, "no approval is needed\n")
    saved = json.loads((reporter.folder / "approved.json").read_text())
    assert saved["actions"] == []


@pytest.mark.slow  # retries
def test_a_fault_of_gitlab_is_not_an_approval(reporter: Reporter) -> None:
    merged(reporter.gitlab)
    reporter.gitlab.script = lambda call: Answer(500) if "/artifacts/" in call.path else None
    done = find(reporter)
    assert done.code == 1
    assert not (reporter.folder / "approved.json").exists()


def test_a_pipeline_without_a_branch_is_refused(reporter: Reporter) -> None:
    done = find(reporter, CI_COMMIT_BRANCH="")
    assert done.code == 3
    assert "CI_COMMIT_SHA and CI_COMMIT_BRANCH must be set" in done.err
