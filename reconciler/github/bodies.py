"""Text of comments, issues and the job summary, for each kind of report.

`reconciler.views.markdown` renders plans, results and drift; this module adds the last line, the
text for a command that failed, and the marker. The marker is the hidden first line by which a
comment or an issue is found again: an HTML comment with the environment and the digest of what is
reported. It only counts at the very beginning of a text, where no reported name or value can stand.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never
from urllib.parse import quote

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.github.inputs import Document, FailedCommand
from reconciler.planning.plan import Plan
from reconciler.views import markdown
from reconciler.views.escape import visible
from reconciler.views.length_budget import fit
from reconciler.views.markdown import code, fence
from reconciler.views.plan_outline import of_diagnostic
from reconciler.views.render_options import RenderOptions
from reconciler.views.suggested_command import CommandContext

COMMENT_LIMIT = markdown.LIMIT
_RESERVE = 4096
"""Bytes for the marker and the last line; an environment's name has 255 characters at most."""

_MIN_ROOM = 8192
"""The smallest limit that a view of `markdown` keeps within."""

_HOURS_A_DAY = 24

NO_DIGEST = "none"
"""Stands for the digest where no plan could be made."""

_MARKER = re.compile(r"\A<!-- reconcile:([a-z]+) environment=(\S+) digest=(\S+) -->(?:\r?\n|\Z)")


class ReportKind(StrEnum):
    """Kind of a report."""

    PLAN = "plan"
    RESULT = "result"
    DRIFT = "drift"


_FAILED = {
    ReportKind.PLAN: "Plan not made",
    ReportKind.RESULT: "Apply failed before the first write",
    ReportKind.DRIFT: "Could not check",
}
_REFUSED = {
    ReportKind.PLAN: "Plan refused",
    ReportKind.RESULT: "Apply refused, nothing was written",
    ReportKind.DRIFT: "Could not check",
}


@dataclass(frozen=True, slots=True)
class ReportContext:
    """Facts that a text shows beside the document: environment, ledger state, where to approve.

    `command_context` holds the options that a suggested command repeats. `plan_age_hours` is how
    long after its approval a plan may be applied, if that is known.
    """

    environment: str
    ledger: str
    workflow_url: str | None = None
    command_context: CommandContext = CommandContext()
    plan_age_hours: float | None = None

    @property
    def render_options(self) -> RenderOptions:
        """Return the options of the view."""
        return RenderOptions(ledger=self.ledger, context=self.command_context)


@dataclass(frozen=True, slots=True)
class Marker:
    """Marker of one report; `environment` is as the user wrote it."""

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
        """Return whether a text has a marker of the same kind and environment, of any digest."""
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
        case DriftReport():
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
    room = limit - _RESERVE - len(last.encode())
    options = context.render_options
    match document:
        case Plan():
            text = markdown.plan(document, options, limit=room)
        case ApplyResult():
            text = markdown.result(document, options, limit=room)
        case DriftReport():
            text = markdown.drift(document, options, limit=room)
        case FailedCommand():
            text = _failure(document, kind=kind, context=context, limit=room)
        case _:
            assert_never(document)
    return f"{text}\n{last}"


def failure_title(kind: ReportKind, failure: FailedCommand) -> str:
    """Return the heading of a failed command, which holds no text of others."""
    return (_REFUSED if failure.refused else _FAILED)[kind]


def failure_reasons(failure: FailedCommand, *, limit: int = _MIN_ROOM) -> str:
    """Return the diagnostics of a failed command, each in a fence."""
    fences = []
    for diagnostic in failure.diagnostics:
        outline = of_diagnostic(diagnostic)
        lines = [outline.headline]
        if outline.place:
            lines.append(f"  --> {outline.place}")
        if outline.hint:
            lines.append(f"hint: {outline.hint}")
        fences.append(fence(lines))
    return fit(head="", notes=fences, details=[], tail=[], limit=limit).lstrip("\n")


def _failure(
    failure: FailedCommand, *, kind: ReportKind, context: ReportContext, limit: int
) -> str:
    head = f"### {failure_title(kind, failure)}\n\n{failure_reasons(failure)}"
    plan = failure.plan
    if plan is None:
        return head
    if kind is ReportKind.RESULT and not plan.blocked and plan.actions:
        head += f"\n{_how_to_approve(plan, context)}"
    room = max(_MIN_ROOM, limit - len(head.encode()) - 1)
    shown = markdown.plan(plan, context.render_options, limit=room)
    return f"{head}\n{shown}"


def _how_to_approve(plan: Plan, context: ReportContext) -> str:
    workflow = "the apply workflow"
    if context.workflow_url:
        workflow = f"[the apply workflow]({context.workflow_url})"
    return (
        f"To approve exactly the plan below, run {workflow} manually with this digest:\n"
        f"\n{fence([plan.digest])}"
    )


def _last_line(document: Document, context: ReportContext) -> str:
    parts = [f"environment {code(visible(context.environment, limit=255))}"]
    commit = None
    if isinstance(document, Plan):
        commit = document.commit
    elif isinstance(document, DriftReport):
        commit = document.plan.commit
    if commit is not None:
        parts.append(f"commit {code(visible(commit[:12]))}")
    if isinstance(document, Plan) and document.actions and context.plan_age_hours is not None:
        parts.append(f"holds until {_duration(context.plan_age_hours)} after the merge")
    return f"{' · '.join(parts)}\n"


def _duration(hours: float) -> str:
    """Return a duration in whole days where it is that, else in hours."""
    days = hours / _HOURS_A_DAY
    if days > 1 and days.is_integer():
        return f"{days:g} days"
    return f"{hours:g} hours"


def _quoted(text: str) -> str:
    # Without spaces and `>` no name can end the HTML comment or forge a digest.
    return quote(text, safe=":")
