"""Uploaded plans that count as approved."""

import json
from typing import Any

import pytest

from reconciler.planning.plan import Plan
from tests.github.fake import REPO, Answer, FakeGitHub
from tests.github.gathering import BRANCH, HEAD, LAST, NUMBER, PLAN, gathered, merged_request
from tests.github.test_plan_archive import packed
from tests.views import samples


def reasons(fake: FakeGitHub, **options: Any) -> list[str]:
    found = gathered(fake, **options)
    assert found.approved == ()
    return [item.summary for item in found.diagnostics]


def test_the_plan_of_a_merged_pull_request_counts() -> None:
    found = gathered(merged_request())
    assert [(item.number, item.plan.digest) for item in found.approved] == [(NUMBER, PLAN.digest)]
    assert found.diagnostics == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"head_sha": "f" * 40}, "another commit"),
        ({"head_repository": {"full_name": "mallory/gateway"}}, "another repository"),
        ({"head_repository": None}, "another repository"),
        ({"event": "pull_request_target"}, "another event"),
        ({"event": "workflow_dispatch"}, "another event"),
        ({"path": ".github/workflows/plan.yml.evil.yml"}, "another workflow"),
        ({"path": ".github/workflows/other.yml"}, "another workflow"),
        ({"conclusion": "failure"}, "did not succeed"),
        ({"conclusion": None}, "did not succeed"),
        ({"head_branch": "another"}, "another branch"),
        ({"pull_requests": [{"number": 13, "base": {"ref": "main"}}]}, "another pull request"),
        ({"pull_requests": [{"number": NUMBER, "base": {"ref": "evil"}}]}, "another pull request"),
        ({"pull_requests": [{"number": NUMBER}]}, "another pull request"),
        (
            {
                "pull_requests": [
                    {"number": NUMBER, "base": {"ref": "main"}},
                    {"number": 13, "base": {"ref": "evil"}},
                ]
            },
            "another pull request",
        ),
        (
            {"event": "merge_group", "head_branch": "gh-readonly-queue/evil/pr-12-1"},
            "another branch",
        ),
    ],
)
def test_a_plan_of_another_origin_does_not(change: dict[str, Any], why: str) -> None:
    fake = merged_request()
    next(iter(fake.runs.values())).update(change)
    (reason,) = reasons(fake)
    assert why in reason


@pytest.mark.parametrize(
    ("change", "why"),
    [({"expired": True}, "expired"), ({"size_in_bytes": 10**9}, "too large")],
)
def test_an_upload_that_cannot_be_read_does_not(change: dict[str, Any], why: str) -> None:
    fake = merged_request()
    next(iter(fake.artifacts.values())).update(change)
    (reason,) = reasons(fake)
    assert why in reason


def test_a_plan_that_was_edited_does_not() -> None:
    fake = merged_request()
    document = PLAN.as_json()
    document["actions"][0]["slug"] = "another"
    fake.archives = dict.fromkeys(
        fake.archives, packed(("plan.json", json.dumps(document).encode()))
    )
    (reason,) = reasons(fake)
    assert "digest" in reason


def test_a_pull_request_that_was_closed_or_never_planned_does_not() -> None:
    fake = merged_request()
    fake.pulls[NUMBER]["merged_at"] = None
    assert reasons(fake) == []
    fake = merged_request()
    fake.artifacts.clear()
    (reason,) = reasons(fake)
    assert "none was uploaded" in reason


@pytest.mark.parametrize("base", [{"ref": "feature"}, {}, None])
def test_a_merge_into_another_branch_is_not_an_approval(base: Any) -> None:
    fake = merged_request()
    fake.pulls[NUMBER]["base"] = base
    assert reasons(fake) == []


def test_the_newest_valid_upload_counts() -> None:
    fake = merged_request()
    good = dict(next(iter(fake.artifacts.values())))
    fake.artifacts[9_000] = good | {"id": 9_000, "expired": True}
    assert len(gathered(fake).approved) == 1


