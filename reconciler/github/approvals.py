"""Gather what was approved by merging: the plans that reviewers saw on the pull requests.

A plan is taken if it was uploaded by the plan workflow of this very repository, for the last state
of a pull request that was merged since the last apply, or for its turn in the merge queue; of two
that differ none counts. All of it is untrusted: the author of a pull request starts the run that
uploads. A plan only ever narrows what `apply` may do (`reconciler.planning.approval`); what is done
is decided by the merged files. Whether a run belongs to the pull request: `github.origin`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, warning
from reconciler.errors import ReconcilerError
from reconciler.github.archive import MAX_ARCHIVE, plan_in
from reconciler.github.client import GitHub, GitHubNotFound, UnexpectedResponse
from reconciler.github.merged_pull_requests import merged_with
from reconciler.github.run_origin import RunClaim, objection
from reconciler.planning.codec import decode
from reconciler.planning.plan import Plan

MOST_COMMITS = 250
"""How far back merges are looked for; more have piled up only if no apply succeeded for long."""

MOST_UPLOADS = 30
"""Runs that may have uploaded a plan for one commit; each costs a few requests."""

_VERDICTS = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})


@dataclass(frozen=True, slots=True)
class ApprovalQuery:
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


async def gather(
    github: GitHub, *, since: str | None, head: str, wanted: ApprovalQuery
) -> Gathered:
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
        plan, why = await _plan_of(github, states, merged, wanted)
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
    except GitHubNotFound:
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
    github: GitHub, states: Iterable[str], merged: dict[str, Any], wanted: ApprovalQuery
) -> tuple[Plan | None, str]:
    why = "none was uploaded"
    for state in states:
        uploads = await _uploads(github, f"{wanted.artifact}-{state}")
        if len(uploads) > MOST_UPLOADS:
            return None, f"more than {MOST_UPLOADS} runs have uploaded one"
        plans: dict[str, Plan] = {}
        for upload in uploads:
            try:
                plan = await _checked(github, upload, RunClaim(merged, state, wanted.workflow))
                plans[plan.digest] = plan
            except (UnexpectedResponse, GitHubNotFound) as problem:
                why = problem.summary
            except ReconcilerError as problem:
                if problem.exit_code == 1:
                    raise  # GitHub could not be asked; that says nothing about the plan
                why = problem.summary
        if len(plans) > 1:
            return None, "its runs uploaded plans that differ; apply one by its digest"
        if plans:
            return next(iter(plans.values())), ""
    return None, why


async def _uploads(github: GitHub, name: str) -> list[dict[str, Any]]:
    """Return the uploads of a name, the newest of each run: a later attempt replaces an earlier."""
    path = f"/repos/{github.repository}/actions/artifacts?name={quote(name, safe='')}"
    newest: dict[Any, dict[str, Any]] = {}
    found = await github.pages(path, under="artifacts")
    for upload in sorted(found, key=lambda item: (not item.get("expired"), int(item.get("id", 0)))):
        run = _run_of(upload)
        newest[run if run is not None else upload.get("id")] = upload
    return sorted(newest.values(), key=lambda item: -int(item.get("id", 0)))


def _run_of(upload: dict[str, Any]) -> int | None:
    origin = upload.get("workflow_run")
    run = origin.get("id") if isinstance(origin, dict) else None
    return run if isinstance(run, int) else None


async def _checked(github: GitHub, upload: dict[str, Any], claim: RunClaim) -> Plan:
    """Insist on where an upload comes from before it is looked at."""
    number = int(upload["id"])
    what = f"artifact {number}"
    run = _run_of(upload)
    if upload.get("expired") or run is None:
        raise UnexpectedResponse(what, "it has expired")
    if int(upload.get("size_in_bytes", 0)) > MAX_ARCHIVE:
        raise UnexpectedResponse(what, "it is too large")
    made = await github.get(f"/repos/{github.repository}/actions/runs/{run}")
    why = await objection(github, made, claim)
    if why:
        raise UnexpectedResponse(what, why)
    path = f"/repos/{github.repository}/actions/artifacts/{number}/zip"
    content = await github.download(path, limit=MAX_ARCHIVE)
    return decode(plan_in(content), name=what)


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
