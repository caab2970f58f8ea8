"""Commits of a branch on GitHub: the newest one, and the last one that a run applied.

A job can run long after its push: it is started again, or two waiting jobs are approved in another
order. It would then apply what its branch no longer declares.

A run that applied everything, or found nothing to do, uploads an artifact named after its
environment; the commit is that of the run. It outlives the cache that holds the ledger.
"""

from typing import NoReturn
from urllib.parse import quote

from reconciler.diagnostics import error
from reconciler.errors import Refused
from reconciler.github.answers import number_at, required_number, required_text, text_at
from reconciler.github.client import GitHub, GitHubNotFound, JsonObject
from reconciler.github.job import Job

STALE_COMMIT = "stale-commit"

_BY_HAND = "workflow_dispatch"


async def require_newest_commit(github: GitHub, job: Job) -> None:
    """Raise `Refused` unless the job's commit is at the tip of the branch that triggered it.

    A job that was started manually must be on the default branch. Raises `GitHubError` if GitHub
    does not respond, which proves nothing about the commit.
    """
    commit, branch = job.required_commit(), job.triggering_branch
    if branch is None:
        _refuse(
            job, f"commit {commit} is not the newest commit of a branch: {job.ref} is not a branch"
        )
    # A user who can start a job can choose any branch, including one that was not reviewed.
    if job.event_name == _BY_HAND:
        await _require_default_branch(github, job, branch)
    try:
        # Slashes in the branch's name are kept: this route treats the rest of the path as the name.
        found = await github.get(f"/repos/{github.repository}/git/ref/heads/{quote(branch)}")
    except GitHubNotFound:
        await _require_no_difference(github, job, branch)
        return
    tip = required_text(found, "object", "sha")
    if tip != commit:
        _refuse(job, f"commit {commit} is not the newest of {branch}, which is at {tip}")


async def _require_default_branch(github: GitHub, job: Job, branch: str) -> None:
    default = text_at(job.event, "repository", "default_branch")
    if default is None:
        try:
            default = text_at(await github.get(f"/repos/{github.repository}"), "default_branch")
        except GitHubNotFound:
            default = None
    if branch != default:
        summary = f"the job was started manually on {branch}, which is not the default branch"
        hint = f"start it on {default}" if default else "start it on the default branch"
        raise Refused([error("not-default-branch", summary, hint=hint)])


async def _require_no_difference(github: GitHub, job: Job, branch: str) -> None:
    """Raise `Refused` if the branch and the commit differ, or the branch does not exist.

    Servers that only resemble GitHub do not have the route for a single branch, but all support
    comparisons.
    """
    # In this route, the name is one segment, so its slashes are encoded.
    commit, name = job.required_commit(), quote(branch, safe="")
    compare = f"/repos/{github.repository}/compare"
    try:
        newer = await github.pages(f"{compare}/{commit}...{name}", under="commits")
        lost = await github.pages(f"{compare}/{name}...{commit}", under="commits")
    except GitHubNotFound:
        _refuse(job, f"commit {commit} is not on {branch}, or the branch no longer exists")
    if newer:
        # A comparison lists its commits oldest first.
        tip = required_text(newer[-1], "sha")
        _refuse(job, f"commit {commit} is not the newest of {branch}, which is at {tip}")
    if lost:
        _refuse(job, f"commit {commit} is no longer on {branch}")


def _refuse(job: Job, summary: str) -> NoReturn:
    where = f" at {job.workflow_url}" if job.workflow_url else ""
    hint = f"the run of the newest commit applies its files; or start one manually{where}"
    raise Refused([error(STALE_COMMIT, summary, hint=hint)])


MAX_UPLOADS = 30
"""Number of newest uploads to check; rarely, one comes from another workflow."""

_EVENTS = frozenset(
    {"push", "repository_dispatch", "schedule", "workflow_dispatch", "workflow_run"}
)
"""Events that run the workflow file of the branch itself, never that of a pull request."""


async def last_applied_commit(github: GitHub, job: Job, *, artifact: str) -> str | None:
    """Return the commit of the newest upload of this workflow on this branch, or None."""
    path = f"/repos/{github.repository}/actions/artifacts?name={quote(artifact, safe='')}"
    try:
        uploads = await github.pages(path, under="artifacts")
    except GitHubNotFound:
        return None
    # GitHub does not document an order, but ids increase with time.
    uploads.sort(key=lambda item: required_number(item, "id"), reverse=True)
    for upload in uploads[:MAX_UPLOADS]:
        commit = await _applied_by(github, job, upload)
        if commit is not None:
            return commit
    return None


async def _applied_by(github: GitHub, job: Job, upload: JsonObject) -> str | None:
    """Return the commit of the uploading run, None if it is not a run of this workflow."""
    number = number_at(upload, "workflow_run", "id")
    if number is None:
        return None
    try:
        run = await github.get(f"/repos/{github.repository}/actions/runs/{number}")
    except GitHubNotFound:
        return None
    repository = text_at(run, "head_repository", "full_name") or ""
    # GitHub may add the ref of the workflow file as `@<ref>`.
    file = (text_at(run, "path") or "").partition("@")[0]
    counts = (
        run.get("event") in _EVENTS
        # A fork runs the same files. Names of repositories are not case-sensitive on GitHub.
        and repository.lower() == github.repository.lower()
        and file == f".github/workflows/{job.workflow_file}"
        and run.get("head_branch") in {None, job.branch}
    )
    return text_at(run, "head_sha") if counts else None
