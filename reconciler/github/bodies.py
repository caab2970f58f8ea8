"""Text of comments, issues and the job summary, for each kind of report.

`reconciler.views.markdown` renders plans, results and drift; this module adds the last line, the
text for a failed command, and the marker. The marker is the hidden first line by which a comment or
an issue is found again: an HTML comment with the environment and the digest of the report. It
counts only at the beginning of a text, where no reported name or value can appear.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from enum import StrEnum
from typing import assert_never
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic
from reconciler.drift.report import DriftReport, moved_in_api
from reconciler.execution.result import ApplyResult
from reconciler.frozen_dataclass import dataclass
from reconciler.github.inputs import NO_RESULT, Document, FailedCommand, FleetReport
from reconciler.planning.plan import Plan
from reconciler.views import markdown
from reconciler.views.escape import visible
from reconciler.views.findings import findings_of, lines_of
from reconciler.views.length_budget import fit
from reconciler.views.markdown import code, fence
from reconciler.views.phrases import BLOCKED_HERE, LIFTS_BY_MERGING, MORE, UNCOMMITTED
from reconciler.views.render_options import Publication, RenderOptions
from reconciler.views.sections import CommandContext, once_accepted

COMMENT_LIMIT = markdown.LIMIT
_RESERVE = 4096
"""Bytes for the marker and the last line; an environment's name has at most 255 characters."""

_MIN_ROOM = 8192
"""Smallest limit that a view of `markdown` can keep."""

_HOURS_A_DAY = 24
_DATE = len("2026-01-01")

NO_DIGEST = "none"
"""Placeholder for the digest if no plan could be made."""

# GitHub returns a text that was edited on its website with CRLF.
_MARKER = re.compile(r"\A<!-- reconcile:([a-z]+) environment=(\S+) digest=(\S+) -->(?:\r?\n|\Z)")


class ReportKind(StrEnum):
    """Kind of a report; REQUEST is the response to the comment `/plan`."""

    PLAN = "plan"
    RESULT = "result"
    DRIFT = "drift"
    FLEET = "fleet"
    REQUEST = "request"


_APPROVABLE = frozenset({"digest-mismatch", "expired-plan", "not-approved", "policy-changed"})
"""Codes of refusals that a run of the apply workflow with the plan's digest resolves."""

_TOO_EARLY = {
    "not-soaked": ("Re-run this job after the next drift check of the source.", "allow-unsoaked"),
    "outside-window": ("Re-run this job once the window is open.", "break-freeze"),
}
"""Refusals that are only temporary, with the next step and the input that overrides them."""

