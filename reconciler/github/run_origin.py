"""Whether a run of a workflow may speak for a merged pull request.

A run uploads whatever its workflow file says, and of a pull request that file comes from the head
merged into its base. Two requests with one head commit and different bases run different files, and
reviewers of one never saw the other's. So a run has to belong to the merged request and its base.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.github.client import GitHub, GitHubNotFound

_EVENTS = frozenset({"pull_request", "merge_group"})
_MOVES = frozenset({"base_ref_changed", "automatic_base_change_succeeded"})
_QUEUE = "gh-readonly-queue"


@dataclass(frozen=True, slots=True)
class RunClaim:
    """What a run is said to be: of this merged pull request, for this commit, by this workflow."""

    merged: dict[str, Any]
    state: str
    workflow: str

    @property
    def number(self) -> int:
        """Return the number of the pull request."""
        return int(self.merged["number"])

    @property
    def base(self) -> str | None:
        """Return the branch that it was merged into."""
        return _text(self.merged, "base", "ref")

    @property
    def branch(self) -> str | None:
        """Return the branch that it came from."""
        return _text(self.merged, "head", "ref")


async def objection(github: GitHub, run: dict[str, Any], claim: RunClaim) -> str:
    """Return why the run does not count, empty if it does."""
    workflow = str(run.get("path", "")).partition("@")[0]
    home = str(_text(run, "head_repository", "full_name"))
    checks = {
        "it was made for another commit": run.get("head_sha") == claim.state,
        "it was made by another repository": home.lower() == github.repository.lower(),
        "it was made by another event": run.get("event") in _EVENTS,
        "it was made by another workflow": workflow == f".github/workflows/{claim.workflow}",
        "its run did not succeed": run.get("conclusion") == "success",
        "it was made for another branch": _has_branch(run, claim),
    }
    found = next((why for why, holds in checks.items() if not holds), "")
    if found or run.get("event") == "merge_group":
        return found
    if await _was_moved(github, run, claim):
        return "it was made before the pull request got its base branch"
    return await _other_request(github, run, claim)


def _has_branch(run: dict[str, Any], claim: RunClaim) -> bool:
    """Compare the branch of the run; one of a merge queue names the base that it is for."""
    branch = run.get("head_branch")
    if not isinstance(branch, str):
        return True
    if run.get("event") == "merge_group":
        return claim.base is None or branch.startswith(f"{_QUEUE}/{claim.base}/")
    return claim.branch is None or branch == claim.branch


async def _other_request(github: GitHub, run: dict[str, Any], claim: RunClaim) -> str:
    """Look for another pull request that the run may have been made for.

    GitHub lists the requests of a run only while they are open, so an empty list says nothing. Then
    the run counts if no other request ever had this head commit.
    """
    listed = run.get("pull_requests")
    if isinstance(listed, list) and listed:
        own = all(_is_own(item, claim) for item in listed)
        return "" if own else "it was made for another pull request"
    for item in await _with_this_head(github, claim):
        if item.get("number") != claim.number and _text(item, "head", "sha") == claim.state:
            return f"pull request #{item.get('number')} has the same head commit"
    return ""


def _is_own(item: Any, claim: RunClaim) -> bool:
    if not isinstance(item, dict) or item.get("number") != claim.number:
        return False
    return claim.base is None or _text(item, "base", "ref") == claim.base


async def _with_this_head(github: GitHub, claim: RunClaim) -> Iterable[dict[str, Any]]:
    root = f"/repos/{github.repository}"
    found = await github.pages(f"{root}/commits/{claim.state}/pulls")
    if claim.branch is not None:
        owner = github.repository.partition("/")[0]
        head = quote(f"{owner}:{claim.branch}", safe="")
        found = [*found, *await github.pages(f"{root}/pulls?state=all&head={head}")]
    return found


async def _was_moved(github: GitHub, run: dict[str, Any], claim: RunClaim) -> bool:
    """Whether the base of the pull request changed after the run began."""
    began = run.get("created_at")
    if not isinstance(began, str):
        return False
    try:
        path = f"/repos/{github.repository}/issues/{claim.number}/timeline"
        events = await github.pages(path)
    except GitHubNotFound:
        return False
    moves = [item for item in events if item.get("event") in _MOVES]
    # Both are ISO 8601 in UTC to the second, so their order is that of their text.
    return any(str(item.get("created_at")) >= began for item in moves)


def _text(item: dict[str, Any], name: str, field: str) -> str | None:
    inner = item.get(name)
    value = inner.get(field) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else None
