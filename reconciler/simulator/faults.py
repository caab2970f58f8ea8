"""Faults of the API and the network: the affected requests, and the result for the client.

A `FaultSource` chooses the fault of each request, by a script or at random. A `Wire` joins a fault
source and a `SimulatedAPI` and returns a `Delivery`: the response in bytes, and how the connection
ends. This module neither sends nor waits: each transport carries out a delivery.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields, replace
from enum import Enum, StrEnum
from random import Random
from typing import Any, ClassVar, Protocol

from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.messages import Request, Response, error_response

_HTML_PAGE = "<!doctype html><html><body><h1>Service unavailable</h1></body></html>"


class FaultKind(StrEnum):
    """Kind of fault; with `_BEFORE`, the API has not carried out the request."""

    STATUS = "status"
    """Refused with `status`, `code`, `message` and `headers`; not carried out."""
    STATUS_AFTER = "status_after"
    """Carried out, but the response is an error."""
    RESET_BEFORE = "reset_before"
    """Not carried out; the connection is reset."""
    RESET_AFTER = "reset_after"
    """Carried out; the connection is reset instead of a response."""
    HANG_BEFORE = "hang"
    """Not carried out, never answered."""
    HANG_AFTER = "hang_after"
    """Carried out, never answered."""
    LATE = "late"
    """No response; carried out after `amount` further requests."""
    SLOW = "slow"
    """Carried out; the response is sent `seconds` later."""
    TRUNCATE = "truncate"
    """Carried out; half of the response arrives."""
    HTML = "html"
    """Not carried out; a page of HTML with `status`, 200 by default."""
    EMPTY = "empty"
    """Carried out; 200 without a body."""
    RAW = "raw"
    """Not carried out; `body` unchanged, with `status` and `headers`."""
    DUPLICATE_PAGE = "duplicate_page"
    """A list returns the page before the requested one."""
    WRONG_TOTAL = "wrong_total"
    """A list's `total` is off by `amount`."""
    MISSING_TOTAL = "missing_total"
    """A list has no `total`."""
    STALE = "stale"
    """A read shows the state before the last write."""
    EDIT = "edit"
    """The JSON of the response is merged with `merge` (RFC 7396: null removes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Entry of a script; hits `times` requests (-1: all) after the first `skip`."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

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
    merge: Mapping[str, object] = field(default_factory=dict)

    def matches(self, request: Request) -> bool:
        """Return whether this fault hits a request; `path` may begin with `/v1` or not."""
        if self.method is not None and self.method.upper() != request.method:
            return False
        # Scripts copy paths from the documentation, which has the version.
        paths = (request.path, f"/v1{request.path}")
        return any(re.search(self.path, path) for path in paths)


class FaultSource(Protocol):
    """Source of the fault of each request."""

    def next_fault(self, request: Request) -> Fault | None:
        """Return the fault for a request, or None; each call counts as one request."""
        ...


@dataclass(slots=True)
class _Pending:
    """Fault of a script with its remaining counts."""

    fault: Fault
    skip: int
    times: int


class FaultScript:
    """Faults by a script; of several entries that match a request, the first one hits it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._pending: list[_Pending] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Append a fault to the script."""
        self._pending.append(_Pending(fault, fault.skip, fault.times))

    def next_fault(self, request: Request) -> Fault | None:
        """Return the first fault that matches the request and is not used up."""
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
    """Random faults with the probability `rate`; the same seed produces the same faults.

    `kinds` restricts the kinds that are drawn.
    """

    def __init__(
        self, random: Random, *, rate: float, kinds: Sequence[FaultKind] = tuple(FaultKind)
    ) -> None:
        self._random = random
        self._rate = rate
        self._kinds = tuple(kinds)

    def next_fault(self, request: Request) -> Fault | None:
        """Draw the fault of a request, if any."""
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
            # An object without its closing bracket: a success status, but no JSON.
            return Fault(kind=kind, status=200, body='{"object": "list"')
        return Fault(kind=kind, method=request.method)

    def stop(self) -> None:
        """Draw no further fault."""
        self._rate = 0.0


class InvalidFaults(ReconcilerError):
    """Raised for an invalid script of faults."""

    exit_code = 3

    def __init__(self, where: str, reason: str) -> None:
        if where.endswith(".kind"):
            hint = f"set `kind` to one of {', '.join(FaultKind)}"
        else:
            names = ", ".join(f"`{item.name}`" for item in fields(Fault))
            hint = f"write each fault like `- {{kind: status, status: 503}}`; its fields: {names}"
        super().__init__(f"{where}: {reason}", code="invalid-faults", hint=hint)


def parse_faults(entries: object) -> tuple[Fault, ...]:
    """Parse a list of faults; raise `InvalidFaults` with the entry and the field."""
    # Imported late, because most simulators have no script.
    from pydantic import TypeAdapter, ValidationError

    try:
        # Through JSON, because in strict mode pydantic accepts a string for an enum only from JSON.
        # YAML has dates, but JSON does not.
        text = json.dumps(entries, default=str)
        faults = TypeAdapter(tuple[Fault, ...]).validate_json(text, strict=True)
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


# -- what arrives ------------------------------------------------------------------------


class ConnectionEnd(Enum):
    """How the connection ends after a request."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    RESET = "reset"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Result of a request for a client: bytes, and how the connection ends."""

    status: int
    content: bytes
    headers: dict[str, str]
    ending: ConnectionEnd = ConnectionEnd.COMPLETE
    delay: float = 0.0


