"""Gather what was approved by merging: the plans that reviewers saw on the pull requests.

A plan is taken if it was uploaded by the plan workflow of this very repository, for the last state
of a pull request that was merged since the last apply, or for its turn in the merge queue. All of
it is untrusted: whoever opens a pull request makes the run that uploads. A plan only ever narrows
what `apply` may do (`reconciler.planning.approval`); what is done is decided by the merged files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, warning
from reconciler.errors import ReconcilerError
from reconciler.github.archive import MAX_ARCHIVE, plan_in
from reconciler.github.client import GitHub
from reconciler.github.errors import NotFound, Unexpected
from reconciler.github.merged import merged_with
from reconciler.planning.codec import decode
from reconciler.planning.plan import Plan

MOST_COMMITS = 250
"""How far back merges are looked for; more have piled up only if no apply succeeded for long."""

_VERDICTS = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
_EVENTS = frozenset({"pull_request", "merge_group"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which uploads count: `artifact` is completed by a commit, `workflow` is the file's name.

    `branch` is the one that requests must have been merged into; None takes any.
    """

    artifact: str
    workflow: str
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """One pull request's plan. `reviewers` approved the commit that they are listed with."""

    number: int
    plan: Plan
    author: str | None = None
    reviewers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """The approved plans, oldest merge first, and what is to be said about the others."""

    approved: tuple[Approved, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


async def gather(github: GitHub, *, since: str | None, head: str, wanted: Wanted) -> Gathered:
    """Gather the plans of the pull requests merged after `since`, up to `head`.

    Where nothing was merged since, the plan that approved `head` itself counts again: a rotated key
    changes no file and needs no new approval.
    """
    commits, found = await _commits(github, since=since, head=head)
    merges: dict[int, dict[str, Any]] = {}
    commits_of: dict[int, list[str]] = {}
    for commit in commits:
        for merged in await merged_with(github, commit, branch=wanted.branch):
            number = int(merged["number"])
            merges[number] = merged
            commits_of.setdefault(number, []).append(commit)
    approved = []
    for number, merged in merges.items():
        states = _states(merged, commits_of[number])
        plan, why = await _plan_of(github, states, wanted)
        if plan is None:
            summary = f"pull request #{number} has no plan that counts: {why}"
            found.append(warning("no-approved-plan", summary))
            continue
        reviewers = await _reviewers(github, number)
        approved.append(Approved(number, plan, _login(merged), reviewers))
    return Gathered(tuple(approved), tuple(found))


async def _commits(
    github: GitHub, *, since: str | None, head: str
) -> tuple[list[str], list[Diagnostic]]:
    if since is None or since == head:
        return [head], []
    path = f"/repos/{github.repository}/compare/{since}...{head}"
    try:
        listed = await github.pages(path, under="commits")
    except NotFound:
        summary = f"the last applied commit {since[:12]} is not in the history of {head[:12]}"
        return [head], [warning("unknown-commit", summary)]
    commits = [str(item["sha"]) for item in listed]
    if len(commits) > MOST_COMMITS:
        summary = f"of {len(commits)} commits since the last apply only the newest count"
        return commits[-MOST_COMMITS:], [warning("too-many-commits", summary)]
    return commits or [head], []


def _states(merged: dict[str, Any], commits: Iterable[str]) -> list[str]:
    """Give the commits that a plan of this pull request may have been made for, the best first."""
    head = merged.get("head")
    last = head.get("sha") if isinstance(head, dict) else None
    return list(dict.fromkeys([*([last] if isinstance(last, str) else []), *commits]))


async def _plan_of(
    github: GitHub, states: Iterable[str], wanted: Wanted
) -> tuple[Plan | None, str]:
    why = "none was uploaded"
    for state in states:
        name = quote(f"{wanted.artifact}-{state}", safe="")
        path = f"/repos/{github.repository}/actions/artifacts?name={name}"
        uploads = await github.pages(path, under="artifacts")
        for upload in sorted(uploads, key=lambda item: -int(item.get("id", 0))):
            try:
                return await _checked(github, upload, state=state, wanted=wanted), ""
            except (Unexpected, NotFound) as problem:
                why = problem.summary
            except ReconcilerError as problem:
                if problem.exit_code == 1:
                    raise  # GitHub could not be asked; that says nothing about the plan
                why = problem.summary
    return None, why


async def _checked(github: GitHub, upload: dict[str, Any], *, state: str, wanted: Wanted) -> Plan:
    """Insist on where an upload comes from before it is looked at."""
    number = int(upload["id"])
    what = f"artifact {number}"
    origin = upload.get("workflow_run")
    run = origin.get("id") if isinstance(origin, dict) else None
    if upload.get("expired") or not isinstance(run, int):
        raise Unexpected(what, "it has expired")
    if int(upload.get("size_in_bytes", 0)) > MAX_ARCHIVE:
        raise Unexpected(what, "it is too large")
    made = await github.get(f"/repos/{github.repository}/actions/runs/{run}")
    objection = _objection(made, state=state, wanted=wanted, repository=github.repository)
    if objection:
        raise Unexpected(what, objection)
    path = f"/repos/{github.repository}/actions/artifacts/{number}/zip"
    content = await github.download(path, limit=MAX_ARCHIVE)
    return decode(plan_in(content), name=what)


def _objection(made: dict[str, Any], *, state: str, wanted: Wanted, repository: str) -> str:
    home = made.get("head_repository")
    name = home.get("full_name") if isinstance(home, dict) else None
    workflow = str(made.get("path", "")).partition("@")[0]
    checks = {
        "it was made for another commit": made.get("head_sha") == state,
        "it was made by another repository": str(name).lower() == repository.lower(),
        "it was made by another event": made.get("event") in _EVENTS,
        "it was made by another workflow": workflow == f".github/workflows/{wanted.workflow}",
        "its run did not succeed": made.get("conclusion") == "success",
    }
    return next((objection for objection, holds in checks.items() if not holds), "")


async def _reviewers(github: GitHub, number: int) -> tuple[tuple[str, str], ...]:
    """Give who approved which commit; the last word of each reviewer counts."""
    last: dict[str, dict[str, Any]] = {}
    for review in await github.pages(f"/repos/{github.repository}/pulls/{number}/reviews"):
        login = _login(review)
        if login is not None and review.get("state") in _VERDICTS:
            last[login] = review
    return tuple(
        (login, str(review.get("commit_id")))
        for login, review in last.items()
        if review["state"] == "APPROVED"
    )


def _login(item: dict[str, Any]) -> str | None:
    user = item.get("user")
    login = user.get("login") if isinstance(user, dict) else None
    return login if isinstance(login, str) else None
