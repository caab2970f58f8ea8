"""The drift issue on GitLab: opened, updated, closed and reopened, one for each environment."""

from tests.github.fake import Answer, Call
from tests.github.reporting import failure
from tests.gitlab.fake import MALLORY
from tests.gitlab.reporting import DEFAULT_BRANCH, Reporter
from tests.views import drift_samples

DRIFTED = drift_samples.drifted()
QUIET = drift_samples.in_sync()
JOB = {"CI_MERGE_REQUEST_IID": "", **DEFAULT_BRANCH}


def test_it_is_opened_once_and_kept_while_nothing_changes(reporter: Reporter) -> None:
    assert reporter.report("drift", DRIFTED, **JOB).err == "drift issue: opened\n"
    assert reporter.report("drift", DRIFTED, **JOB).err == "drift issue: updated\n"
    (issue,) = reporter.gitlab.issues.values()
    assert (issue["title"], issue["labels"]) == ("Drift: production", ["reconcile-drift"])
    assert "/-/pipelines/new) with the variable `RECONCILE_DIGEST`" in issue["description"]
    assert DRIFTED.fingerprint in issue["description"]
    assert "adopt" not in issue["description"].partition("<details>")[0]
    assert len(reporter.gitlab.writes) == 1


def test_it_is_closed_when_the_drift_is_gone_and_reopened(reporter: Reporter) -> None:
    reporter.report("drift", DRIFTED, **JOB)
    assert reporter.report("drift", QUIET, **JOB).err == "drift issue: closed\n"
    (issue,) = reporter.gitlab.issues.values()
    assert issue["state"] == "closed"
    assert reporter.report("drift", DRIFTED, **JOB).err == "drift issue: reopened\n"
    assert issue["state"] == "opened"
    # Each change notifies the subscribers.
    assert len(reporter.gitlab.notes[f"issues/{issue['iid']}"]) == 2


def test_a_failed_check_leaves_it_open(reporter: Reporter) -> None:
    reporter.report("drift", DRIFTED, **JOB)
    assert reporter.report("drift", failure(), **JOB).err == "drift issue: updated\n"
    (issue,) = reporter.gitlab.issues.values()
    assert issue["state"] == "opened"
    assert "could not check" in issue["description"]
    assert DRIFTED.fingerprint in issue["description"]


def test_each_environment_has_a_separate_issue(reporter: Reporter) -> None:
    reporter.report("drift", DRIFTED, **JOB)
    reporter.report("drift", DRIFTED, environment="staging", **JOB)
    assert len(reporter.gitlab.issues) == 2


def test_an_issue_whose_response_was_lost_is_not_opened_twice(reporter: Reporter) -> None:
    def script(call: Call) -> Answer | None:
        lost = call.method == "POST" and not reporter.gitlab.issues
        return Answer(502, {}, carried_out=True) if lost else None

    reporter.gitlab.script = script
    assert reporter.report("drift", DRIFTED, **JOB).code == 0
    assert len(reporter.gitlab.issues) == 1


def test_an_issue_that_the_token_cannot_write_is_an_error(reporter: Reporter) -> None:
    reporter.gitlab.script = lambda call: Answer(403, {}) if call.method == "POST" else None
    done = reporter.report("drift", DRIFTED, **JOB)
    assert done.code == 1
    assert "error[gitlab-forbidden]" in done.err


def test_an_issue_of_another_author_is_never_updated(reporter: Reporter) -> None:
    reporter.report("drift", DRIFTED, **JOB)
    (ours,) = reporter.gitlab.issues.values()
    forged = {**ours, "iid": 9_000, "author": MALLORY}
    reporter.gitlab.issues[9_000] = dict(forged)
    assert reporter.report("drift", QUIET, **JOB).err == "drift issue: closed\n"
    assert (ours["state"], reporter.gitlab.issues[9_000]) == ("closed", forged)
    assert reporter.report("drift", DRIFTED, **JOB).err == "drift issue: reopened\n"
    assert reporter.gitlab.issues[9_000] == forged
