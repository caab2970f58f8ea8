"""Outputs of a step, the job summary and annotations.

Each value in `$GITHUB_OUTPUT` is enclosed in unguessable delimiters, so that no value can end its
block and start another output.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import assert_never

from reconciler.diagnostics import Diagnostic, Severity, error
from reconciler.drift.report import DriftReport
from reconciler.errors import InvalidInput, write_hint
from reconciler.execution.result import ApplyResult, Status
from reconciler.github.inputs import Document, FailedCommand, FleetReport
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan

SUMMARY_LIMIT = 1024 * 1024
"""Bytes that GitHub accepts as one step's summary; a longer one is not shown at all."""

SMALLEST_SUMMARY = 32 * 1024


def outputs_of(document: Document) -> dict[str, str]:
    """Return the step's outputs: the digest, and the counts of remaining actions.

    After an apply, the counts are those of the actions that were not applied. After a failed check,
    the counts are empty, and `in_sync` is false.
    """
    match document:
        case Plan():
            return _of_plan(document)
        case DriftReport():
            return _of_plan(document.plan)
        case ApplyResult():
            return _of_result(document)
        case FleetReport():
            return _of_fleet(document)
        case FailedCommand():
            if document.plan is not None:
                return _of_plan(document.plan) | {"in_sync": "false"}
            names = ("digest", *(kind.value for kind in ActionKind), "blocked", "max_risk")
            # Empty instead of 0, because a workflow that compares counts must not treat a failed
            # check as no changes.
            return dict.fromkeys(names, "") | {"in_sync": "false"}
        case _:
            assert_never(document)


def append_outputs(file: Path, outputs: Mapping[str, str], *, delimiter: Callable[[], str]) -> None:
    """Append outputs to the file of `$GITHUB_OUTPUT`; `delimiter` returns a new random word."""
    parts = []
    for name, value in outputs.items():
        # A value that contains a delimiter known in advance could end itself and set other outputs.
        end = f"reconcile_{delimiter()}"
        parts.append(f"{name}<<{end}\n{value}\n{end}\n")
    _append(file, "".join(parts))


def summary_room(file: Path) -> int:
    """Return the remaining bytes of the summary, which the reports of one step share."""
    try:
        taken = file.stat().st_size
    except OSError:
        # The runner creates the file; outside GitHub, it does not exist before the first report.
        taken = 0
    return SUMMARY_LIMIT - taken


def append_summary(file: Path, text: str) -> None:
    """Append to the job summary."""
    _append(file, text if text.endswith("\n") else text + "\n")


def annotated(document: Document) -> tuple[Diagnostic, ...]:
    """Return the diagnostics to annotate: errors, and others that have a position; errors first."""
    match document:
        case Plan():
            diagnostics = document.diagnostics
        case DriftReport():
            diagnostics = document.plan.diagnostics
        case FailedCommand():
            diagnostics = document.diagnostics
        case ApplyResult() | FleetReport():
            diagnostics = ()
        case _:
            assert_never(document)
    chosen = [d for d in diagnostics if d.at is not None or d.severity is Severity.ERROR]
    return tuple(sorted(chosen, key=lambda d: list(Severity).index(d.severity)))


def _of_plan(plan: Plan) -> dict[str, str]:
    counts = plan.summary
    return {
        "digest": plan.digest,
        "in_sync": "true" if plan.in_sync else "false",
        **{kind.value: str(counts[kind.value]) for kind in ActionKind},
        "blocked": str(counts["blocked"]),
        "max_risk": plan.max_risk.value if plan.max_risk else "",
    }


def _of_result(result: ApplyResult) -> dict[str, str]:
    left = [o.kind for o in result.outcomes if o.status is not Status.APPLIED]
    return {
        "digest": result.plan_digest,
        "in_sync": "true" if result.complete and result.is_recorded else "false",
        **{kind.value: str(left.count(kind)) for kind in ActionKind},
        # One blocked action refuses the whole run, so a result never has any.
        "blocked": "0",
        "max_risk": "",
    }


def _of_fleet(report: FleetReport) -> dict[str, str]:
    names = (*(kind.value for kind in ActionKind), "blocked")
    counts = dict.fromkeys(names, "")
    if report.counts is not None:
        counts = {name: str(report.counts.get(name, 0)) for name in names}
    return {
        "digest": report.fingerprint,
        "in_sync": "true" if report.in_sync else "false",
        **counts,
        "max_risk": "",
    }


def _append(file: Path, text: str) -> None:
    try:
        with file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as reason:
        summary = f"{file}: {reason.strerror or 'cannot be written'}"
        problem = error("cannot-save", summary, hint=write_hint(reason))
        raise InvalidInput([problem]) from reason
