"""Diagnostics as text for users, JSON for scripts, GitHub annotations, and SARIF for scanners.

Excerpts contain no secrets (`reconciler.desired.source_excerpt`); this module escapes all foreign
text.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from urllib.parse import quote

from reconciler.diagnostics import (
    Diagnostic,
    Excerpt,
    Severity,
    SourceLocation,
    counted,
    has_errors,
)
from reconciler.views.escape import shortened, summary_of, visible
from reconciler.views.text_layout import columns

FORMAT_VERSION = "1"

_COLORS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTICE: "1;36"}

_LONGEST_ANNOTATION = 400
"""Maximum length of a message in annotations and SARIF, which are shown next to the code."""

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "note"}


def as_text(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Return one paragraph per diagnostic, in the given order; an empty text for none."""
    return "\n".join(_paragraph(d, _COLORS[d.severity] if color else None) for d in diagnostics)


def as_document(diagnostics: Iterable[Diagnostic]) -> dict[str, object]:
    """Return the JSON document that `validate` prints."""
    found = list(diagnostics)
    return {
        "format_version": FORMAT_VERSION,
        "kind": "validation",
        "valid": not has_errors(found),
        "diagnostics": [d.as_json() for d in found],
    }


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return that document as text in pure ASCII, without control characters for a terminal."""
    return json.dumps(as_document(diagnostics), indent=2) + "\n"


def as_annotations(diagnostics: Iterable[Diagnostic]) -> str:
    """Return GitHub workflow commands: one `::error`, `::warning` or `::notice` per line."""
    return "".join(_workflow_command(d) + "\n" for d in diagnostics)


def as_sarif(diagnostics: Iterable[Diagnostic], *, version: str) -> str:
    """Return a SARIF 2.1.0 log with one run; `version` is the version of this program."""
    found = list(diagnostics)
    # In alphabetical order, so that the same findings always have the same indexes.
    codes = sorted({d.code for d in found})
    log = {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reconcile",
                        "version": version,
                        "rules": [_sarif_rule(code) for code in codes],
                    }
                },
                # Columns are positions in Python strings, which count code points.
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(d, codes.index(d.code)) for d in found],
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the number of diagnostics by severity, such as `2 errors, 1 warning`."""
    totals = [(s.value, sum(d.severity is s for d in diagnostics)) for s in Severity]
    return ", ".join(counted(n, word) for word, n in totals if n)


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


def _excerpt(line: int, excerpt: Excerpt, color: str | None) -> list[str]:
    before = visible(excerpt.text[: excerpt.start], None)
    marked = visible(excerpt.text[excerpt.start : excerpt.start + excerpt.length], None)
    text = visible(excerpt.text, None)
    # Escaping makes text longer, so the carets are placed by the escaped lengths.
    carets = max(1, min(columns(marked), columns(text) - columns(before)))
    number = str(line)
    gutter = " " * len(number)
    return [
        f"   {number} │ {text}",
        f"   {gutter} │ {' ' * columns(before)}{_paint('^' * carets, color)}",
    ]


def _paint(text: str, color: str | None) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if color else text


def _workflow_command(diagnostic: Diagnostic) -> str:
    properties = []
    if diagnostic.at is not None:
        properties = [
            f"file={_command_property(diagnostic.at.file)}",
            f"line={diagnostic.at.line}",
            f"col={diagnostic.at.column}",
        ]
    properties.append(f"title={_command_property(diagnostic.code)}")
    message = _command_data(shortened(diagnostic.summary, _LONGEST_ANNOTATION))
    if diagnostic.hint:
        # In a workflow command, a line break is written as `%0A`.
        message += "%0Ahint: " + _command_data(shortened(diagnostic.hint, _LONGEST_ANNOTATION))
    return f"::{diagnostic.severity} {','.join(properties)}::{message}"


def _command_data(text: str) -> str:
    # The percent sign comes first, because the other escapes contain one.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_property(text: str) -> str:
    # A colon or a comma would end the property.
    return _command_data(visible(text, None)).replace(":", "%3A").replace(",", "%2C")


def _sarif_rule(code: str) -> dict[str, object]:
    """Return the description of a code, which scanners show next to its findings."""
    from reconciler.views.diagnostic_reference import entries  # noqa: PLC0415  read only for SARIF

    rule: dict[str, object] = {"id": code, "name": _rule_name(code)}
    entry = entries().get(code)
    # A resolver from another package can have its own codes.
    if entry is not None:
        rule["shortDescription"] = {"text": entry.meaning}
        rule["help"] = {"text": entry.fix}
    return rule


def _sarif_result(diagnostic: Diagnostic, rule: int) -> dict[str, object]:
    text = shortened(diagnostic.summary, _LONGEST_ANNOTATION)
    if diagnostic.hint:
        text += f" (hint: {shortened(diagnostic.hint, _LONGEST_ANNOTATION)})"
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _SARIF_LEVELS[diagnostic.severity],
        "message": {"text": text},
    }
    if diagnostic.at is not None:
        result["locations"] = [_sarif_location(diagnostic.at)]
    return result


def _sarif_location(at: SourceLocation) -> dict[str, object]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(at.file)},
            "region": {"startLine": at.line, "startColumn": at.column},
        }
    }


def _rule_name(code: str) -> str:
    """Return a code in Pascal case, as SARIF names rules."""
    return "".join(part.capitalize() for part in code.split("-"))


def _uri(file: str) -> str:
    path = PurePath(file)
    # Bytes of a file name that are not UTF-8 arrive as surrogates.
    quoted = quote(path.as_posix().encode("utf-8", "surrogateescape"))
    return "file://" + quoted if path.is_absolute() else quoted
