"""How we talk to people about their files: a problem, its place and its remedy, as a value.

A diagnostic is collected, never raised; how it looks is decided in `reconciler.views.diagnostics`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a diagnostic weighs: an error stops the run, the others do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A position in a file; line and column count from 1, the path is as the user gave it."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The source line a diagnostic points at, already free of secrets, and what to underline.

    `start` counts characters from 0 in `text`; `length` is at least 1.
    """

    text: str
    start: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `code` is stable and public; the words may be improved at any time."""

    severity: Severity
    code: str
    summary: str
    hint: str = ""
    at: SourceLocation | None = None
    excerpt: Excerpt | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the public JSON form; a finding without a place has null for file, line, column."""
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
    """Make an error without an excerpt."""
    return Diagnostic(Severity.ERROR, code, summary, hint, at)


def warning(
    code: str, summary: str, *, hint: str = "", at: SourceLocation | None = None
) -> Diagnostic:
    """Make a warning without an excerpt."""
    return Diagnostic(Severity.WARNING, code, summary, hint, at)


def notice(
    code: str, summary: str, *, hint: str = "", at: SourceLocation | None = None
) -> Diagnostic:
    """Make a notice without an excerpt."""
    return Diagnostic(Severity.NOTICE, code, summary, hint, at)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Tell whether any finding stops the run."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by place, then weight, code and words, so that output never depends on discovery."""
    rank = list(Severity)

    def position(d: Diagnostic) -> tuple[bool, SourceLocation, int, str, str]:
        return (d.at is None, d.at or SourceLocation(""), rank.index(d.severity), d.code, d.summary)

    return tuple(sorted(set(diagnostics), key=position))


def counted(number: int, noun: str) -> str:
    """Count things for people: `1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
