"""The page of one integration: what the files declare and what the API has, side by side."""

from collections.abc import Sequence
from typing import Final

from reconciler.adapter.ui.comparison import ComparedField, FieldStatus
from reconciler.adapter.ui.overview import frame, mark, note, text
from reconciler.adapter.ui.snapshot import Row
from reconciler.diagnostics import Diagnostic
from reconciler.planning.actions import Action, ChangeOrigin

_VERDICTS: Final = {
    FieldStatus.SAME: ("✓", "in-sync"),
    FieldStatus.DIFFERS: ("≠", "differs"),
    FieldStatus.UNVERIFIED: ("?", "not-compared"),
    FieldStatus.NOT_COMPARED: ("?", "not-compared"),
    FieldStatus.UNDECLARED: ("○", "not-in-Git"),
}
_MOVED: Final = {
    ChangeOrigin.LOCAL: "Git is ahead.",
    ChangeOrigin.REMOTE: "The API moved.",
    ChangeOrigin.BOTH: "Both moved.",
}
_SIDES: Final = (
    '<div class="wide" role="region" aria-label="Declared and observed" tabindex="0">'
    '<table class="sides"><thead><tr><th scope="col">Field</th>'
    '<th scope="col">Files</th><th scope="col">API</th><th scope="col">State</th></tr></thead>'
)


def detail(
    row: Row,
    sides: Sequence[ComparedField],
    action: Action | None,
    *,
    source: str | None,
    problem: Diagnostic | None,
    can_log_out: bool,
) -> str:
    """Show one integration, declared and observed side by side."""
    about = [row.provider, row.status, f"declared in {source}" if source else "in no file"]
    body = [
        f"<h1>{text(row.name or row.slug)} {mark(row)}</h1>",
        f'<p class="faint"><code>{text(row.slug, 255)}</code>, {text(", ".join(about))}</p>',
        note(problem) if problem else "",
        _reason(action) if action else "",
        "<h2>Declared and observed</h2>",
        f"{_SIDES}<tbody>{''.join(map(_pair, sides))}</tbody></table></div>",
    ]
    return frame(row.slug, body, here="/integrations", can_log_out=can_log_out)


def _pair(pair: ComparedField) -> str:
    sign, kind = _VERDICTS[pair.status]
    left, right = ("is", "was") if pair.status is FieldStatus.DIFFERS else ("", "")
    return (
        f'<tr><th scope="row"><code>{text(pair.path, None)}</code></th>'
        f'<td class="{left}" data-label="files">{_value(pair.declared)}</td>'
        f'<td class="{right}" data-label="API">{_value(pair.observed)}</td>'
        f'<td class="{kind}" data-label="state"><span aria-hidden="true">{sign}</span> '
        f"{pair.status.value}</td></tr>"
    )


def _value(value: str | None) -> str:
    return '<span class="faint">–</span>' if value is None else f"<code>{text(value, None)}</code>"


def _reason(action: Action) -> str:
    blocked = ", ".join(action.blocked_by)
    held = f"Held back by {text(blocked)}." if blocked else ""
    origins = {change.origin for change in action.changes}
    moved = _MOVED.get(origins.pop(), "") if len(origins) == 1 else ""
    return (
        f'<p class="note">Apply would <strong>{action.kind.value}</strong> it: '
        f"{text(action.reason)}. Risk: {action.risk.value}. {moved} {held}</p>"
    )
