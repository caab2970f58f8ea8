"""Show diagnostics as SARIF 2.1.0, the format that code scanning tools exchange."""

import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.views.escape import shortened

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "note"}
_LONGEST = 400


def as_sarif(diagnostics: Iterable[Diagnostic], *, version: str) -> str:
    """Give a log with one run; `version` is the version of this program."""
    found = list(diagnostics)
    codes = sorted({d.code for d in found})
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reconcile",
                        "version": version,
                        "rules": [{"id": code, "name": _name(code)} for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, codes.index(d.code)) for d in found],
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    text = shortened(diagnostic.summary, _LONGEST)
    if diagnostic.hint:
        text += f" (hint: {shortened(diagnostic.hint, _LONGEST)})"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": text},
    }
    at = diagnostic.at
    if at is not None:
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(at.file)},
                    "region": {"startLine": at.line, "startColumn": at.column},
                }
            }
        ]
    return result


def _name(code: str) -> str:
    """Give a rule the name in capitals that the format asks for."""
    return "".join(part.capitalize() for part in code.split("-"))


def _uri(file: str) -> str:
    path = PurePath(file)
    quoted = quote(path.as_posix().encode("utf-8", "surrogateescape"))
    return "file://" + quoted if path.is_absolute() else quoted
