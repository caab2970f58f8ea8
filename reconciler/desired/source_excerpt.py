"""Excerpt of the source line that a diagnostic points at, without secrets.

The line may be invalid YAML, so words are examined, not structure: nothing is shown after the first
word that suggests a secret, unless it is a reference. In doubt, more is hidden.
`reconciler.views.diagnostics` displays the excerpt.
"""

import re
from collections.abc import Sequence
from functools import cache

from reconciler.diagnostics import Excerpt
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.secrets import LOOKS_SECRET

WIDTH = 100
_MASK = "[redacted]"

_SENSITIVE = re.compile(
    r"(?<!port)key|secret|token|passw|pwd|credential|auth|cookie|bearer|private|signature|header"
    r"|external_id|service_account",
    re.IGNORECASE,
)
_HARMLESS_ELSEWHERE = frozenset({"auth_header", "credential_changes", "tokens"})
"""Words of reconcile.yaml and of values that suggest a secret but are not one."""

_CONFIGURATIONS = re.compile(r"""(?<![^\s{,\[\-"'])configurations["']?\s*:""")
"""Start of the fields of a provider, where an unknown name hides its value."""

_OPEN_END = re.compile(r"(?::|[|>][0-9+-]{0,2})\s*(?:#.*)?$")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_NAME_END = re.compile(r"[\"']?\s*:(?=[\s\"'{\[]|$)")
_AFTER_WORD = re.compile(r"[\"']?\s*[:=]?\s*")
_REFERENCE = re.compile(r"[\"']?\$\{[a-z][\w+-]*:[^\s{}\"']*\}[\"']?(?=\s*(?:[,}\]]|$))")
_PRIVATE_IN_URL = re.compile(r"""(://)([^"']*)(?=@)|(://[^\s"'?#]*[?#])([^\s"']+)""")
"""User name and password of a URL, or its query, which another problem of the line may show."""

_KEY = re.compile(
    r"(?<![^\s{,\[\-])(?:\"[^\"]*\"|'[^']*'|[^\s\"'{}\[\],:#&*!|>%@`$-][^\s{}\[\],:]*)\s*:(?=[\s\"'{\[]|$)"
)
_BEFORE_KEY = re.compile(r"[\s\-{\[,?]*")
_LOOK_BACK = 200
_LONGEST_LINE = 4_000
"""Maximum length of a line that is searched; longer lines could take quadratic time."""


def excerpt(
    lines: Sequence[str],
    line: int,
    column: int,
    length: int,
    *,
    key: bool = False,
    hide: bool = False,
) -> Excerpt | None:
    """Return an excerpt of a line (0-based line and column); None if nothing can be shown.

    With `hide`, the value at the location is sensitive, regardless of its name; with `key` too, the
    location is that of the name, and everything after it is hidden.
    """
    if not 0 <= line < len(lines) or len(lines[line]) > _LONGEST_LINE:
        return None
    text = lines[line].rstrip()
    first = _KEY.search(text)
    if first is None:
        return None  # part of a longer value, or not YAML at all
    limit = len(text)
    if hide:
        limit = column + length if key else column
    enclosing = _enclosing(lines, line)
    if _is_sensitive(enclosing):
        limit = min(limit, first.end())
    shown = text[: _cut(text, limit, closed=any(map(_CONFIGURATIONS.search, enclosing)))]
    masked = len(shown) < len(text)
    lead = _BEFORE_KEY.match(shown)
    if lead is None or lead.end() < first.start():
        # Text before the first name continues a value from a line above.
        blank = len(text) - len(text.lstrip())
        shown = shown[:blank] + "…" * (first.start() - blank) + shown[first.start() :]
    # As many dots as characters, so that the marker keeps its column.
    shown = LOOKS_SECRET.sub(lambda m: "•" * len(m[0]), shown)
    shown = _PRIVATE_IN_URL.sub(_without_private, shown)
    start, size = min(column, len(shown)), max(length, 1)
    if masked:
        shown = shown.rstrip() + " " + _MASK
        # The location itself is hidden: point at the mask instead.
        if column >= len(shown) - len(_MASK) - 1:
            start, size = len(shown) - len(_MASK), len(_MASK)
    return _window(shown, start, size)


