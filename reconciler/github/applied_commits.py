"""Commits that earlier runs of the apply workflow have applied, as GitHub remembers them.

A run that has applied everything, or found nothing to do, uploads an artifact that is named for its
environment; the commit is that of the run. It outlives the cache in which the ledger is kept.
"""

from urllib.parse import quote

from reconciler.github.answers import number_at, required_number, text_at
from reconciler.github.client import GitHub, GitHubNotFound, JsonObject
from reconciler.github.job import Job

MAX_UPLOADS = 30
"""Newest uploads that are looked at; hardly ever does one come from another workflow."""

_EVENTS = frozenset(
    {"push", "repository_dispatch", "schedule", "workflow_dispatch", "workflow_run"}
)
"""Events that run the workflow file of the branch itself, never that of a pull request."""


async def last_applied_commit(github: GitHub, job: Job, *, artifact: str) -> str | None:
    """Return the commit of the newest upload by this workflow on this branch, None without any."""
    path = f"/repos/{github.repository}/actions/artifacts?name={quote(artifact, safe='')}"
    try:
        uploads = await github.pages(path, under="artifacts")
    except GitHubNotFound:
        return None
    # GitHub documents no order; ids grow with time.
    uploads.sort(key=lambda item: required_number(item, "id"), reverse=True)
    for upload in uploads[:MAX_UPLOADS]:
        commit = await _applied_by(github, job, upload)
        if commit is not None:
            return commit
    return None


async def _applied_by(github: GitHub, job: Job, upload: JsonObject) -> str | None:
    """Return the commit of the run that uploaded, None if that is no run of this workflow."""
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
