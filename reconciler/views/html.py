"""Plans, results and drift as one self-contained page: the words of the outlines, escaped for HTML.

The frame, its style and its filters: `reconciler.views.html_page`.
"""

from collections.abc import Iterable, Sequence
from html import escape

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult, Status
from reconciler.planning.actions import ActionKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views import drift_outline, phrases, plan_outline, result_outline
from reconciler.views.html_page import chart, document, filters
from reconciler.views.sections import Section
from reconciler.views.suggested_command import CommandContext

OPENED = 10
"""Up to this many actions all are unfolded; beyond, those that are blocked or did not succeed."""

_CHARTED = {*ActionKind, "blocked", *Status}


def plan(value: Plan, *, ledger: str, context: CommandContext = CommandContext()) -> str:
    """Write a plan."""
    shown = plan_outline.of_plan(value, ledger=ledger, context=context)
    few = len(shown.actions) <= OPENED
    present = {
        "action": {item.kind.value for item in shown.actions},
        "risk": {item.risk.value for item in shown.actions},
    }
    about = [f"digest <code>{escape(shown.digest)}</code>"]
    if shown.commit:
        about.append(f"commit <code>{escape(shown.commit)}</code>")
    body = [
        *_header(shown.title, shown.run, header=shown.header, about=about),
        f'<p class="lead">{escape(shown.summary)}</p>',
        *([f'<p class="callout">{escape(shown.warning)}</p>'] if shown.warning else []),
        *_charted(shown.counts),
        *_findings(shown.findings),
        *_heading(phrases.ACTIONS_TITLE, shown.actions),
        filters(present),
        *(_action(item, opened=few or bool(item.blocks)) for item in shown.actions),
        *_sections(shown.sections),
        *_next(shown),
    ]
    return document(title=f"{shown.title} {shown.run}, {shown.header}", body=body)


def result(value: ApplyResult, plan: Plan | None = None, *, ledger: str) -> str:
    """Write a result; with the plan each outcome shows its changes."""
    shown = result_outline.of_result(value, ledger=ledger, plan=plan)
    present = {
        "status": {item.status.value for item in shown.outcomes},
        "action": {item.kind.value for item in shown.outcomes},
    }
    about = [f"digest <code>{escape(shown.digest)}</code>"]
    steps = "".join(f"<li>{escape(text)}</li>" for text in shown.next_steps)
    body = [
        *_header(shown.title, shown.run, header=shown.header, about=about),
        f'<p class="lead">{escape(shown.summary)}</p>',
        *_charted(shown.counts),
        f"<ul>{steps}</ul>",
        *(f"<p><code>{escape(text)}</code></p>" for text in shown.ledger),
        *_heading(phrases.ACTIONS_TITLE, shown.outcomes),
        filters(present),
        *(_outcome(item) for item in shown.outcomes),
    ]
    return document(title=f"{shown.title} {shown.run}, {shown.header}", body=body)


def drift(value: DriftReport, *, ledger: str, context: CommandContext = CommandContext()) -> str:
    """Write a drift report."""
    shown = drift_outline.of_report(value, ledger=ledger, context=context)
    few = len(shown.items) <= OPENED
    present = {
        "action": {item.kind.value for item in shown.items},
        "risk": {item.risk.value for item in shown.items},
    }
    about = [f"fingerprint <code>{escape(shown.fingerprint)}</code>"]
    if shown.commit:
        about.append(f"commit <code>{escape(shown.commit)}</code>")
    body = [
        *_header(shown.title, "", header=shown.header, about=about),
        f'<p class="lead">{escape(shown.summary)}</p>',
        *_charted(shown.counts),
        *(_step(step) for step in shown.steps),
        *([f'<p class="callout">{escape(shown.remark)}</p>'] if shown.remark else []),
        *_findings(shown.findings),
        filters(present),
    ]
    for group in shown.groups:
        body.append(f"<h2>{escape(group.title)}</h2>")
        body += [_action(item, opened=few or bool(item.blocks)) for item in group.items]
    body += [_folded_section(section) for section in shown.sections]
    return document(title=f"{shown.title}, {shown.header}", body=body)


def _step(step: drift_outline.Suggestion) -> str:
    what = step.command or ", ".join(step.slugs)
    return f"<p>{escape(step.text)}" + (f"<br><code>{escape(what)}</code></p>" if what else "</p>")


def _header(title: str, run: str, *, header: str, about: Sequence[str]) -> Iterable[str]:
    yield "<header>"
    yield f'<p class="target">{escape(header)}</p>'
    yield f"<h1>{escape(f'{title} {run}'.strip())}</h1>"
    yield f'<p class="about">{" · ".join(about)}</p>'
    yield "</header>"


def _charted(counts: Iterable[tuple[str, int]]) -> Iterable[str]:
    yield chart((label, number) for label, number in counts if label in _CHARTED)


def _heading(title: str, items: Sequence[object]) -> Iterable[str]:
    if items:
        yield f"<h2>{escape(title)} ({len(items)})</h2>"


