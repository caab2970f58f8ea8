"""The sticky comment: one for each environment on a pull request, found again and updated in place.

It is found by its marker in a comment of the same author only, since anybody may write a text that
begins like ours. Who the author is: a personal token can be asked, a job's token cannot, and then
it is the name that GitHub Actions writes under.
"""

from collections.abc import Iterable
from typing import Any

from reconciler.github.client import (
    GitHub,
    GitHubForbidden,
    GitHubNotFound,
    UnexpectedResponse,
    Unreachable,
    WrongToken,
)
from reconciler.github.marker import Marker


async def upsert(
    github: GitHub,
    *,
    number: int,
    marker: Marker,
    text: str,
    login: str,
    only_update: bool = False,
) -> str:
    """Write the comment, or update the one that is there; says in one word what was done.

    `login` is the author if GitHub will not say who the token is; with `only_update` nothing is
    written where there is no comment yet.
    """
    body = marker.line + text
    found = await _find(github, number=number, marker=marker, login=login)
    if found is None and only_update:
        return "nothing"
    if found is None:
        try:
            await github.post(_comments(github, number), {"body": body})
        except Unreachable:
            # It may have arrived all the same; a second one would never be updated.
            found = await _find(github, number=number, marker=marker, login=login)
            if found is None:
                await github.post(_comments(github, number), {"body": body})
        return "written"
    if _same(found.get("body"), body):
        return "unchanged"
    await github.patch(f"/repos/{github.repository}/issues/comments/{_id(found)}", {"body": body})
    return "updated"


async def _find(
    github: GitHub, *, number: int, marker: Marker, login: str
) -> dict[str, Any] | None:
    comments = await github.pages(_comments(github, number))
    candidates = [c for c in comments if isinstance(c.get("body"), str) and marker.heads(c["body"])]
    if not candidates:
        return None
    return _by(await _own_login(github, otherwise=login), candidates)


async def _own_login(github: GitHub, *, otherwise: str) -> str:
    try:
        user = await github.get("/user")
    except (GitHubForbidden, GitHubNotFound, UnexpectedResponse, WrongToken):
        # The token of a job stands for an app, which is no user; it has just been good for a list.
        return otherwise
    login = user.get("login") if isinstance(user, dict) else None
    return login if isinstance(login, str) else otherwise


def _by(login: str, candidates: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    for comment in candidates:
        author = comment.get("user")
        if isinstance(author, dict) and str(author.get("login")).lower() == login.lower():
            return comment
    return None


def _comments(github: GitHub, number: int) -> str:
    return f"/repos/{github.repository}/issues/{number}/comments"


def _id(comment: dict[str, Any]) -> int:
    return int(comment["id"])


def _same(there: object, body: str) -> bool:
    return isinstance(there, str) and there.replace("\r\n", "\n").strip() == body.strip()
