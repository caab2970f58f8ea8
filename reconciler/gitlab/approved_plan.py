"""Plan that was approved by merging: the one that reviewers saw on the merge request.

It counts if a successful job of the merge request's newest pipeline uploaded it, in this project,
for the last commit of the merge request. All plans are untrusted, because the author of a merge
request runs the job that uploads. A plan can only restrict what `apply` may do
(`reconciler.planning.approval`); the merged files determine the changes.
"""

from dataclasses import replace
from urllib.parse import quote

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, Refused
from reconciler.frozen_dataclass import dataclass
from reconciler.github.rest import JsonObject
from reconciler.gitlab.client import GitLab, GitLabAnswer, GitLabNotFound, required_id
from reconciler.gitlab.job import GitLabJob
from reconciler.planning.approval import approved_at
from reconciler.planning.codec import MAX_PLAN_BYTES, TamperedPlan, UnreadablePlan, decode
from reconciler.planning.plan import Plan

_MERGE_REQUEST = "merge_request_event"
_HINT = (
    "review the current plan; to approve it, run a pipeline with RECONCILE_DIGEST set to its digest"
)


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """Plan of one merge request, with its author and who merged it."""

    merge_request: int
    plan: Plan
    author: str | None = None
    merged_by: str | None = None


async def require_newest_commit(gitlab: GitLab, job: GitLabJob) -> None:
    """Raise `Refused` unless the job's commit is at the tip of its branch.

    A job of an older pipeline that is started again would apply what the branch no longer declares.
    """
    commit, branch = _commit_and_branch(job)
    try:
        found = await gitlab.get(f"{gitlab.path}/repository/branches/{quote(branch, safe='')}")
    except GitLabNotFound:
        raise _stale(f"branch {branch} no longer exists") from None
    tip = _text(found.get("commit"), "id")
    if tip is None:
        raise GitLabAnswer("an answer", "it has no valid `commit.id`")
    if tip != commit:
        raise _stale(f"commit {commit} is not the newest of {branch}, which is at {tip}")


async def approved_plan(
    gitlab: GitLab, job: GitLabJob, *, plan_job: str, artifact: str
) -> ApprovedPlan:
    """Return the plan of the merge request that was merged with the job's commit.

    Its age counts from the merge. Raises `Refused` if there is no valid plan.
    """
    commit, branch = _commit_and_branch(job)
    merged = await merged_with(gitlab, commit, branch=branch)
    # A request that only contains the commit was merged before, and approved an older state.
    if not merged or not _was_made_by(merged[0], commit):
        raise _not_approved(f"commit {commit[:12]} was not merged from a merge request")
    request = merged[0]
    number = required_id(request, "iid")
    try:
        text = await _artifact(gitlab, request, number, plan_job=plan_job, artifact=artifact)
    except GitLabNotFound:
        raise _not_approved(f"!{number} has no artifact {artifact} of `{plan_job}`") from None
    try:
        plan = decode(text, name=artifact)
    except (UnreadablePlan, TamperedPlan):
        raise _not_approved(f"{artifact} of !{number} is not a plan of this version") from None
    return ApprovedPlan(
        number,
        replace(plan, approved_at=approved_at(plan, _text(request, "merged_at"))),
        author=_text(request.get("author"), "username"),
        # GitLab before 14.7 has only `merged_by`, which is deprecated since then.
        merged_by=_text(request.get("merge_user") or request.get("merged_by"), "username"),
    )


async def merged_with(gitlab: GitLab, commit: str, *, branch: str | None) -> list[JsonObject]:
    """Return the merge requests that were merged into the branch with a commit.

    The one whose merge made the commit comes first. Merged, squashed and rebased ones alike.
    """
    found = await gitlab.pages(f"{gitlab.path}/repository/commits/{commit}/merge_requests")
    merged = [
        item
        for item in found
        if item.get("state") == "merged" and item.get("target_branch") == branch
    ]
    # False sorts first, and the sort is stable.
    return sorted(merged, key=lambda item: not _was_made_by(item, commit))


def _was_made_by(request: JsonObject, commit: str) -> bool:
    """Return whether merging the request has made the commit, or moved the branch to it."""
    return commit in (request.get(key) for key in ("merge_commit_sha", "squash_commit_sha", "sha"))


async def _artifact(
    gitlab: GitLab, request: JsonObject, number: int, *, plan_job: str, artifact: str
) -> str:
    pipeline = await _newest_pipeline(gitlab, request, number)
    jobs = await gitlab.pages(f"{gitlab.path}/pipelines/{pipeline}/jobs")
    for job in jobs:
        if job.get("name") == plan_job and job.get("status") == "success":
            path = f"{gitlab.path}/jobs/{required_id(job, 'id')}/artifacts/{quote(artifact)}"
            content = await gitlab.download(path, limit=MAX_PLAN_BYTES)
            # A damaged text is no valid plan in either case, which `decode` reports.
            return content.decode("utf-8", "replace")
    raise _not_approved(f"the newest pipeline of !{number} has no successful job `{plan_job}`")


async def _newest_pipeline(gitlab: GitLab, request: JsonObject, number: int) -> int:
    """Return the newest pipeline of a merge request, which must be for its last commit."""
    listed = await gitlab.pages(f"{gitlab.path}/merge_requests/{number}/pipelines")
    pipelines = [item for item in listed if item.get("source") == _MERGE_REQUEST]
    if not pipelines:
        raise _not_approved(f"!{number} has no pipeline of its own")
    newest = max(pipelines, key=lambda item: required_id(item, "id"))
    # The pipeline of a fork ran in the fork, whose files and variables are different.
    if str(newest.get("project_id")) != gitlab.path.rpartition("/")[2]:
        raise _not_approved(f"the newest pipeline of !{number} ran in another project")
    head, planned = request.get("sha"), newest.get("sha")
    if not isinstance(head, str) or not isinstance(planned, str):
        raise GitLabAnswer("an answer", "it has no valid `sha`")
    if planned != head:
        # A pipeline for merged results runs on a commit that merges the head.
        commit = await gitlab.get(f"{gitlab.path}/repository/commits/{quote(planned, safe='')}")
        parents = commit.get("parent_ids")
        if not isinstance(parents, list) or head not in parents:
            raise _not_approved(f"the newest pipeline of !{number} is not for its last commit")
    return required_id(newest, "id")


def _commit_and_branch(job: GitLabJob) -> tuple[str, str]:
    if job.commit is None or job.branch is None:
        problem = "CI_COMMIT_SHA and CI_COMMIT_BRANCH must be set"
        hint = "run this command in a pipeline of the default branch"
        raise InvalidInput([error("gitlab-environment", problem, hint=hint)])
    return job.commit, job.branch


def _text(item: object, key: str) -> str | None:
    value = item.get(key) if isinstance(item, dict) else None
    return value if isinstance(value, str) else None


def _stale(problem: str) -> Refused:
    hint = "the pipeline of the newest commit applies what its files declare"
    return Refused([error("stale-commit", problem, hint=hint)])


def _not_approved(problem: str) -> Refused:
    return Refused([error("not-approved", f"no plan was approved: {problem}", hint=_HINT)])
