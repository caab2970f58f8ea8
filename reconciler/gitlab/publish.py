"""Publication of a report: the note on a merge request, or the drift issue."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.github.bodies import ReportContext, ReportKind, Terms, marker_of, text_of
from reconciler.github.inputs import Document, FailedCommand
from reconciler.github.issue import report_drift
from reconciler.gitlab.approved_plan import merged_with
from reconciler.gitlab.client import GitLab, required_id
from reconciler.gitlab.issues import GitLabIssues
from reconciler.gitlab.job import GitLabJob
from reconciler.gitlab.note import upsert

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
        if kind is ReportKind.DRIFT:
            # The reader of the kind decided the type.
            assert isinstance(document, DriftReport | FailedCommand)  # noqa: S101
            done = await report_drift(GitLabIssues(gitlab), document, kind=kind, context=context)
            return f"drift issue: {done}"
        number = await _merge_request(gitlab, job, kind)
        if number is None:
            return "no merge request to write a note on"
        # Where there was nothing to apply, no note is needed, but that of a failure is replaced.
        has_nothing_to_say = (
            isinstance(document, ApplyResult) and not document.outcomes and document.is_recorded
        )
        done = await upsert(
            gitlab,
            merge_request=number,
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
