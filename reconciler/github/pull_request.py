"""Propose files as a pull request: one branch, one commit on top of the base, kept up to date.

The commit is made through the API, so that it bears GitHub's signature and no job has to hold a
credential for `git push`. Which files, and what is in them, is the caller's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.github.client import GitHub, GitHubNotFound, UnexpectedResponse


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed; `files` has None for one that is to go, `onto` is their base."""

    branch: str
    base: str
    onto: str
    title: str
    body: str
    files: Mapping[str, str | None]


async def propose(github: GitHub, proposal: Proposal) -> int:
    """Open the pull request, or renew the open one of the same branch; gives its number."""
    commit = await _commit(github, proposal)
    await _point(github, proposal.branch, commit)
    owner = github.repository.partition("/")[0]
    head = quote(f"{owner}:{proposal.branch}", safe="")
    repository = f"/repos/{github.repository}"
    listed = await github.pages(f"{repository}/pulls?state=open&head={head}")
    text = {"title": proposal.title, "body": proposal.body}
    for found in _of_branch(listed, proposal.branch):
        await github.patch(f"{repository}/pulls/{int(found['number'])}", text)
        return int(found["number"])
    made = await github.post(
        f"{repository}/pulls", {**text, "head": proposal.branch, "base": proposal.base}
    )
    return int(made["number"])


async def _commit(github: GitHub, proposal: Proposal) -> str:
    repository = f"/repos/{github.repository}"
    parent = await github.get(f"{repository}/git/commits/{proposal.onto}")
    tree = await github.post(
        f"{repository}/git/trees",
        {
            "base_tree": parent["tree"]["sha"],
            "tree": [_entry(path, text) for path, text in sorted(proposal.files.items())],
        },
    )
    made = await github.post(
        f"{repository}/git/commits",
        {"message": proposal.title, "tree": tree["sha"], "parents": [proposal.onto]},
    )
    sha = made.get("sha")
    if not isinstance(sha, str):
        raise UnexpectedResponse("POST a commit", "the answer names none")
    return sha


def _entry(path: str, text: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": path, "mode": "100644", "type": "blob"}
    return entry | ({"sha": None} if text is None else {"content": text})


async def _point(github: GitHub, branch: str, commit: str) -> None:
    """Let the branch be this one commit; it is ours alone, so what it was before may go."""
    path = f"/repos/{github.repository}/git/refs"
    name = quote(branch, safe="/")
    try:
        await github.get(f"/repos/{github.repository}/git/ref/heads/{name}")
    except GitHubNotFound:
        await github.post(path, {"ref": f"refs/heads/{branch}", "sha": commit})
    else:
        await github.patch(f"{path}/heads/{name}", {"sha": commit, "force": True})


def _of_branch(listed: Sequence[dict[str, Any]], branch: str) -> list[dict[str, Any]]:
    return [item for item in listed if (item.get("head") or {}).get("ref") == branch]
