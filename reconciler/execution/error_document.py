"""Error document: what a command prints as JSON if it has no result.

Like a saved result it is only shown, never relied on.
"""

from dataclasses import dataclass
from typing import Literal, NotRequired

from pydantic import StrictInt
from typing_extensions import TypedDict

from reconciler.diagnostics import Diagnostic
from reconciler.execution.result import UnreadableResult
from reconciler.planning.codec import plan_from
from reconciler.planning.documents import (
    DiagnosticDocument,
    PlanDocument,
    diagnostic_from,
    parse_json,
    validated,
)
from reconciler.planning.plan import Plan

KIND = "error"
"""The `kind` of an error document."""


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """Why a command has no result; `plan` is what it would have carried out, if it was made."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    plan: Plan | None = None


class _Shape(TypedDict):
    format_version: Literal["1"]
    kind: Literal["error"]
    exit_code: StrictInt
    diagnostics: list[DiagnosticDocument]
    plan: NotRequired[PlanDocument]


def decode_error(text: str, *, name: str) -> ErrorDocument:
    """Parse an error document; errors call it `name`. The digest of its plan is not checked."""
    try:
        document = validated(_Shape, parse_json(text))
        return ErrorDocument(
            # Whatever it claims, a command without a result never succeeded.
            exit_code=document["exit_code"] or 1,
            diagnostics=tuple(diagnostic_from(item) for item in document["diagnostics"]),
            plan=plan_from(document["plan"]) if "plan" in document else None,
        )
    except (ValueError, RecursionError):
        raise UnreadableResult(
            f"{name}: not an error document of this version", code="unreadable-result"
        ) from None
