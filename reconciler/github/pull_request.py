"""Pull requests: those merged with a commit, and one that proposes files.

A proposal is one branch with one commit on top of its base, kept up to date. The commit is made
through the API, so that it has GitHub's signature and no job needs a credential for `git push`.
"""

from collections.abc import Mapping
from urllib.parse import quote

from reconciler.frozen_dataclass import dataclass
from reconciler.github.answers import required_number, required_text, text_at
from reconciler.github.client import GitHub, GitHubError, GitHubNotFound, JsonObject


@dataclass(frozen=True, slots=True)
class Proposal:
    """Files to propose, by path; None deletes one. `onto` is the commit that they are based on."""

    branch: str
    base: str
    onto: str
    title: str
    body: str
    files: Mapping[str, str | None]


async def propose(github: GitHub, proposal: Proposal) -> int:
    """Open the pull request, or update the open one of the branch, and return its number."""
    commit = await _create_commit(github, proposal)
    await _set_branch(github, proposal.branch, commit)
    owner = github.repository.partition("/")[0]
    head = quote(f"{owner}:{proposal.branch}", safe="")
    repository = f"/repos/{github.repository}"
    text = {"title": proposal.title, "body": proposal.body}
    for item in await github.pages(f"{repository}/pulls?state=open&head={head}"):
        # Compared again, because a server that ignores the filter lists every open pull request.
        if text_at(item, "head", "ref") == proposal.branch:
            number = required_number(item, "number")
            await github.patch(f"{repository}/pulls/{number}", text)
            return number
    created = await github.post(
        f"{repository}/pulls", {**text, "head": proposal.branch, "base": proposal.base}
    )
    return required_number(created, "number")


async def merged_with(
    github: GitHub, commit: str, *, branch: str | None = None
) -> list[JsonObject]:
    """Return the merged pull requests of a commit; the one whose merge made it comes first.

    Includes merged, squashed and rebased ones. With a branch, only those that were merged into it:
    a commit may have come from other branches, where no approval was required.
    """
    found = await github.pages(f"/repos/{github.repository}/commits/{commit}/pulls")
    merged = [
        item
        for item in found
        if item.get("merged_at") and (branch is None or text_at(item, "base", "ref") == branch)
    ]
    # False sorts first, and the sort is stable.
    return sorted(merged, key=lambda item: item.get("merge_commit_sha") != commit)


async def newer_head(github: GitHub, number: int, *, planned: str) -> str | None:
    """Return the head of a pull request if it is another commit than the one that was planned.

    None also if that is unknown, for example to a token that cannot read pull requests.
    """
    try:
        request = await github.get(f"/repos/{github.repository}/pulls/{number}")
    except GitHubError:
        return None
    # Not the last one of its commits, whose list is limited and has no documented order.
    head = text_at(request, "head", "sha")
    return None if head == planned else head


async def _create_commit(github: GitHub, proposal: Proposal) -> str:
    repository = f"/repos/{github.repository}"
    parent = await github.get(f"{repository}/git/commits/{proposal.onto}")
    tree = await github.post(
        f"{repository}/git/trees",
        {
            # Files that are not listed are kept as in the base.
            "base_tree": required_text(parent, "tree", "sha"),
            "tree": [_tree_entry(path, text) for path, text in sorted(proposal.files.items())],
        },
    )
    commit = await github.post(
        f"{repository}/git/commits",
        {"message": proposal.title, "tree": required_text(tree, "sha"), "parents": [proposal.onto]},
    )
    return required_text(commit, "sha")


def _tree_entry(path: str, text: str | None) -> JsonObject:
    # 100644 is a regular file. An entry whose `sha` is null deletes the path.
    entry: JsonObject = {"path": path, "mode": "100644", "type": "blob"}
    return entry | ({"sha": None} if text is None else {"content": text})


async def _set_branch(github: GitHub, branch: str, commit: str) -> None:
    """Make the branch point to the commit, dropping its history: nothing else writes to it."""
    path = f"/repos/{github.repository}/git/refs"
    name = quote(branch, safe="/")
    try:
        # GitHub reads a reference below `git/ref` and writes it below `git/refs`.
        await github.get(f"/repos/{github.repository}/git/ref/heads/{name}")
    except GitHubNotFound:
        await github.post(path, {"ref": f"refs/heads/{branch}", "sha": commit})
    else:
        await github.patch(f"{path}/heads/{name}", {"sha": commit, "force": True})
