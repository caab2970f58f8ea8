"""Publication of a report: outputs and summary, comment or issue, check run and label.

Outputs and summary need no permission, so a fork, whose token is read-only, still shows its plan in
the job's summary.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, warning
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.frozen_dataclass import dataclass
from reconciler.github import outputs
from reconciler.github.answers import required_number, text_at
from reconciler.github.bodies import (
    ReportContext,
    ReportKind,
    failure_title,
    marker_of,
    text_of,
)
from reconciler.github.check_run import (
    PERMISSION,
    SUMMARY_LIMIT,
    CheckRun,
    verdict_of,
    write_check_run,
)
from reconciler.github.client import (
    GitHub,
    GitHubError,
    GitHubForbidden,
    GitHubNotFound,
    UnexpectedResponse,
)
from reconciler.github.comment import GitHubComments, upsert
from reconciler.github.inputs import NO_EXTRAS, Document, Extras, FailedCommand, FleetReport
from reconciler.github.issue import ISSUE_NAMES, GitHubIssues, report_drift
from reconciler.github.job import Job
from reconciler.github.pull_request import merged_with, newer_head
from reconciler.planning.plan import Plan

_MAY_COMMENT = "pull-requests: write"
_NO_PULL_REQUEST = "no pull request to comment on"
Connect = Callable[[Job], AbstractAsyncContextManager[GitHub]]


@dataclass(frozen=True, slots=True)
class Published:
    """What was published, in one sentence, and warnings that are not failures."""

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
    job: Job,
    document: Document,
    *,
    kind: ReportKind,
    context: ReportContext,
    connect: Connect,
    extras: Extras = NO_EXTRAS,
) -> Published:
    """Write the comment or the issue, then the extras; raises `GitHubError` and `InvalidInput`.

    A comment, check run or label that the token cannot write is a warning. A drift issue that it
    cannot write is an error, because nothing else reports the drift.
    """
    if kind in ISSUE_NAMES:
        # The function that read the document determined the type.
        assert isinstance(document, DriftReport | FleetReport | FailedCommand)  # noqa: S101
        async with connect(job) as github:
            done = await report_drift(GitHubIssues(github), document, kind=kind, context=context)
        return Published(f"{ISSUE_NAMES[kind]}: {done}")
    # A plan belongs to a pull request that is open; a result to the merged pull request.
    has_request = job.pull_request is not None or (
        kind is ReportKind.RESULT and job.merged_commit is not None
    )
    if not (has_request or extras.check_run):
        return Published(_NO_PULL_REQUEST)
    async with connect(job) as github:
        number = await _pull_request_number(github, job) if has_request else None
        before = Published("")
        stale = await _stale_plan(github, job, number, kind=kind, extras=extras)
        if stale is not None:
            before = Published(f"comment on #{number}: not replaced", (stale,))
            number = None
        return await _write_all(
            _parts(github, job, document, number=number, kind=kind, context=context, extras=extras),
            before,
        )


async def _stale_plan(
    github: GitHub, job: Job, number: int | None, *, kind: ReportKind, extras: Extras
) -> Diagnostic | None:
    """Return a warning if commits were pushed to the pull request after the planned one.

    The comment would show the older plan as the one that merging applies.
    """
    planned = job.planned_head
    if job.commented_pull_request is not None:
        # The event of a comment names no commit, so the option does. In a merge queue, the option
        # names the merge of the head instead.
        planned = extras.commit
    if kind is not ReportKind.PLAN or number is None or planned is None:
        return None
    head = await newer_head(github, number, planned=planned)
    if head is None:
        return None
    summary = (
        f"the plan is of commit {planned}, but the head of #{number} is {head}; the comment was "
        "not replaced"
    )
    return warning("stale-plan", summary, hint="run the plan of the newest commit")


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing to write; a refusal of these kinds is a warning that names the permission."""

    name: str
    work: Callable[[], Awaitable[str]]
    permission: str
    refusals: tuple[type[GitHubError], ...] = (GitHubForbidden,)


