"""Plans, results and drift for users at a terminal: symbols, words and, on top, colour.

Colour repeats what a symbol and a word already show. The words come from the outlines, the lines
from `reconciler.views.text_layout`. In a plan with many actions, harmless ones take one line each.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.diagnostics import Severity, counted
from reconciler.domain.schema import parse_path
from reconciler.execution.result import ApplyResult, Status
from reconciler.planning.actions import ActionKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views import phrases, plan_outline
from reconciler.views.findings import Finding
from reconciler.views.plan_outline import ActionItem
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import DIGITS, Section, first_digits
from reconciler.views.text_layout import TextLayout, columns, padded

if TYPE_CHECKING:
    from reconciler.drift.report import DriftReport
    from reconciler.views.result_outline import OutcomeItem, ResultOutline

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
    shown = plan_outline.of_plan(
        value, ledger=options.ledger, context=options.context, verbose=options.verbose
    )
    page = TextLayout(width=options.width, color=options.color)
    page.line(shown.header)
    if shown.run:
        page.line(f"{shown.title} {shown.run}")
    # Without an action there is nothing to approve by a digest.
    if shown.actions or options.verbose:
        _identity(page, "digest", shown.digest, shown.commit, options, note=shown.commit_note)
    if shown.warning:
        page.line((f"warning: {shown.warning}", "yellow"))
    if shown.actions or shown.findings or options.verbose:
        page.blank()
    page.line((shown.summary, "bold"))
    for text in (*shown.costs, *shown.policies):
        page.line(text)
    _left_alone(page, shown.left_alone, options)
    # Before the actions, which may fill the screen, so that the question is directly below them.
    if in_progress:
        _notes(page, shown, options)
    _actions(page, shown.actions, options)
    # The question follows the plan, so there is no further command to suggest.
    if in_progress:
        return page.text()
    _notes(page, shown, options)
    if shown.next_step:
        page.blank()
        page.line(shown.next_step)
        if shown.command:
            page.whole(shown.command, indent=4)
    return page.text()


def result(value: ApplyResult, options: RenderOptions) -> str:
    """Return a result: the counts, what was not applied and why, and what to do next.

    Actions that were applied take one line each, and many of them one line together.
    """
    from reconciler.views import result_outline  # a plan needs none

    shown = result_outline.of_result(
        value, ledger=options.ledger, plan=options.plan, context=options.context
    )
    page = TextLayout(width=options.width, color=options.color)
    # On a terminal, the plan above has just stated that there are no changes.
    is_repetition = options.continues and options.width is not None and not _has_work(options.plan)
    if not is_repetition:
        _result_head(page, shown, options)
        page.blank()
        page.line((shown.summary, "bold"))
        for text in shown.costs:
            page.line(text)
        _outcomes(page, shown, options)
        page.blank()
    if shown.half_done:
        page.line((shown.half_done, _STATUS_STYLES[Status.FAILED]))
    for text in shown.overrides:
        page.line((text, "yellow"))
    for text in shown.not_tried:
        page.line((text, _STATUS_STYLES[Status.SKIPPED]))
    for step in shown.next_steps:
        page.line(step.text)
        if step.command:
            page.whole(step.command, indent=4)
    for text in shown.ledger:
        page.line(text)
    if options.names_simulator:
        page.line(phrases.SIMULATOR_ONLY)
    return page.text()


def _has_work(value: Plan | None) -> bool:
    return value is None or bool(value.actions)


def _result_head(page: TextLayout, shown: "ResultOutline", options: RenderOptions) -> None:
    titles = [f"{shown.title} {shown.run}".rstrip()]
    if not options.continues:
        titles.insert(0, shown.header)
    if options.names_simulator:
        titles[0] += f" · {phrases.ON_SIMULATOR}"
    for title in titles:
        page.line(title)
    if not options.continues:
        _identity(page, "digest", shown.digest, "", options)


def drift(value: "DriftReport", options: RenderOptions) -> str:
    """Return a drift report: the summary, the changes by origin, and how to resolve them."""
    from reconciler.views import drift_outline

    shown = drift_outline.of_report(
        value, ledger=options.ledger, context=options.context, verbose=options.verbose
    )
    page = TextLayout(width=options.width, color=options.color)
    page.line(shown.header)
    if not shown.in_sync or options.verbose:
        _identity(
            page, "fingerprint", shown.fingerprint, shown.commit, options, note=shown.commit_note
        )
    page.blank()
    page.line((shown.summary, "bold green" if shown.in_sync else "bold"))
    for text in shown.costs:
        page.line(text)
    _left_alone(page, shown.left_alone, options)
    before = 0
    for group in shown.groups:
        page.blank()
        page.line((group.title, "underline"))
        _actions(page, group.items, options, before=before)
        # The limit of actions in full holds for the whole report, not for each group.
        before += len(group.items)
    if shown.note:
        page.blank()
        page.line((shown.note, "dim"))
    # Without -v, only the findings: each retirement is announced once for each threshold.
    if shown.retiring and options.verbose:
        page.blank()
        page.line(phrases.RETIREMENTS)
        for text in shown.retiring:
            page.line(text, indent=4)
    _findings(page, shown.findings, options, shown.items)
    _sections(page, shown.sections, only=None if options.verbose else "undeclared")
    for step in shown.steps:
        page.blank()
        page.line(step.text)
        if step.command:
            page.whole(step.command, indent=4)
        if step.slugs:
            page.line(", ".join(step.slugs), indent=4)
    return page.text()


def _identity(
    page: TextLayout,
    name: str,
    digest: str,
    commit: str,
    options: RenderOptions,
    *,
    note: str = "",
) -> None:
    """Add the digest and the commit with its note; all digits only if requested."""
    if options.verbose:
        page.whole(f"{name}: {digest}")
        if commit:
            page.whole(f"commit: {commit}{note}")
        return
    short = f" · commit: {commit[:DIGITS]}{note}" if commit else ""
    page.line(f"{name}: {first_digits(digest)}{short}")


def _left_alone(page: TextLayout, text: str, options: RenderOptions) -> None:
    if text and not options.verbose:
        page.line(text)


def _notes(page: TextLayout, shown: plan_outline.PlanOutline, options: RenderOptions) -> None:
    _findings(page, shown.findings, options, shown.actions)
    if options.verbose:
        _sections(page, shown.sections)
    elif shown.has_undeclared_risks:
        _sections(page, shown.sections, only="undeclared")


def _actions(
    page: TextLayout,
    items: Sequence[plan_outline.ActionItem],
    options: RenderOptions,
    *,
    before: int = 0,
) -> None:
    """Add actions, the first ones in full; `before` counts those that other groups have shown."""
    in_rows = [
        item
        for number, item in enumerate(items, start=before)
        if number >= SHOWN_IN_FULL and not options.verbose and not needs_room(item)
    ]
    # One long slug must not push all others out of view.
    column = min(max((columns(item.slug) for item in in_rows), default=0), 40)
    # By identity: items are values, and two equal ones can be in one list.
    rows, is_table = {id(item) for item in in_rows}, False
    for item in items:
        is_row = id(item) in rows
        # Rows form a table without blank lines; a full action is separated by blank lines.
        if not (is_row and is_table):
            page.blank()
        if not is_row:
            _action(page, item, options)
        else:
            if item is in_rows[0]:
                page.line((phrases.REST_IN_ROWS, "dim"))
            _row(page, item, column=column)
        is_table = is_row


def _row(page: TextLayout, item: plan_outline.ActionItem, *, column: int) -> None:
    slug = padded(item.slug, column)
    page.line(
        (f"{item.symbol} {item.word}", _style_of(item)),
        f" {slug}  {item.risk.value}  {row_of(item)}",
        hang=4,
    )


def _action(page: TextLayout, item: plan_outline.ActionItem, options: RenderOptions) -> None:
    style = "bold red" if item.blocks else _style_of(item)
    risk = (item.risk.value, "bold" if item.risk.rank >= Risk.CREDENTIAL.rank else "")
    name = f" {item.name}" if item.name else ""
    page.line((f"{item.symbol} {item.word}", style), f" {item.slug}{name}, risk: ", risk)
    for block in item.blocks:
        page.line((f"blocked by {block.code}", "bold red"), f": {block.lift}", indent=4)
    # The changes of a create or an update are sufficient.
    if options.verbose or item.blocks or item.kind in REMOVALS or not item.changes:
        page.line((f"reason: {item.reason}", "dim"), indent=4)
    if item.source:
        page.whole((f"source: {item.source}", "dim"), indent=4)
    for note in item.all_notes:
        page.line(note, indent=4)
    for change in item.essential_changes:
        page.line((change.symbol, _SYMBOL_STYLES[change.symbol]), f" {change.text}", indent=4)
        if change.who:
            page.line(change.who, indent=6)
    if item.who:
        page.line(item.who, indent=4)


def _style_of(item: plan_outline.ActionItem) -> str:
    return _SYMBOL_STYLES.get(item.symbol, _KIND_STYLES[item.kind])


def _findings(
    page: TextLayout,
    findings: Iterable[Finding],
    options: RenderOptions,
    actions: Iterable[plan_outline.ActionItem],
) -> None:
    # The action itself names its file.
    known = {f"{item.source}:1" for item in actions}
    for item in findings:
        page.blank()
        page.line((item.headline, _SEVERITY_STYLES[item.severity]))
        if item.place and (options.verbose or item.place not in known):
            page.whole(f"--> {item.place}", indent=2)
        _entries(page, item, options)
        if item.hint:
            page.line(f"hint: {item.hint}")


def _entries(page: TextLayout, item: Finding, options: RenderOptions) -> None:
    if options.verbose:
        for entry in item.entries:
            place = f" --> {entry.place}" if entry.place and entry.text else ""
            page.line(f"{entry.name}{place}", indent=2)
        return
    # Slugs alone need no line each.
    if item.entries and all(" " not in entry.name for entry in item.shown):
        page.line(", ".join(entry.name for entry in item.shown), indent=2)
    else:
        for entry in item.shown:
            page.line(entry.name, indent=2)
    if item.more:
        page.line(phrases.MORE_VERBOSE.format(item.more), indent=2)


def _sections(page: TextLayout, sections: Iterable[Section], *, only: str | None = None) -> None:
    """Add sections; `only` names the one to show."""
    for section in sections:
        if only not in {None, section.key}:
            continue
        page.blank()
        page.line(section.title)
        for text in section.lines:
            page.line(text, indent=4)
        if section.more:
            page.line(phrases.MORE.format(section.more), indent=4)
        if section.command:
            page.line(section.advice)
            page.whole(section.command, indent=4)


def _outcomes(page: TextLayout, shown: "ResultOutline", options: RenderOptions) -> None:
    """Add the outcomes, grouped by reason; each reason is shown once."""
    by_reason: dict[tuple[str, ...], list[OutcomeItem]] = {}
    for item in shown.outcomes:
        # Lines below count what was not tried, and name what is half done.
        is_counted = item.status is Status.SKIPPED or (item.half_done and item.is_interrupted)
        if options.verbose or not is_counted:
            reason = (item.status.value, item.problem, item.hint, *item.warnings)
            by_reason.setdefault(reason, []).append(item)
    if by_reason:
        page.blank()
    # One long slug must not push the durations of all others out of view.
    column = min(max((columns(item.slug) for item in shown.outcomes), default=0), 40)
    for items in by_reason.values():
        # What failed or is unknown is always named, because it needs a decision.
        is_cut = items[0].status is Status.APPLIED and not options.verbose
        listed = items[:SHOWN_IN_FULL] if is_cut else items
        for item in listed:
            _outcome(page, item, column=column)
        if len(listed) < len(items):
            more = len(items) - len(listed)
            page.line(phrases.MORE_WITH_STATUS.format(more, items[0].status.value))
        _reason(page, items[0])
        if _shows_changes(items, options):
            for change in items[0].remaining_changes:
                page.line(f"{change.symbol} {change.text}", indent=4)


def _shows_changes(items: "Sequence[OutcomeItem]", options: RenderOptions) -> bool:
    """Return whether the remaining changes are shown: not if the plan has shown them above."""
    return len(items) == 1 and (options.verbose or not options.continues)


def _outcome(page: TextLayout, item: "OutcomeItem", *, column: int) -> None:
    slug = padded(item.slug, column)
    status = (f"{item.symbol} {item.status.value:<7}", _STATUS_STYLES[item.status])
    page.line(status, f"  {item.kind.value:<7}  {slug}  {item.effort}".rstrip())
    for text in item.costs:
        page.line(text, indent=4)
    if item.problem and item.request_ids:
        page.line(f"request ids: {', '.join(item.request_ids)}", indent=4)


def _reason(page: TextLayout, item: "OutcomeItem") -> None:
    if item.problem:
        page.line(item.problem, indent=4)
    if item.hint:
        page.line(f"hint: {item.hint}", indent=4)
    for warning in item.warnings:
        page.line((f"warning: {warning}", "yellow"), indent=4)


SHOWN_IN_FULL = 20
"""Number of actions that a text shows in full, regardless of their kind."""

REMOVALS = frozenset({ActionKind.REPLACE, ActionKind.DELETE})
_LISTS = {"models": "model", "workspaces": "workspace"}


def needs_room(item: ActionItem) -> bool:
    """Return whether an action has to be shown in full, regardless of its position.

    Nothing that removes, that moves a credential or names a host, and nothing blocked is shortened.
    """
    return (
        bool(item.blocks)
        or item.kind in REMOVALS
        or item.risk.rank >= Risk.CREDENTIAL.rank
        or item.has_users
        or any(change.is_whole or change.risk for change in item.changes)
        # An action without changes has only its reason to show.
        or not item.changes
    )


def row_of(item: ActionItem) -> str:
    """Return what an action does in one line: what a create contains, the changes of an update."""
    if item.kind is ActionKind.CREATE:
        return " · ".join((*_contents(item), *item.costs))
    changes = []
    for change in item.essential_changes:
        changes.append(f"{change.symbol} {change.text}")
        if change.who:
            changes.append(change.who)
    who = (item.who,) if item.who else ()
    return "; ".join((*changes, *item.costs, *who))


def _contents(item: ActionItem) -> Iterator[str]:
    if item.name:
        yield item.name
    members: dict[str, set[str]] = {name: set() for name in _LISTS}
    for change in item.changes:
        if change.path == "ai_provider_id":
            yield f"provider {change.after}"
        steps = parse_path(change.path)
        if steps and len(steps) > 1 and steps[0] in members:
            members[steps[0]].add(steps[1])
    for name, noun in _LISTS.items():
        if members[name]:
            yield counted(len(members[name]), noun)
