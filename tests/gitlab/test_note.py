"""One note of our own user for each environment on a merge request, updated in place."""

import json
import re
from dataclasses import replace

import pytest

from reconciler.github.bodies import ReportContext, ReportKind, text_of
from reconciler.planning.plan import Plan
from tests.github.fake import Answer, Call
from tests.github.reporting import failure
from tests.gitlab.fake import JOB_TOKEN, MALLORY
from tests.gitlab.reporting import DEFAULT_BRANCH, SHA, Reporter
from tests.views import samples

PLAN = samples.mixed_plan()
OTHER = replace(PLAN, actions=PLAN.actions[:1])
MERGED = {"iid": 3, "state": "merged", "target_branch": "main", "merge_commit_sha": SHA}
NOTES = re.compile(r".*/merge_requests/3/notes")


def test_the_first_report_writes_a_note_with_the_text_of_github(reporter: Reporter) -> None:
    done = reporter.report("plan", PLAN, RECONCILE_LEDGER_STATE="shared")
    assert (done.code, done.out, done.err) == (0, "", "note on !3: written\n")
    (body,) = reporter.notes()
    marker, _, text = body.partition("\n")
    assert marker == f"<!-- reconcile:plan environment=production digest={PLAN.digest} -->"
    context = ReportContext("production", "shared", is_pull_request=True)
    on_github = text_of(PLAN, kind=ReportKind.PLAN, context=context)
    assert text == on_github.replace("this pull request", "this merge request")


def test_the_next_report_updates_the_note_at_any_position(reporter: Reporter) -> None:
    for number in range(7):
        reporter.gitlab.note("merge_requests/3", f"note {number}", MALLORY)
    reporter.report("plan", PLAN)
    for number in range(7):
        reporter.gitlab.note("merge_requests/3", f"later note {number}", MALLORY)
    assert reporter.report("plan", OTHER).err == "note on !3: updated\n"
    ours = [body for body in reporter.notes() if body.startswith("<!-- reconcile:")]
    assert len(ours) == 1
    assert OTHER.digest in ours[0]


def test_an_equal_report_writes_nothing(reporter: Reporter) -> None:
    reporter.report("plan", PLAN)
    before = list(reporter.gitlab.writes)
    assert reporter.report("plan", PLAN).err == "note on !3: unchanged\n"
    assert reporter.gitlab.writes == before


def test_each_environment_and_each_kind_has_its_own_note(reporter: Reporter) -> None:
    reporter.report("plan", PLAN, environment="production")
    reporter.report("plan", PLAN, environment="staging")
    reporter.report("result", samples.complete_result(PLAN))
    reporter.report("plan", OTHER, environment="production")
    production, staging, result = reporter.notes()
    assert OTHER.digest in production
    assert PLAN.digest in staging
    assert result.startswith("<!-- reconcile:result environment=production ")


def test_a_note_of_another_user_is_never_updated(reporter: Reporter) -> None:
    marker = "<!-- reconcile:plan environment=production digest=sha256:0 -->\nall is well"
    reporter.gitlab.note("merge_requests/3", marker, MALLORY)
    reporter.report("plan", PLAN)
    reporter.report("plan", OTHER)
    assert reporter.notes()[0] == marker
    assert len(reporter.notes()) == 2


@pytest.mark.parametrize("fault", ["lost", "carried_out", "refused"])
def test_after_a_failed_write_the_notes_are_read_before_it_is_repeated(
    reporter: Reporter, fault: str
) -> None:
    posts = []

    def script(call: Call) -> Answer | None:
        if call.method != "POST":
            return None
        posts.append(call)
        if len(posts) > 1:
            return None
        return Answer(502, {}, lost=fault == "lost", carried_out=fault == "carried_out")

    reporter.gitlab.script = script
    assert reporter.report("plan", PLAN).code == 0
    assert len(reporter.notes()) == 1
    assert len(posts) == (2 if fault == "refused" else 1)


def test_a_result_is_reported_on_the_merged_request(reporter: Reporter) -> None:
    others = [
        {"iid": 8, "state": "merged", "target_branch": "release"},
        {"iid": 9, "state": "opened", "target_branch": "main"},
        {"iid": 10, "state": "merged", "target_branch": "main", "merge_commit_sha": "b" * 40},
    ]
    reporter.gitlab.merged[SHA] = [*others, MERGED]
    job = {"CI_MERGE_REQUEST_IID": "", **DEFAULT_BRANCH}
    done = reporter.report("result", samples.partial_result(PLAN), **job)
    assert (done.code, done.err) == (0, "note on !3: written\n")
    (body,) = reporter.notes()
    assert "[run 4711](https://gitlab.example.test/acme/gateway/-/pipelines/4711)" in body
    assert "started by `carol`" in body
    assert "/-/pipelines/new) again: it reads the API first" in body


def test_a_commit_without_merge_request_needs_no_note(reporter: Reporter) -> None:
    job = {"CI_MERGE_REQUEST_IID": "", **DEFAULT_BRANCH}
    done = reporter.report("result", samples.complete_result(PLAN), **job)
    assert (done.code, done.err) == (0, "no merge request to write a note on\n")
    assert reporter.gitlab.writes == []


def test_a_refused_apply_names_the_variable_that_approves(reporter: Reporter) -> None:
    reporter.gitlab.merged[SHA] = [MERGED]
    job = {"CI_MERGE_REQUEST_IID": "", **DEFAULT_BRANCH}
    reporter.report("result", failure(4, PLAN, ("not-approved", "no plan was approved")), **job)
    (body,) = reporter.notes()
    assert "with the variable `RECONCILE_DIGEST` set to this digest" in body
    assert PLAN.digest in body
    assert "pull request" not in body


