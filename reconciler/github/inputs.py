"""Readers of the documents that are reported: a plan, a result, a drift report or an error.

A file is untrusted: the codec of its kind checks its shape and computes its digest again.
"""

from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, error
from reconciler.drift.report import DriftReport, decode_report
from reconciler.errors import InvalidInput
from reconciler.execution.error_document import decode_error
from reconciler.execution.result import (
    ApplyResult,
    UnreadableResult,
    decode_result,
    document_kind,
)
from reconciler.planning import codec as plan_codec
from reconciler.planning.plan import Plan

NO_RESULT = "no-result"
"""The code of the error that a command left no complete document."""

_REFUSED = 4
"""Exit code of a command that was refused."""


@dataclass(frozen=True, slots=True)
class FailedCommand:
    """A command that failed; `plan` is what it would have carried out, if it was made."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    plan: Plan | None = None

    @property
    def refused(self) -> bool:
        """Whether a guard, an approval or a lock refused the command."""
        return self.exit_code == _REFUSED


Document = Plan | ApplyResult | DriftReport | FailedCommand


def read_plan(text: str, *, name: str) -> Plan | FailedCommand:
    """Read the output of `plan --out` or `plan --format json`."""
    if document_kind(text) == "error":
        return _failed_command(text, name=name)
    return plan_codec.decode(text, name=name)


def read_result(text: str, *, name: str) -> ApplyResult | FailedCommand:
    """Read the output of `apply --format json`."""
    if document_kind(text) == "error":
        return _failed_command(text, name=name)
    return decode_result(text, name=name)


def read_drift(text: str, *, name: str) -> DriftReport | FailedCommand:
    """Read the output of `drift --format json`."""
    if document_kind(text) == "error":
        return _failed_command(text, name=name)
    return decode_report(text, name=name)


def _failed_command(text: str, *, name: str) -> FailedCommand:
    try:
        document = decode_error(text, name=name)
    except UnreadableResult:
        problem = error("unreadable-report", f"{name} is not an error document of this version")
        raise InvalidInput([problem]) from None
    return FailedCommand(document.exit_code, document.diagnostics, document.plan)
