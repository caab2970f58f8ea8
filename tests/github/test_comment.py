"""One comment of our own author for each environment on a pull request, updated in place."""

import re
from dataclasses import replace

import pytest

from reconciler.planning.plan import Unverified
from tests.github.fake import BOT, MALLORY, REPO, TOKEN, Answer, Call
from tests.github.reporting import SCHEDULE, SHA, Reporter, failure
from tests.views import samples

PLAN = samples.mixed_plan()
OTHER = replace(PLAN, actions=PLAN.actions[:1])


def test_the_first_report_writes_a_comment_with_the_summary_and_the_digest(
    reporter: Reporter,
) -> None:
    done = reporter.report("plan", PLAN, RECONCILE_LEDGER_STATE="shared")
    assert (done.code, done.err) == (0, "comment on #7: written\n")
    (body,) = reporter.comments()
    marker, title, _, summary = body.splitlines()[:4]
    assert marker == f"<!-- reconcile:plan environment=production digest={PLAN.digest} -->"
    assert title == "### reconcile plan · production"
    assert summary.startswith("**1 to create, ")
    assert f"`{PLAN.digest.removeprefix('sha256:')[:12]}`" in body
    assert "ledger: shared" in body
    assert "**access-removal**" in body
    assert body.splitlines()[-1].startswith("environment `production`")


def test_the_next_report_updates_the_comment_at_any_position(
    reporter: Reporter,
) -> None:
    for number in range(7):
        reporter.github.comment(7, f"comment {number}", MALLORY)
    reporter.report("plan", PLAN)
    for number in range(7):
        reporter.github.comment(7, f"later comment {number}", MALLORY)
    done = reporter.report("plan", OTHER)
    assert done.err == "comment on #7: updated\n"
    ours = [body for body in reporter.comments() if body.startswith("<!-- reconcile:")]
    assert len(ours) == 1
    assert OTHER.digest in ours[0]


def test_an_equal_report_writes_nothing(reporter: Reporter) -> None:
    reporter.report("plan", PLAN)
    before = list(reporter.github.writes)
    assert reporter.report("plan", PLAN).err == "comment on #7: unchanged\n"
    assert reporter.github.writes == before


def test_each_environment_has_its_own_comment(reporter: Reporter) -> None:
    reporter.report("plan", PLAN, environment="production")
    reporter.report("plan", PLAN, environment="production-eu")
    reporter.report("plan", OTHER, environment="production")
    production, eu = reporter.comments()
    assert OTHER.digest in production
    assert PLAN.digest in eu


@pytest.mark.parametrize("environment", ["a --> <b>", "--", "x digest=sha256:0", "ünï cödé"])
def test_an_unusual_environment_name_does_not_break_the_marker(
    reporter: Reporter, environment: str
) -> None:
    reporter.report("plan", PLAN, environment=environment)
    done = reporter.report("plan", OTHER, environment=environment)
    assert done.err == "comment on #7: updated\n"
    (body,) = reporter.comments()
    first = body.splitlines()[0]
    assert first.startswith("<!-- reconcile:plan ")
    assert first.index("-->") == len(first) - 3


def test_a_comment_of_another_author_is_never_updated(reporter: Reporter) -> None:
    marker = "<!-- reconcile:plan environment=production digest=sha256:0 -->\nall is well"
    for user in (MALLORY, {"login": "other[bot]", "type": "Bot"}):
        reporter.github.comment(7, marker, user)
    reporter.report("plan", PLAN)
    reporter.report("plan", OTHER)
    assert reporter.comments()[:2] == [marker, marker]
    assert len(reporter.comments()) == 3
    assert OTHER.digest in reporter.comments()[2]


def test_a_marker_inside_text_is_ignored(reporter: Reporter) -> None:
    quoting = "see\n<!-- reconcile:plan environment=production digest=sha256:0 -->\n"
    reporter.github.comment(7, quoting, BOT)
    assert reporter.report("plan", PLAN).err == "comment on #7: written\n"


def test_a_personal_token_finds_the_comments_of_its_owner(reporter: Reporter) -> None:
    carol = {"login": "carol", "type": "User"}
    reporter.github.tokens = {"ghp_canary_personal": carol}
    reporter.report("plan", PLAN, GITHUB_TOKEN="ghp_canary_personal")
    done = reporter.report("plan", OTHER, GITHUB_TOKEN="ghp_canary_personal")
    assert done.err == "comment on #7: updated\n"
    assert [item["user"] for item in reporter.github.comments[7]] == [carol]


