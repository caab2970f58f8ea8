"""Publication of a report: the note on a merge request, or the issue of drift or of a fleet.

There is one note for each environment, found again and updated in place as the comment on GitHub.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.frozen_dataclass import dataclass
from reconciler.github.bodies import Marker, ReportContext, ReportKind, Terms, marker_of, text_of
from reconciler.github.comment import upsert
from reconciler.github.inputs import Document, FailedCommand, FleetReport
from reconciler.github.issue import ISSUE_NAMES, LABEL, Issue, report_drift
from reconciler.github.job import is_commit
from reconciler.github.rest import JsonObject, RestError
from reconciler.gitlab.approved_plan import merged_with
from reconciler.gitlab.client import GitLab, GitLabError, GitLabUnreachable, required_id
from reconciler.gitlab.job import GitLabJob

TERMS = Terms(
    request="merge request",
    apply_job="The apply job of this pipeline",
    apply="a pipeline of the default branch",
    with_digest="with the variable `RECONCILE_DIGEST` set to this digest",
    adopt="",
    override="",
)

Connect = Callable[[GitLabJob], AbstractAsyncContextManager[GitLab]]


async def publish(
    job: GitLabJob,
    document: Document,
    *,
    kind: ReportKind,
    context: ReportContext,
    connect: Connect,
) -> str:
    """Write the note or the issue, and return what was done; raises `GitLabError`."""
    async with connect(job) as gitlab:
        if kind in ISSUE_NAMES:
            # The function that read the document determined the type.
            assert isinstance(document, DriftReport | FleetReport | FailedCommand)  # noqa: S101
            done = await report_drift(GitLabIssues(gitlab), document, kind=kind, context=context)
            return f"{ISSUE_NAMES[kind]}: {done}"
        number = await _merge_request(gitlab, job, kind)
        if number is None:
            return "no merge request to write a note on"
        newer = await _newer_head(gitlab, job, number) if kind is ReportKind.PLAN else None
        if newer is not None:
            # The note would show the older plan as the one that merging applies.
            return (
                f"note on !{number}: not replaced, because the plan is of commit "
                f"{job.planned_head}, but the last commit of !{number} is {newer}"
            )
        # If there was nothing to apply, no note is needed, but that of a failure is replaced.
        has_nothing_to_say = (
            isinstance(document, ApplyResult) and not document.outcomes and document.is_recorded
        )
        done = await upsert(
            GitLabNotes(gitlab, number),
            marker=marker_of(document, kind=kind, environment=context.environment),
            text=text_of(document, kind=kind, context=context),
            only_update=has_nothing_to_say,
        )
    return f"note on !{number}: {done}"


async def _merge_request(gitlab: GitLab, job: GitLabJob, kind: ReportKind) -> int | None:
    """Return the merge request of the job; after an apply, the one that was merged."""
    if job.merge_request is not None:
        return job.merge_request
    if kind is not ReportKind.RESULT or job.merged_commit is None:
        return None
    merged = await merged_with(gitlab, job.merged_commit, branch=job.branch)
    return required_id(merged[0], "iid") if merged else None


async def _newer_head(gitlab: GitLab, job: GitLabJob, number: int) -> str | None:
    """Return the last commit of a merge request if it is another one than was planned.

    None also if that is unknown.
    """
    if job.planned_head is None:
        return None
    try:
        request = await gitlab.get(f"{gitlab.path}/merge_requests/{number}")
    except GitLabError:
        return None
    head = request.get("sha")
    if not isinstance(head, str) or not is_commit(head):
        return None
    return None if head == job.planned_head else head


@dataclass(frozen=True, slots=True)
class GitLabNotes:
    """Notes on a merge request; see `reconciler.github.comment.StickyComments`."""

    gitlab: GitLab
    merge_request: int

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""
        return GitLabUnreachable

    async def find(self, marker: Marker) -> JsonObject | None:
        """Return the oldest note with the marker that the token's user has written."""
        user = await self.gitlab.user_id()
        # The oldest one, so that two jobs that wrote at the same time later update the same note.
        for note in await self.gitlab.pages(f"{self._path}?sort=asc&order_by=created_at"):
            body = note.get("body")
            if _author_of(note) == user and isinstance(body, str) and marker.matches(body):
                return note
        return None

    async def create(self, body: str) -> None:
        """Write a note."""
        await self.gitlab.post(self._path, {"body": body})

    async def update(self, comment: JsonObject, body: str) -> None:
        """Replace the text of a note."""
        path = f"{self._path}/{required_id(comment, 'id')}"
        await self.gitlab.send("PUT", path, {"body": body})

    @property
    def _path(self) -> str:
        return f"{self.gitlab.path}/merge_requests/{self.merge_request}/notes"


@dataclass(frozen=True, slots=True)
class GitLabIssues:
    """Issues of a project; see `reconciler.github.issue.IssueTracker`."""

    gitlab: GitLab

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""
        return GitLabUnreachable

    async def labelled(self) -> list[Issue]:
        """Return all issues with the label that the token's user has opened, also closed ones."""
        labelled = [
            item
            for item in await self.gitlab.pages(f"{self._path}?scope=all&labels={LABEL}")
            if LABEL in (item.get("labels") or []) and isinstance(item.get("description"), str)
        ]
        # Guests can also open an issue with this label, and could then edit or close the report.
        user = await self.gitlab.user_id() if labelled else None
        return [
            Issue(required_id(item, "iid"), item.get("state") == "opened", item["description"])
            for item in labelled
            # GitLab names the author of every issue.
            if _author_of(item) in {None, user}
        ]

    async def create(self, title: str, body: str) -> None:
        """Open an issue with the label."""
        # GitLab creates a label that the project does not have yet.
        await self.gitlab.post(self._path, {"title": title, "description": body, "labels": LABEL})

    async def update(self, number: int, body: str, *, is_open: bool | None) -> None:
        """Set text and state of an issue; None leaves the state as it is."""
        changes = {"description": body}
        if is_open is not None:
            changes |= {"state_event": "reopen" if is_open else "close"}
        await self.gitlab.send("PUT", f"{self._path}/{number}", changes)

    async def comments(self, number: int) -> list[str]:
        """Return the comments on an issue, oldest first."""
        path = f"{self._path}/{number}/notes?sort=asc&order_by=created_at"
        return [str(item.get("body")) for item in await self.gitlab.pages(path)]

    async def comment(self, number: int, text: str) -> None:
        """Comment on an issue, which notifies its readers."""
        await self.gitlab.post(f"{self._path}/{number}/notes", {"body": text})

    @property
    def _path(self) -> str:
        return f"{self.gitlab.path}/issues"


def _author_of(item: JsonObject) -> int | None:
    """Return the id of the author of a note or an issue, None if there is none."""
    author = item.get("author")
    number = author.get("id") if isinstance(author, dict) else None
    return number if isinstance(number, int) else None
