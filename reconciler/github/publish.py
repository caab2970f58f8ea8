"""Publication of a report: outputs and summary first, then the comment or the issue.

Outputs and summary need no permission, so a fork, whose token may only read, still shows its plan
in the job's summary.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, warning
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.github import outputs
from reconciler.github.answers import required_number
from reconciler.github.bodies import ReportContext, ReportKind, marker_of, text_of
from reconciler.github.client import GitHub, GitHubForbidden
from reconciler.github.comment import upsert
from reconciler.github.inputs import Document, FailedCommand
from reconciler.github.issue import report_drift
from reconciler.github.job import Job
from reconciler.github.pull_request import merged_with

_NO_PULL_REQUEST = "no pull request to comment on"
Connect = Callable[[Job], AbstractAsyncContextManager[GitHub]]


@dataclass(frozen=True, slots=True)
class Published:
    """What was published, in one sentence, and warnings that do not make it a failure."""

    sentence: str
    warnings: tuple[Diagnostic, ...] = ()


def write_job_files(
    job: Job,
    document: Document,
    *,
    kind: ReportKind,
    context: ReportContext,
    delimiter: Callable[[], str],
) -> None:
    """Write outputs and summary, if the job has files for them."""
    if job.output is not None:
        outputs.append_outputs(job.output, outputs.outputs_of(document), delimiter=delimiter)
    if job.summary is not None:
        room = outputs.summary_room(job.summary)
        if room >= outputs.SMALLEST_SUMMARY:
            text = text_of(document, kind=kind, context=context, limit=room)
            outputs.append_summary(job.summary, text)


async def publish(
    job: Job, document: Document, *, kind: ReportKind, context: ReportContext, connect: Connect
) -> Published:
    """Write the comment or the issue; raises `GitHubError` and `InvalidInput`.

    A comment that the token may not write is a warning. A drift issue that it may not write is an
    error, because nothing else reports the drift.
    """
    if kind is ReportKind.DRIFT:
        assert isinstance(document, DriftReport | FailedCommand)  # noqa: S101  decided by its reader
        async with connect(job) as github:
            done = await report_drift(github, document, context=context)
        return Published(f"drift issue: {done}")
    # A plan belongs to a pull request that is open; a result to the merged pull request.
    if job.pull_request is None and (kind is ReportKind.PLAN or job.merged_commit is None):
        return Published(_NO_PULL_REQUEST)
    async with connect(job) as github:
        try:
            return await _comment(github, job, document, kind=kind, context=context)
        except GitHubForbidden as refused:
            summary = f"{refused.summary}; the job's summary shows the same"
            return Published("no comment", (warning(refused.code, summary, hint=refused.hint),))


async def _comment(
    github: GitHub, job: Job, document: Document, *, kind: ReportKind, context: ReportContext
) -> Published:
    number = await _pull_request_number(github, job)
    if number is None:
        return Published(_NO_PULL_REQUEST)
    # Where there was nothing to apply, no comment is needed, but that of a failure is replaced.
    has_nothing_to_say = (
        isinstance(document, ApplyResult) and not document.outcomes and document.is_recorded
    )
    done = await upsert(
        github,
        number=number,
        marker=marker_of(document, kind=kind, environment=context.environment),
        text=text_of(document, kind=kind, context=context),
        login=job.login,
        only_update=has_nothing_to_say,
    )
    return Published(f"comment on #{number}: {done}")


async def _pull_request_number(github: GitHub, job: Job) -> int | None:
    """Return the pull request of the job; for a push, the one that was merged with it."""
    if job.pull_request is not None or job.merged_commit is None:
        return job.pull_request
    merged = await merged_with(github, job.merged_commit)
    return required_number(merged[0], "number") if merged else None
