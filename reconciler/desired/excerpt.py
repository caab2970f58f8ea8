"""Cut the source line a diagnostic points at, and leave every secret out of it.

The line may be one that does not parse, so this looks at words, not at YAML: from the first word
that smells of a secret on, nothing is shown unless it is a reference. It hides too much rather
than too little. How an excerpt looks: `reconciler.views.problems`.
"""

import re
from collections.abc import Sequence

from reconciler.diagnostics import Excerpt
from reconciler.domain.pricing import PricingMultiplier
from reconciler.domain.secrets import LOOKS_SECRET

WIDTH = 100
_MASK = "[redacted]"

_SENSITIVE = re.compile(
    r"(?<!port)key|secret|token|passw|pwd|credential|auth|cookie|bearer|private|signature|header"
    r"|external_id|service_account",
    re.IGNORECASE,
)
_HARMLESS = frozenset(PricingMultiplier.model_fields) | {
    "secret_mappings",
    "secret_reference_id",
    "is_key_required",
    "azure_auth_mode",
    "aws_auth_type",
    "vertex_auth_type",
    "provider_auth_type",
    "auth_header",
    "credential_changes",
    "credit_limit",
    "tokens",
}
_OPEN_END = re.compile(r"(?::|[|>][0-9+-]{0,2})\s*(?:#.*)?$")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_AFTER_WORD = re.compile(r"[\"']?\s*[:=]?\s*")
_REFERENCE = re.compile(r"[\"']?\$\{[a-z][\w+-]*:[^\s{}\"']*\}[\"']?(?=\s*(?:[,}\]]|$))")
_KEY = re.compile(
    r"(?<![^\s{,\[\-])(?:\"[^\"]*\"|'[^']*'|[^\s\"'{}\[\],:#&*!|>%@`$-][^\s{}\[\],:]*)\s*:(?=[\s\"'{\[]|$)"
)
_BEFORE_KEY = re.compile(r"[\s\-{\[,?]*")
_LOOK_BACK = 200
_LONGEST_LINE = 4_000
"""Lines beyond this are written by nobody; searching them could take quadratic time."""


def excerpt(
    lines: Sequence[str], line: int, column: int, length: int, *, hide: bool = False
) -> Excerpt | None:
    """Cut a line (0-based line and column), or give None where nothing can be shown.

    `hide` says that what stands at the place is sensitive, whatever its name.
    """
    if not 0 <= line < len(lines) or len(lines[line]) > _LONGEST_LINE:
        return None
    text = lines[line].rstrip()
    first = _KEY.search(text)
    if first is None:
        return None  # part of a longer value, or not YAML at all
    limit = column if hide else len(text)
    if _inside_something_sensitive(lines, line):
        limit = min(limit, first.end())
    shown = text[: _cut(text, limit)]
    masked = len(shown) < len(text)
    lead = _BEFORE_KEY.match(shown)
    if lead is None or lead.end() < first.start():
        blank = len(text) - len(text.lstrip())
        shown = shown[:blank] + "…" * (first.start() - blank) + shown[first.start() :]
    shown = LOOKS_SECRET.sub(lambda m: "•" * len(m[0]), shown)
    start, size = min(column, len(shown)), max(length, 1)
    if masked:
        shown = shown.rstrip() + " " + _MASK
        if column >= len(shown) - len(_MASK) - 1:
            start, size = len(shown) - len(_MASK), len(_MASK)
    return _window(shown, start, size)


def _cut(text: str, end: int) -> int:
    """Find where the shown part of a line ends."""
    position = 0
    references = {at: m.end() for m in _REFERENCE.finditer(text) for at in range(*m.span())}
    while word := _WORD.search(text, position):
        if word.start() >= end:
            return end
        position = references.get(word.start(), word.end())
        if word.start() in references:
            continue
        if not _SENSITIVE.search(word[0]) or word[0].lower() in _HARMLESS:
            continue
        after = _AFTER_WORD.match(text, position)
        value = after.end() if after else position
        reference = _REFERENCE.match(text, value)
        if reference is None:
            return min(value, end)
        position = reference.end()
    return end


def _smells(text: str) -> bool:
    if len(text) > _LONGEST_LINE:
        return True
    return _cut(text + " x", len(text) + 2) < len(text) + 2


def _inside_something_sensitive(lines: Sequence[str], line: int) -> bool:
    """Look at the lines above that this one belongs to."""
    indent = _indent(lines[line])
    nearest = True
    for above in range(line - 1, max(-1, line - _LOOK_BACK), -1):
        text = lines[above]
        if not text.strip():
            continue
        if (_indent(text) < indent or (nearest and _is_open(text))) and _smells(text):
            return True
        indent = min(indent, _indent(text))
        nearest = nearest and _KEY.search(text) is None  # lines without a name continue a value
    return False


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def _is_open(text: str) -> bool:
    """Tell whether a value that begins here may go on below."""
    return (
        text.count('"') % 2 == 1 or text.count("'") % 2 == 1 or _OPEN_END.search(text) is not None
    )


def _window(text: str, start: int, length: int) -> Excerpt:
    """Keep at most `WIDTH` characters around the place."""
    if len(text) > WIDTH:
        left = max(0, min(start - WIDTH // 3, len(text) - WIDTH))
        right = left + WIDTH
        ahead, behind = "…" if left else "", "…" if right < len(text) else ""
        text = ahead + text[left + len(ahead) : right - len(behind)] + behind
        start -= left
    start = max(0, min(start, len(text)))
    return Excerpt(text, start, max(1, min(length, len(text) - start)))
