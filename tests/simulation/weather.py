"""Random faults of one run's requests, and crashes of its process."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from reconciler.simulator.faults import Fault, FaultKind, FaultSource
from reconciler.simulator.messages import Request


class Crash(BaseException):
    """The process was killed."""


@dataclass(frozen=True, slots=True)
class CrashPlan:
    """Point of a crash: the call or write, and whether the call is still sent."""

    number: int
    writes_only: bool
    after: bool


_BOTH = (
    FaultKind.RESET_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.HANG_BEFORE,
    FaultKind.HANG_AFTER,
    FaultKind.STATUS,
    FaultKind.STATUS_AFTER,
    FaultKind.TRUNCATE,
    FaultKind.HTML,
    FaultKind.EMPTY,
    FaultKind.RAW,
)
WRITE_KINDS = (*_BOTH, FaultKind.LATE, FaultKind.LATE, FaultKind.LATE)
READ_KINDS = (*_BOTH, FaultKind.STALE)
LIST_KINDS = (*READ_KINDS, FaultKind.DUPLICATE_PAGE, FaultKind.WRONG_TOTAL, FaultKind.MISSING_TOTAL)


class Strikes(FaultSource, Protocol):
    """Faults that report their effect on the last request."""

    struck: Fault | None


class Weather:
    """Random faults until it is stopped; implements `reconciler.simulator.faults.FaultSource`.

    `latest` is the number of requests that can overtake a late one. A run cannot clean up after a
    request that arrives when it no longer reads, which matters if a taken slug gets a suffix.
    """

    def __init__(self, dice: Random, *, rate: float, latest: int) -> None:
        self._dice = dice
        self._rate = rate
        self._latest = latest
        self.struck: Fault | None = None

    def next_fault(self, request: Request) -> Fault | None:
        """Draw the fault of this request, if any."""
        self.struck = self._draw(request) if self._dice.random() < self._rate else None
        return self.struck

    def _draw(self, request: Request) -> Fault | None:
        dice = self._dice
        if request.writes:
            kind = dice.choice(WRITE_KINDS)
            if request.method == "POST" and request.path == "/integrations" and dice.random() < 0.1:
                return Fault(
                    kind=FaultKind.EDIT,
                    merge={"slug": dice.choice((None, "their-0", "their-9", "../x", "two"))},
                )
        else:
            kind = dice.choice(LIST_KINDS if request.path == "/integrations" else READ_KINDS)
        match kind:
            case FaultKind.STATUS:
                status, code = dice.choice(
                    ((429, "AB06"), (500, "AB04"), (503, "AB04"), (403, "AB03"), (401, "AB05"))
                )
                headers = {"Retry-After": "2"} if dice.random() < 0.5 else {}
                message = f"Injected {_echo(request)}"
                return Fault(kind=kind, status=status, code=code, message=message, headers=headers)
            case FaultKind.STATUS_AFTER:
                return Fault(kind=kind, status=dice.choice((500, 502, 504, 408)))
            case FaultKind.LATE:
                return Fault(kind=kind, amount=dice.randint(0, self._latest))
            case FaultKind.WRONG_TOTAL:
                return Fault(kind=kind, amount=dice.choice((-1, 1)))
            case FaultKind.HTML:
                return Fault(kind=kind, status=dice.choice((200, 403, 404, 502)))
            case FaultKind.RAW:
                return Fault(kind=kind, status=200, body='{"object": "list"')
            case _:
                return Fault(kind=kind)


def _echo(request: Request) -> str:
    """Echo the credential of a request, like a careless server."""
    return str(request.body.get("key", "")) if isinstance(request.body, dict) else ""


def draw_crash(dice: Random) -> CrashPlan | None:
    """Draw whether a run crashes."""
    if dice.random() < 0.55:
        return None
    writes_only = dice.random() < 0.7
    number = dice.randint(1, 6) if writes_only else dice.randint(1, 30)
    return CrashPlan(number, writes_only, after=dice.random() < 0.6)
