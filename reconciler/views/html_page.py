"""The frame of an HTML report: one file that loads nothing, runs nothing and prints well.

Filters are checkboxes and CSS. What stands in the page is decided in `reconciler.views.html`.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from reconciler.execution.result import Status
from reconciler.planning.actions import ActionKind, Risk

FILTERS: Mapping[str, Sequence[str]] = {
    "action": [kind.value for kind in ActionKind],
    "risk": [risk.value for risk in Risk],
    "status": [status.value for status in Status],
}
"""What a reader can filter by; a class `action-create` and an id `show-action-create` for each."""

PALETTE: Final = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f6f7f9; --text: #1b1f24;
  --faint: #59636e; --line: #d4d9df; --link: #0a58ca; --green: #1a7f37; --amber: #8a5a00;
  --red: #c0202b; --violet: #8250df; --was: #fdeceb; --is: #e7f6ea; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1116; --panel: #171b22; --text: #e6e9ed;
  --faint: #9aa4af; --line: #323a44; --link: #6cb0ff; --green: #4cc26a; --amber: #e0a83a;
  --red: #ff7b72; --violet: #c297ff; --was: #33191b; --is: #12291a; } }
* { box-sizing: border-box; }
"""
"""What all pages begin with: their colours, light and dark."""

_STYLE = (
    PALETTE
    + """body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--ground);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
code, pre { font: .875em/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
h1 { font-size: 1.5rem; margin: 0; line-height: 1.25; }
h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; }
.target, .about, .note, .none { color: var(--faint); }
.lead { font-size: 1.125rem; font-weight: 600; margin: 1rem 0; }
.callout { border-left: .25rem solid var(--amber); background: var(--panel);
  padding: .5rem 1rem; margin: 1rem 0; }
.chart { border-collapse: collapse; width: 100%; max-width: 32rem; margin: 1rem 0; }
.chart th { text-align: left; font-weight: 400; width: 7rem; padding: .1rem 0; }
.chart td { padding: .1rem .5rem; vertical-align: middle; }
.chart td:last-child { width: 4rem; text-align: right; font-variant-numeric: tabular-nums; }
.chart svg { display: block; width: 100%; height: .75rem; }
.chart rect { fill: var(--faint); }
.chart .create rect, .chart .applied rect { fill: var(--green); }
.chart .update rect, .chart .skipped rect { fill: var(--amber); }
.chart .replace rect, .chart .unknown rect { fill: var(--violet); }
.chart .delete rect, .chart .blocked rect, .chart .failed rect { fill: var(--red); }
.filters { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: 1rem 0; }
.filters fieldset { border: 1px solid var(--line); border-radius: .5rem; margin: 0;
  padding: .25rem .75rem .5rem; display: flex; flex-wrap: wrap; gap: .25rem 1rem; min-width: 0; }
.filters legend { color: var(--faint); padding: 0 .25rem; font-size: .875rem; }
.filters label { display: inline-flex; gap: .35rem; align-items: center; min-height: 1.75rem; }
.action { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0;
  content-visibility: auto; contain-intrinsic-size: auto 3rem; }
.action summary { cursor: pointer; padding: .6rem .8rem; }
.action[open] summary { border-bottom: 1px solid var(--line); }
.action .inside { padding: .5rem .8rem .8rem; }
.symbol { display: inline-block; width: 1.25rem; font-weight: 700; text-align: center; }
.action-create .symbol { color: var(--green); }
.action-update .symbol { color: var(--amber); }
.action-replace .symbol { color: var(--violet); }
.action-delete .symbol, .blocked .symbol { color: var(--red); }
.status-applied .symbol { color: var(--green); }
.status-failed .symbol { color: var(--red); }
.status-skipped .symbol { color: var(--amber); }
.status-unknown .symbol { color: var(--violet); }
.tag { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem; font-size: .8125rem;
  white-space: nowrap; display: inline-block; }
.high { border-color: var(--red); color: var(--red); font-weight: 600; }
.blocks, .problem { color: var(--red); }
.fields { width: 100%; border-collapse: collapse; table-layout: fixed; margin-top: .5rem; }
.fields th, .fields td { text-align: left; vertical-align: top; padding: .35rem .5rem;
  border-top: 1px solid var(--line); }
.fields thead th { border: 0; color: var(--faint); font-weight: 400; font-size: .875rem; }
.fields th:first-child { width: 30%; font-weight: 400; }
.fields .before { background: var(--was); }
.fields .after { background: var(--is); }
.fields .before.none, .fields .after.none { background: none; }
ul { padding-left: 1.25rem; margin: .5rem 0; }
summary:focus-visible, input:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem; }
  .fields thead { display: none; }
  .fields, .fields tbody, .fields tr, .fields th, .fields td { display: block; width: auto; }
  .fields th:first-child { width: auto; padding-top: .6rem; }
  .fields td { border: 0; }
  .fields td::before { content: attr(data-label); display: block; color: var(--faint);
    font-size: .75rem; }
  .fields .none { display: none; }
}
@media print {
  :root { color-scheme: light; --ground: #fff; --panel: #fff; --text: #000; --faint: #444;
    --line: #999; --was: #fff; --is: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .filters { display: none; }
  .action { content-visibility: visible; break-inside: avoid-page; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
)


def document(*, title: str, body: Iterable[str]) -> str:
    """Make the page; `title` is plain text, `body` is markup that is already escaped."""
    style = _STYLE + _filter_rules()
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


def chart(counts: Iterable[tuple[str, int]]) -> str:
    """Draw a bar for each count that is not zero; nothing for nothing."""
    bars = [(label, number) for label, number in counts if number]
    if not bars:
        return ""
    most = max(number for _, number in bars)
    rows = "\n".join(
        f'<tr class="{escape(label)}"><th scope="row">{escape(label)}</th>'
        f'<td><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{max(1, round(100 * number / most))}" height="10"/></svg></td>'
        f"<td>{number}</td></tr>"
        for label, number in bars
    )
    return f'<table class="chart">\n{rows}\n</table>'


def filters(present: Mapping[str, Iterable[str]]) -> str:
    """Offer a checkbox for each value that occurs, for dimensions with more than one."""
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


def _filter_rules() -> str:
    return "".join(
        f"body:has(#show-{dimension}-{value}:not(:checked)) .{dimension}-{value} "
        "{ display: none; }\n"
        for dimension, values in FILTERS.items()
        for value in values
    )
