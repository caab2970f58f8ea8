"""What became of each member of a fleet, and of the fleet as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

KIND = "fleet_result"

WORST_LAST = (0, 2, 4, 3, 1, 5, 143, 130)
"""The order of exit codes: nothing to do, differences, refused, bad input, failed before a write,
left half done, interrupted."""


class FleetOperation(StrEnum):
    """What a fleet can be asked to do."""

    PLAN = "plan"
    APPLY = "apply"
    DRIFT = "drift"


class MemberStatus(StrEnum):
    """How a member came out of it."""

    IN_SYNC = "in-sync"
    DIFFERENT = "different"
    APPLIED = "applied"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    INVALID = "invalid"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not-run"


_BY_CODE = {
    1: MemberStatus.FAILED,
    3: MemberStatus.INVALID,
    4: MemberStatus.REFUSED,
    5: MemberStatus.INCOMPLETE,
    130: MemberStatus.INTERRUPTED,
    143: MemberStatus.INTERRUPTED,
}


def standing_of_failure(exit_code: int) -> MemberStatus:
    """Name a failure by its exit code."""
    return _BY_CODE.get(exit_code, MemberStatus.FAILED)


@dataclass(frozen=True, slots=True)
class MemberNote:
    """A finding about a member; the summary is empty where only codes may travel."""

    severity: str
    code: str
    summary: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the public form."""
        return {"severity": self.severity, "code": self.code, "summary": self.summary}


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """How one member's run ended.

    `exit_code` is the one that the single command would have had. `pieces` identify what its plan
    holds, for an approval (`reconciler.fleet.change_digests`). `resumed` tells that an earlier run
    of the fleet did the work.
    """

    member: str
    standing: MemberStatus
    exit_code: int
    target: str | None = None
    run: str | None = None
    digest: str | None = None
    summary: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    remarks: tuple[MemberNote, ...] = ()
    duration_ms: int = 0
    pieces: tuple[str, ...] = ()
    resumed: bool = False

    @property
    def done(self) -> bool:
        """Tell whether nothing is left to be done again."""
        return self.exit_code in {0, 2} and self.standing is not MemberStatus.NOT_RUN

    def as_json(self) -> dict[str, Any]:
        """Give the public form."""
        return {
            "name": self.member,
            "target": self.target,
            "status": self.standing.value,
            "exit_code": self.exit_code,
            "run": self.run,
            "digest": self.digest,
            "summary": dict(self.summary),
            "diagnostics": [remark.as_json() for remark in self.remarks],
            "duration_ms": self.duration_ms,
            "resumed": self.resumed,
        }


def outcome_from(document: Mapping[str, Any]) -> MemberOutcome:
    """Read the public form; raises what Python raises for a wrong shape."""
    return MemberOutcome(
        member=str(document["name"]),
        standing=MemberStatus(document["status"]),
        exit_code=int(document["exit_code"]),
        target=document["target"],
        run=document["run"],
        digest=document["digest"],
        summary=MappingProxyType({str(k): int(v) for k, v in document["summary"].items()}),
        remarks=tuple(
            MemberNote(str(r["severity"]), str(r["code"]), str(r["summary"]))
            for r in document["diagnostics"]
        ),
        duration_ms=int(document["duration_ms"]),
        resumed=bool(document["resumed"]),
    )


def worst(codes: Iterable[int]) -> int:
    """Give the worst exit code by `WORST_LAST`; one that is not listed counts as a failure."""
    return max((c if c in WORST_LAST else 1 for c in codes), key=WORST_LAST.index, default=0)


@dataclass(frozen=True, slots=True)
class FleetResult:
    """What became of a fleet; members stand in the order of fleet.yaml."""

    run: str
    verb: FleetOperation
    engine: str
    members: tuple[MemberOutcome, ...]

    @property
    def exit_code(self) -> int:
        """Give the worst exit code of all members."""
        return worst(member.exit_code for member in self.members)

    @property
    def summary(self) -> dict[str, int]:
        """Count by status, in the order that people read."""
        counts = dict.fromkeys(MemberStatus, 0)
        for member in self.members:
            counts[member.standing] += 1
        return {standing.value: count for standing, count in counts.items()}

    def as_json(self) -> dict[str, Any]:
        """Give the public form."""
        return {
            "format_version": "1",
            "kind": KIND,
            "run": self.run,
            "command": self.verb.value,
            "engine": self.engine,
            "exit_code": self.exit_code,
            "summary": self.summary,
            "members": [member.as_json() for member in self.members],
        }
