"""Faults: which request is struck, and how. Only decisions; nothing here sends or waits.

A fault is chosen by method and path, in the order of the script; what it does to an answer is
`reconciler.simulator.delivery`'s, how the wire then breaks is each transport's.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, ClassVar, Protocol

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reconciler.errors import ReconcilerError
from reconciler.simulator.messages import Request


class FaultKind(StrEnum):
    """What can go wrong with one request. `…_before`: the API has not carried it out."""

    STATUS = "status"
    """Refused with `status`, `code`, `message` and `headers`; not carried out."""
    STATUS_AFTER = "status_after"
    """Carried out, and answered as if it had failed."""
    RESET_BEFORE = "reset_before"
    """The connection is reset before anything happened."""
    RESET_AFTER = "reset_after"
    """Carried out; the connection is reset instead of an answer."""
    HANG_BEFORE = "hang"
    """Not carried out, never answered."""
    HANG_AFTER = "hang_after"
    """Carried out, never answered."""
    LATE = "late"
    """Never answered, and carried out after `amount` further requests."""
    SLOW = "slow"
    """Carried out and answered `seconds` later."""
    TRUNCATE = "truncate"
    """Carried out; half of the answer arrives."""
    HTML = "html"
    """Not carried out; a page of HTML with `status` (200 unless told)."""
    EMPTY = "empty"
    """Carried out; 200 without a body."""
    RAW = "raw"
    """Not carried out; `body` as it is, with `status` and `headers`."""
    DUPLICATE_PAGE = "duplicate_page"
    """A list answers with the page before the one asked for."""
    WRONG_TOTAL = "wrong_total"
    """A list's `total` is off by `amount`."""
    MISSING_TOTAL = "missing_total"
    """A list comes without `total`."""
    STALE = "stale"
    """A read shows the state before the last write."""
    EDIT = "edit"
    """The answer's JSON is merged with `merge` (RFC 7396: null removes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of a script; strikes `times` requests (-1: all) after letting `skip` pass."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str | None = None
    path: str = ".*"
    times: int = 1
    skip: int = 0
    status: int = 0
    code: str = "AB04"
    message: str = "Internal server error"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 5.0
    amount: int = 1
    merge: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, request: Request) -> bool:
        """Tell whether this fault strikes a request; `path` may begin with `/v1` or not."""
        if self.method is not None and self.method.upper() != request.method:
            return False
        paths = (request.path, f"/v1{request.path}")
        return any(re.search(self.path, path) for path in paths)


class FaultSource(Protocol):
    """Whatever decides which fault strikes the next request."""

    def next_fault(self, request: Request) -> Fault | None:
        """Give the fault for a request, or None; each asking counts as one request."""
        ...


@dataclass(slots=True)
class _Pending:
    """A fault of a script with what is left of its counts."""

    fault: Fault
    skip: int
    times: int


class FaultScript:
    """Strikes by a script; of several entries that concern a request, the first one does."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._pending: list[_Pending] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Append a fault to the script."""
        self._pending.append(_Pending(fault, fault.skip, fault.times))

    def next_fault(self, request: Request) -> Fault | None:
        """Give the first fault that concerns the request and is not used up."""
        for pending in self._pending:
            if pending.times == 0 or not pending.fault.matches(request):
                continue
            if pending.skip > 0:
                pending.skip -= 1
                continue
            pending.times -= 1
            return pending.fault
        return None


class SeededFaults:
    """Strikes at random with the probability `rate`; the same seed gives the same faults.

    `kinds` narrows what may happen; `stop` ends all faults, as the proof of convergence needs.
    """

    def __init__(
        self, random: Random, *, rate: float, kinds: Sequence[FaultKind] = tuple(FaultKind)
    ) -> None:
        self._random = random
        self._rate = rate
        self._kinds = tuple(kinds)

    def next_fault(self, request: Request) -> Fault | None:
        """Draw whether this request is struck, and by what."""
        if self._random.random() >= self._rate:
            return None
        kind = self._random.choice(self._kinds)
        if kind is FaultKind.STATUS:
            status, code = self._random.choice(((429, "AB06"), (500, "AB04"), (503, "AB04")))
            return Fault(kind=kind, status=status, code=code, message="Injected")
        if kind is FaultKind.WRONG_TOTAL:
            return Fault(kind=kind, amount=self._random.choice((-1, 1)))
        if kind is FaultKind.LATE:
            return Fault(kind=kind, amount=self._random.randint(0, 4))
        if kind is FaultKind.RAW:
            return Fault(kind=kind, status=200, body='{"object": "list"')
        return Fault(kind=kind, method=request.method)

    def stop(self) -> None:
        """Let every further request pass."""
        self._rate = 0.0


class InvalidFaults(ReconcilerError):
    """A script of faults that cannot be understood."""

    exit_code = 3

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where}: {reason}",
            code="invalid-faults",
            hint="each fault needs `kind`; see reconciler/simulator/faults.py for its fields",
        )


def parse_faults(entries: Any) -> tuple[Fault, ...]:
    """Read a list of faults as plain JSON; raises `InvalidFaults` naming the entry and field."""
    try:
        text = json.dumps(entries, default=str)
        faults = _FAULTS.validate_json(text, strict=True)
        for index, fault in enumerate(faults):
            _check_pattern(f"faults[{index}].path", fault.path)
    except ValidationError as reason:
        first = reason.errors(include_url=False)[0]
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])
        raise InvalidFaults(f"faults{where}", first["msg"]) from reason
    return faults


def _check_pattern(where: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as reason:
        raise InvalidFaults(where, str(reason)) from reason


_FAULTS = TypeAdapter(tuple[Fault, ...])
