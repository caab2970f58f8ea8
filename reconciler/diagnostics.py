"""Diagnostics: a problem in the files, its location and its remedy, as a value.

A diagnostic is collected, never raised; `reconciler.views.diagnostics` renders it.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from reconciler.frozen_dataclass import dataclass

LONGEST_VALUE = 200
"""Maximum number of characters of a value that is shown completely."""

_HEAD = _TAIL = 60
_AROUND = 20
"""Number of characters that are shown on both sides of a difference."""

_LONGEST_DIFFERENCE = 400
"""Maximum number of characters of a difference that is shown completely."""

_SMALLEST_GAP = 40
"""A shorter gap is shown, because the note about it would be as long."""


class Severity(StrEnum):
    """Severity of a diagnostic: an error stops the run, the others do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """Position in a file; line and column count from 1, the path is that of the user."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Source line of a diagnostic, without secrets, and the part to underline.

    `start` counts characters from 0 in `text`; `length` is at least 1.
    """

    text: str
    start: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `code` is stable and public; the message may change."""

    severity: Severity
    code: str
    summary: str
    hint: str = ""
    at: SourceLocation | None = None
    excerpt: Excerpt | None = None

    def as_json(self) -> dict[str, object]:
        """Return the public JSON form; without a location file, line and column are null."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "summary": self.summary,
            "hint": self.hint,
            "file": self.at.file if self.at else None,
            "line": self.at.line if self.at else None,
            "column": self.at.column if self.at else None,
        }


def error(
    code: str, summary: str, *, hint: str = "", at: SourceLocation | None = None
) -> Diagnostic:
    """Build an error without an excerpt."""
    return Diagnostic(Severity.ERROR, code, summary, hint, at)


def warning(
    code: str, summary: str, *, hint: str = "", at: SourceLocation | None = None
) -> Diagnostic:
    """Build a warning without an excerpt."""
    return Diagnostic(Severity.WARNING, code, summary, hint, at)


def notice(
    code: str, summary: str, *, hint: str = "", at: SourceLocation | None = None
) -> Diagnostic:
    """Build a notice without an excerpt."""
    return Diagnostic(Severity.NOTICE, code, summary, hint, at)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Return whether any diagnostic stops the run."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics by location, severity, code and text."""
    rank = list(Severity)

    def position(d: Diagnostic) -> tuple[bool, SourceLocation, int, str, str]:
        return (d.at is None, d.at or SourceLocation(""), rank.index(d.severity), d.code, d.summary)

    return tuple(sorted(set(diagnostics), key=position))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def named(names: Sequence[str], *, limit: int, separator: str = ", ") -> str:
    """Return the first names in one line, and how many more there are: `a, b and 3 more`."""
    shown = separator.join(names[:limit])
    more = len(names) - limit
    if more <= 0:
        return shown
    # A comma would separate only two names; a semicolon separates whole sentences.
    pause = separator.rstrip(", ")
    return f"{shown}{pause} and {more} more"


def _left_out(count: int) -> str:
    """Return the note in place of omitted characters."""
    return f"…[{count} characters left out]…"


def abridged(text: str, limit: int = LONGEST_VALUE) -> str:
    """Return a text of up to `limit` characters, else its head and tail around a note."""
    if len(text) <= limit:
        return text
    side = max((limit - len(_left_out(len(text)))) // 2, 1)
    return f"{text[:side]}{_left_out(len(text) - 2 * side)}{text[len(text) - side :]}"


def abridged_pair(before: str, after: str, limit: int = LONGEST_VALUE) -> tuple[str, str]:
    """Return two texts; one over `limit` is shortened to its head, its tail and the difference."""
    shortest = min(len(before), len(after))
    # Common parts at both ends are found first; they must not overlap in the shorter text.
    start = next((i for i in range(shortest) if before[i] != after[i]), shortest)
    ends = range(1, shortest - start + 1)
    alike = next((i - 1 for i in ends if before[-i] != after[-i]), shortest - start)
    return _around(before, start, alike, limit), _around(after, start, alike, limit)


def _around(text: str, start: int, alike_at_end: int, limit: int) -> str:
    """Return the relevant parts of a text: both ends, and what differs, beginning at `start`."""
    if len(text) <= limit:
        return text
    end = len(text) - alike_at_end
    parts = [(0, _HEAD)]
    if end - start <= _LONGEST_DIFFERENCE:
        parts.append((start - _AROUND, end + _AROUND))
    else:
        half = _LONGEST_DIFFERENCE // 2
        parts += [(start - _AROUND, start + half), (end - half, end + _AROUND)]
    parts.append((len(text) - _TAIL, len(text)))
    shown, position = "", 0
    for first, last in parts:
        if first - position > _SMALLEST_GAP:
            shown += _left_out(first - position)
            position = first
        shown += text[position : max(position, last)]
        position = max(position, last)
    return shown
