"""A plan of an older commit never replaces the plan that merging applies."""

from typing import Any

import pytest

from tests.github.fake import REPO, Answer, Call
from tests.github.reporting import Reporter, failure
from tests.views import samples

OLD, NEW = "a" * 40, "b" * 40
PLAN = samples.plan(samples.creation())
OTHER = samples.mixed_plan()
PULL_REQUEST = f"/repos/{REPO}/pulls/7"


def of_commit(commit: str) -> dict[str, Any]:
    return {"number": 7, "pull_request": {"number": 7, "head": {"sha": commit}}}


@pytest.mark.parametrize("document", [PLAN, failure(1), ""], ids=["plan", "failure", "nothing"])
def test_a_job_that_is_run_again_does_not_replace_the_newer_plan(
    reporter: Reporter, document: Any
) -> None:
    reporter.github.pulls[7] = of_commit(NEW)["pull_request"]
    assert reporter.report("plan", OTHER, event=of_commit(NEW)).err == "comment on #7: written\n"
    before = reporter.comments()
    done = reporter.report("plan", document, event=of_commit(OLD))
    assert done.err.startswith("comment on #7: not replaced\n")
    assert f"the head of #7 is {NEW}" in done.out
    assert "::warning title=stale-plan::" in done.out
    assert reporter.comments() == before


def test_a_commit_that_a_force_push_removed_counts_as_older(reporter: Reporter) -> None:
    reporter.github.pulls[7] = of_commit(NEW)["pull_request"]
    done = reporter.report("plan", PLAN, event=of_commit(OLD))
    assert (done.code, reporter.comments()) == (0, [])
    assert "1 to create" in reporter.summary


def test_the_head_may_move_while_a_comment_is_planned(reporter: Reporter) -> None:
    event = {"issue": {"number": 7, "pull_request": {}}, "comment": {"id": 1}}
    reporter.github.pulls[7] = of_commit(NEW)["pull_request"]
    reporter.report("plan", PLAN, event=event, options=("--commit", OLD))
    assert reporter.comments() == []
    reporter.report("plan", PLAN, event=event, options=("--commit", NEW))
    assert len(reporter.comments()) == 1


def test_the_other_reports_of_an_older_commit_are_kept(reporter: Reporter) -> None:
    reporter.github.pulls[7] = of_commit(NEW)["pull_request"]
    options = ("--check-run", "--label", "plan")
    done = reporter.report("plan", PLAN, event=of_commit(OLD), options=options)
    assert done.code == 0
    (check,) = reporter.github.check_runs.values()
    # The check run belongs to the commit, but the label to the pull request.
    assert (check["head_sha"], reporter.github.labels) == (OLD, {})


def test_a_newest_commit_is_reported_again_whatever_its_date_is(reporter: Reporter) -> None:
    # A rebase can put an older commit last, and GitHub lists at most 250.
    reporter.github.pulls[7] = of_commit(NEW)["pull_request"]
    reporter.github.pull_commits[7] = [NEW, OLD]
    for _ in range(2):
        reporter.report("plan", PLAN, event=of_commit(NEW))
    assert len(reporter.comments()) == 1


@pytest.mark.parametrize("options", [(), ("--commit", "d" * 40)])
def test_a_merge_queue_plans_a_commit_that_is_not_the_head(
    reporter: Reporter, options: tuple[str, ...]
) -> None:
    reporter.github.pulls[7] = of_commit(NEW)["pull_request"]
    queue = {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{OLD}", "head_sha": "d" * 40}
    reporter.report("plan", PLAN, event={"merge_group": queue}, options=options)
    assert len(reporter.comments()) == 1


@pytest.mark.parametrize("pull", [None, {}, {"head": None}, {"head": {"sha": 1}}])
def test_a_plan_is_reported_if_the_head_is_unknown(reporter: Reporter, pull: Any) -> None:
    if pull is not None:
        reporter.github.pulls[7] = pull
    reporter.report("plan", PLAN, event=of_commit(OLD))
    assert len(reporter.comments()) == 1


@pytest.mark.parametrize("status", [403, 422])
def test_a_plan_is_reported_if_the_token_cannot_read_the_pull_request(
    reporter: Reporter, status: int
) -> None:
    def script(call: Call) -> Answer | None:
        return Answer(status, {}) if call.path == PULL_REQUEST else None

    reporter.github.script = script
    reporter.report("plan", PLAN, event=of_commit(OLD))
    assert len(reporter.comments()) == 1