@pytest.mark.parametrize("status", [401, 403, 404, 501])
def test_a_job_finds_its_comments_for_any_response_about_its_user(
    reporter: Reporter, status: int
) -> None:
    reporter.github.script = lambda call: Answer(status) if call.path == "/user" else None
    reporter.report("plan", PLAN)
    assert reporter.report("plan", OTHER).err == "comment on #7: updated\n"


def test_the_token_of_another_app_finds_its_comments_by_the_configured_name(
    reporter: Reporter,
) -> None:
    reporter.github.app = {"login": "gateway-robot[bot]", "type": "Bot"}
    reporter.variables["RECONCILE_GITHUB_LOGIN"] = "gateway-robot[bot]"
    reporter.report("plan", PLAN)
    assert reporter.report("plan", OTHER).err == "comment on #7: updated\n"
    assert len(reporter.comments()) == 1


def test_the_pull_request_of_a_merge_queue_and_of_a_push_is_found(reporter: Reporter) -> None:
    queue = {"merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-9-{SHA}"}}
    reporter.report("plan", PLAN, event=queue)
    assert len(reporter.comments(9)) == 1
    reporter.github.pulls = {
        4: {"number": 4, "merged_at": None},
        5: {"number": 5, "merged_at": "2026-11-23T05:00:00Z", "merge_commit_sha": "b" * 40},
        6: {"number": 6, "merged_at": "2026-11-23T06:00:00Z", "merge_commit_sha": SHA},
    }
    reporter.github.merged_by_commit = {SHA: [4, 5, 6]}
    reporter.report("result", failure(4), event={"after": SHA})
    assert len(reporter.comments(6)) == 1


def test_a_plan_after_a_merge_does_not_replace_the_one_that_was_approved(
    reporter: Reporter,
) -> None:
    merged = {"number": 6, "merged_at": "2026-11-23T06:00:00Z", "merge_commit_sha": SHA}
    reporter.github.pulls = {6: merged}
    reporter.github.merged_by_commit = {SHA: [6]}
    done = reporter.report("plan", PLAN, event={"after": SHA})
    assert (done.code, reporter.github.comments) == (0, {})
    assert reporter.summary.startswith("### reconcile plan · production")


def test_without_a_pull_request_only_the_summary_is_written(reporter: Reporter) -> None:
    done = reporter.report("plan", PLAN, event=SCHEDULE, GITHUB_SHA="", GITHUB_TOKEN="")
    assert (done.code, done.err) == (0, "no pull request to comment on\n")
    assert reporter.summary.startswith("### reconcile plan · production")
    assert reporter.github.calls == []


def test_a_failed_plan_replaces_the_last_one(reporter: Reporter) -> None:
    reporter.report("plan", PLAN)
    done = reporter.report("plan", failure(1, None, ("incomplete-read", "the list was short")))
    (body,) = reporter.comments()
    assert "### Plan not made" in body
    assert "error[incomplete-read]: the list was short" in body
    assert done.out == "::error title=incomplete-read::the list was short%0Ahint: look again\n"
    assert reporter.outputs["in_sync"] == "false"


def test_a_refused_apply_explains_how_to_approve_its_plan(reporter: Reporter) -> None:
    refusal = failure(4, PLAN, ("not-approved", "no approved plan contains this"))
    reporter.report("result", refusal)
    (body,) = reporter.comments()
    assert "### Apply refused, nothing was written" in body
    assert "error[not-approved]" in body
    assert f"https://github.com/{REPO}/actions/workflows/apply.yml" in body
    assert f"\n{PLAN.digest}\n" in body
    assert "### reconcile plan · production" in body


def test_a_partial_apply_comments_and_a_later_success_updates_the_comment(
    reporter: Reporter,
) -> None:
    partial, complete = samples.partial_result(PLAN), samples.complete_result(PLAN)
    reporter.report("result", partial)
    assert "**1 failed, 1 unknown, 1 skipped, 1 applied.**" in reporter.comments()[0]
    assert reporter.outputs["in_sync"] == "false"
    reporter.report("result", complete)
    (body,) = reporter.comments()
    assert " 0 failed" in body
    assert reporter.outputs["in_sync"] == "true"


