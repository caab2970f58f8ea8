"""Sticky comment: one for each environment on a pull request, found again and updated in place.

It is found by its marker, only in comments of the same author, because anyone can write a text that
begins with the marker. GitHub names the user of a personal token. The token of a job has no user,
so the author is that of GitHub Actions.
"""

from collections.abc import Iterable

from reconciler.github.answers import required_number, text_at
from reconciler.github.bodies import Marker
from reconciler.github.client import (
    GitHub,
    GitHubForbidden,
    GitHubNotFound,
    JsonObject,
    UnexpectedResponse,
    Unreachable,
    WrongToken,
)


async def upsert(
    github: GitHub,
    *,
    number: int,
    marker: Marker,
    text: str,
    login: str,
    only_update: bool = False,
) -> str:
    """Write or update the comment, and return in one word what was done.

    `login` is the author if GitHub does not name the token's user. With `only_update`, no new
    comment is written.
    """
    body = marker.line + text
    comment = await _find(github, number=number, marker=marker, login=login)
    if comment is None and only_update:
        return "nothing"
    if comment is None:
        path = _comments_path(github, number)
        try:
            await github.post(path, {"body": body})
        except Unreachable:
            # The request may have arrived, and a second comment would never be updated, so check
            # first.
            if await _find(github, number=number, marker=marker, login=login) is None:
                await github.post(path, {"body": body})
        return "written"
    if _same_text(comment["body"], body):
        return "unchanged"
    path = f"/repos/{github.repository}/issues/comments/{required_number(comment, 'id')}"
    await github.patch(path, {"body": body})
    return "updated"


async def _find(github: GitHub, *, number: int, marker: Marker, login: str) -> JsonObject | None:
    candidates = [
        comment
        for comment in await github.pages(_comments_path(github, number))
        if isinstance(comment.get("body"), str) and marker.matches(comment["body"])
    ]
    if not candidates:
        return None
    return _first_by(await _own_login(github, default=login), candidates)


async def _own_login(github: GitHub, *, default: str) -> str:
    try:
        user = await github.get("/user")
    except (GitHubForbidden, GitHubNotFound, UnexpectedResponse, WrongToken):
        # A job's token belongs to an app, which is not a user. It was valid for the list just
        # before.
        return default
    return text_at(user, "login") or default


def _first_by(login: str, comments: Iterable[JsonObject]) -> JsonObject | None:
    for comment in comments:
        author = text_at(comment, "user", "login")
        # Logins are not case-sensitive on GitHub.
        if author is not None and author.lower() == login.lower():
            return comment
    return None


def _comments_path(github: GitHub, number: int) -> str:
    return f"/repos/{github.repository}/issues/{number}/comments"


def _same_text(existing: str, body: str) -> bool:
    # GitHub may change line ends and surrounding white space.
    return existing.replace("\r\n", "\n").strip() == body.strip()
