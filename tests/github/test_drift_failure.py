"""A check that ended without a report is reported in the drift issue, by a script."""

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.github.fake import REPO, TOKEN, Answer, Call
from tests.github.reporting import SCHEDULE, Reporter, failure
from tests.views import drift_samples
from tests.workflows.test_rules import GITHUB

SCRIPT = GITHUB / "actions/drift-failure/report.py"
DRIFTED, CLEAN = drift_samples.drifted(), drift_samples.in_sync()
RUN = f"[run 4711](https://github.com/{REPO}/actions/runs/4711)"


def fail(reporter: Reporter, run: str = "4711", environment: str = "production") -> tuple[int, str]:
    """Run the script like a job whose installation failed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)],
        env={
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "GITHUB_API_URL": reporter.github.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_RUN_ID": run,
            "GITHUB_TOKEN": TOKEN,
            "ENVIRONMENT": environment,
            "RETRY_SECONDS": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def drift(reporter: Reporter, document: Any, environment: str = "production") -> str:
    return reporter.report("drift", document, event=SCHEDULE, environment=environment).err


def the_issue(reporter: Reporter) -> dict[str, Any]:
    (issue,) = reporter.github.issues.values()
    return issue


def test_it_opens_an_issue_that_links_the_run_and_the_next_check_closes_it(
    reporter: Reporter,
) -> None:
    assert fail(reporter) == (0, "drift issue: opened\n")
    issue = the_issue(reporter)
    assert (issue["title"], issue["labels"]) == ("Drift: production", [{"name": "reconcile-drift"}])
    assert "error[no-result]" in issue["body"]
    assert RUN in issue["body"]
    # `reconcile` reports an empty report in the same way, so it finds and updates the issue.
    assert drift(reporter, CLEAN) == "drift issue: closed\n"


@pytest.mark.parametrize("is_open", [True, False])
def test_it_keeps_the_last_report_and_its_digest(reporter: Reporter, *, is_open: bool) -> None:
    drift(reporter, DRIFTED)
    if not is_open:
        drift(reporter, CLEAN)
    last = the_issue(reporter)["body"].partition("\n")[2]
    digest = the_issue(reporter)["body"].partition("digest=")[2].partition(" ")[0]
    the_issue(reporter)["body"] = the_issue(reporter)["body"].replace("\n", "\r\n")
    for run in ("4711", "4712", "4713"):
        assert fail(reporter, run)[0] == 0
    issue = the_issue(reporter)
    assert issue["state"] == "open"
    assert issue["body"].partition("\n<!-- reconcile:last-report -->\n")[2] == last
    assert f"digest={digest} -->" in issue["body"].splitlines()[0]
    assert issue["body"].count("could not check") == 1
    # The same drift afterwards is not announced.
    comments = len(reporter.comments(issue["number"]))
    drift(reporter, DRIFTED if is_open else CLEAN)
    assert len(reporter.comments(issue["number"])) == comments
    assert "could not check" not in the_issue(reporter)["body"]


def test_the_same_failure_is_written_once_a_day(reporter: Reporter) -> None:
    fail(reporter)
    writes = len(reporter.github.writes)
    assert fail(reporter, "4712") == (0, "drift issue: unchanged\n")
    assert len(reporter.github.writes) == writes
    body = the_issue(reporter)["body"]
    the_issue(reporter)["body"] = body.replace("last checked 2", "last checked 1")
    assert fail(reporter, "4713") == (0, "drift issue: updated\n")
    assert "run 4713" in the_issue(reporter)["body"]


@pytest.mark.parametrize("document", ["", '{"kind": "drift_report"', failure(1)])
def test_a_report_of_this_check_by_the_command_is_kept(reporter: Reporter, document: Any) -> None:
    drift(reporter, document)
    body = the_issue(reporter)["body"]
    assert fail(reporter)[0] == 0
    assert the_issue(reporter)["body"] == body


def test_issues_of_other_environments_and_authors_and_pull_requests_are_not_changed(
    reporter: Reporter,
) -> None:
    marker = "<!-- reconcile:drift environment=production digest=x -->\n"
    fake = reporter.github
    strange = [
        fake.issue(marker),
        fake.issue(marker, labels=("reconcile-drift",), pull_request={}),
        fake.issue("no marker", labels=("reconcile-drift",)),
        fake.issue(f"see\n{marker}", labels=("reconcile-drift",)),
        fake.issue(marker.replace("drift ", "fleet "), labels=("reconcile-drift",)),
    ]
    before = [dict(issue) for issue in strange]
    drift(reporter, DRIFTED, "eu west --> x")
    assert fail(reporter)[1] == "drift issue: opened\n"
    assert fail(reporter, environment="eu west --> x")[1] == "drift issue: updated\n"
    assert strange == before
    assert len(fake.issues) == len(strange) + 2


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_lost_response_opens_only_one_issue(
    reporter: Reporter, status: int, *, carried_out: bool
) -> None:
    def fail_the_first(call: Call) -> Answer | None:
        posts = [item for item in reporter.github.calls if item.method == "POST"]
        fails = call.method == "POST" and len(posts) == 1
        return Answer(status, {}, carried_out=carried_out) if fails else None

    reporter.github.script = fail_the_first
    assert fail(reporter)[0] == 0
    assert "error[no-result]" in the_issue(reporter)["body"]


@pytest.mark.parametrize("status", [302, 401, 403, 410, 500])
def test_an_issue_that_cannot_be_written_fails_the_step_and_shows_no_token(
    reporter: Reporter, status: int
) -> None:
    away = {"location": "http://127.0.0.1:1/elsewhere"}
    reporter.github.script = lambda call: (
        Answer(status, {}, away) if call.method == "POST" else None
    )
    code, said = fail(reporter)
    assert code == 1
    assert f"::error title=Drift issue::cannot be written: {status}" in said
