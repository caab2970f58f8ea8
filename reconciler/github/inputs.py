"""Documents to report: a plan, a result, a drift report, a fleet's result or an error.

A file is untrusted: the codec of its kind checks its shape and computes its digest again.
`reconciler.fleet`, which this package does not import, reads and renders the result of a fleet.
"""

from collections.abc import Callable, Mapping

from reconciler.diagnostics import Diagnostic, error
from reconciler.drift.codec import decode_report
from reconciler.drift.report import DriftReport
from reconciler.errors import InvalidInput
from reconciler.execution.result import ApplyResult
from reconciler.execution.result_documents import (
    UnreadableResult,
    decode_error,
    decode_result,
    document_kind,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.planning import codec as plan_codec
from reconciler.planning.plan import Plan

MAX_LABEL = 50
"""Maximum length of a label on GitHub."""

NO_RESULT = "no-result"
"""Code of the error for a command without a complete document."""

_REFUSED = 4
"""Exit code of a command that was refused."""


@dataclass(frozen=True, slots=True)
class FailedCommand:
    """Failed command; `plan` is the plan that it would have carried out, if any."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    plan: Plan | None = None

    @property
    def refused(self) -> bool:
        """Whether a guard, an approval or a lock refused the command."""
        return self.exit_code == _REFUSED


@dataclass(frozen=True, slots=True)
class FleetReport:
    """Result of a fleet; `sentence` contains only fixed phrases and numbers.

    `counts` are the actions left to do, by kind, None if they are not known. `partial` states that
    only selected members were run. `render` returns the text within a limit of bytes.
    """

    fingerprint: str
    in_sync: bool
    partial: bool
    sentence: str
    counts: Mapping[str, int] | None
    render: Callable[[int], str]


Document = Plan | ApplyResult | DriftReport | FleetReport | FailedCommand


@dataclass(frozen=True, slots=True)
class Extras:
    """Additional output: a check run on `commit`, and a label."""

    check_run: bool = False
    commit: str | None = None
    label: str | None = None


NO_EXTRAS = Extras()


def read_plan(text: str, *, name: str) -> Plan | FailedCommand:
    """Read the output of `plan --out` or `plan --format json`."""
    if document_kind(text) == "error":
        return failed_command(text, name=name)
    return plan_codec.decode(text, name=name)


def read_result(text: str, *, name: str) -> ApplyResult | FailedCommand:
    """Read the output of `apply --format json`."""
    if document_kind(text) == "error":
        return failed_command(text, name=name)
    return decode_result(text, name=name)


def read_drift(text: str, *, name: str) -> DriftReport | FailedCommand:
    """Read the output of `drift --format json`."""
    if document_kind(text) == "error":
        return failed_command(text, name=name)
    return decode_report(text, name=name)


def failed_command(text: str, *, name: str) -> FailedCommand:
    """Read the error document that a command printed instead of its result."""
    try:
        document = decode_error(text, name=name)
    except UnreadableResult:
        problem = error("unreadable-report", f"{name} is not an error document of this version")
        raise InvalidInput([problem]) from None
    return FailedCommand(document.exit_code, document.diagnostics, document.plan)
