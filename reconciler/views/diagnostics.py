"""Show diagnostics: as text for people, as JSON for scripts.

The other forms are beside this file: `views.annotations` for GitHub, `views.sarif` for scanners.
Excerpts arrive free of secrets (`reconciler.desired.source_excerpt`); here everything is made
inert.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.diagnostics import Diagnostic, Excerpt, Severity, counted, has_errors
from reconciler.views.escape import LONGEST_SENTENCE, shortened, visible

FORMAT_VERSION = "1"
_NAMES_HOSTS = frozenset(
    {"credential-retarget", "host-not-allowed", "not-approved", "undeclared-host", "wrong-target"}
)
_COLORS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTICE: "1;36"}


def as_text(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Give one paragraph a diagnostic, in the order given; an empty text for none."""
    return "\n".join(_paragraph(d, _COLORS[d.severity] if color else None) for d in diagnostics)


def _paragraph(diagnostic: Diagnostic, color: str | None) -> str:
    head = _paint(f"{diagnostic.severity}[{diagnostic.code}]", color)
    lines = [f"{head}: {summary_of(diagnostic)}"]
    at = diagnostic.at
    if at is not None:
        lines.append(f"  --> {visible(at.file, None)}:{at.line}:{at.column}")
        if diagnostic.excerpt is not None:
            lines += _excerpt(at.line, diagnostic.excerpt, color)
    if diagnostic.hint:
        lines.append(f"hint: {shortened(diagnostic.hint)}")
    return "".join(line + "\n" for line in lines)


def _paint(text: str, color: str | None) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if color else text


def summary_of(diagnostic: Diagnostic) -> str:
    """Return the summary as it is shown; one that names a host is not shortened."""
    limit = None if diagnostic.code in _NAMES_HOSTS else LONGEST_SENTENCE
    return shortened(diagnostic.summary, limit)


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """Say how many there are of each weight, such as `2 errors, 1 warning`; empty for none."""
    totals = [(s.value, sum(d.severity is s for d in diagnostics)) for s in Severity]
    return ", ".join(counted(n, word) for word, n in totals if n)


def as_document(diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """Give the JSON document that `validate` prints."""
    found = list(diagnostics)
    return {
        "format_version": FORMAT_VERSION,
        "kind": "validation",
        "valid": not has_errors(found),
        "diagnostics": [d.as_json() for d in found],
    }


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Give that document as text; it is pure ASCII, so that no terminal can be fooled."""
    return json.dumps(as_document(diagnostics), indent=2) + "\n"


def _excerpt(line: int, excerpt: Excerpt, color: str | None) -> list[str]:
    before = visible(excerpt.text[: excerpt.start], None)
    marked = visible(excerpt.text[excerpt.start : excerpt.start + excerpt.length], None)
    text = visible(excerpt.text, None)
    # Escaping makes text longer; what stands before the place has to grow with it.
    carets = max(1, min(len(marked), max(1, len(text) - len(before))))
    number = str(line)
    gutter = " " * len(number)
    return [
        f"   {number} │ {text}",
        f"   {gutter} │ {' ' * len(before)}{_paint('^' * carets, color)}",
    ]
