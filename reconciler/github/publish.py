"""Report one document: outputs and summary first, for they need nobody, then comment or issue.

So a fork, whose token may read and not write, still shows its plan in the job's summary.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, warning
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.github import outputs
from reconciler.github.bodies import Setting, marker_of, text_of
from reconciler.github.client import GitHub, GitHubForbidden
from reconciler.github.comment import upsert
from reconciler.github.inputs import Document, FailedCommand
from reconciler.github.issue import report_drift
from reconciler.github.job import Job
from reconciler.github.marker import MarkerKind
from reconciler.github.pull_request import merged_with

NOBODY = "no pull request, so there is nothing to comment on"
Connect = Callable[[Job], AbstractAsyncContextManager[GitHub]]


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a report: one sentence, and warnings that do not make it a failure."""

    sentence: str
    warnings: tuple[Diagnostic, ...] = ()


def leave(
    job: Job,
    document: Document,
    *,
    kind: MarkerKind,
    setting: Setting,
    delimiter: Callable[[], str],
) -> None:
    """Write outputs and summary, as far as the job has files for them."""
    if job.output is not None:
        outputs.append_outputs(job.output, outputs.outputs_of(document), delimiter=delimiter)
    if job.summary is not None:
        room = outputs.summary_room(job.summary)
        if room >= outputs.SMALLEST_SUMMARY:
            text = text_of(document, kind=kind, setting=setting, limit=room)
            outputs.append_summary(job.summary, text)


async def tell(
    job: Job, document: Document, *, kind: MarkerKind, setting: Setting, connect: Connect
) -> Told:
    """Write the comment or the issue; raises `GitHubError` and `InvalidInput`.

    A comment that the token may not write is a warning. A drift issue that it may not write is an
    error: nobody else would ever hear of the drift.
    """
    if kind is MarkerKind.DRIFT:
        assert isinstance(document, DriftReport | FailedCommand)  # noqa: S101  decided by its reader
        async with connect(job) as github:
            done = await report_drift(github, document, setting=setting)
        return Told(f"drift issue: {done}")
    # A plan belongs to a request that is still open; a result goes to the one that was merged.
    if job.pull_request is None and (kind is MarkerKind.PLAN or job.merged_commit is None):
        return Told(NOBODY)
    async with connect(job) as github:
        try:
            return await _comment(github, job, document, kind=kind, setting=setting)
        except GitHubForbidden as refused:
            why = f"{refused.summary}; the job's summary shows the same"
            return Told("no comment", (warning(refused.code, why, hint=refused.hint),))


async def _comment(
    github: GitHub, job: Job, document: Document, *, kind: MarkerKind, setting: Setting
) -> Told:
    number = await _pull_request_number(github, job)
    if number is None:
        return Told(NOBODY)
    # Success needs no words, but it does end an earlier cry for help.
    quiet = isinstance(document, ApplyResult) and document.complete and document.is_recorded
    done = await upsert(
        github,
        number=number,
        marker=marker_of(document, kind=kind, environment=setting.environment),
        text=text_of(document, kind=kind, setting=setting),
        login=job.login,
        only_update=quiet,
    )
    return Told(f"comment on #{number}: {done}")


async def _pull_request_number(github: GitHub, job: Job) -> int | None:
    """Return the pull request of the job; for a push, the one that was merged with it."""
    if job.pull_request is not None or job.merged_commit is None:
        return job.pull_request
    merged = await merged_with(github, job.merged_commit)
    return int(merged[0]["number"]) if merged else None
