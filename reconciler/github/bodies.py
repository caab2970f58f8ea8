"""The text of a comment, of an issue and of the job summary, for each kind of document.

What a plan, a result or drift looks like is decided in `reconciler.views.markdown`; here it gets
its marker, its last line, and the words for what could not be made at all.
"""

from dataclasses import dataclass
from typing import assert_never

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.github.inputs import Document, FailedCommand
from reconciler.github.marker import NO_DIGEST, Marker, MarkerKind
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

_LEAST = 8192
"""The least room that a view of `markdown` keeps within."""

_FAILED = {
    MarkerKind.PLAN: "Plan not made",
    MarkerKind.RESULT: "Apply failed before the first write",
    MarkerKind.DRIFT: "Could not check",
}
_REFUSED = {
    MarkerKind.PLAN: "Plan refused",
    MarkerKind.RESULT: "Apply refused, nothing was written",
    MarkerKind.DRIFT: "Could not check",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What the text says beside the document: environment, ledger state, where to approve.

    `context` holds the options that a suggested command repeats.
    """

    environment: str
    ledger: str
    workflow_url: str | None = None
    context: CommandContext = CommandContext()


def kind_title(kind: MarkerKind, failure: FailedCommand) -> str:
    """Name in a few fixed words what did not come about."""
    return (_REFUSED if failure.refused else _FAILED)[kind]


def marker_of(document: Document, *, kind: MarkerKind, environment: str) -> Marker:
    """Make the marker for a report of this document."""
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
    document: Document, *, kind: MarkerKind, setting: Setting, limit: int = COMMENT_LIMIT
) -> str:
    """Write a document as Markdown within `limit` bytes, without a marker."""
    last = _last_line(document, setting)
    room = limit - _RESERVE - len(last.encode())
    match document:
        case Plan():
            text = markdown.plan(document, _options(setting), limit=room)
        case ApplyResult():
            text = markdown.result(document, _options(setting), limit=room)
        case DriftReport():
            text = markdown.drift(document, _options(setting), limit=room)
        case FailedCommand():
            text = _failure(document, kind=kind, setting=setting, limit=room)
        case _:
            assert_never(document)
    return f"{text}\n{last}"


def findings_of(failure: FailedCommand, *, limit: int = _LEAST) -> str:
    """Write why something could not be done, in one fence."""
    pieces: list[str] = []
    for item in map(of_diagnostic, failure.diagnostics):
        lines = [item.headline]
        lines += [f"  --> {item.place}"] * bool(item.place)
        lines += [f"hint: {item.hint}"] * bool(item.hint)
        pieces.append(fence(lines))
    return fit(head="", notes=pieces, details=[], tail=[], limit=limit).lstrip("\n")


def _options(setting: Setting) -> RenderOptions:
    return RenderOptions(ledger=setting.ledger, context=setting.context)


def _failure(failure: FailedCommand, *, kind: MarkerKind, setting: Setting, limit: int) -> str:
    head = f"### {kind_title(kind, failure)}\n\n{findings_of(failure)}"
    plan = failure.plan
    if plan is None:
        return head
    if kind is MarkerKind.RESULT and not plan.blocked and plan.actions:
        head += f"\n{_how_to_approve(plan, setting)}"
    rest = max(_LEAST, limit - len(head.encode()) - 1)
    shown = markdown.plan(plan, _options(setting), limit=rest)
    return f"{head}\n{shown}"


def _how_to_approve(plan: Plan, setting: Setting) -> str:
    where = "the apply workflow"
    if setting.workflow_url:
        where = f"[the apply workflow]({setting.workflow_url})"
    return (
        f"To approve what is shown below, and nothing else, run {where} by hand with this digest:\n"
        f"\n{fence([plan.digest])}"
    )


def _last_line(document: Document, setting: Setting) -> str:
    said = [f"environment {code(visible(setting.environment, limit=255))}"]
    commit = {Plan: lambda d: d.commit, DriftReport: lambda d: d.plan.commit}.get(type(document))
    shown = commit(document) if commit else None
    if isinstance(shown, str):
        said.append(f"commit {code(visible(shown[:12]))}")
    return f"{' · '.join(said)}\n"