def _without_private(url: re.Match[str]) -> str:
    kept, hidden = (url[1], url[2]) if url[1] else (url[3], url[4])
    return kept + "•" * len(hidden)


@cache
def _known_names() -> frozenset[str]:
    """Return the names of all fields whose value can be shown."""
    fields = (field for _, field in any_provider_schema().walk())
    return frozenset(f.name for f in fields if not (f.facts.sensitive or f.facts.headers))


def _cut(text: str, end: int, *, closed: bool = False) -> int:
    """Return where the shown part of a line ends; `closed` within the fields of a provider."""
    position = 0
    references: dict[int, int] = {}  # the end of the reference around each position
    for reference in _REFERENCE.finditer(text):
        references.update(dict.fromkeys(range(*reference.span()), reference.end()))
    opened = _CONFIGURATIONS.search(text)
    closed_from = len(text)
    if closed:
        closed_from = 0
    elif opened is not None:
        closed_from = opened.end()
    while word := _WORD.search(text, position):
        if word.start() >= end:
            return end
        position = references.get(word.start(), word.end())
        if word.start() in references:
            continue
        if not _hides_its_value(text, word, closed=word.start() >= closed_from):
            continue
        after = _AFTER_WORD.match(text, position)
        value = after.end() if after else position
        value_reference = _REFERENCE.match(text, value)
        if value_reference is None:
            return min(value, end)
        position = value_reference.end()
    return end


def _hides_its_value(text: str, word: re.Match[str], *, closed: bool) -> bool:
    """Return whether a word suggests a secret, or is the name of an unknown provider field."""
    known = word[0].lower() in _known_names()
    if closed and not known and _NAME_END.match(text, word.end()):
        return True
    return bool(_SENSITIVE.search(word[0])) and not (
        known or word[0].lower() in _HARMLESS_ELSEWHERE
    )


def _hides_something(text: str, *, closed: bool = False) -> bool:
    if len(text) > _LONGEST_LINE:
        return True
    # The added word shows whether text after the line would be hidden.
    return _cut(text + " x", len(text) + 2, closed=closed) < len(text) + 2


def _is_sensitive(enclosing: Sequence[str]) -> bool:
    """Return whether an enclosing line hides the lines below it."""
    closed = False
    for text in reversed(enclosing):  # the outermost first
        if _hides_something(text, closed=closed):
            return True
        closed = closed or _CONFIGURATIONS.search(text) is not None
    return False


def _enclosing(lines: Sequence[str], line: int) -> list[str]:
    """Return the lines above that enclose a line, the nearest first."""
    indent = _indent(lines[line])
    nearest = True
    found = []
    for above in range(line - 1, max(-1, line - _LOOK_BACK), -1):
        text = lines[above]
        if not text.strip():
            continue
        if _indent(text) < indent or (nearest and _is_open(text)):
            found.append(text)
        indent = min(indent, _indent(text))
        nearest = nearest and _KEY.search(text) is None  # lines without a name continue a value
    return found


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def _is_open(text: str) -> bool:
    """Return whether a value that begins on a line can continue below it."""
    return (
        text.count('"') % 2 == 1 or text.count("'") % 2 == 1 or _OPEN_END.search(text) is not None
    )


def _window(text: str, start: int, length: int) -> Excerpt:
    """Cut an excerpt to `WIDTH` characters around the location."""
    if len(text) > WIDTH:
        left = max(0, min(start - WIDTH // 3, len(text) - WIDTH))
        right = left + WIDTH
        ahead, behind = "…" if left else "", "…" if right < len(text) else ""
        text = ahead + text[left + len(ahead) : right - len(behind)] + behind
        start -= left
    start = max(0, min(start, len(text)))
    return Excerpt(text, start, max(1, min(length, len(text) - start)))
