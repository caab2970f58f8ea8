"""Check run and label of a report: one for each environment, updated, never failing the job."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.execution.result import ActionFailure
from tests.github.fake import REPO, Answer, Call
from tests.github.reporting import SCHEDULE, SHA, Done, Reporter, failure
from tests.views import samples

PLAN = samples.mixed_plan()
CLEAN = samples.plan(no_op=3)
CREATES = samples.plan(samples.creation())
BLOCKED = samples.plan(samples.deletion("protected"))
HEAD = "b" * 40
REQUEST = {"number": 7, "pull_request": {"number": 7, "head": {"sha": HEAD}}}
PUSH = {"after": SHA}
RUN = {"GITHUB_RUN_ID": "4711"}


def check(reporter: Reporter, kind: str, document: Any, **more: Any) -> Done:
    more.setdefault("event", REQUEST)
    return reporter.report(kind, document, options=("--check-run",), **more)


def the_check(reporter: Reporter) -> dict[str, Any]:
    (found,) = reporter.github.check_runs.values()
    return found


@pytest.mark.parametrize(
    ("kind", "document", "title", "conclusion"),
    [
        ("plan", CREATES, "1 to create", "success"),
        ("plan", CLEAN, "nothing to change", "success"),
        ("plan", BLOCKED, "1 to delete, 1 blocked", "failure"),
        ("plan", failure(3), "Plan not made", "failure"),
        ("plan", "", "no result", "failure"),
        ("plan", '{"kind": "plan"', "no result", "failure"),
        ("result", samples.complete_result(CREATES), "applied 1", "success"),
        (
            "result",
            samples.partial_result(PLAN),
            "applied 1, failed 1, unknown 1, skipped 1",
            "failure",
        ),
        ("result", failure(4), "Apply refused, nothing was written", "failure"),
        ("result", failure(1), "Apply failed before the first write", "failure"),
        ("result", "{", "no result", "failure"),
    ],
)
def test_the_title_has_the_counts_and_the_conclusion_follows_them(
    reporter: Reporter, kind: str, document: Any, title: str, conclusion: str
) -> None:
    check(reporter, kind, document, **RUN)
    found = the_check(reporter)
    assert (found["name"], found["head_sha"]) == ("reconcile / production", HEAD)
    assert (found["output"]["title"], found["conclusion"]) == (title, conclusion)
    assert found["details_url"] == f"https://github.com/{REPO}/actions/runs/4711"
    assert found["output"]["summary"] in reporter.summary


def test_an_incomplete_result_does_not_pass(reporter: Reporter) -> None:
    lost = ActionFailure("ledger-denied", "no")
    check(reporter, "result", replace(samples.complete_result(CREATES), ledger=lost))
    found = the_check(reporter)
    assert found["output"]["title"] == "applied 1, not recorded in the ledger"
    assert found["conclusion"] == "failure"


def test_a_plan_that_waits_for_its_apply_neither_passes_nor_fails(reporter: Reporter) -> None:
    check(reporter, "plan", CREATES, event=PUSH)
    assert (the_check(reporter)["head_sha"], the_check(reporter)["conclusion"]) == (SHA, "neutral")
    check(reporter, "result", samples.complete_result(CREATES), event=PUSH)
    assert the_check(reporter)["output"]["title"] == "applied 1"


def test_a_merge_queue_entry_is_checked_on_its_commit(reporter: Reporter) -> None:
    queue = {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-9-{SHA}", "head_sha": HEAD}
    check(reporter, "plan", CREATES, event={"merge_group": queue})
    assert (the_check(reporter)["head_sha"], the_check(reporter)["conclusion"]) == (HEAD, "success")


def test_a_later_report_updates_the_check_of_its_environment_only(reporter: Reporter) -> None:
    for number in range(5):
        other = {"head_sha": HEAD, "external_id": f"x{number}", "id": number, "author": {}}
        reporter.github.check_runs[number] = other
    check(reporter, "plan", CREATES)
    check(reporter, "plan", CREATES, environment="staging")
    done = check(reporter, "plan", "")
    ours = [item for item in reporter.github.check_runs.values() if "output" in item]
    assert {item["name"]: item["output"]["title"] for item in ours} == {
        "reconcile / production": "no result",
        "reconcile / staging": "1 to create",
    }
    assert "check run `reconcile / production` (no result): updated" in done.err


def test_the_check_of_another_app_is_replaced_by_a_newer_one(reporter: Reporter) -> None:
    foreign = {"head_sha": HEAD, "external_id": "reconcile:production", "id": 1, "author": {}}
    reporter.github.check_runs[1] = dict(foreign)
    check(reporter, "plan", CREATES)
    assert reporter.github.check_runs.pop(1) == foreign
    assert the_check(reporter)["output"]["title"] == "1 to create"


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("check-runs", 403),
        ("check-runs", 404),
        ("labels", 403),
        ("labels", 404),
        ("labels", 422),
        ("comments", 403),
    ],
)
def test_a_missing_permission_is_a_warning_and_the_rest_is_written(
    reporter: Reporter, part: str, status: int
) -> None:
    def refuse(call: Call) -> Answer | None:
        refused = call.method != "GET" and part in call.path
        return Answer(status, {"message": "Resource not accessible"}) if refused else None

    reporter.github.script = refuse
    done = reporter.report(
        "plan", CREATES, event=REQUEST, options=("--check-run", "--label", "gateway")
    )
    assert done.code == 0
    assert done.out.count("::warning title=github-") == 1
    assert (
        f"grant the job {'checks' if part == 'check-runs' else 'pull-requests'}: write" in done.out
    )
    written = (reporter.comments(), reporter.github.check_runs, reporter.github.labels)
    missing = ("comments", "check-runs", "labels").index(part)
    assert [bool(item) for item in written] == [index != missing for index in range(3)]


def test_a_server_without_check_runs_is_a_warning(reporter: Reporter) -> None:
    reporter.github.script = lambda call: Answer(404, {}) if "check-runs" in call.path else None
    done = check(reporter, "plan", CREATES)
    assert (done.code, len(reporter.comments())) == (0, 1)
    assert "there is no check run" in done.out


@pytest.mark.parametrize("status", [401, 422])
def test_a_check_that_may_be_stale_is_a_failure(reporter: Reporter, status: int) -> None:
    check(reporter, "plan", CLEAN)
    reporter.github.script = lambda call: (
        Answer(status, {}) if "check-runs" in call.path and call.method != "GET" else None
    )
    assert check(reporter, "plan", "").code == 1


def test_a_failed_comment_still_updates_the_check(reporter: Reporter) -> None:
    check(reporter, "plan", CLEAN)
    reporter.github.script = lambda call: (
        Answer(401, {}) if call.method == "PATCH" and "comments" in call.path else None
    )
    assert check(reporter, "plan", "").code == 1
    assert the_check(reporter)["conclusion"] == "failure"


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_server_error_leaves_one_check(reporter: Reporter, *, carried_out: bool) -> None:
    def fail_the_first(call: Call) -> Answer | None:
        posts = [c for c in reporter.github.calls if c.method == "POST" and "check" in c.path]
        fails = call.method == "POST" and "check" in call.path and len(posts) == 1
        return Answer(502, carried_out=carried_out) if fails else None

    reporter.github.script = fail_the_first
    assert check(reporter, "plan", CREATES).code == 0
    assert the_check(reporter)["output"]["title"] == "1 to create"


def test_without_the_option_no_check_is_written_and_drift_has_none(reporter: Reporter) -> None:
    reporter.report("plan", CREATES, event=REQUEST)
    assert reporter.github.check_runs == {}
    done = check(reporter, "drift", "{}", event=SCHEDULE)
    assert (done.code, "only be used with --plan and --result" in done.err) == (3, True)


def test_the_commit_can_be_named_where_the_event_does_not(reporter: Reporter) -> None:
    named = "c" * 40
    reporter.report("plan", CREATES, event=SCHEDULE, options=("--check-run", "--commit", named))
    assert the_check(reporter)["head_sha"] == named
    done = reporter.report("plan", CREATES, options=("--check-run", "--commit", "main"))
    assert (done.code, "whole commit id" in done.err) == (3, True)


def test_the_label_follows_the_changes_and_other_labels_are_kept(reporter: Reporter) -> None:
    labels = reporter.github.labels
    labels[7] = ["one", "two", "three", "four"]

    def report(document: Any) -> str:
        return reporter.report("plan", document, options=("--label", "gateway / prod")).err

    assert "label: unchanged" in report(CLEAN)
    assert "label: added" in report(CREATES)
    assert labels[7][-1] == "gateway / prod"
    writes = len([c for c in reporter.github.calls if "labels" in c.path and c.method != "GET"])
    assert "label: unchanged" in report(CREATES)
    # Without a plan, nothing is known about changes.
    report(failure(1))
    report("")
    assert labels[7][-1] == "gateway / prod"
    assert writes == len(
        [c for c in reporter.github.calls if "labels" in c.path and c.method != "GET"]
    )
    assert "label: removed" in report(CLEAN)
    assert labels[7] == ["one", "two", "three", "four"]


@pytest.mark.parametrize("label", ["", " ", "x" * 51])
def test_an_invalid_label_is_refused(reporter: Reporter, label: str) -> None:
    assert reporter.report("plan", CREATES, options=("--label", label)).code == 3


def test_a_label_requires_a_plan(reporter: Reporter) -> None:
    result = samples.complete_result(CREATES)
    assert reporter.report("result", result, options=("--label", "x")).code == 3