def _parts(
    github: GitHub,
    job: Job,
    document: Document,
    *,
    number: int | None,
    kind: ReportKind,
    context: ReportContext,
    extras: Extras,
) -> Iterator[_Part]:
    """Yield the parts to write: the comment, and the requested extras."""
    if number is not None:
        yield _Part(
            "comment",
            lambda: _comment(github, job, document, number=number, kind=kind, context=context),
            _MAY_COMMENT,
        )
    if extras.check_run:
        yield _Part(
            "check run",
            lambda: _check_run(github, job, document, kind=kind, context=context, extras=extras),
            PERMISSION,
            # GitHub also returns 404 to a token without the permission.
            (GitHubForbidden, GitHubNotFound),
        )
    label = extras.label
    if label is not None and number is not None and isinstance(document, Plan):
        yield _Part(
            "label",
            lambda: _label(github, document, number=number, label=label),
            _MAY_COMMENT,
            # A label that the repository does not have can also be refused.
            (GitHubForbidden, GitHubNotFound, UnexpectedResponse),
        )


async def _write_all(parts: Iterable[_Part], before: Published) -> Published:
    """Write every part, even after a failure, and then raise the first error.

    The result also contains what was reported `before`.
    """
    sentences = [before.sentence] if before.sentence else []
    warnings = [*before.warnings]
    errors: list[GitHubError] = []
    for part in parts:
        try:
            sentences.append(await part.work())
        except GitHubError as problem:
            sentences.append(f"no {part.name}")
            if not isinstance(problem, part.refusals):
                errors.append(problem)
                continue
            summary = f"{problem.summary}; there is no {part.name}, see the job's summary"
            hint = f"grant the job {part.permission}; a fork's token never may"
            warnings.append(warning(problem.code, summary, hint=hint))
    # Raised last, so that a part that failed does not prevent the others.
    if errors:
        raise errors[0]
    return Published("; ".join(sentences) or _NO_PULL_REQUEST, tuple(warnings))


async def _comment(
    github: GitHub,
    job: Job,
    document: Document,
    *,
    number: int,
    kind: ReportKind,
    context: ReportContext,
) -> str:
    # If there was nothing to apply, no comment is needed, but that of a failure is replaced.
    has_nothing_to_say = (
        isinstance(document, ApplyResult) and not document.outcomes and document.is_recorded
    )
    done = await upsert(
        GitHubComments(github, number, job.login),
        marker=marker_of(document, kind=kind, environment=context.environment),
        text=text_of(document, kind=kind, context=context),
        only_update=has_nothing_to_say,
    )
    return f"comment on #{number}: {done}"


async def _check_run(
    github: GitHub,
    job: Job,
    document: Document,
    *,
    kind: ReportKind,
    context: ReportContext,
    extras: Extras,
) -> str:
    # A plan and a result have one; the command refuses the option for the others.
    assert isinstance(document, Plan | ApplyResult | FailedCommand)  # noqa: S101
    commit = extras.commit or job.checked_commit
    if commit is None:
        return "no commit to check"
    title = failure_title(kind, document) if isinstance(document, FailedCommand) else ""
    verdict = verdict_of(document, failed_title=title, is_proposed=job.pull_request is not None)
    check = CheckRun(
        environment=context.environment,
        commit=commit,
        verdict=verdict,
        summary=text_of(document, kind=kind, context=context, limit=SUMMARY_LIMIT),
        details_url=context.run_url,
    )
    return f"check run `{check.name}` ({verdict.title}): {await write_check_run(github, check)}"


async def _label(github: GitHub, plan: Plan, *, number: int, label: str) -> str:
    # The comparison of a plan without actions can be incomplete; then nothing is known.
    if not (plan.actions or plan.in_sync):
        return "label: unchanged"
    done = await _set_label(github, number=number, label=label, wanted=bool(plan.actions))
    return f"label: {done}"


async def _pull_request_number(github: GitHub, job: Job) -> int | None:
    """Return the pull request of the job or, for a push, the one that was merged with it."""
    if job.pull_request is not None or job.merged_commit is None:
        return job.pull_request
    merged = await merged_with(github, job.merged_commit)
    return required_number(merged[0], "number") if merged else None


async def _set_label(github: GitHub, *, number: int, label: str, wanted: bool) -> str:
    """Add or remove the label, and return in one word what was done."""
    path = f"/repos/{github.repository}/issues/{number}/labels"
    # GitHub compares the names of labels without regard to case.
    named = {(text_at(item, "name") or "").lower() for item in await github.pages(path)}
    if (label.lower() in named) is wanted:
        return "unchanged"
    if wanted:
        await github.send("POST", path, {"labels": [label]})
        return "added"
    try:
        await github.send("DELETE", f"{path}/{quote(label, safe='')}")
    except GitHubNotFound:
        return "unchanged"  # removed by another in the meantime
    return "removed"