_FAILED = {
    ReportKind.PLAN: "Plan not made",
    ReportKind.RESULT: "Apply failed before the first write",
    ReportKind.DRIFT: "Could not check",
    ReportKind.FLEET: "Could not check",
}
_REFUSED = {
    ReportKind.PLAN: "Plan refused",
    ReportKind.RESULT: "Apply refused, nothing was written",
    ReportKind.DRIFT: "Could not check",
    ReportKind.FLEET: "Could not check",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a code host: what is merged, and how a plan is applied by its digest.

    `adopt` describes how to adopt changes made in the API, and `override` how to apply earlier,
    with the link in place of `{}`; empty if that is not possible.
    """

    request: str = "pull request"
    apply_job: str = "The apply job of this workflow"
    apply: str = "the apply workflow"
    with_digest: str = "with this digest"
    adopt: str = "run {} with `adopt`: it opens a pull request"
    override: str = "If it cannot wait, run {} with a reason in `{}`."


GITHUB_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class ReportContext:
    """Facts that a text shows with the document: environment, ledger state, where to approve.

    `workflow_url` is the page of the reporting workflow, `apply_url` that of the apply workflow.
    `is_pull_request` is True if merging a pull request applies the plan. `command_context` holds
    the options that a suggested command repeats. `plan_age_hours` is the time after its approval in
    which a plan can be applied, if known. `run_url`, `actor` and `time` are the run, the user and
    the time of the report.
    """

    environment: str
    ledger: str
    workflow_url: str | None = None
    apply_url: str | None = None
    is_pull_request: bool = False
    command_context: CommandContext = CommandContext()
    plan_age_hours: float | None = None
    run_url: str | None = None
    actor: str | None = None
    time: str | None = None
    terms: Terms = GITHUB_TERMS

    def render_options(self, *next_steps: str) -> RenderOptions:
        """Return the options of the view; `next_steps` replace commands."""
        return RenderOptions(
            ledger=self.ledger,
            context=self.command_context,
            publication=Publication(self.environment, next_steps),
        )


@dataclass(frozen=True, slots=True)
class Marker:
    """Marker of one report; `environment` is the name that the user wrote."""

    kind: ReportKind
    environment: str
    digest: str = NO_DIGEST

    @property
    def line(self) -> str:
        """Return the line with its newline."""
        return (
            f"<!-- reconcile:{self.kind.value} environment={_quoted(self.environment)} "
            f"digest={_quoted(self.digest)} -->\n"
        )

    def matches(self, text: str) -> bool:
        """Return whether a text has a marker of the same kind and environment, with any digest."""
        found = _MARKER.match(text)
        return found is not None and found.group(1, 2) == (self.kind, _quoted(self.environment))


def marked_digest(text: str) -> str | None:
    """Return the digest in a text's marker, None without a marker."""
    found = _MARKER.match(text)
    return found[3] if found else None


def without_marker(text: str) -> str:
    """Return the text without its marker."""
    return _MARKER.sub("", text, count=1)


def marker_of(document: Document, *, kind: ReportKind, environment: str) -> Marker:
    """Return the marker for a report of this document."""
    match document:
        case Plan():
            digest = document.digest
        case ApplyResult():
            digest = document.plan_digest
        case DriftReport() | FleetReport():
            digest = document.fingerprint
        case FailedCommand():
            digest = document.plan.digest if document.plan else NO_DIGEST
        case _:
            assert_never(document)
    return Marker(kind, environment, digest)


def text_of(
    document: Document, *, kind: ReportKind, context: ReportContext, limit: int = COMMENT_LIMIT
) -> str:
    """Return a document as Markdown within `limit` bytes, without a marker."""
    last = _last_line(document, context)
    # Limits count bytes, and a report contains characters of two or more bytes.
    room = limit - _RESERVE - len(last.encode())
    match document:
        case Plan():
            options = context.render_options(*_steps_of_plan(document, context))
            text = markdown.plan(document, options, limit=room)
        case ApplyResult():
            options = context.render_options(*_steps_of_result(document, context))
            text = markdown.result(document, options, limit=room)
        case DriftReport():
            options = context.render_options(*_steps_of_drift(document, context))
            text = markdown.drift(document, options, limit=room)
        case FleetReport():
            text = document.render(room)
        case FailedCommand():
            text = _failure(document, kind=kind, context=context, limit=room)
        case _:
            assert_never(document)
    return f"{text}\n{last}"


def proposal_text(report: DriftReport, context: ReportContext) -> str:
    """Return the body of the pull request that adopts in Git what a drift report found."""
    purpose = once_accepted(report.plan, "To make the API match Git instead")
    steps = [
        "Merging this pull request adopts in Git the changes made in the API.\n",
        _how_to_apply(report.fingerprint, purpose, context),
    ]
    if report.plan.blocked:
        # Values between both limits can be merged but not applied.
        steps.insert(1, f"{BLOCKED_HERE}\n")
    text = markdown.drift(report, context.render_options(*steps), limit=COMMENT_LIMIT - _RESERVE)
    return f"{text}\n{_last_line(report, context)}"


def failure_title(kind: ReportKind, failure: FailedCommand) -> str:
    """Return the heading for a failed command, which contains no foreign text."""
    is_unknown = any(item.code == NO_RESULT for item in failure.diagnostics)
    if kind is ReportKind.RESULT and is_unknown:
        return "Apply stopped, and it is unknown what was applied"
    return (_REFUSED if failure.refused else _FAILED)[kind]


def failure_reasons(failure: FailedCommand, *, limit: int = _MIN_ROOM) -> str:
    """Return the diagnostics of a failed command, each in a fence."""
    return _reasons(failure.diagnostics, limit=limit)


def _reasons(diagnostics: Iterable[Diagnostic], *, limit: int = _MIN_ROOM) -> str:
    findings = findings_of(diagnostics, lint=True)
    fences = [fence(lines_of(item, more=MORE)) for item in findings]
    return fit(head="", notes=fences, details=[], tail=[], limit=limit).lstrip("\n")


def _failure(
    failure: FailedCommand, *, kind: ReportKind, context: ReportContext, limit: int
) -> str:
    title = f"### {failure_title(kind, failure)} · {_shown_name(context)}\n"
    plan = failure.plan
    if plan is None:
        return f"{title}\n{failure_reasons(failure)}"
    codes = {diagnostic.code for diagnostic in failure.diagnostics}
    is_approvable = kind is ReportKind.RESULT and bool(plan.actions) and bool(codes)
    # Only if every reason is of this kind, because a digest does not lift the others.
    if is_approvable and codes <= _APPROVABLE and not plan.blocked:
        # Approval is the only next step, so it replaces the suggestions of the reasons.
        reasons = _reasons(replace(item, hint="") for item in failure.diagnostics)
        way = _how_to_apply(plan.digest, "To approve exactly the plan below", context)
        head = f"{title}\n{reasons}\n{way}"
    else:
        # An approval does not lift a block, so it is not suggested.
        # In a pull request, a limit is lifted by an edit of reconcile.yaml and not by a flag.
        lifts = {**dict.fromkeys(_APPROVABLE, ""), **LIFTS_BY_MERGING} if plan.blocked else {}
        named = [replace(d, hint=lifts.get(d.code, d.hint)) for d in failure.diagnostics]
        head = f"{title}\n{_reasons(named)}"
        if kind is ReportKind.RESULT:
            head += "".join(f"\n{step}" for step in _steps_of_refusal(plan, codes, context))
    # Some room is reserved for the plan, so that a long list of reasons does not hide it
    # completely.
    room = max(_MIN_ROOM, limit - len(head.encode()) - 1)
    shown = markdown.plan(plan, context.render_options(), limit=room)
    return f"{head}\n{shown}"


def _steps_of_refusal(plan: Plan, codes: AbstractSet[str], context: ReportContext) -> Iterable[str]:
    """Yield the next steps after a refusal that no digest resolves."""
    if plan.blocked and codes <= _APPROVABLE:
        yield f"{BLOCKED_HERE}\n"
    workflow = _linked(context.terms.apply, context.workflow_url)
    for refusal, (later, name) in _TOO_EARLY.items():
        if refusal in codes and context.terms.override:
            yield f"{later} {context.terms.override.format(workflow, name)}\n"


def _steps_of_plan(plan: Plan, context: ReportContext) -> tuple[str, ...]:
    if not plan.actions:
        return ()
    if plan.blocked:
        return (f"{BLOCKED_HERE}\n",)
    if context.is_pull_request:
        step = f"Merging this {context.terms.request} applies this plan.\n"
    else:
        step = f"{context.terms.apply_job} applies this plan.\n"
    return (step, *_opening(plan))


def _opening(plan: Plan) -> Iterable[str]:
    """Yield from when the target accepts a plan, if it did not when the plan was made."""
    if plan.opens_at is not None:
        opens = code(visible(plan.opens_at))
        yield f"The target accepts it from {opens}. Re-run an apply that was refused before.\n"
    if plan.soaked_at is not None:
        soaked = code(visible(plan.soaked_at))
        yield f"It can be applied from {soaked}, after a drift check of its source.\n"


def _steps_of_result(result: ApplyResult, context: ReportContext) -> tuple[str, ...]:
    if result.complete:
        return ()
    workflow = _linked(context.terms.apply, context.workflow_url)
    advice = (
        f"Fix the errors shown, then run {workflow} again: it reads the API first and applies "
        "only what is missing."
    )
    return (advice,)


def _steps_of_drift(report: DriftReport, context: ReportContext) -> tuple[str, ...]:
    if report.in_sync:
        return ()
    steps = []
    purpose = once_accepted(report.plan, "To make the API match Git")
    if report.plan.blocked:
        steps.append(f"{BLOCKED_HERE}\n")
    apply_context = replace(context, workflow_url=context.apply_url)
    steps.append(_how_to_apply(report.fingerprint, purpose, apply_context))
    if moved_in_api(report) and context.terms.adopt:
        way = context.terms.adopt.format(_linked("the drift workflow", context.workflow_url))
        steps.append(f"To adopt in Git what changed in the API, {way}.\n")
    return tuple(steps)


def _how_to_apply(digest: str, purpose: str, context: ReportContext) -> str:
    workflow = _linked(context.terms.apply, context.workflow_url)
    return f"{purpose}, run {workflow} {context.terms.with_digest}:\n\n{fence([digest])}"


def _linked(text: str, url: str | None) -> str:
    return f"[{text}]({url})" if url else text


def _shown_name(context: ReportContext) -> str:
    return markdown.shown_name(context.environment)


def _last_line(document: Document, context: ReportContext) -> str:
    parts = [f"environment {code(visible(context.environment, limit=255))}"]
    commit, note = None, ""
    if isinstance(document, Plan):
        commit, note = document.commit, UNCOMMITTED if document.uncommitted else ""
    elif isinstance(document, DriftReport):
        commit, note = document.plan.commit, UNCOMMITTED if document.plan.uncommitted else ""
    if commit is not None:
        parts.append(f"commit {code(visible(commit[:12]))}{note}")
    # A plan without actions needs no approval, so it does not expire.
    if isinstance(document, Plan) and document.actions and context.plan_age_hours is not None:
        parts.append(f"valid until {_duration(context.plan_age_hours)} after the merge")
    if isinstance(document, ApplyResult):
        parts += _origin(context)
    if isinstance(document, DriftReport | FleetReport) and context.time:
        parts.append(last_checked(context.time))
    return f"{' · '.join(parts)}\n"


def last_checked(time: str) -> str:
    """Return only the day of a check, because with the time, each check would edit the issue."""
    return f"last checked {time[:_DATE]}"


def linked_run(url: str) -> str:
    """Return a link to a run, named by its number."""
    return f"[run {url.rpartition('/')[2]}]({url})"


def _origin(context: ReportContext) -> list[str]:
    """Return by which run, when and by whom a plan was applied, as far as that is known."""
    parts = []
    if context.run_url:
        parts.append(f"applied by {linked_run(context.run_url)}")
    if context.time:
        parts.append(context.time)
    if context.actor:
        parts.append(f"started by {code(visible(context.actor, limit=255))}")
    return parts


def _duration(hours: float) -> str:
    """Return a duration in days if it is a whole number of them, else in hours."""
    days = hours / _HOURS_A_DAY
    if days > 1 and days.is_integer():
        return f"{days:g} days"
    return f"{hours:g} hours"


def _quoted(text: str) -> str:
    # Without spaces and `>`, no name can end the HTML comment or forge a digest.
    return quote(text, safe=":")
