"""Which pull requests brought commits to a branch: merged, squashed or rebased alike."""

from typing import Any

from reconciler.github.client import GitHub
from reconciler.github.job import Job


async def pull_request_of(github: GitHub, job: Job) -> int | None:
    """Give the number of the job's pull request; of a push the one that was merged with it."""
    if job.pull_request is not None or job.merged_commit is None:
        return job.pull_request
    merged = await merged_with(github, job.merged_commit)
    return int(merged[0]["number"]) if merged else None


async def merged_with(
    github: GitHub, commit: str, *, branch: str | None = None
) -> list[dict[str, Any]]:
    """Give the merged pull requests of a commit, first the one whose merge made it.

    With a branch only those that were merged into it: a commit may have come by way of others,
    where nobody had to approve anything.
    """
    found = await github.pages(f"/repos/{github.repository}/commits/{commit}/pulls")
    merged = [item for item in found if item.get("merged_at") and _went_into(item, branch)]
    return sorted(merged, key=lambda item: item.get("merge_commit_sha") != commit)


def _went_into(item: dict[str, Any], branch: str | None) -> bool:
    base = item.get("base")
    return branch is None or (isinstance(base, dict) and base.get("ref") == branch)