def upload(fake: FakeGitHub, number: int, *, plan: Plan, **run: Any) -> None:
    """Upload a plan for the same commit by another, newer run."""
    fake.runs[number] = fake.runs[500] | run
    fake.archives[number] = packed(("plan.json", json.dumps(plan.as_json()).encode()))
    fake.artifacts[number] = fake.artifacts[600] | {"id": number, "workflow_run": {"id": number}}


OTHER_PLAN = samples.blocked_plan()
OTHER = {"pull_requests": [{"number": 13, "base": {"ref": "evil"}}]}


def test_a_newer_plan_of_another_pull_request_with_the_same_head_is_skipped() -> None:
    fake = merged_request()
    upload(fake, 700, plan=OTHER_PLAN, **OTHER)
    (approved,) = gathered(fake).approved
    assert approved.plan.digest == PLAN.digest


def test_differing_plans_of_one_commit_are_not_an_approval() -> None:
    fake = merged_request()
    upload(fake, 700, plan=OTHER_PLAN)
    (reason,) = reasons(fake)
    assert "differ" in reason
    fake = merged_request()
    upload(fake, 700, plan=PLAN)
    assert len(gathered(fake).approved) == 1


def test_a_later_attempt_of_a_run_replaces_its_plan() -> None:
    fake = merged_request()
    upload(fake, 700, plan=OTHER_PLAN)
    fake.artifacts[700]["workflow_run"] = {"id": 500}
    (approved,) = gathered(fake).approved
    assert approved.plan.digest == OTHER_PLAN.digest


def test_too_many_uploads_are_not_an_approval() -> None:
    fake = merged_request()
    for number in range(700, 731):
        upload(fake, number, plan=PLAN)
    (reason,) = reasons(fake)
    assert "more than 30" in reason


@pytest.mark.parametrize("state", ["open", "closed"])
@pytest.mark.parametrize("base", ["evil", "main"])
def test_without_its_list_a_run_counts_if_no_other_request_has_the_commit(
    state: str, base: str
) -> None:
    fake = merged_request()
    fake.runs[500]["pull_requests"] = []  # as GitHub lists them after a merge
    assert len(gathered(fake).approved) == 1
    other = {"number": 13, "state": state, "merged_at": None, "base": {"ref": base}}
    fake.pulls[13] = other | {"head": {"sha": BRANCH, "ref": "feature"}}
    (reason,) = reasons(fake)
    assert "#13" in reason
    fake.pulls[13]["head"]["sha"] = "d" * 40
    assert len(gathered(fake).approved) == 1


@pytest.mark.parametrize("event", ["base_ref_changed", "automatic_base_change_succeeded"])
def test_a_plan_from_before_the_base_was_changed_does_not_count(event: str) -> None:
    fake = merged_request()
    fake.events[NUMBER] = [{"event": event, "created_at": "2026-11-23T06:59:59Z"}]
    assert len(gathered(fake).approved) == 1
    fake.events[NUMBER] = [{"event": event, "created_at": "2026-11-23T07:30:00Z"}]
    (reason,) = reasons(fake)
    assert "base branch" in reason


def test_the_plan_of_a_merge_queue_counts_for_the_commit_that_reached_main() -> None:
    fake = merged_request()
    run, upload = next(iter(fake.runs.values())), next(iter(fake.artifacts.values()))
    run |= {"event": "merge_group", "head_sha": HEAD, "pull_requests": []}
    run["head_branch"] = f"gh-readonly-queue/main/pr-{NUMBER}-{LAST}"
    upload["name"] = f"reconcile-plan-production-{HEAD}"
    assert len(gathered(fake).approved) == 1


def test_a_commit_that_is_unknown_leaves_the_newest_merge() -> None:
    found = gathered(merged_request(), since="e" * 40)
    assert [item.code for item in found.diagnostics] == ["unknown-commit"]
    assert len(found.approved) == 1


def test_every_merge_since_the_last_apply_counts_page_by_page() -> None:
    fake = merged_request()
    fake.history = [LAST, *[f"{n:040x}" for n in range(1, 9)], HEAD]
    assert len(gathered(fake).approved) == 1
    asked = [call.path for call in fake.calls if "/pulls" in call.path and "/commits/" in call.path]
    assert len(asked) == 9


