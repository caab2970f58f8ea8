"""Comment `/plan` on a pull request, which requests a plan of its files, even from a fork.

The comment approves what its author saw: the head of the pull request at that time. It counts only
from an author who can write to the repository, and a head that was pushed later is not planned.
GitHub's time of the push counts, because the author of a commit chooses the time in it.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import NoReturn
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, error
from reconciler.errors import Refused
from reconciler.frozen_dataclass import dataclass
from reconciler.github.answers import number_at, required_text, text_at
from reconciler.github.bodies import Marker, ReportKind, failure_reasons
from reconciler.github.client import GitHub, GitHubForbidden, GitHubNotFound, JsonObject
from reconciler.github.comment import GitHubComments, upsert
from reconciler.github.inputs import FailedCommand
from reconciler.github.job import Job, is_commit

WRITERS = frozenset({"admin", "maintain", "write"})
"""Permissions of a user that include writing."""

_COMMAND = re.compile(r"/plan((?:[ \t]+\S+)*)[ \t]*", re.ASCII)
_NOT_REQUESTED = "plan-not-requested"
_READS = 5
_PAUSE_SECONDS = 2.0
"""GitHub computes the merge commit after the first request that needs it."""


class AuthorNotAllowed(Refused):
    """The author of the comment cannot write to the repository."""


@dataclass(frozen=True, slots=True)
class RequestedPlan:
    """Commits to plan: the merge commit is checked out, its first parent is the base."""

    number: int
    head: str
    base: str
    merge: str


@dataclass(frozen=True, slots=True)
class _Comment:
    """Comment with the command; it can name the environments and the head."""

    number: int
    author: str
    created_at: str
    environments: tuple[str, ...]
    head: str | None


async def requested_plan(
    github: GitHub, job: Job, *, environment: str, pause: Callable[[float], Awaitable[None]]
) -> RequestedPlan | None:
    """Return what the job's comment requests, None if it is not a request for this environment.

    Raises `AuthorNotAllowed` if the author lacks permission, `Refused` if the request cannot be
    carried out, and `GitHubError` if that is unknown.
    """
    comment = _comment_of(job, environment)
    if comment is None:
        return None
    # Checked before anything of the pull request is read, because a plan runs with readable
    # secrets.
    if await _permission(github, comment.author) not in WRITERS:
        problem = f"{comment.author} may not write to {github.repository}"
        raise AuthorNotAllowed([_refusal(problem, "ask a maintainer to comment `/plan`")])
    request = await _mergeable(github, comment.number, pause)
    # Only an open pull request has a merge commit to plan.
    if request.get("state") != "open":
        _refuse(f"pull request #{comment.number} is not open", "reopen it")
    head = required_text(request, "head", "sha")
    # The author has named the commit that was reviewed.
    if comment.head is not None and comment.head != head:
        _refuse(f"the head of #{comment.number} is {head}", "review it and comment again")
    if comment.head is None:
        await _require_pushed_before(github, request, comment, head)
    merge, base = await _merge_commit(github, request, head)
    return RequestedPlan(comment.number, head, base, merge)


async def answer(
    github: GitHub, job: Job, *, environment: str, refusal: Refused | None = None
) -> None:
    """Respond to the job's comment if the token allows it: a reaction, and why no plan is made.

    An author without permission gets only a reaction, so that comments cannot cause comments.
    """
    await _react(github, job, "eyes" if refusal is None else "confused")
    if job.pull_request is None or isinstance(refusal, AuthorNotAllowed):
        return
    text = "The last `/plan` was carried out.\n"
    if refusal is not None:
        text = f"{failure_reasons(FailedCommand(refusal.exit_code, refusal.diagnostics))}"
    with suppress(GitHubForbidden):
        await upsert(
            GitHubComments(github, job.pull_request, job.login),
            marker=Marker(ReportKind.REQUEST, environment),
            text=text,
            only_update=refusal is None,
        )


async def _react(github: GitHub, job: Job, content: str) -> None:
    number = number_at(dict(job.event), "comment", "id")
    if number is None:
        return
    path = f"/repos/{github.repository}/issues/comments/{number}/reactions"
    # The reaction is optional, because the log of the run has the same information.
    with suppress(GitHubForbidden, GitHubNotFound):
        await github.send("POST", path, {"content": content})


def _comment_of(job: Job, environment: str) -> _Comment | None:
    """Return the comment of the event if it is a request for the environment."""
    event = dict(job.event)
    body, number = text_at(event, "comment", "body"), job.commented_pull_request
    author = text_at(event, "comment", "user", "login")
    created_at = text_at(event, "comment", "created_at")
    if event.get("action") != "created" or body is None or number is None:
        return None
    lines = body.strip().splitlines()
    found = _COMMAND.fullmatch(lines[0]) if lines else None
    if found is None or author is None or created_at is None:
        return None
    words = found[1].split()
    heads = [word.lower() for word in words if is_commit(word.lower())]
    # Without a name, the comment is for every environment, each in a separate job.
    environments = tuple(word for word in words if not is_commit(word.lower()))
    if len(heads) > 1 or (environments and environment not in environments):
        return None
    return _Comment(number, author, created_at, environments, heads[0] if heads else None)


async def _permission(github: GitHub, login: str) -> str | None:
    name = quote(login, safe="")
    try:
        path = f"/repos/{github.repository}/collaborators/{name}/permission"
        return text_at(await github.get(path), "permission")
    except GitHubNotFound:
        return None  # for example a bot, which is not a collaborator


async def _mergeable(
    github: GitHub, number: int, pause: Callable[[float], Awaitable[None]]
) -> JsonObject:
    """Return the pull request once GitHub knows whether it can be merged."""
    path = f"/repos/{github.repository}/pulls/{number}"
    request = await github.get(path)
    # GitHub returns null until a background job has tried the merge.
    for _ in range(_READS - 1):
        if request.get("mergeable") is not None or request.get("state") != "open":
            break
        await pause(_PAUSE_SECONDS)
        request = await github.get(path)
    return request


async def _require_pushed_before(
    github: GitHub, request: JsonObject, comment: _Comment, head: str
) -> None:
    """Raise `Refused` unless the head was pushed before the comment was written."""
    commented = _time(comment.created_at)
    pushed = _time(text_at(request, "head", "repo", "pushed_at"))
    moves = await _moves(github, request)
    # Times are in whole seconds, so the order within a second is unknown.
    if commented is not None and all(time is not None and time < commented for _, time in moves):
        # Without a list of moves, only the time of the last push to any branch is known.
        if not moves and pushed is not None and pushed < commented:
            return
        if moves and _last_heads(moves) == {head}:
            return
    _refuse(
        f"it is not certain that {head} was pushed before the comment",
        f"review the commit and comment `/plan {head}`",
    )


async def _moves(github: GitHub, request: JsonObject) -> list[tuple[str | None, datetime | None]]:
    """Return where and when the head's branch was moved, as far as the token can read it."""
    repository, ref = text_at(request, "head", "repo", "full_name"), text_at(request, "head", "ref")
    if repository is None or ref is None:
        return []  # the fork was deleted
    path = f"/repos/{quote(repository)}/activity?ref={quote(f'refs/heads/{ref}', safe='')}"
    try:
        moves = await github.pages(path)
    except (GitHubForbidden, GitHubNotFound):
        return []  # a private fork, or a server that has no such list
    return [(text_at(move, "after"), _time(text_at(move, "timestamp"))) for move in moves]


