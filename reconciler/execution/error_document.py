"""What a run left behind that ended before its result: the error document.

A saved one is somebody's word, like a saved result (`reconciler.execution.result_codec`).
"""

import json
from dataclasses import dataclass
from typing import Any

from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.execution.result_codec import UnreadableResult

KIND = "error"


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """Why a run gave no result; it wrote nothing."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]


def decode(text: str, *, name: str) -> ErrorDocument:
    """Read an error document; `name` says in errors where it came from."""
    try:
        document = json.loads(text)
        if document["kind"] != KIND or document["format_version"] != "1":
            raise KeyError
        code = int(document["exit_code"])
        return ErrorDocument(
            code or 1, tuple(_diagnostic(item) for item in document["diagnostics"])
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UnreadableResult(
            f"{name}: it is no error document of this version", code="unreadable-result"
        ) from None


def _diagnostic(item: dict[str, Any]) -> Diagnostic:
    at = (
        SourceLocation(str(item["file"]), int(item["line"]), int(item["column"]))
        if item["file"]
        else None
    )
    return Diagnostic(
        Severity(item["severity"]),
        str(item["code"]),
        str(item["summary"]),
        str(item["hint"]),
        at,
    )
