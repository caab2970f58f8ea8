"""Sticky comment: one for each environment, found again and updated in place.

`StickyComments` are on a pull request (here) or a merge request (`reconciler.gitlab.publish`).

A comment is found by its marker, only in comments of the same author, because anyone can write text
that begins with the marker. GitHub names the user of a personal token. The token of a job has no
user, so the author is that of GitHub Actions.
"""

from collections.abc import Iterable
from typing import Protocol

from reconciler.frozen_dataclass import dataclass
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
from reconciler.github.rest import RestError


class StickyComments(Protocol):
    """Comments on one request for changes."""

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""

    async def find(self, marker: Marker) -> JsonObject | None:
        """Return the oldest comment of this author with the marker; it has a text as `body`."""

    async def create(self, body: str) -> None:
        """Write a comment."""

    async def update(self, comment: JsonObject, body: str) -> None:
        """Replace the text of a comment."""


async def upsert(
    comments: StickyComments, *, marker: Marker, text: str, only_update: bool = False
) -> str:
    """Write or update the comment, and return in one word what was done.

    With `only_update`, no new comment is written.
    """
    body = marker.line + text
    comment = await comments.find(marker)
    if comment is None and only_update:
        return "nothing"
    if comment is None:
        try:
            await comments.create(body)
        except comments.unreachable:
            # The request may have arrived, and a second comment would never be updated, so check
            # first.
            if await comments.find(marker) is None:
                await comments.create(body)
        return "written"
    if _same_text(comment["body"], body):
        return "unchanged"
    await comments.update(comment, body)
    return "updated"


def _same_text(existing: str, body: str) -> bool:
    # GitHub and GitLab may change line ends and surrounding white space.
    return existing.replace("\r\n", "\n").strip() == body.strip()


@dataclass(frozen=True, slots=True)
class GitHubComments:
    """Comments on a pull request; `login` is the author if GitHub names no user of the token."""

    github: GitHub
    number: int
    login: str

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""
        return Unreachable

    async def find(self, marker: Marker) -> JsonObject | None:
        """Return the oldest comment of this author with the marker."""
        candidates = [
            comment
            for comment in await self.github.pages(self._path)
            if isinstance(comment.get("body"), str) and marker.matches(comment["body"])
        ]
        if not candidates:
            return None
        return _first_by(await _own_login(self.github, default=self.login), candidates)

    async def create(self, body: str) -> None:
        """Write a comment."""
        await self.github.post(self._path, {"body": body})

    async def update(self, comment: JsonObject, body: str) -> None:
        """Replace the text of a comment."""
        number = required_number(comment, "id")
        path = f"/repos/{self.github.repository}/issues/comments/{number}"
        await self.github.patch(path, {"body": body})

    @property
    def _path(self) -> str:
        return f"/repos/{self.github.repository}/issues/{self.number}/comments"


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
