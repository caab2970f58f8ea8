"""Messages that are sent through Temporal: names, digests, counts and reasons; no secret or plan.

The reasons of `--break-freeze` and `--allow-unsoaked` are the only sentences.

They are plain dataclasses, because Temporal stores them as JSON in its history. Names of fields are
therefore part of the format: schedules hold messages of earlier versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from reconciler.fleet.outcome import FleetOperation, MemberNote, MemberOutcome, MemberStatus
from reconciler.fleet.task import MemberOverrides, MemberTask

MAX_CHANGE_DIGESTS = 20_000
"""Maximum number of approved digests in a message; a larger plan must be applied with `--yes`."""


@dataclass(frozen=True)
class WorkflowInput:
    """One member's task. `fleet` is the digest of the caller's fleet.yaml, or empty.

    With `asks`, the plan waits at most `patience` seconds for the signal `approve` before it is
    applied. A worker must send a heartbeat at least every `heartbeat` seconds.
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
    allow_budget: bool = False
    allow_used: bool = False
    break_freeze: str | None = None
    allow_unsoaked: str | None = None
    probe: bool = False
    fail_on: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """Outcome of a task; each finding is a severity and a code."""

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
    break_freeze: str | None = None
    allow_unsoaked: str | None = None


def workflow_input(task: MemberTask, *, fleet: str, await_approval: bool = False) -> WorkflowInput:
    """Return the message for a task."""
    return WorkflowInput(
        member=task.member,
        verb=task.operation.value,
        fleet=fleet,
        approved=None if task.approved is None else list(task.approved),
        asks=await_approval,
        deadline=task.deadline,
        keeps_records=task.keeps_records,
        differences_matter=task.differences_matter,
        allow_budget=task.overrides.allow_budget,
        allow_used=task.overrides.allow_used,
        break_freeze=task.overrides.break_freeze,
        allow_unsoaked=task.overrides.allow_unsoaked,
        probe=task.overrides.probe,
        fail_on=list(task.fail_on),
    )


def member_task(message: WorkflowInput) -> MemberTask:
    """Return the task in a message."""
    return MemberTask(
        message.member,
        FleetOperation(message.verb),
        approved=None if message.approved is None else tuple(message.approved),
        deadline=message.deadline,
        keeps_records=message.keeps_records,
        differences_matter=message.differences_matter,
        overrides=MemberOverrides(
            allow_budget=message.allow_budget,
            allow_used=message.allow_used,
            break_freeze=message.break_freeze,
            allow_unsoaked=message.allow_unsoaked,
            probe=message.probe,
        ),
        fail_on=tuple(message.fail_on),
    )


def report_of(outcome: MemberOutcome) -> Report:
    """Return the message for an outcome, without the sentences of its diagnostics."""
    digests = outcome.change_digests
    return Report(
        member=outcome.member,
        standing=outcome.status.value,
        exit_code=outcome.exit_code,
        target=outcome.target,
        run=outcome.run,
        digest=outcome.digest,
        summary=dict(outcome.summary),
        findings=[(note.severity, note.code) for note in outcome.notes],
        duration_ms=outcome.duration_ms,
        # Without digests, the workflow refuses to wait for an approval.
        pieces=list(digests) if len(digests) <= MAX_CHANGE_DIGESTS else [],
        break_freeze=outcome.break_freeze,
        allow_unsoaked=outcome.allow_unsoaked,
    )


def failed(message: WorkflowInput, code: str, status: MemberStatus, exit_code: int) -> Report:
    """Return the message for a task that could not be carried out."""
    return Report(message.member, status.value, exit_code, findings=[("error", code)])


_SUMMARIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "other-fleet": "the worker has another fleet.yaml; use the same file on both sides",
        "unknown-member": "the worker's fleet.yaml has no such member; use the same file on both "
        "sides",
        "too-large-to-approve": "the plan is too large to wait in Temporal; apply it with --yes",
        "declined": "the plan was declined or not approved in time; nothing was written",
        "worker-lost": "the worker was lost during the run; check with `reconcile fleet plan`",
        "interrupted": "the run was stopped; calls in progress have ended",
    }
)
"""Sentences for the codes of this engine, added by the caller because messages contain none."""


def outcome_of(report: Report) -> MemberOutcome:
    """Return the outcome in a message."""
    return MemberOutcome(
        member=report.member,
        status=MemberStatus(report.standing),
        exit_code=report.exit_code,
        target=report.target,
        run=report.run,
        digest=report.digest,
        summary=MappingProxyType(dict(report.summary)),
        notes=tuple(
            MemberNote(severity, code, _SUMMARIES.get(code, ""))
            for severity, code in report.findings
        ),
        duration_ms=report.duration_ms,
        change_digests=tuple(report.pieces),
        break_freeze=report.break_freeze,
        allow_unsoaked=report.allow_unsoaked,
    )
