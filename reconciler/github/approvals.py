"""Plans approved by merging: those that reviewers saw on the pull requests.

A plan counts if the plan workflow of this repository uploaded it, for the last commit of a pull
request that was merged since the last apply, or for its place in the merge queue. If two plans of a
pull request differ, neither counts. All plans are untrusted, because the author of a pull request
starts the run that uploads them. A plan can only restrict what `apply` may do
(`reconciler.planning.approval`); the merged files determine the changes.

Whether a run belongs to the pull request: `reconciler.github.run_origin`.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, warning
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass
from reconciler.github.answers import number_at, required_number, required_text, text_at
from reconciler.github.client import GitHub, GitHubNotFound, JsonObject, UnexpectedResponse
from reconciler.github.pull_request import merged_with
from reconciler.github.run_origin import RunClaim, objection
from reconciler.planning.approval import approved_at
from reconciler.planning.codec import decode
from reconciler.planning.plan import Plan

MAX_COMMITS = 250
"""Maximum number of commits whose merges count; only long failures of apply accumulate more."""

MAX_UPLOADS = 30
"""Maximum number of runs with a plan for one commit; each takes a few requests."""

MEMBER = "plan.json"
MAX_ARCHIVE = 16 * 1024 * 1024
MAX_PLAN = 64 * 1024 * 1024

# A later review with only a comment does not withdraw an approval.
_VERDICTS = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
_ENCRYPTED = 0x1
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# Exceptions of zipfile and the decoder for damaged archives. For unsupported ones, zipfile raises a
# subclass of RuntimeError.
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError)


@dataclass(frozen=True, slots=True)
class ApprovalQuery:
    """Uploads that count: artifacts named `artifact`-<commit> of the file `workflow`.

    Pull requests must have been merged into `branch`; None accepts any branch.
    """

    artifact: str
    workflow: str
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """Plan of one pull request; each reviewer is listed with the commit that they approved."""

    number: int
    plan: Plan
    author: str | None = None
    reviewers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GatheredPlans:
    """Approved plans, oldest merge first, and warnings about pull requests without one."""

    approved: tuple[ApprovedPlan, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


async def gather(
    github: GitHub, *, since: str | None, head: str, wanted: ApprovalQuery
) -> GatheredPlans:
    """Return the plans of the pull requests that were merged after `since`, up to `head`.

    If nothing was merged since then, the plan that approved `head` itself counts again. The age of
    a plan counts from the merge.
    """
    commits, diagnostics = await _commits(github, since=since, head=head)
    requests: dict[int, JsonObject] = {}
    commits_of: dict[int, list[str]] = {}
    for commit in commits:
        for request in await merged_with(github, commit, branch=wanted.branch):
            number = required_number(request, "number")
            requests[number] = request
            # A pull request that was merged by rebasing is found for each of its commits.
            commits_of.setdefault(number, []).append(commit)
    approved = []
    for number, request in requests.items():
        candidates = _planned_commits(request, commits_of[number])
        plan, reason = await _find_plan(github, candidates, request, wanted)
        if plan is None:
            summary = f"pull request #{number} has no plan that counts: {reason}"
            diagnostics.append(warning("no-approved-plan", summary))
            continue
        # An upload cannot date its own approval: the merge is the approval.
        plan = replace(plan, approved_at=approved_at(plan, text_at(request, "merged_at")))
        reviewers = await _reviewers(github, number)
        approved.append(ApprovedPlan(number, plan, text_at(request, "user", "login"), reviewers))
    return GatheredPlans(tuple(approved), tuple(diagnostics))


def plan_in_archive(content: bytes, *, limit: int = MAX_PLAN) -> str:
    """Return the text of the one plan in an archive; raises `UnexpectedResponse`.

    Anyone whose pull request runs a workflow may have created the archive. It is never unpacked:
    its only member is read into memory up to `limit` bytes, regardless of its headers.
    """
    subject = "the archive of a plan"
    if len(content) > MAX_ARCHIVE:
        raise UnexpectedResponse(subject, f"it has more than {MAX_ARCHIVE} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            # The whole list is compared, so that a second entry with the same name is refused.
            if [member.filename for member in members] != [MEMBER]:
                raise UnexpectedResponse(
                    subject, f"it must contain only one {MEMBER} and nothing else"
                )
            member = members[0]
            if member.flag_bits & _ENCRYPTED or member.compress_type not in _COMPRESSIONS:
                raise UnexpectedResponse(
                    subject, "it is encrypted or has another compression method"
                )
            with archive.open(member) as stream:
                # One more byte shows that the limit is exceeded.
                text = stream.read(limit + 1)
        if len(text) > limit:
            raise UnexpectedResponse(subject, f"the plan in it has more than {limit} bytes")
        return text.decode("utf-8")
    except _DAMAGED:
        pass
    raise UnexpectedResponse(subject, "it is damaged")


async def _commits(
    github: GitHub, *, since: str | None, head: str
) -> tuple[list[str], list[Diagnostic]]:
    """Return the commits after `since`, oldest first, and warnings about those left out."""
    if since is None or since == head:
        return [head], []
    path = f"/repos/{github.repository}/compare/{since}...{head}"
    try:
        listed = await github.pages(path, under="commits")
    except GitHubNotFound:
        summary = f"the last applied commit {since[:12]} is not in the history of {head[:12]}"
        return [head], [warning("unknown-commit", summary)]
    commits = [required_text(item, "sha") for item in listed]
    if len(commits) > MAX_COMMITS:
        summary = f"of {len(commits)} commits since the last apply only the newest count"
        # Each commit takes at least one call, and a job has a limit of calls for each hour.
        return commits[-MAX_COMMITS:], [warning("too-many-commits", summary)]
    # GitHub lists none if `head` is an ancestor of `since`, as when an older commit is applied
    # again.
    return commits or [head], []


def _planned_commits(request: JsonObject, commits: Iterable[str]) -> list[str]:
    """Return the commits for which a plan of the pull request may have been made, best first."""
    last = text_at(request, "head", "sha")
    # The head was planned on the pull request, the merged commits in the merge queue.
    candidates = [] if last is None else [last]
    candidates += commits
    return list(dict.fromkeys(candidates))


async def _find_plan(
    github: GitHub, commits: Iterable[str], request: JsonObject, wanted: ApprovalQuery
) -> tuple[Plan | None, str]:
    """Return the plan of the first commit that has one, or None and the reason."""
    reason = "none was uploaded"
    for commit in commits:
        uploads = await _uploads_of(github, commit, request, wanted)
        if len(uploads) > MAX_UPLOADS:
            return None, f"more than {MAX_UPLOADS} runs have uploaded one"
        plans: dict[str, Plan] = {}
        for upload, claim in uploads:
            plan, problem = await _readable(github, upload, claim)
            if plan is None:
                reason = problem
                continue
            plans[plan.digest] = plan
            # The comment shows the newest plan, which only a maintainer can request.
            if claim.requested:
                break
        # An author can trigger a second run that uploads a plan that was not reviewed.
        if len(plans) > 1:
            return None, "its runs uploaded plans that differ; apply one by its digest"
        if plans:
            return next(iter(plans.values())), ""
    return None, reason


async def _readable(github: GitHub, upload: JsonObject, claim: RunClaim) -> tuple[Plan | None, str]:
    """Return the plan of an upload, or None and the reason why it is not valid."""
    try:
        return await _download(github, upload, claim), ""
    except (UnexpectedResponse, GitHubNotFound) as problem:
        return None, problem.summary
    except ReconcilerError as problem:
        if problem.exit_code == 1:
            raise  # GitHub did not respond, which proves nothing about the plan
        return None, problem.summary


async def _uploads_of(
    github: GitHub, commit: str, request: JsonObject, wanted: ApprovalQuery
) -> list[tuple[JsonObject, RunClaim]]:
    """Return the uploads for a commit, newest first, each with the requirements for its run."""
    claim = RunClaim(request, commit, wanted.workflow)
    name = f"{wanted.artifact}-{commit}"
    found = [(upload, claim) for upload in await _uploads(github, name)]
    requested = replace(claim, requested=True)
    name = requested_name(name, claim.number)
    found += [(upload, requested) for upload in await _uploads(github, name)]
    return sorted(found, key=lambda item: _id(item[0]), reverse=True)


def requested_name(artifact: str, number: int) -> str:
    """Return the name of the upload of a plan that a comment on a pull request requested."""
    return f"{artifact}-pull-request-{number}"


async def _uploads(github: GitHub, name: str) -> list[JsonObject]:
    """Return the newest upload of each run: a later attempt replaces an earlier one."""
    path = f"/repos/{github.repository}/actions/artifacts?name={quote(name, safe='')}"
    newest: dict[int, JsonObject] = {}
    found = await github.pages(path, under="artifacts")
    # Later ones replace earlier ones, so expired ones come first.
    for upload in sorted(found, key=lambda item: (not item.get("expired"), _id(item))):
        run = number_at(upload, "workflow_run", "id")
        newest[_id(upload) if run is None else run] = upload
    return sorted(newest.values(), key=_id, reverse=True)


async def _download(github: GitHub, upload: JsonObject, claim: RunClaim) -> Plan:
    """Return the plan of an upload; its origin is checked before its content is read."""
    number = _id(upload)
    subject = f"artifact {number}"
    run = number_at(upload, "workflow_run", "id")
    if upload.get("expired") or run is None:
        raise UnexpectedResponse(subject, "it has expired")
    if (number_at(upload, "size_in_bytes") or 0) > MAX_ARCHIVE:
        raise UnexpectedResponse(subject, "it is too large")
    details = await github.get(f"/repos/{github.repository}/actions/runs/{run}")
    reason = await objection(github, details, claim)
    if reason:
        raise UnexpectedResponse(subject, reason)
    path = f"/repos/{github.repository}/actions/artifacts/{number}/zip"
    content = await github.download(path, limit=MAX_ARCHIVE)
    return decode(plan_in_archive(content), name=subject)


def _id(upload: JsonObject) -> int:
    return required_number(upload, "id")


async def _reviewers(github: GitHub, number: int) -> tuple[tuple[str, str], ...]:
    """Return who approved which commit; the last verdict of each reviewer counts."""
    verdicts: dict[str, JsonObject] = {}
    for review in await github.pages(f"/repos/{github.repository}/pulls/{number}/reviews"):
        login = text_at(review, "user", "login")
        if login is not None and review.get("state") in _VERDICTS:
            # GitHub lists reviews in chronological order, so the last one is kept.
            verdicts[login] = review
    return tuple(
        (login, str(review.get("commit_id")))
        for login, review in verdicts.items()
        if review["state"] == "APPROVED"
    )
