"""What travels through Temporal: names, digests and counts; no secret, no plan, no sentence.

These are plain dataclasses, because Temporal stores them as JSON for as long as it keeps history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from reconciler.fleet.outcome import FleetOperation, MemberNote, MemberOutcome, MemberStatus
from reconciler.fleet.task import MemberTask

MOST_PIECES = 20_000
"""Digests of an approval that fit into one message; a larger plan has to be applied by `--yes`."""


@dataclass(frozen=True)
class WorkflowInput:
    """An order for a worker. `fleet` is the digest of the fleet.yaml it was given by, or empty.

    With `asks` the plan waits for the signal `approve` before it is applied, for `patience` seconds
    at most. `heartbeat` is how many seconds a worker may be silent.
    """

    member: str
    verb: str
    fleet: str = ""
    approved: list[str] | None = None
    asks: bool = False
    deadline: float = 900
    keeps_records: bool = True
    differences_matter: bool = False
    heartbeat: float = 10
    patience: float = 86400


@dataclass(frozen=True)
class Report:
    """What became of a task; findings are told by severity and code alone."""

    member: str
    standing: str
    exit_code: int
    target: str | None = None
    run: str | None = None
    digest: str | None = None
    summary: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[str, str]] = field(default_factory=list)
    duration_ms: int = 0
    pieces: list[str] = field(default_factory=list)


def task_of(order: MemberTask, *, fleet: str, asks: bool = False) -> WorkflowInput:
    """Make a task of an order."""
    return WorkflowInput(
        member=order.member,
        verb=order.verb.value,
        fleet=fleet,
        approved=None if order.approved is None else list(order.approved),
        asks=asks,
        deadline=order.deadline,
        keeps_records=order.keeps_records,
        differences_matter=order.differences_matter,
    )


def order_of(task: WorkflowInput) -> MemberTask:
    """Give back the order of a task."""
    return MemberTask(
        task.member,
        FleetOperation(task.verb),
        approved=None if task.approved is None else tuple(task.approved),
        deadline=task.deadline,
        keeps_records=task.keeps_records,
        differences_matter=task.differences_matter,
    )


def report_of(outcome: MemberOutcome) -> Report:
    """Make a report of an outcome, leaving out every sentence."""
    pieces = outcome.pieces if len(outcome.pieces) <= MOST_PIECES else ()
    return Report(
        member=outcome.member,
        standing=outcome.standing.value,
        exit_code=outcome.exit_code,
        target=outcome.target,
        run=outcome.run,
        digest=outcome.digest,
        summary=dict(outcome.summary),
        findings=[(remark.severity, remark.code) for remark in outcome.remarks],
        duration_ms=outcome.duration_ms,
        pieces=list(pieces),
    )


_SAID: Final[Mapping[str, str]] = MappingProxyType(
    {
        "other-fleet": "the worker's fleet.yaml is another than this one; give both the same file",
        "unknown-member": "the worker's fleet.yaml has no such member; give both the same file",
        "too-large-to-approve": "the plan is too large to wait in Temporal; apply it with --yes",
        "declined": "the plan was declined, or nobody approved it in time; nothing was written",
        "worker-lost": "the worker went away in the middle; look with `reconcile fleet plan`",
        "interrupted": "it was stopped; what was in flight has ended",
    }
)
"""What the codes of this engine mean. No sentence travels, so it is the caller who says them."""


def outcome_of(report: Report) -> MemberOutcome:
    """Give back the outcome of a report."""
    return MemberOutcome(
        member=report.member,
        standing=MemberStatus(report.standing),
        exit_code=report.exit_code,
        target=report.target,
        run=report.run,
        digest=report.digest,
        summary=MappingProxyType(dict(report.summary)),
        remarks=tuple(
            MemberNote(severity, code, _SAID.get(code, "")) for severity, code in report.findings
        ),
        duration_ms=report.duration_ms,
        pieces=tuple(report.pieces),
    )


def failed(task: WorkflowInput, code: str, standing: MemberStatus, exit_code: int) -> Report:
    """Report that a task came to nothing."""
    return Report(task.member, standing.value, exit_code, findings=[("error", code)])