def test_a_result_does_not_replace_the_plan_that_was_approved(reporter: Reporter) -> None:
    reporter.report("plan", PLAN)
    reporter.report("result", samples.partial_result(PLAN))
    assert [body.splitlines()[0].split()[1] for body in reporter.comments()] == [
        "reconcile:plan",
        "reconcile:result",
    ]


def test_the_token_of_a_fork_writes_the_summary_and_a_warning(reporter: Reporter) -> None:
    def read_only(call: Call) -> Answer | None:
        return Answer(403, {"message": "no"}) if call.method != "GET" else None

    reporter.github.script = read_only
    done = reporter.report("plan", PLAN)
    assert done.code == 0
    assert "::warning title=github-forbidden::" in done.out
    assert reporter.summary.startswith("### reconcile plan · production")
    assert reporter.outputs["digest"] == PLAN.digest


@pytest.mark.parametrize(
    ("variables", "code", "diagnostic"),
    [
        ({"GITHUB_TOKEN": "ghs_canary_wrong"}, 1, "github-token"),
        pytest.param(
            {"GITHUB_API_URL": "http://127.0.0.1:9"},
            1,
            "github-unreachable",
            marks=pytest.mark.slow,  # retries
        ),
        ({"GITHUB_TOKEN": ""}, 3, "github-environment"),
        ({"GITHUB_TOKEN": "with\nline"}, 3, "github-environment"),
        ({"GITHUB_REPOSITORY": "acme/../.."}, 3, "github-environment"),
        ({"GITHUB_REPOSITORY": "acme/.."}, 3, "github-environment"),
        ({"GITHUB_API_URL": "http://api.example.org"}, 3, "github-environment"),
        ({"GITHUB_API_URL": "https://me:pw@api.example.org"}, 3, "github-environment"),
        ({"GITHUB_EVENT_PATH": "/nowhere"}, 3, "github-environment"),
    ],
)
def test_a_wrong_token_or_no_response_is_a_failure_and_a_wrong_setting_bad_input(
    reporter: Reporter, variables: dict[str, str], code: int, diagnostic: str
) -> None:
    done = reporter.report("plan", PLAN, **variables)
    assert done.code == code
    assert f"error[{diagnostic}]" in done.err
    assert "pw" not in done.err
    assert all(TOKEN not in call.path for call in reporter.github.calls)


def test_a_comment_whose_response_was_lost_is_not_written_twice(reporter: Reporter) -> None:
    def lose_the_first_answer(call: Call) -> Answer | None:
        posts = [item for item in reporter.github.calls if item.method == "POST"]
        return Answer(lost=True) if call.method == "POST" and len(posts) == 1 else None

    reporter.github.script = lose_the_first_answer
    done = reporter.report("plan", PLAN)
    assert done.code == 0
    assert len(reporter.comments()) == 1


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_after_a_server_error_the_comments_are_read_before_writing_again(
    reporter: Reporter, status: int, *, carried_out: bool
) -> None:
    def fail_the_first_write(call: Call) -> Answer | None:
        posts = [item for item in reporter.github.calls if item.method == "POST"]
        fails = call.method == "POST" and len(posts) == 1
        return Answer(status, carried_out=carried_out) if fails else None

    reporter.github.script = fail_the_first_write
    done = reporter.report("plan", PLAN)
    assert (done.code, done.err) == (0, "comment on #7: written\n")
    assert len(reporter.comments()) == 1


def test_exactly_one_document_is_reported(reporter: Reporter) -> None:
    done = reporter.report("plan", "{}")
    assert (done.code, "unreadable-plan" in done.err) == (3, True)
    done = reporter.report("plan", PLAN, environment=" ")
    assert (done.code, "error[environment]" in done.err) == (3, True)


def test_a_plan_states_that_merging_applies_it_and_names_no_command(reporter: Reporter) -> None:
    reporter.report("plan", OTHER)
    (body,) = reporter.comments()
    assert "Merging this pull request applies this plan." in body
    assert "production apply" not in body