def _action(item: plan_outline.ActionItem, *, opened: bool) -> str:
    classes = f"action action-{item.kind.value} risk-{item.risk.value}"
    name = f" {escape(item.name)}" if item.name else ""
    headline = (
        f'<span class="symbol">{item.symbol}</span> {item.word} <strong>{escape(item.slug)}'
        f"</strong>{name} {_risk(item.risk)}"
    )
    return _folded(
        classes + " blocked" * bool(item.blocks),
        headline,
        [*_blocks(item.blocks), _reason(item), *_notes_of(item), _fields(item.changes)],
        opened=opened,
    )


def _outcome(item: result_outline.OutcomeItem) -> str:
    headline = (
        f'<span class="symbol">{item.symbol}</span> {item.status.value}: {item.kind.value} '
        f"<strong>{escape(item.slug)}</strong>"
        + (f' <span class="note">{escape(item.effort)}</span>' if item.effort else "")
    )
    inside = []
    if item.problem:
        inside.append(f'<p class="problem">{escape(item.problem)}</p>')
    if item.hint:
        inside.append(f"<p>hint: {escape(item.hint)}</p>")
    inside += [f"<p>warning: {escape(warning)}</p>" for warning in item.warnings]
    if item.request_ids:
        inside.append(f'<p class="about">request ids: {escape(", ".join(item.request_ids))}</p>')
    if item.action:
        inside += [_reason(item.action), _fields(item.action.changes)]
    return _folded(
        f"action action-{item.kind.value} status-{item.status.value}",
        headline,
        inside,
        opened=item.status is not Status.APPLIED,
    )


def _folded(classes: str, headline: str, inside: Iterable[str], *, opened: bool) -> str:
    body = "\n".join(part for part in inside if part)
    return (
        f'<details class="{classes}"{" open" * opened}><summary>{headline}</summary>\n'
        f'<div class="inside">{body}</div></details>'
    )


def _risk(risk: Risk) -> str:
    high = " high" * (risk.rank >= Risk.CREDENTIAL.rank)
    return f'<span class="tag{high}">risk: {risk.value}</span>'


def _reason(item: plan_outline.ActionItem) -> str:
    source = f" · source: <code>{escape(item.source)}</code>" if item.source else ""
    return f'<p class="about">reason: {escape(item.reason)}{source}</p>'


def _notes_of(item: plan_outline.ActionItem) -> Iterable[str]:
    for note in item.notes:
        yield f"<p>{escape(note)}</p>"


def _blocks(blocks: Sequence[plan_outline.Block]) -> Iterable[str]:
    for block in blocks:
        yield f'<p class="blocks">blocked by <code>{escape(block.code)}</code>: {block.lift}</p>'


def _fields(changes: Sequence[plan_outline.ChangeItem]) -> str:
    if not changes:
        return ""
    rows = "\n".join(
        f'<tr><th scope="row">{change.symbol} <code>{escape(change.path)}</code>{_notes(change)}'
        f"</th>{_value('before', change.before)}{_value('after', change.after)}</tr>"
        for change in changes
    )
    return (
        '<table class="fields">\n<thead><tr><th scope="col">field</th><th scope="col">before</th>'
        f'<th scope="col">after</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
    )


def _notes(change: plan_outline.ChangeItem) -> str:
    note = f'<br><span class="note">{escape(change.note)}</span>' if change.note else ""
    return note + (f'<br><span class="tag high">{change.risk}</span>' if change.risk else "")


def _value(side: str, value: str | None) -> str:
    if value is None:
        return f'<td class="{side} none" data-label="{side}">–</td>'
    return f'<td class="{side}" data-label="{side}"><code>{escape(value)}</code></td>'


def _findings(findings: Sequence[plan_outline.OutlinedDiagnostic]) -> Iterable[str]:
    if not findings:
        return
    yield f"<h2>{escape(phrases.findings_title(item.severity for item in findings))}</h2>"
    for item in findings:
        place = f"<br><code>{escape(item.place)}</code>" if item.place else ""
        hint = f"<br>hint: {escape(item.hint)}" if item.hint else ""
        yield f'<p class="callout">{escape(item.headline)}{place}{hint}</p>'


def _sections(sections: Iterable[Section]) -> Iterable[str]:
    for section in sections:
        yield f"<h2>{escape(section.title)}</h2>\n{_list(section)}"


def _folded_section(section: Section) -> str:
    return f"<details><summary>{escape(section.title)}</summary>\n{_list(section)}</details>"


def _list(section: Section) -> str:
    lines = [f"<li>{escape(line)}</li>" for line in section.lines]
    if section.more:
        lines.append(f"<li>{escape(phrases.MORE.format(section.more))}</li>")
    shown = f"<ul>{''.join(lines)}</ul>"
    if section.command:
        shown += f"<p>{escape(section.advice)} <code>{escape(section.command)}</code></p>"
    return shown


def _next(shown: plan_outline.PlanOutline) -> Iterable[str]:
    if shown.next_step:
        command = f" <code>{escape(shown.command)}</code>" if shown.command else ""
        yield f"<p>{escape(shown.next_step)}{command}</p>"
