"""A plan of an older commit never replaces the plan that merging applies."""

from typing import Any

import pytest

from tests.github.fake import REPO, Answer, Call
from tests.github.reporting import Reporter, failure
from tests.views import samples

OLD, NEW = "a" * 40, "b" * 40
PLAN = samples.plan(samples.creation())
OTHER = samples.mixed_plan()
COMMITS = f"/repos/{REPO}/pulls/7/commits"


def of_commit(commit: str) -> dict[str, Any]:
    return {"number": 7, "pull_request": {"number": 7, "head": {"sha": commit}}}


@pytest.mark.parametrize("document", [PLAN, failure(1), ""], ids=["plan", "failure", "nothing"])
def test_a_job_that_is_run_again_does_not_replace_the_newer_plan(
    reporter: Reporter, document: Any
) -> None:
    reporter.github.pull_commits[7] = ["c" * 40, OLD, NEW]
    assert reporter.report("plan", OTHER, event=of_commit(NEW)).err == "comment on #7: written\n"
    before = reporter.comments()
    done = reporter.report("plan", document, event=of_commit(OLD))
    assert done.err.startswith("comment on #7: not replaced\n")
    assert f"the head of #7 is {NEW}" in done.out
    assert "::warning title=stale-plan::" in done.out
    assert reporter.comments() == before


def test_a_commit_that_a_force_push_removed_counts_as_older(reporter: Reporter) -> None:
    reporter.github.pull_commits[7] = [NEW]
    done = reporter.report("plan", PLAN, event=of_commit(OLD))
    assert (done.code, reporter.comments()) == (0, [])
    assert "1 to create" in reporter.summary


def test_the_head_may_move_while_a_comment_is_planned(reporter: Reporter) -> None:
    event = {"issue": {"number": 7, "pull_request": {}}, "comment": {"id": 1}}
    reporter.github.pull_commits[7] = [OLD, NEW]
    reporter.report("plan", PLAN, event=event, options=("--commit", OLD))
    assert reporter.comments() == []
    reporter.report("plan", PLAN, event=event, options=("--commit", NEW))
    assert len(reporter.comments()) == 1


def test_the_other_reports_of_an_older_commit_are_kept(reporter: Reporter) -> None:
    reporter.github.pull_commits[7] = [OLD, NEW]
    options = ("--check-run", "--label", "plan")
    done = reporter.report("plan", PLAN, event=of_commit(OLD), options=options)
    assert done.code == 0
    (check,) = reporter.github.check_runs.values()
    # The check run belongs to the commit, but the label to the pull request.
    assert (check["head_sha"], reporter.github.labels) == (OLD, {})


@pytest.mark.parametrize("commits", [None, [], [f"{n:040x}" for n in range(250)]])
def test_a_plan_is_reported_if_the_head_is_unknown(reporter: Reporter, commits: Any) -> None:
    if commits is not None:
        reporter.github.pull_commits[7] = commits
    reporter.report("plan", PLAN, event=of_commit(OLD))
    assert len(reporter.comments()) == 1


@pytest.mark.parametrize("status", [403, 422])
def test_a_plan_is_reported_if_the_token_cannot_read_the_commits(
    reporter: Reporter, status: int
) -> None:
    def script(call: Call) -> Answer | None:
        return Answer(status, {}) if call.path == COMMITS else None

    reporter.github.script = script
    reporter.report("plan", PLAN, event=of_commit(OLD))
    assert len(reporter.comments()) == 1
