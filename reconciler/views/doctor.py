"""An examination for people: one line a check, what to do below it, then what a probe learned."""

from reconciler.doctor.checks import Check, CheckStatus, Health
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.text_layout import TextLayout

_SYMBOLS = {CheckStatus.OK: "✓", CheckStatus.WARN: "!", CheckStatus.FAIL: "✗"}
_STYLES = {CheckStatus.OK: "green", CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red"}
_NAME_WIDTH = 7
_ANSWERS = "How the API answers its open questions"


def as_json(health: Health) -> str:
    """Write an examination as one JSON document."""
    return json.document(health.as_json())


def as_text(health: Health, *, header: str, width: int = 80, color: bool = False) -> str:
    """Write an examination: every check with its verdict as a symbol and a word."""
    page = TextLayout(width=width, color=color)
    page.line(header)
    page.blank()
    for check in health.checks:
        _check(page, check)
    if health.answers:
        page.blank()
        page.line(_ANSWERS)
        for question, answer in sorted(health.answers.items()):
            page.line(f"{visible(question)}: {visible(answer)}", indent=4)
    return page.text()


def _check(page: TextLayout, check: Check) -> None:
    verdict = f"{_SYMBOLS[check.verdict]} {check.verdict.value:<4}"
    summary = visible(check.summary, limit=400)
    page.line((verdict, _STYLES[check.verdict]), f"  {check.name:<{_NAME_WIDTH}} {summary}")
    if check.hint and check.verdict is not CheckStatus.OK:
        page.line(f"hint: {visible(check.hint, limit=400)}", indent=8)