class Wire:
    """Connection to a `SimulatedAPI` with faults and late requests.

    `before` is called with each request before it is handled, so that a test can change the API
    like another client, for example with an insert that shifts the pages.
    """

    def __init__(
        self,
        api: SimulatedAPI,
        *,
        faults: FaultSource | None = None,
        before: Callable[[Request], None] | None = None,
    ) -> None:
        self._api = api
        self._faults = faults or FaultScript()
        self._before = before
        self._late: list[tuple[int, Request]] = []

    def deliver(self, request: Request) -> Delivery:
        """Handle a request under the fault that hits it, and return what arrives."""
        # Late requests arrive before the next request.
        self._advance_late()
        if self._before is not None:
            self._before(request)
        fault = self._faults.next_fault(request)
        if fault is not None and fault.kind is FaultKind.LATE:
            self._late.append((fault.amount, request))
            # No response arrives, so that its status is never read.
            return Delivery(0, b"", {}, ConnectionEnd.NEVER)
        return deliver(self._api, request, fault)

    def deliver_late(self) -> None:
        """Handle every request that is late."""
        for _, request in self._late:
            self._api.handle(request)
        self._late = []

    def _advance_late(self) -> None:
        # Emptied first, since requests that stay late are appended again.
        waiting, self._late = self._late, []
        for left, request in waiting:
            if left > 0:
                self._late.append((left - 1, request))
            else:
                self._api.handle(request)


def deliver(api: SimulatedAPI, request: Request, fault: Fault | None = None) -> Delivery:
    """Handle a request under one fault, and return what arrives.

    A late request is not handled: only a `Wire` counts the requests that follow.
    """
    if fault is None:
        return encode_response(api.handle(request))
    match fault.kind:
        case FaultKind.RESET_BEFORE | FaultKind.HANG_BEFORE | FaultKind.LATE:
            return Delivery(0, b"", {}, _ENDINGS[fault.kind])
        case FaultKind.STATUS | FaultKind.HTML | FaultKind.RAW:
            return _refusal(fault)
        case FaultKind.DUPLICATE_PAGE:
            return encode_response(api.handle(_previous_page(request)))
        case FaultKind.STALE:
            # A write works on the current state, however stale reads are.
            return encode_response(api.handle(request, stale=not request.writes))
        case _:
            return _distort(api.handle(request), fault)


def encode_response(response: Response) -> Delivery:
    """Encode a response as JSON; an empty body has no content type."""
    if response.body is None:
        return Delivery(response.status, b"", dict(response.headers))
    content = json.dumps(response.body, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", **response.headers}
    return Delivery(response.status, content, headers)


_ENDINGS = {
    FaultKind.RESET_BEFORE: ConnectionEnd.RESET,
    FaultKind.RESET_AFTER: ConnectionEnd.RESET,
    FaultKind.HANG_BEFORE: ConnectionEnd.NEVER,
    FaultKind.HANG_AFTER: ConnectionEnd.NEVER,
    FaultKind.LATE: ConnectionEnd.NEVER,
    FaultKind.TRUNCATE: ConnectionEnd.TRUNCATED,
}


def _refusal(fault: Fault) -> Delivery:
    if fault.kind is FaultKind.STATUS:
        status = fault.status or 500
        return encode_response(error_response(status, fault.code, fault.message, fault.headers))
    html = fault.kind is FaultKind.HTML
    content_type = "text/html" if html else "application/json"
    return Delivery(
        fault.status or 200,
        (fault.body or (_HTML_PAGE if html else "")).encode(),
        {"content-type": content_type, **fault.headers},
    )


def _distort(response: Response, fault: Fault) -> Delivery:
    """Apply a fault to the response of a request that was carried out."""
    match fault.kind:
        case FaultKind.STATUS_AFTER:
            return encode_response(
                error_response(fault.status or 500, fault.code, fault.message, fault.headers)
            )
        case FaultKind.EMPTY:
            return Delivery(response.status, b"", {})
        case FaultKind.SLOW:
            return replace(encode_response(response), delay=fault.seconds)
        case FaultKind.WRONG_TOTAL | FaultKind.MISSING_TOTAL:
            return encode_response(replace(response, body=_miscounted(response.body, fault)))
        case FaultKind.EDIT:
            return encode_response(replace(response, body=merge_patch(response.body, fault.merge)))
        case _:
            ending = _ENDINGS.get(fault.kind, ConnectionEnd.COMPLETE)
            return replace(encode_response(response), ending=ending)


def _previous_page(request: Request) -> Request:
    page = request.query.get("current_page", "0")
    if not (page.isascii() and page.isdigit()):
        return request
    # The first page, 0, has none before it and is returned as it is.
    before = max(int(page) - 1, 0)
    return replace(request, query={**request.query, "current_page": str(before)})


def _miscounted(body: Any, fault: Fault) -> Any:
    if not isinstance(body, dict) or "total" not in body:
        return body
    kept = {name: value for name, value in body.items() if name != "total"}
    if fault.kind is FaultKind.MISSING_TOTAL:
        return kept
    return {**kept, "total": body["total"] + fault.amount}


def merge_patch(body: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396): objects merge, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(body) if isinstance(body, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
