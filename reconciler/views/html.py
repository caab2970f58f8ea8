"""Plans, results and drift as one self-contained page: it loads nothing, runs nothing, prints well.

The words come from the outlines, escaped for HTML. The style sheets are beside this file; filters
are checkboxes and CSS.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib import resources

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult, Status
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan
from reconciler.planning.risk import Risk
from reconciler.views import drift_outline, phrases, plan_outline, result_outline
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import Section

OPENED = 10
"""Up to this many actions all are unfolded; beyond, only those that are blocked or not applied."""

FILTERS: Mapping[str, Sequence[str]] = {
    "action": [kind.value for kind in ActionKind],
    "risk": [risk.value for risk in Risk],
    "status": [status.value for status in Status],
}
"""What a reader can filter by; a class `action-create` and an id `show-action-create` for each."""

# Not the number of unchanged integrations, which would dwarf all bars.
_CHARTED = {*ActionKind, "blocked", *Status}


def plan(value: Plan, options: RenderOptions) -> str:
    """Return a plan as a page."""
    shown = plan_outline.of_plan(value, ledger=options.ledger, context=options.context)
    about = [f"digest <code>{escape(shown.digest)}</code>", *_commit(shown.commit)]
    body = [
        *_header(shown.title, shown.run, header=shown.header, about=about),
        _lead(shown.summary),
        *_callout(shown.warning),
        chart(_charted(shown.counts)),
        *_findings(shown.findings),
        *_heading(phrases.ACTIONS_TITLE, shown.actions),
        *_filtered_actions(shown.actions),
        *_sections(shown.sections),
        *_next(shown),
    ]
    return _document(title=f"{shown.title} {shown.run}, {shown.header}", body=body)


def result(value: ApplyResult, options: RenderOptions) -> str:
    """Return a result as a page; with the plan each outcome shows its changes."""
    shown = result_outline.of_result(value, ledger=options.ledger, plan=options.plan)
    present = {
        "status": {item.status.value for item in shown.outcomes},
        "action": {item.kind.value for item in shown.outcomes},
    }
    steps = "".join(f"<li>{escape(text)}</li>" for text in shown.next_steps)
    about = [f"digest <code>{escape(shown.digest)}</code>"]
    body = [
        *_header(shown.title, shown.run, header=shown.header, about=about),
        _lead(shown.summary),
        chart(_charted(shown.counts)),
        f"<ul>{steps}</ul>",
        *(f"<p><code>{escape(text)}</code></p>" for text in shown.ledger),
        *_heading(phrases.ACTIONS_TITLE, shown.outcomes),
        filters(present),
        *(_outcome(item) for item in shown.outcomes),
    ]
    return _document(title=f"{shown.title} {shown.run}, {shown.header}", body=body)


def drift(value: DriftReport, options: RenderOptions) -> str:
    """Return a drift report as a page."""
    shown = drift_outline.of_report(value, ledger=options.ledger, context=options.context)
    about = [f"fingerprint <code>{escape(shown.fingerprint)}</code>", *_commit(shown.commit)]
    body = [
        *_header(shown.title, "", header=shown.header, about=about),
        _lead(shown.summary),
        chart(_charted(shown.counts)),
        *(_suggestion(step) for step in shown.steps),
        *_callout(shown.note),
        *_findings(shown.findings),
        filters(_kinds_and_risks(shown.items)),
    ]
    few = len(shown.items) <= OPENED
    for group in shown.groups:
        body.append(f"<h2>{escape(group.title)}</h2>")
        body += [_action(item, is_open=few or bool(item.blocks)) for item in group.items]
    body += [_folded_section(section) for section in shown.sections]
    return _document(title=f"{shown.title}, {shown.header}", body=body)


def chart(counts: Iterable[tuple[str, int]]) -> str:
    """Return a bar chart of the counts that are not zero; an empty text if all are."""
    bars = [(label, number) for label, number in counts if number]
    if not bars:
        return ""
    most = max(number for _, number in bars)
    rows = "\n".join(
        f'<tr class="{escape(label)}"><th scope="row">{escape(label)}</th>'
        f'<td><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        # At least one unit: a single delete among thousands stays visible.
        f'<rect width="{max(1, round(100 * number / most))}" height="10"/></svg></td>'
        f"<td>{number}</td></tr>"
        for label, number in bars
    )
    return f'<table class="chart">\n{rows}\n</table>'


def filters(present: Mapping[str, Iterable[str]]) -> str:
    """Return a checkbox for each value present, for dimensions with more than one value."""
    groups = []
    for dimension, values in present.items():
        shown = [value for value in FILTERS[dimension] if value in set(values)]
        if len(shown) > 1:
            boxes = "".join(
                f'<label><input type="checkbox" id="show-{dimension}-{value}" checked> '
                f"{value}</label>"
                for value in shown
            )
            groups.append(f"<fieldset><legend>{dimension}</legend>{boxes}</fieldset>")
    return f'<div class="filters">{"".join(groups)}</div>' if groups else ""


def palette() -> str:
    """Return the style sheet with the colours that all pages share."""
    return _style_sheet("palette.css")


def _header(title: str, run: str, *, header: str, about: Sequence[str]) -> Iterator[str]:
    yield "<header>"
    yield f'<p class="target">{escape(header)}</p>'
    yield f"<h1>{escape(f'{title} {run}'.strip())}</h1>"
    yield f'<p class="about">{" · ".join(about)}</p>'
    yield "</header>"


def _commit(commit: str) -> Iterator[str]:
    if commit:
        yield f"commit <code>{escape(commit)}</code>"


def _lead(summary: str) -> str:
    return f'<p class="lead">{escape(summary)}</p>'


def _callout(text: str) -> Iterator[str]:
    if text:
        yield f'<p class="callout">{escape(text)}</p>'


def _charted(counts: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    return ((label, number) for label, number in counts if label in _CHARTED)


def _heading(title: str, items: Sequence[object]) -> Iterator[str]:
    if items:
        yield f"<h2>{escape(title)} ({len(items)})</h2>"


def _suggestion(step: drift_outline.Suggestion) -> str:
    code = step.command or ", ".join(step.slugs)
    below = f"<br><code>{escape(code)}</code>" if code else ""
    return f"<p>{escape(step.text)}{below}</p>"


def _filtered_actions(actions: Sequence[plan_outline.ActionItem]) -> Iterator[str]:
    yield filters(_kinds_and_risks(actions))
    few = len(actions) <= OPENED
    # A block must be seen before anything can be applied, so it is never folded away.
    for item in actions:
        yield _action(item, is_open=few or bool(item.blocks))


def _kinds_and_risks(actions: Iterable[plan_outline.ActionItem]) -> Mapping[str, set[str]]:
    present: dict[str, set[str]] = {"action": set(), "risk": set()}
    for item in actions:
        present["action"].add(item.kind.value)
        present["risk"].add(item.risk.value)
    return present


def _action(item: plan_outline.ActionItem, *, is_open: bool) -> str:
    classes = f"action action-{item.kind.value} risk-{item.risk.value}"
    if item.blocks:
        classes += " blocked"
    name = f" {escape(item.name)}" if item.name else ""
    headline = (
        f'<span class="symbol">{item.symbol}</span> {item.word} <strong>{escape(item.slug)}'
        f"</strong>{name} {_risk(item.risk)}"
    )
    inside = [
        *_blocks(item.blocks),
        _reason(item),
        *(f"<p>{escape(note)}</p>" for note in item.notes),
        _fields(item.changes),
    ]
    return _folded(classes, headline, inside, is_open=is_open)


def _outcome(item: result_outline.OutcomeItem) -> str:
    effort = f' <span class="note">{escape(item.effort)}</span>' if item.effort else ""
    headline = (
        f'<span class="symbol">{item.symbol}</span> {item.status.value}: {item.kind.value} '
        f"<strong>{escape(item.slug)}</strong>{effort}"
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
    classes = f"action action-{item.kind.value} status-{item.status.value}"
    return _folded(classes, headline, inside, is_open=item.status is not Status.APPLIED)


def _folded(classes: str, headline: str, inside: Iterable[str], *, is_open: bool) -> str:
    body = "\n".join(part for part in inside if part)
    opened = " open" if is_open else ""
    return (
        f'<details class="{classes}"{opened}><summary>{headline}</summary>\n'
        f'<div class="inside">{body}</div></details>'
    )


def _risk(risk: Risk) -> str:
    high = " high" if risk.rank >= Risk.CREDENTIAL.rank else ""
    return f'<span class="tag{high}">risk: {risk.value}</span>'


def _reason(item: plan_outline.ActionItem) -> str:
    source = f" · source: <code>{escape(item.source)}</code>" if item.source else ""
    return f'<p class="about">reason: {escape(item.reason)}{source}</p>'


def _blocks(blocks: Sequence[plan_outline.Block]) -> Iterator[str]:
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
    # The label replaces the table's head on narrow screens (report.css).
    if value is None:
        return f'<td class="{side} none" data-label="{side}">–</td>'
    return f'<td class="{side}" data-label="{side}"><code>{escape(value)}</code></td>'


def _findings(findings: Sequence[plan_outline.OutlinedDiagnostic]) -> Iterator[str]:
    if not findings:
        return
    yield f"<h2>{escape(phrases.findings_title(item.severity for item in findings))}</h2>"
    for item in findings:
        place = f"<br><code>{escape(item.place)}</code>" if item.place else ""
        hint = f"<br>hint: {escape(item.hint)}" if item.hint else ""
        yield f'<p class="callout">{escape(item.headline)}{place}{hint}</p>'


def _sections(sections: Iterable[Section]) -> Iterator[str]:
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


def _next(shown: plan_outline.PlanOutline) -> Iterator[str]:
    if shown.next_step:
        command = f" <code>{escape(shown.command)}</code>" if shown.command else ""
        yield f"<p>{escape(shown.next_step)}{command}</p>"


def _document(*, title: str, body: Iterable[str]) -> str:
    """Return the page; `title` is plain text, `body` is markup that is already escaped."""
    style = palette() + _style_sheet("report.css") + _filter_rules()
    # The policy admits this one style sheet by its digest, and no script or request at all.
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
    ]
    return "\n".join([*head, *body, "</body>", "</html>"]) + "\n"


def _style_sheet(name: str) -> str:
    return resources.files("reconciler.views").joinpath(name).read_text(encoding="utf-8")


def _filter_rules() -> str:
    return "".join(
        f"body:has(#show-{dimension}-{value}:not(:checked)) .{dimension}-{value} "
        "{ display: none; }\n"
        for dimension, values in FILTERS.items()
        for value in values
    )
