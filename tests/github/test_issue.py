"""One drift issue for each environment: opened, updated, closed and reopened."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.github.fake import MALLORY, Answer, Call
from tests.github.reporting import SCHEDULE, Done, Reporter, failure
from tests.views import drift_samples

DRIFTED = drift_samples.drifted()
MORE = drift_samples.every_origin()
CLEAN = drift_samples.in_sync()
LABEL = "reconcile-drift"
BROKEN = failure(1, None, ("incomplete-read", "the list was short"))


def drift(reporter: Reporter, document: Any, environment: str = "production") -> Done:
    done = reporter.report("drift", document, event=SCHEDULE, environment=environment)
    assert done.code == 0, done.err
    return done


def the_issue(reporter: Reporter) -> dict[str, Any]:
    (issue,) = reporter.github.issues.values()
    return issue


def notifications(reporter: Reporter) -> list[str]:
    return reporter.comments(the_issue(reporter)["number"])


def test_drift_opens_one_issue_with_marker_label_and_both_remedies(reporter: Reporter) -> None:
    assert drift(reporter, DRIFTED).err == "drift issue: opened\n"
    issue = the_issue(reporter)
    assert issue["title"] == "Drift: production"
    assert issue["labels"] == [{"name": LABEL}]
    first = issue["body"].splitlines()[0]
    assert first == f"<!-- reconcile:drift environment=production digest={DRIFTED.fingerprint} -->"
    assert f"apply --expect-digest {DRIFTED.fingerprint}" in issue["body"]
    assert " pull " in issue["body"]
    assert reporter.outputs["digest"] == DRIFTED.fingerprint
    assert reporter.outputs["in_sync"] == "false"


def test_the_same_drift_is_announced_once(reporter: Reporter) -> None:
    drift(reporter, DRIFTED)
    before = list(reporter.github.writes)
    assert drift(reporter, DRIFTED).err == "drift issue: updated\n"
    assert reporter.github.writes == before
    assert notifications(reporter) == []


def test_other_drift_updates_the_text_and_notifies_subscribers(reporter: Reporter) -> None:
    drift(reporter, DRIFTED)
    drift(reporter, MORE)
    assert MORE.fingerprint in the_issue(reporter)["body"].splitlines()[0]
    (comment,) = notifications(reporter)
    assert "integrations differ: " in comment.splitlines()[0]


def test_the_issue_is_closed_without_drift_and_reopened_with_new_drift(
    reporter: Reporter,
) -> None:
    assert drift(reporter, CLEAN).err == "drift issue: nothing\n"
    assert reporter.github.issues == {}
    drift(reporter, DRIFTED)
    assert drift(reporter, CLEAN).err == "drift issue: closed\n"
    assert the_issue(reporter)["state"] == "closed"
    assert "In sync" in notifications(reporter)[-1]
    assert drift(reporter, CLEAN).err == "drift issue: nothing\n"
    assert drift(reporter, DRIFTED).err == "drift issue: reopened\n"
    assert the_issue(reporter)["state"] == "open"
    assert len(notifications(reporter)) == 2


def test_a_failed_check_is_reported_and_keeps_the_issue_open_with_the_last_state(
    reporter: Reporter,
) -> None:
    drift(reporter, DRIFTED)
    for _ in range(2):
        drift(reporter, BROKEN)
    issue = the_issue(reporter)
    assert issue["state"] == "open"
    assert "could not check" in issue["body"].lower()
    assert "error[incomplete-read]: the list was short" in issue["body"]
    assert issue["body"].count("### reconcile drift · production\n") == 1
    assert DRIFTED.fingerprint in issue["body"].splitlines()[0]
    assert notifications(reporter) == []
    assert reporter.outputs["in_sync"] == "false"
    drift(reporter, DRIFTED)
    assert "could not check" not in the_issue(reporter)["body"].lower()
    assert notifications(reporter) == []


def test_a_failed_check_opens_an_issue_that_the_next_good_check_closes(
    reporter: Reporter,
) -> None:
    assert drift(reporter, BROKEN).err == "drift issue: opened\n"
    before = list(reporter.github.writes)
    drift(reporter, BROKEN)
    assert reporter.github.writes == before
    assert drift(reporter, CLEAN).err == "drift issue: closed\n"


def test_the_text_of_failed_checks_is_not_taken_for_the_last_state(reporter: Reporter) -> None:
    forged = "x\n<!-- reconcile:last-report -->\neverything is fine"
    drift(reporter, DRIFTED)
    drift(reporter, failure(1, None, ("incomplete-read", forged)))
    drift(reporter, BROKEN)
    body = the_issue(reporter)["body"]
    assert "everything is fine" not in body
    assert "### reconcile drift · production\n" in body


def test_environments_and_labels_are_kept_apart(reporter: Reporter) -> None:
    fake = reporter.github
    marker = "<!-- reconcile:drift environment=production digest=x -->\n"
    unlabelled = fake.issue(marker + "by a stranger", user=MALLORY)
    request = fake.issue(marker, labels=(LABEL,), pull_request={})
    for number in range(7):
        fake.issue(f"no marker {number}", labels=(LABEL,))
    before = dict(fake.issues)
    drift(reporter, DRIFTED)
    drift(reporter, DRIFTED, environment="staging")
    new = [issue for number, issue in fake.issues.items() if number not in before]
    assert [issue["title"] for issue in new] == ["Drift: production", "Drift: staging"]
    drift(reporter, CLEAN)
    assert (unlabelled["state"], request["state"]) == ("open", "open")
    assert [issue["state"] for issue in new] == ["closed", "open"]


def test_the_label_is_checked_even_if_the_server_does_not_filter_by_it(reporter: Reporter) -> None:
    fake = reporter.github
    marker = "<!-- reconcile:drift environment=production digest=x -->\n"
    stranger = fake.issue(marker, user=MALLORY)
    everything = [stranger, fake.issue(marker, labels=("other",), user=MALLORY)]
    fake.script = lambda call: (
        Answer(200, everything) if (call.method, call.path[-7:]) == ("GET", "/issues") else None
    )
    assert drift(reporter, DRIFTED).err == "drift issue: opened\n"
    assert stranger["body"] == marker


def test_an_issue_whose_response_was_lost_is_not_opened_twice(reporter: Reporter) -> None:
    def lose_the_first(call: Call) -> Answer | None:
        posts = [item for item in reporter.github.calls if item.method == "POST"]
        return Answer(lost=True) if call.method == "POST" and len(posts) == 1 else None

    reporter.github.script = lose_the_first
    drift(reporter, DRIFTED)
    assert the_issue(reporter)["state"] == "open"


@pytest.mark.parametrize("status", [401, 403, 410, 500])
def test_an_issue_that_cannot_be_written_is_a_failure(reporter: Reporter, status: int) -> None:
    reporter.github.script = lambda call: (
        Answer(status, {"message": "no"}) if call.method == "POST" else None
    )
    done = reporter.report("drift", DRIFTED, event=SCHEDULE)
    assert done.code == 1
    assert reporter.summary.startswith("### reconcile drift · production")


def test_the_issue_names_the_workflows_first_and_collapses_the_commands(reporter: Reporter) -> None:
    page = "https://github.com/acme/gateway/actions/workflows"
    variables = {"GITHUB_WORKFLOW_REF": "acme/gateway/.github/workflows/drift.yml@refs/heads/main"}
    report = drift_samples.drifted()
    reporter.report("drift", report, event=SCHEDULE, **variables)
    (issue,) = reporter.github.issues.values()
    seen, _, folded = issue["body"].partition("On your machine, in a clone of the repository")
    assert f"run [the apply workflow]({page}/apply.yml) with this digest:" in seen
    assert f"run [the drift workflow]({page}/drift.yml) with `adopt`" in seen
    assert f"apply --expect-digest {report.fingerprint}" in folded
    assert f"apply --expect-digest {report.fingerprint}" not in seen


@pytest.mark.parametrize("text", ["", "{", '{"kind": "drift_report"'])
def test_a_check_without_a_report_opens_the_issue(reporter: Reporter, text: str) -> None:
    assert reporter.report("drift", text, event=SCHEDULE).code == 3
    (issue,) = reporter.github.issues.values()
    assert "could not check" in issue["body"]
    assert "error[no-result]" in issue["body"]


@pytest.mark.parametrize("document", [drift_samples.drifted(), failure()])
def test_the_issue_shows_the_day_of_the_last_check_and_is_edited_once_a_day(
    reporter: Reporter, document: Any
) -> None:
    reporter.report("drift", document, event=SCHEDULE)
    (issue,) = reporter.github.issues.values()
    found = re.search(r"last checked (\d{4}-\d\d-\d\d)$", issue["body"], re.MULTILINE)
    assert found is not None
    edits = len(reporter.github.writes)
    reporter.report("drift", document, event=SCHEDULE)
    assert len(reporter.github.writes) == edits
    issue["body"] = issue["body"].replace(found[0], "last checked 2026-01-01")
    reporter.report("drift", document, event=SCHEDULE)
    assert found[0] in issue["body"]


def test_a_failed_check_links_its_run_and_a_repeated_failure_edits_nothing(
    reporter: Reporter,
) -> None:
    drift(reporter, DRIFTED)
    reporter.report("drift", BROKEN, event=SCHEDULE, GITHUB_RUN_ID="4711")
    body = the_issue(reporter)["body"]
    assert "\n[run 4711](https://github.com/acme/gateway/actions/runs/4711)\n" in body
    edits = len(reporter.github.writes)
    reporter.report("drift", BROKEN, event=SCHEDULE, GITHUB_RUN_ID="4712")
    assert len(reporter.github.writes) == edits
    other = failure(1, None, ("unreachable", "no answer"))
    reporter.report("drift", other, event=SCHEDULE, GITHUB_RUN_ID="4713")
    assert "[run 4713]" in the_issue(reporter)["body"]


def test_a_check_of_selected_integrations_neither_closes_nor_changes_the_issue(
    reporter: Reporter,
) -> None:
    drift(reporter, DRIFTED)
    before = dict(the_issue(reporter))
    for document in (CLEAN, MORE):
        part = replace(document, partial=True)
        done = reporter.report("drift", part, event=SCHEDULE, environment="production")
        assert (done.code, "partial-report" in done.err) == (3, True), done.err
    assert the_issue(reporter) == before
