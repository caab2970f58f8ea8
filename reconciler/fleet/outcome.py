"""Outcome of each member of a fleet, and the result of the fleet as a whole."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

KIND = "fleet_result"

WORST_LAST = (0, 2, 4, 3, 1, 5, 143, 130)
"""Order of exit codes: nothing to do, differences, refused, invalid input, failed before a write,
incomplete, interrupted.
"""

_OF_SIGNALS = (130, 143)

NOT_NOW = frozenset({"outside-window", "not-soaked"})
"""Codes of notices that a plan can be applied only later."""


class FleetOperation(StrEnum):
    """Operation on every member of a fleet."""

    PLAN = "plan"
    APPLY = "apply"
    DRIFT = "drift"


class MemberStatus(StrEnum):
    """Status of a member at the end of a run."""

    IN_SYNC = "in-sync"
    DIFFERENT = "different"
    APPLIED = "applied"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    INVALID = "invalid"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not-run"


_STATUS_BY_EXIT_CODE = {
    1: MemberStatus.FAILED,
    3: MemberStatus.INVALID,
    4: MemberStatus.REFUSED,
    5: MemberStatus.INCOMPLETE,
    130: MemberStatus.INTERRUPTED,
    143: MemberStatus.INTERRUPTED,
}


def status_of_failure(exit_code: int) -> MemberStatus:
    """Return the status of a failure with this exit code."""
    return _STATUS_BY_EXIT_CODE.get(exit_code, MemberStatus.FAILED)


@dataclass(frozen=True, slots=True)
class MemberNote:
    """Diagnostic about a member; the summary is empty if only codes are transmitted."""

    severity: str
    code: str
    summary: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"severity": self.severity, "code": self.code, "summary": self.summary}


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """Outcome of one member's run.

    `exit_code` is that of the separate command. `change_digests` identify the changes of its plan
    for an approval (`reconciler.fleet.task`). With `resumed`, an earlier run of the fleet did the
    work. `break_freeze` and `allow_unsoaked` are the reasons that its run needed, None for others.
    """

    member: str
    status: MemberStatus
    exit_code: int
    target: str | None = None
    run: str | None = None
    digest: str | None = None
    summary: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[MemberNote, ...] = ()
    duration_ms: int = 0
    change_digests: tuple[str, ...] = ()
    resumed: bool = False
    break_freeze: str | None = None
    allow_unsoaked: str | None = None

    @property
    def done(self) -> bool:
        """Whether a resumed run can skip this member."""
        # A member that was not run also has exit code 0.
        return self.exit_code in {0, 2} and self.status is not MemberStatus.NOT_RUN

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        document: dict[str, object] = {
            "name": self.member,
            "target": self.target,
            "status": self.status.value,
            "exit_code": self.exit_code,
            "run": self.run,
            "digest": self.digest,
            "summary": dict(self.summary),
            "diagnostics": [note.as_json() for note in self.notes],
            "duration_ms": self.duration_ms,
            "resumed": self.resumed,
        }
        if self.break_freeze is not None:
            document["break_freeze"] = self.break_freeze
        if self.allow_unsoaked is not None:
            document["allow_unsoaked"] = self.allow_unsoaked
        return document


def outcome_from(document: Mapping[str, Any]) -> MemberOutcome:
    """Build an outcome from its JSON form; raises Python's exceptions for a wrong shape."""
    return MemberOutcome(
        member=str(document["name"]),
        status=MemberStatus(document["status"]),
        exit_code=int(document["exit_code"]),
        target=_text_or_none(document["target"]),
        run=_text_or_none(document["run"]),
        digest=_text_or_none(document["digest"]),
        summary=MappingProxyType({str(k): int(v) for k, v in document["summary"].items()}),
        notes=tuple(
            MemberNote(str(note["severity"]), str(note["code"]), str(note["summary"]))
            for note in document["diagnostics"]
        ),
        duration_ms=int(document["duration_ms"]),
        resumed=bool(document["resumed"]),
        break_freeze=_text_or_none(document.get("break_freeze")),
        allow_unsoaked=_text_or_none(document.get("allow_unsoaked")),
    )


def _text_or_none(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(type(value).__name__)


def decode_fleet_result(text: str, *, name: str) -> "FleetResult":
    """Parse the output of `fleet … --format json`; raises `InvalidInput` for anything else.

    A document without members or with a duplicate member is also refused: it proves nothing about
    the fleet, so it must not close an issue.
    """
    try:
        document = json.loads(text)
        if document["kind"] != KIND or document["format_version"] != "1":
            raise ValueError(KIND)
        result = FleetResult(
            run=str(document["run"]),
            operation=FleetOperation(document["command"]),
            engine=str(document["engine"]),
            members=tuple(outcome_from(member) for member in document["members"]),
            # Results of 0.1.0 do not have it.
            partial=bool(document.get("partial", False)),
            signal_code=_signal_code(document["exit_code"]),
        )
        names = {member.member for member in result.members}
        is_whole = bool(names) and len(names) == len(result.members)
        # The exit code follows from the members, so any other one shows that members are missing.
        if not is_whole or document["exit_code"] != result.exit_code:
            raise ValueError(KIND)
        # After a signal, it does not follow from them, but their number by status does.
        if result.signal_code and document["summary"] != result.summary:
            raise ValueError(KIND)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        problem = error(
            "unreadable-fleet-result",
            f"{name}: not a fleet result of this version",
            hint="save one with `reconcile fleet drift --format json`",
        )
        raise InvalidInput([problem]) from None
    return result


def _signal_code(exit_code: object) -> int:
    """Return the exit code if it is that of a signal, else 0."""
    return next((code for code in _OF_SIGNALS if code == exit_code), 0)


def worst_exit_code(codes: Iterable[int]) -> int:
    """Return the worst exit code by `WORST_LAST`; one that is not listed counts as a failure."""
    known = (code if code in WORST_LAST else 1 for code in codes)
    return max(known, key=WORST_LAST.index, default=0)


@dataclass(frozen=True, slots=True)
class FleetResult:
    """Result of a fleet's run; members are in the order of fleet.yaml.

    `partial` states that only selected members were run. `signal_code` is the exit code of the
    signal that stopped the run, 0 if there was none.
    """

    run: str
    operation: FleetOperation
    engine: str
    members: tuple[MemberOutcome, ...]
    partial: bool = False
    signal_code: int = 0

    @property
    def exit_code(self) -> int:
        """Return the exit code of a signal, else the worst one of all members."""
        if self.signal_code:
            # Members that were not run have no exit code, but the run is not complete.
            return self.signal_code
        return worst_exit_code(member.exit_code for member in self.members)

    @property
    def summary(self) -> dict[str, int]:
        """Return the number of members by status, in display order."""
        counts = dict.fromkeys(MemberStatus, 0)
        for member in self.members:
            counts[member.status] += 1
        return {status.value: count for status, count in counts.items()}

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "format_version": "1",
            "kind": KIND,
            "run": self.run,
            "command": self.operation.value,
            "engine": self.engine,
            "exit_code": self.exit_code,
            "summary": self.summary,
            "partial": self.partial,
            "members": [member.as_json() for member in self.members],
        }
