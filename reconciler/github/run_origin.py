"""Check whether a workflow run belongs to a merged pull request.

A run uploads whatever its workflow file produces, and the file of a pull request is that of its
head merged into its base. Two pull requests with the same head commit and different bases run
different files, and reviewers of one never saw those of the other. Therefore a run must belong to
the merged pull request and its base.

A plan that the comment `/plan` requested is made by the workflow file of the default branch, which
also chooses the name of the upload, including the pull request.
"""

from urllib.parse import quote

from reconciler.frozen_dataclass import dataclass
from reconciler.github.answers import number_at, required_number, text_at
from reconciler.github.client import GitHub, GitHubNotFound, JsonObject

_EVENTS = frozenset({"pull_request", "merge_group"})
_COMMENT = "issue_comment"
_BASE_CHANGES = frozenset({"base_ref_changed", "automatic_base_change_succeeded"})
_QUEUE = "gh-readonly-queue"


@dataclass(frozen=True, slots=True)
class RunClaim:
    """Requirements for a run: this merged pull request, this commit, this workflow.

    `requested` is True if the upload has the name for a plan that a comment requested.
    """

    request: JsonObject
    commit: str
    workflow: str
    requested: bool = False

    @property
    def number(self) -> int:
        """Return the number of the pull request."""
        return required_number(self.request, "number")

    @property
    def base(self) -> str | None:
        """Branch into which it was merged."""
        return text_at(self.request, "base", "ref")

    @property
    def branch(self) -> str | None:
        """Branch that was merged."""
        return text_at(self.request, "head", "ref")


async def objection(github: GitHub, run: JsonObject, claim: RunClaim) -> str:
    """Return why the run is not valid, or "" if it is."""
    workflow = str(run.get("path", "")).partition("@")[0]
    repository = str(text_at(run, "head_repository", "full_name"))
    events = {_COMMENT} if claim.requested else _EVENTS
    # The run of a comment belongs to the default branch; its upload names the commit.
    own_commit = claim.requested or run.get("head_sha") == claim.commit
    checks = {
        "it was made for another commit": own_commit,
        "it was made by another repository": repository.lower() == github.repository.lower(),
        "it was made by another event": run.get("event") in events,
        "it was made by another workflow": workflow == f".github/workflows/{claim.workflow}",
        "its run did not succeed": run.get("conclusion") == "success",
        "it was made for another branch": claim.requested or _has_branch(run, claim),
    }
    reason = next((reason for reason, holds in checks.items() if not holds), "")
    # GitHub itself creates the branch of a merge queue, so its name is reliable for the base.
    if reason or run.get("event") == "merge_group":
        return reason
    if await _base_changed_since(github, run, claim):
        return "it was made before the pull request got its base branch"
    if claim.requested:
        return ""
    return await _other_request(github, run, claim)


def _has_branch(run: JsonObject, claim: RunClaim) -> bool:
    """Return whether the run's branch matches; a branch of a merge queue names the base."""
    branch = run.get("head_branch")
    if not isinstance(branch, str):
        return True
    if run.get("event") == "merge_group":
        # Such a branch is called gh-readonly-queue/<base>/pr-<number>-<commit>.
        return claim.base is None or branch.startswith(f"{_QUEUE}/{claim.base}/")
    return claim.branch is None or branch == claim.branch


async def _base_changed_since(github: GitHub, run: JsonObject, claim: RunClaim) -> bool:
    """Return whether the base of the pull request changed after the run began."""
    began = run.get("created_at")
    if not isinstance(began, str):
        return False
    try:
        path = f"/repos/{github.repository}/issues/{claim.number}/timeline"
        events = await github.pages(path)
    except GitHubNotFound:
        return False
    changes = [item for item in events if item.get("event") in _BASE_CHANGES]
    # Both times are ISO 8601 in UTC with seconds, so their text has the same order.
    # Within the same second the order is unknown, so the run does not count.
    return any(str(item.get("created_at")) >= began for item in changes)


async def _other_request(github: GitHub, run: JsonObject, claim: RunClaim) -> str:
    """Return why the run may have been made for another pull request, or "" if it was not.

    GitHub lists the pull requests of a run only while they are open, so an empty list proves
    nothing. Then the run counts if no other pull request ever had this head commit.
    """
    listed = run.get("pull_requests")
    if isinstance(listed, list) and listed:
        # All of them, because a run that is shared with another pull request may have run its
        # files.
        own = all(_is_claimed(item, claim) for item in listed)
        return "" if own else "it was made for another pull request"
    for item in await _possible_requests(github, claim):
        if item.get("number") != claim.number and text_at(item, "head", "sha") == claim.commit:
            return f"pull request #{item.get('number')} has the same head commit"
    return ""


def _is_claimed(item: object, claim: RunClaim) -> bool:
    if number_at(item, "number") != claim.number:
        return False
    return claim.base is None or text_at(item, "base", "ref") == claim.base


async def _possible_requests(github: GitHub, claim: RunClaim) -> list[JsonObject]:
    """Return the pull requests that may have the claimed head commit."""
    root = f"/repos/{github.repository}"
    # The list of a commit omits closed pull requests; that of a branch omits those of other
    # branches.
    found = await github.pages(f"{root}/commits/{claim.commit}/pulls")
    if claim.branch is not None:
        owner = github.repository.partition("/")[0]
        head = quote(f"{owner}:{claim.branch}", safe="")
        found += await github.pages(f"{root}/pulls?state=all&head={head}")
    return found
