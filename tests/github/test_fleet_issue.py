"""One issue for each fleet: a table of its members, failures first, also after a failed check."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from reconciler.fleet.outcome import (
    FleetOperation,
    FleetResult,
    MemberNote,
    MemberOutcome,
    MemberStatus,
)
from tests.github.reporting import SCHEDULE, Done, Reporter, failure
from tests.github.test_untrusted_text import EVIL, foreign_html
from tests.views import drift_samples


def member(name: str, status: MemberStatus, code: int, **more: Any) -> MemberOutcome:
    return MemberOutcome(name, status, code, target="production", **more)


IN_SYNC = member("globex.production", MemberStatus.IN_SYNC, 0, digest="sha256:1")
DIFFERENT = member(
    "acme.production", MemberStatus.DIFFERENT, 2, digest="sha256:2", summary={"update": 2}
)
FAILED = member(
    "initech.production",
    MemberStatus.FAILED,
    1,
    notes=(
        MemberNote("warning", "slow", "it was slow"),
        MemberNote("error", "unreachable", "no answer from the API"),
    ),
)


def result(*members: MemberOutcome) -> FleetResult:
    return FleetResult("run-1", FleetOperation.DRIFT, "local", members)


def fleet(reporter: Reporter, document: FleetResult | dict[str, Any] | str) -> Done:
    text = document.as_json() if isinstance(document, FleetResult) else document
    return reporter.report("fleet-result", text, event=SCHEDULE, environment="all")


def the_issue(reporter: Reporter) -> dict[str, Any]:
    (issue,) = reporter.github.issues.values()
    return issue


def test_one_issue_has_a_table_of_the_members_with_failures_first(reporter: Reporter) -> None:
    assert fleet(reporter, result(IN_SYNC, DIFFERENT, FAILED)).err == "fleet issue: opened\n"
    issue = the_issue(reporter)
    assert issue["title"] == "Fleet: all"
    assert issue["labels"] == [{"name": "reconcile-drift"}]
    body = issue["body"]
    assert body.startswith("<!-- reconcile:fleet environment=all digest=sha256:")
    assert "**3 members: 1 failed, 1 different, 1 in-sync.**" in body
    rows = re.findall(r"^\| `(.*?)` \| . ([\w-]+) \| (.*?) \|$", body, re.MULTILINE)
    assert rows == [
        ("initech.production", "failed", ""),
        ("acme.production", "different", "2 update"),
        ("globex.production", "in-sync", ""),
    ]
    assert "unreachable: no answer from the API" in body
    assert "it was slow" not in body
    assert re.search(r"last checked \d{4}-\d\d-\d\d$", body, re.MULTILINE)
    assert reporter.outputs["in_sync"] == "false"
    assert (reporter.outputs["update"], reporter.outputs["create"]) == ("2", "0")


def test_the_issue_is_updated_and_closed_and_announces_once(reporter: Reporter) -> None:
    assert fleet(reporter, result(IN_SYNC)).err == "fleet issue: nothing\n"
    fleet(reporter, result(IN_SYNC, DIFFERENT))
    writes = len(reporter.github.writes)
    fleet(reporter, result(IN_SYNC, DIFFERENT))
    assert len(reporter.github.writes) == writes
    fleet(reporter, result(FAILED, DIFFERENT))
    (comment,) = reporter.comments(the_issue(reporter)["number"])
    assert comment.startswith("2 members: 1 failed, 1 different.")
    assert fleet(reporter, result(IN_SYNC)).err == "fleet issue: closed\n"
    assert the_issue(reporter)["state"] == "closed"
    assert reporter.outputs["in_sync"] == "true"


@pytest.mark.parametrize(
    "status", [s for s in MemberStatus if s not in {MemberStatus.IN_SYNC, MemberStatus.APPLIED}]
)
def test_a_member_that_is_not_known_to_be_in_sync_keeps_the_issue_open(
    reporter: Reporter, status: MemberStatus
) -> None:
    fleet(reporter, result(DIFFERENT))
    fleet(reporter, result(IN_SYNC, member("late", status, 0)))
    assert the_issue(reporter)["state"] == "open"


def wrong_documents() -> dict[str, str]:
    whole = result(IN_SYNC, DIFFERENT).as_json()
    first = whole["members"][0]  # type: ignore[index]
    return {
        "empty": "",
        "newline": "\n",
        "truncated": json.dumps(whole)[:200],
        "another shape": "[]",
        "another kind": json.dumps(drift_samples.in_sync().as_json()),
        "another version": json.dumps({**whole, "format_version": "2"}),
        "no members": json.dumps({**result().as_json()}),
        "members of another shape": json.dumps({**whole, "members": {"a": 1}}),
        "a member twice": json.dumps({**whole, "members": [first, first], "exit_code": 0}),
        "a lost member": json.dumps({**whole, "members": [first]}),
        "an unknown status": json.dumps(
            {**whole, "members": [{**first, "status": "fine"}], "exit_code": 0}
        ),
        "a huge number": json.dumps(whole).replace('"exit_code": 0', '"exit_code": 1e999'),
    }


@pytest.mark.parametrize("wrong", wrong_documents().values(), ids=wrong_documents())
def test_a_run_without_a_complete_result_is_reported_and_closes_nothing(
    reporter: Reporter, wrong: str
) -> None:
    fleet(reporter, result(IN_SYNC, DIFFERENT))
    done = fleet(reporter, wrong)
    assert done.code == 3
    issue = the_issue(reporter)
    assert issue["state"] == "open"
    assert "### Fleet: could not check" in issue["body"]
    assert "error[no-result]" in issue["body"]
    # The last known state stays below.
    assert "`acme.production`" in issue["body"]
    assert "error[no-result]" in reporter.summary
    assert reporter.outputs["in_sync"] == "false"


def test_a_failed_command_opens_an_issue_that_the_next_good_run_closes(
    reporter: Reporter,
) -> None:
    assert fleet(reporter, failure(3, None, ("fleet-file", "no fleet.yaml"))).code == 0
    assert "error[fleet-file]: no fleet.yaml" in the_issue(reporter)["body"]
    assert fleet(reporter, result(IN_SYNC)).err == "fleet issue: closed\n"


def test_the_issues_of_a_fleet_and_an_environment_are_separate(reporter: Reporter) -> None:
    fleet(reporter, result(DIFFERENT))
    reporter.report("drift", drift_samples.drifted(), event=SCHEDULE, environment="all")
    fleet(reporter, result(IN_SYNC))
    states = {i["title"]: i["state"] for i in reporter.github.issues.values()}
    assert states == {"Fleet: all": "closed", "Drift: all": "open"}


@pytest.mark.parametrize("text", EVIL)
def test_names_and_errors_of_members_are_escaped(reporter: Reporter, text: str) -> None:
    notes = (MemberNote("error", "evil", text),)
    fleet(reporter, result(member(text, MemberStatus.FAILED, 1, notes=notes)))
    body = the_issue(reporter)["body"].partition("\n")[2].replace("|---|---|---|\n", "")
    assert foreign_html(body) == set()


def test_a_large_fleet_fits_and_the_failures_are_kept(reporter: Reporter) -> None:
    notes = tuple(MemberNote("error", f"code-{n}", "long " * 60) for n in range(9))
    good = [member(f"m{n}.{'x' * 60}", MemberStatus.IN_SYNC, 0) for n in range(900)]
    bad = [member(f"bad-{n}", MemberStatus.FAILED, 1, notes=notes) for n in range(90)]
    fleet(reporter, result(*good, *bad))
    body = the_issue(reporter)["body"]
    assert len(body.encode()) <= 65_536
    assert "| `bad-89` |" in body
    assert "**990 members: 90 failed, 900 in-sync.**" in body
    assert re.search(r"^\d+ further members not shown\.$", body, re.MULTILINE)
    assert re.search(r"^Notes on \d+ further members not shown\.$", body, re.MULTILINE)


def test_a_run_of_selected_members_neither_closes_nor_changes_the_issue(
    reporter: Reporter,
) -> None:
    fleet(reporter, result(IN_SYNC, FAILED))
    before = dict(the_issue(reporter))
    done = fleet(reporter, replace(result(IN_SYNC), partial=True))
    assert (done.code, "partial-report" in done.err) == (3, True), done.err
    assert the_issue(reporter) == before


def test_the_remaining_changes_of_an_incomplete_apply_are_unknown(reporter: Reporter) -> None:
    counts = {"applied": 3, "failed": 2, "skipped": 0, "unknown": 0}
    incomplete = member("acme", MemberStatus.INCOMPLETE, 5, summary=counts)
    applied = member("globex", MemberStatus.APPLIED, 0, summary={**counts, "failed": 0})
    for members, expected in (((incomplete, applied), ""), ((applied,), "0")):
        found = replace(result(*members), operation=FleetOperation.APPLY)
        fleet(reporter, found)
        names = ("create", "update", "replace", "delete", "blocked")
        assert {reporter.outputs[name] for name in names} == {expected}
