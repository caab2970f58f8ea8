"""Plans, results and drift for people at a terminal: symbols, words and, on top, colour.

Colour repeats what a symbol and a word already show. The words come from the outlines, the lines
from `reconciler.views.text_layout`.
"""

from collections.abc import Iterable

from reconciler.diagnostics import Severity
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult, Status
from reconciler.planning.actions import ActionKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views import drift_outline, phrases, plan_outline, result_outline
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import Section
from reconciler.views.text_layout import TextLayout, columns, padded

_KIND_STYLES = {
    ActionKind.CREATE: "green",
    ActionKind.UPDATE: "yellow",
    ActionKind.REPLACE: "magenta",
    ActionKind.DELETE: "red",
}
_STATUS_STYLES = {
    Status.APPLIED: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "yellow",
    Status.UNKNOWN: "bold magenta",
}
_SEVERITY_STYLES = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.NOTICE: "cyan",
}
_SYMBOL_STYLES = {"+": "green", "-": "red", "~": "yellow", "=": "cyan"}


def plan(value: Plan, options: RenderOptions, *, in_progress: bool = False) -> str:
    """Return a plan: the summary, then each action, then diagnostics and sections.

    A plan that an apply shows (`in_progress`) ends with its actions, right above the question, and
    without the command that would apply it.
    """
    shown = plan_outline.of_plan(value, ledger=options.ledger, context=options.context)
    page = TextLayout(width=options.width, color=options.color)
    page.line(shown.header)
    if shown.run:
        page.line(f"{shown.title} {shown.run}")
    page.line(f"digest: {shown.digest}")
    if shown.commit:
        page.line(f"commit: {shown.commit}")
    if shown.warning:
        page.line((f"warning: {shown.warning}", "yellow"))
    page.blank()
    page.line((shown.summary, "bold"))
    # Before the actions, which may fill the screen, so that the question stands below them.
    if in_progress:
        _findings(page, shown.findings)
        _sections(page, shown.sections)
    for action in shown.actions:
        page.blank()
        _action(page, action)
    if in_progress:
        return page.text()
    _findings(page, shown.findings)
    _sections(page, shown.sections)
    if shown.next_step:
        page.blank()
        page.line(shown.next_step)
        if shown.command:
            page.whole(shown.command, indent=4)
    return page.text()


def result(value: ApplyResult, options: RenderOptions) -> str:
    """Return a result: the counts, a line for each action, and what to do next.

    With the plan each action that was not applied shows the changes that remain to be made.
    """
    shown = result_outline.of_result(
        value, ledger=options.ledger, plan=options.plan, context=options.context
    )
    page = TextLayout(width=options.width, color=options.color)
    page.line(shown.header)
    page.line(f"{shown.title} {shown.run}")
    page.line(f"digest: {shown.digest}")
    page.blank()
    page.line((shown.summary, "bold"))
    if shown.outcomes:
        page.blank()
    column = max((columns(item.slug) for item in shown.outcomes), default=0)
    for item in shown.outcomes:
        # One long slug must not push the durations of all others out of sight.
        _outcome(page, item, column=min(column, 40))
    page.blank()
    for status, text in shown.by_status:
        page.line((text, _STATUS_STYLES[status]))
    for step in shown.next_steps:
        page.line(step.text)
        if step.command:
            page.whole(step.command, indent=4)
    for text in shown.ledger:
        page.line(text)
    return page.text()


def drift(value: DriftReport, options: RenderOptions) -> str:
    """Return a drift report: the summary, the changes by origin, and how to resolve them."""
    shown = drift_outline.of_report(value, ledger=options.ledger, context=options.context)
    page = TextLayout(width=options.width, color=options.color)
    page.line(shown.header)
    page.whole(f"fingerprint: {shown.fingerprint}")
    if shown.commit:
        page.line(f"commit: {shown.commit}")
    page.blank()
    page.line((shown.summary, "bold green" if shown.in_sync else "bold"))
    for group in shown.groups:
        page.blank()
        page.line((group.title, "underline"))
        for action in group.items:
            page.blank()
            _action(page, action)
    if shown.note:
        page.blank()
        page.line((shown.note, "dim"))
    _findings(page, shown.findings)
    _sections(page, shown.sections)
    for step in shown.steps:
        page.blank()
        page.line(step.text)
        if step.command:
            page.whole(step.command, indent=4)
        if step.slugs:
            page.line(", ".join(step.slugs), indent=4)
    return page.text()


def _action(page: TextLayout, item: plan_outline.ActionItem) -> None:
    style = "bold red" if item.blocks else _KIND_STYLES[item.kind]
    risk = (item.risk.value, "bold" if item.risk.rank >= Risk.CREDENTIAL.rank else "")
    name = f" {item.name}" if item.name else ""
    page.line((f"{item.symbol} {item.word}", style), f" {item.slug}{name}, risk: ", risk)
    for block in item.blocks:
        page.line((f"blocked by {block.code}", "bold red"), f": {block.lift}", indent=4)
    page.line((f"reason: {item.reason}", "dim"), indent=4)
    if item.source:
        page.whole((f"source: {item.source}", "dim"), indent=4)
    for note in item.notes:
        page.line(note, indent=4)
    for change in item.essential_changes:
        page.line((change.symbol, _SYMBOL_STYLES[change.symbol]), f" {change.text}", indent=4)


def _findings(page: TextLayout, findings: Iterable[plan_outline.OutlinedDiagnostic]) -> None:
    for item in findings:
        page.blank()
        page.line((item.headline, _SEVERITY_STYLES[item.severity]))
        if item.place:
            page.whole(f"--> {item.place}", indent=2)
        if item.hint:
            page.line(f"hint: {item.hint}")


def _sections(page: TextLayout, sections: Iterable[Section]) -> None:
    for section in sections:
        page.blank()
        page.line(section.title)
        for text in section.lines:
            page.line(text, indent=4)
        if section.more:
            page.line(phrases.MORE.format(section.more), indent=4)
        if section.command:
            page.line(section.advice)
            page.whole(section.command, indent=4)


def _outcome(page: TextLayout, item: result_outline.OutcomeItem, *, column: int) -> None:
    slug = padded(item.slug, column)
    status = (f"{item.symbol} {item.status.value:<7}", _STATUS_STYLES[item.status])
    page.line(status, f"  {item.kind.value:<7}  {slug}  {item.effort}".rstrip())
    if item.problem:
        page.line(item.problem, indent=4)
    if item.hint:
        page.line(f"hint: {item.hint}", indent=4)
    if item.problem and item.request_ids:
        page.line(f"request ids: {', '.join(item.request_ids)}", indent=4)
    for warning in item.warnings:
        page.line((f"warning: {warning}", "yellow"), indent=4)
    if item.action and item.status is not Status.APPLIED:
        for change in item.action.essential_changes:
            page.line(f"{change.symbol} {change.text}", indent=4)