def test_a_blocked_plan_names_what_to_edit_and_no_option(reporter: Reporter) -> None:
    plan = samples.plan(samples.deletion("too-many-deletes"))
    reporter.report("plan", plan)
    (body,) = reporter.comments()
    assert "raise limits.deletes and limits.delete_ratio in reconcile.yaml" in body
    assert "--max-deletes" not in body
    assert "Merging this pull request" not in body


@pytest.mark.parametrize("code", ["digest-mismatch", "expired-plan", "not-approved"])
def test_a_refused_apply_names_one_next_step(reporter: Reporter, code: str) -> None:
    event = {"after": SHA}
    merged = {"number": 7, "merged_at": "2026-11-23T06:00:00Z", "merge_commit_sha": SHA}
    reporter.github.pulls = {7: merged}
    reporter.github.merged_by_commit = {SHA: [7]}
    reporter.report("result", failure(4, OTHER, (code, "no"), (code, "nor that")), event=event)
    (body,) = reporter.comments()
    assert body.count("with this digest:") == 1
    assert "hint:" not in body.partition("### reconcile plan")[0]
    assert "production apply" not in body


@pytest.mark.parametrize("code", ["host-not-allowed", "outside-window", "stale-commit"])
def test_a_refusal_that_no_digest_resolves_suggests_none(reporter: Reporter, code: str) -> None:
    reporter.report("result", failure(4, OTHER, (code, "no")))
    (body,) = reporter.comments()
    assert "with this digest:" not in body
    assert body.count("hint: look again") == 1


def test_unverified_secrets_are_one_line(reporter: Reporter) -> None:
    secrets = tuple(Unverified(f"team-{n}", "key", "env:SECRET_KEY") for n in range(40))
    reporter.report("plan", replace(OTHER, unverified=secrets))
    (body,) = reporter.comments()
    assert [line for line in body.splitlines() if "nverified" in line or "SECRET_KEY" in line] == [
        "Unverified secrets (40): not known to be in sync."
    ]


def test_changes_are_coloured_by_github_and_lines_are_wrapped(reporter: Reporter) -> None:
    reporter.report("plan", PLAN)
    (body,) = reporter.comments()
    diffs = re.findall(r"^```diff\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
    lines = [line for diff in diffs for line in diff.splitlines()]
    assert "! configurations.azure_api_version: " in "\n".join(lines)
    assert {line[0] for line in lines} == {"+", "-", "!", "="}
    assert max(map(len, lines)) <= 88


def test_after_an_apply_the_comment_names_actions_run_time_and_actor(
    reporter: Reporter,
) -> None:
    reporter.report(
        "result",
        samples.complete_result(PLAN),
        GITHUB_RUN_ID="4711",
        GITHUB_ACTOR="dependabot[bot]",
        GITHUB_TRIGGERING_ACTOR="carol",
    )
    (body,) = reporter.comments()
    assert "### reconcile apply · production" in body
    last = body.splitlines()[-1]
    run = f"https://github.com/{REPO}/actions/runs/4711"
    assert f"applied by [run 4711]({run})" in last
    assert re.search(r" · \d{4}-\d\d-\d\d \d\d:\d\d UTC · started by `carol`$", last)


def test_an_apply_of_nothing_writes_no_comment(reporter: Reporter) -> None:
    reporter.report("result", replace(samples.complete_result(PLAN), outcomes=()))
    assert reporter.comments() == []


def test_failed_and_unknown_outcomes_come_first(reporter: Reporter) -> None:
    reporter.report("result", samples.partial_result(PLAN))
    statuses = re.findall(r"^- . \*\*(\w+)\*\*", reporter.comments()[0], re.MULTILINE)
    assert statuses == ["failed", "unknown", "skipped", "applied"]


@pytest.mark.parametrize("kind", ["plan", "result"])
@pytest.mark.parametrize("text", ["", "{", "{}", "null", '{"kind": "plan"', "\n"])
def test_a_command_without_a_document_is_reported_and_fails(
    reporter: Reporter, kind: str, text: str
) -> None:
    reporter.report(kind, PLAN if kind == "plan" else samples.complete_result(PLAN))
    done = reporter.report(kind, text)
    assert done.code == 3
    (body,) = reporter.comments()
    assert "error[no-result]" in body
    assert "error[no-result]" in reporter.summary
    assert reporter.outputs["in_sync"] == "false"
    assert ("unknown what was applied" in body) == (kind == "result")