@pytest.mark.parametrize("text", ["", '{"format_version": "1", "kind": "plan", "act'])
def test_a_truncated_file_replaces_the_last_plan(reporter: Reporter, text: str) -> None:
    reporter.report("plan", PLAN)
    done = reporter.report("plan", text)
    assert done.code != 0
    (body,) = reporter.notes()
    assert "no-result" in body
    assert PLAN.digest not in body


@pytest.mark.parametrize(
    ("kind", "document", "counts"),
    [
        ("plan", samples.mixed_plan(), None),
        ("plan", samples.plan(samples.creation()), {"create": 1, "update": 0, "delete": 0}),
        ("result", samples.complete_result(PLAN), {"create": 0, "update": 0, "delete": 0}),
    ],
)
def test_the_counts_are_saved_for_the_widget_even_if_no_note_can_be_written(
    reporter: Reporter, kind: str, document: Plan, counts: dict[str, int] | None
) -> None:
    file = reporter.folder / "terraform.json"
    done = reporter.report(kind, document, "--terraform-report", str(file), GITLAB_TOKEN="")
    assert done.code == 3
    if counts is None:
        summary = document.summary
        replaced = summary["replace"]
        counts = {
            "create": summary["create"] + replaced,
            "update": summary["update"],
            "delete": summary["delete"] + replaced,
        }
    assert json.loads(file.read_text()) == counts


def test_the_counts_of_a_plan_that_was_not_made_are_not_saved(reporter: Reporter) -> None:
    file = reporter.folder / "terraform.json"
    assert reporter.report("plan", failure(), "--terraform-report", str(file)).code == 0
    assert not file.exists()


def test_no_line_of_a_note_is_a_quick_action(reporter: Reporter) -> None:
    hostile = "/merge\n/close\r\n/approve ```\n~~~ @all !1 ~bug"
    plan = samples.plan(replace(samples.creation(), reason=hostile))
    reporter.report("plan", plan)
    reporter.report("plan", failure(1, None, ("bad", hostile)), environment=hostile)
    assert len(reporter.notes()) == 2
    for body in reporter.notes():
        assert [line for line in body.splitlines() if line.lstrip().startswith("/")] == []


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        ({"GITLAB_TOKEN": ""}, 3, "GITLAB_TOKEN is not set"),
        ({"GITLAB_TOKEN": "two words"}, 3, "contains characters that a token cannot have"),
        ({"GITLAB_TOKEN": JOB_TOKEN}, 1, "the token was refused"),
        ({"CI_API_V4_URL": ""}, 3, "CI_API_V4_URL is not set"),
        ({"CI_API_V4_URL": "http://gitlab.example.test/api/v4"}, 3, "must begin with https://"),
        ({"CI_PROJECT_ID": "../9"}, 3, "must be the number of the project"),
        ({"CI_PROJECT_ID": "18"}, 1, "not found"),
        ({"CI_MERGE_REQUEST_IID": "3/../4"}, 3, "must be the number of the merge request"),
    ],
)
def test_an_invalid_job_environment_is_an_error_with_a_hint(
    reporter: Reporter, variables: dict[str, str], code: int, message: str
) -> None:
    done = reporter.report("plan", PLAN, **variables)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err
    assert reporter.gitlab.writes == []


def test_without_a_token_the_hint_explains_that_the_job_token_is_not_sufficient(
    reporter: Reporter,
) -> None:
    done = reporter.report("plan", PLAN, GITLAB_TOKEN="")
    assert "hint: create a project access token with the scope `api`" in done.err
    assert "CI_JOB_TOKEN cannot write notes" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "gitlab-token"),
        (403, "gitlab-forbidden"),
        (404, "gitlab-not-found"),
        (418, "gitlab-answer"),
        (429, "gitlab-rate-limit"),
    ],
)
def test_a_refusal_is_named_by_its_code(reporter: Reporter, status: int, code: str) -> None:
    leak = {"message": "glpat-canary-project"}
    headers = {"ratelimit-reset": "9999999999"}
    reporter.gitlab.script = lambda call: (
        Answer(status, leak, headers) if NOTES.fullmatch(call.path) else None
    )
    done = reporter.report("plan", PLAN)
    assert done.code == 1
    assert f"error[{code}]: GitLab: GET /api/v4/projects/17/merge_requests/3/notes: " in done.err
    assert "hint: " in done.err


def test_one_kind_of_report_must_be_chosen(reporter: Reporter) -> None:
    done = reporter.run("report", "gitlab", "--environment", "production")
    assert done.code == 3
    assert "pass exactly one of --plan, --result, --drift and --fleet-result" in done.err


def test_a_job_that_is_run_again_does_not_replace_the_newer_note(reporter: Reporter) -> None:
    newest, merged = "b" * 40, "c" * 40
    reporter.gitlab.requests[3] = {"iid": 3, "sha": newest}
    # A pipeline for merged results runs on a commit that merges the head.
    variables = {"CI_COMMIT_SHA": merged, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": newest}
    assert reporter.report("plan", PLAN, **variables).err == "note on !3: written\n"
    before = reporter.notes()
    for document in (OTHER, failure(1)):
        done = reporter.report(
            "plan", document, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA="", CI_COMMIT_SHA=SHA
        )
        assert done.err.startswith("note on !3: not replaced, because the plan is of commit aaaa")
        assert f"the last commit of !3 is {newest}" in done.err
    assert reporter.notes() == before
    assert reporter.report("plan", OTHER, CI_COMMIT_SHA=newest).err == "note on !3: updated\n"
