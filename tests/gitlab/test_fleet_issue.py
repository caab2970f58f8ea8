"""The issue of a fleet on GitLab: the same table as on GitHub, also after a failed check."""

import re
from dataclasses import replace

import pytest

from reconciler.fleet.markdown import markdown
from reconciler.fleet.outcome import FleetResult, MemberNote, MemberStatus
from tests.github.fake import Answer, Call
from tests.github.reporting import Done, failure
from tests.github.test_fleet_issue import (
    DIFFERENT,
    FAILED,
    IN_SYNC,
    member,
    result,
    wrong_documents,
)
from tests.github.test_untrusted_text import EVIL, foreign_html
from tests.gitlab.reporting import DEFAULT_BRANCH, Reporter
from tests.views import drift_samples

JOB = {"CI_MERGE_REQUEST_IID": "", **DEFAULT_BRANCH}


def fleet(reporter: Reporter, document: FleetResult | dict[str, object] | str) -> Done:
    given = document.as_json() if isinstance(document, FleetResult) else document
    return reporter.report("fleet-result", given, environment="all", **JOB)


def the_issue(reporter: Reporter) -> dict[str, object]:
    (issue,) = reporter.gitlab.issues.values()
    return issue


def test_it_is_opened_with_the_table_of_github(reporter: Reporter) -> None:
    found = result(IN_SYNC, DIFFERENT, FAILED)
    assert fleet(reporter, found).err == "fleet issue: opened\n"
    issue = the_issue(reporter)
    assert (issue["title"], issue["labels"]) == ("Fleet: all", ["reconcile-drift"])
    text = str(issue["description"])
    assert text.startswith("<!-- reconcile:fleet environment=all digest=sha256:")
    assert markdown(found, environment="all", limit=40_000) in text
    assert re.search(r"last checked \d{4}-\d\d-\d\d$", text, re.MULTILINE)


def test_it_is_updated_announced_once_closed_and_reopened(reporter: Reporter) -> None:
    assert fleet(reporter, result(IN_SYNC)).err == "fleet issue: nothing\n"
    fleet(reporter, result(IN_SYNC, DIFFERENT))
    writes = len(reporter.gitlab.writes)
    fleet(reporter, result(IN_SYNC, DIFFERENT))
    assert len(reporter.gitlab.writes) == writes
    assert fleet(reporter, result(FAILED, DIFFERENT)).err == "fleet issue: updated\n"
    (note,) = reporter.gitlab.notes[f"issues/{the_issue(reporter)['iid']}"]
    assert note["body"].startswith("2 members: 1 failed, 1 different.")
    assert fleet(reporter, result(IN_SYNC)).err == "fleet issue: closed\n"
    assert the_issue(reporter)["state"] == "closed"
    assert fleet(reporter, result(DIFFERENT)).err == "fleet issue: reopened\n"
    assert the_issue(reporter)["state"] == "opened"


@pytest.mark.parametrize("wrong", wrong_documents().values(), ids=wrong_documents())
def test_a_file_that_is_not_a_complete_result_is_reported_and_closes_nothing(
    reporter: Reporter, wrong: str
) -> None:
    fleet(reporter, result(IN_SYNC, DIFFERENT))
    assert fleet(reporter, wrong).code == 3
    issue = the_issue(reporter)
    assert issue["state"] == "opened"
    assert "### Fleet: could not check" in str(issue["description"])
    assert "error[no-result]" in str(issue["description"])
    assert "`acme.production`" in str(issue["description"])


def test_a_failed_command_opens_an_issue_that_the_next_good_run_closes(
    reporter: Reporter,
) -> None:
    assert fleet(reporter, failure(3, None, ("fleet-file", "no fleet.yaml"))).code == 0
    assert "error[fleet-file]: no fleet.yaml" in str(the_issue(reporter)["description"])
    assert fleet(reporter, result(IN_SYNC)).err == "fleet issue: closed\n"


def test_a_run_of_selected_members_neither_closes_nor_changes_it(reporter: Reporter) -> None:
    fleet(reporter, result(IN_SYNC, FAILED))
    before = dict(the_issue(reporter))
    done = fleet(reporter, replace(result(IN_SYNC), partial=True))
    assert (done.code, "partial-report" in done.err) == (3, True), done.err
    assert the_issue(reporter) == before


def test_the_issues_of_a_fleet_and_an_environment_are_separate(reporter: Reporter) -> None:
    fleet(reporter, result(DIFFERENT))
    reporter.report("drift", drift_samples.drifted(), environment="all", **JOB)
    fleet(reporter, result(IN_SYNC))
    states = {i["title"]: i["state"] for i in reporter.gitlab.issues.values()}
    assert states == {"Fleet: all": "closed", "Drift: all": "opened"}


def test_an_issue_whose_response_was_lost_is_not_opened_twice(reporter: Reporter) -> None:
    def script(call: Call) -> Answer | None:
        lost = call.method == "POST" and not reporter.gitlab.issues
        return Answer(502, {}, carried_out=True) if lost else None

    reporter.gitlab.script = script
    assert fleet(reporter, result(FAILED)).code == 0
    assert len(reporter.gitlab.issues) == 1


def test_an_issue_that_the_token_cannot_write_is_an_error(reporter: Reporter) -> None:
    reporter.gitlab.script = lambda call: Answer(403, {}) if call.method == "POST" else None
    done = fleet(reporter, result(FAILED))
    assert (done.code, "error[gitlab-forbidden]" in done.err) == (1, True), done.err


@pytest.mark.parametrize("text", EVIL)
def test_names_and_errors_of_members_are_escaped(reporter: Reporter, text: str) -> None:
    notes = (MemberNote("error", "evil", text),)
    fleet(reporter, result(member(text, MemberStatus.FAILED, 1, notes=notes)))
    body = str(the_issue(reporter)["description"]).partition("\n")[2]
    assert foreign_html(body.replace("|---|---|---|\n", "")) == set()


def test_counts_that_a_failed_member_lacks_are_not_saved(reporter: Reporter) -> None:
    saved = reporter.folder / "counts.json"
    done = reporter.report(
        "fleet-result", result(FAILED).as_json(), "--terraform-report", str(saved), **JOB
    )
    assert (done.code, "--terraform-report cannot be used" in done.err) == (3, True), done.err
    assert not saved.exists()


def test_one_document_is_reported_at_a_time(reporter: Reporter) -> None:
    plan = reporter.save("plan.json", "")
    done = reporter.report("fleet-result", result(IN_SYNC).as_json(), "--plan", str(plan), **JOB)
    assert done.code == 3
    assert "exactly one of --plan, --result, --drift and --fleet-result" in done.err