def test_an_unreachable_github_does_not_count_as_a_missing_plan() -> None:
    fake = merged_request()
    fake.script = lambda call: (
        Answer(401) if call.path.startswith(f"/repos/{REPO}/actions/runs") else None
    )
    with pytest.raises(Exception, match="token was refused"):
        gathered(fake)


def test_reviewers_are_listed_with_the_commit_that_they_reviewed() -> None:
    fake = merged_request()
    fake.reviews[NUMBER] = [
        {"user": {"login": "carol"}, "state": "APPROVED", "commit_id": "1" * 40},
        {"user": {"login": "dave"}, "state": "APPROVED", "commit_id": "2" * 40},
        {"user": {"login": "dave"}, "state": "DISMISSED", "commit_id": "2" * 40},
        {"user": None, "state": "APPROVED", "commit_id": "3" * 40},
    ]
    (approved,) = gathered(fake).approved
    assert approved.reviewers == (("carol", "1" * 40),)


def request_plan(fake: FakeGitHub, plan: Plan, upload: int, **run: Any) -> None:
    """Upload the plan that a maintainer requested with the comment `/plan`."""
    content = packed(("plan.json", json.dumps(plan.as_json()).encode()))
    fake.archives[upload] = content
    fake.artifacts[upload] = {
        "id": upload,
        "name": f"reconcile-plan-production-{BRANCH}-pull-request-{NUMBER}",
        "expired": False,
        "size_in_bytes": len(content),
        "workflow_run": {"id": upload + 1},
    }
    fake.runs[upload + 1] = {
        "event": "issue_comment",
        "path": ".github/workflows/plan.yml@refs/heads/main",
        "head_sha": LAST,
        "head_branch": "main",
        "created_at": "2026-11-23T07:30:00Z",
        "conclusion": "success",
        "head_repository": {"full_name": REPO},
        **run,
    }


OTHER_PLAN = samples.plan(samples.creation())


def test_the_plan_requested_by_a_comment_counts_for_a_fork() -> None:
    fake = merged_request()
    fake.artifacts.clear()
    request_plan(fake, OTHER_PLAN, 700)
    (found,) = gathered(fake).approved
    assert found.plan.digest == OTHER_PLAN.digest


def test_it_replaces_an_older_plan_but_a_newer_one_that_differs_is_not_approved() -> None:
    fake = merged_request()
    request_plan(fake, OTHER_PLAN, 700)
    (found,) = gathered(fake).approved
    assert found.plan.digest == OTHER_PLAN.digest
    fake = merged_request()
    request_plan(fake, OTHER_PLAN, 300)
    assert "differ" in reasons(fake)[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"event": "pull_request"}, "another event"),
        ({"event": "workflow_dispatch"}, "another event"),
        ({"path": ".github/workflows/other.yml@refs/heads/main"}, "another workflow"),
        ({"conclusion": "failure"}, "did not succeed"),
        ({"head_repository": {"full_name": "mallory/gateway"}}, "another repository"),
    ],
)
def test_another_run_cannot_impersonate_one_started_by_a_comment(
    change: dict[str, Any], why: str
) -> None:
    fake = merged_request()
    fake.artifacts.clear()
    request_plan(fake, OTHER_PLAN, 700, **change)
    assert why in reasons(fake)[0]


def test_a_requested_plan_counts_for_its_pull_request_and_its_base_only() -> None:
    fake = merged_request()
    fake.artifacts.clear()
    request_plan(fake, OTHER_PLAN, 700)
    fake.artifacts[700]["name"] = f"reconcile-plan-production-{BRANCH}-pull-request-13"
    assert "none was uploaded" in reasons(fake)[0]
    # The run of a comment must not upload under the name of a run of the pull request.
    fake.artifacts[700]["name"] = f"reconcile-plan-production-{BRANCH}"
    assert "another commit" in reasons(fake)[0]
    request_plan(fake, OTHER_PLAN, 700)
    fake.events[NUMBER] = [{"event": "base_ref_changed", "created_at": "2026-11-23T07:40:00Z"}]
    assert "before the pull request got its base branch" in reasons(fake)[0]