def _last_heads(moves: list[tuple[str | None, datetime | None]]) -> set[str | None]:
    """Return where the branch was moved last: several commits if the order is unknown.

    A head that was listed only earlier was pushed again, and the list does not contain that move
    yet.
    """
    newest = max(time for _, time in moves if time is not None)
    return {after for after, time in moves if time == newest}


async def _merge_commit(github: GitHub, request: JsonObject, head: str) -> tuple[str, str]:
    """Return the merge commit of the head and its base; raises `Refused` if there is none."""
    merge = text_at(request, "merge_commit_sha")
    if request.get("mergeable") is not True or merge is None or not is_commit(merge):
        _refuse("GitHub has no merge commit of the pull request", "resolve conflicts, then repeat")
    commit = await github.get(f"/repos/{github.repository}/git/commits/{merge}")
    listed = commit.get("parents")
    parents = [text_at(item, "sha") for item in listed] if isinstance(listed, list) else []
    base = parents[0] if len(parents) == 2 else None
    # A push after the request was read creates another merge commit.
    if base is None or parents[1] != head:
        _refuse(f"the merge commit {merge} is not of head {head}", "comment again")
    return merge, base


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _refuse(summary: str, hint: str) -> NoReturn:
    raise Refused([_refusal(summary, hint)])


def _refusal(summary: str, hint: str) -> Diagnostic:
    return error(_NOT_REQUESTED, f"no plan was made: {summary}", hint=hint)
