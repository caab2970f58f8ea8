"""What a request gets back once a fault had its way: the answer, and how the wire behaves.

A `Wire` joins the state machine and the faults; the transport, the server and the protocol seam
each carry what it delivers out in their own terms.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, FaultSource
from reconciler.simulator.messages import Request, Response, error_response

_PAGE = "<!doctype html><html><body><h1>Service unavailable</h1></body></html>"


class ConnectionEnd(Enum):
    """How the exchange ends on the wire."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    RESET = "reset"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer on its way: bytes, and what happens to them."""

    status: int
    content: bytes
    headers: dict[str, str]
    ending: ConnectionEnd = ConnectionEnd.COMPLETE
    delay: float = 0.0


class Wire:
    """The way to a `SimulatedAPI`, on which faults strike and requests arrive late.

    `before` is called with each request before it is handled; what others do to the API at that
    moment (an insert that shifts the pages, an edit, a delete) is its to do.
    """

    def __init__(
        self,
        remote: SimulatedAPI,
        *,
        faults: FaultSource | None = None,
        before: Callable[[Request], None] | None = None,
    ) -> None:
        self._remote = remote
        self._faults = faults or FaultScript()
        self._before = before
        self._late: list[tuple[int, Request]] = []

    def deliver(self, request: Request) -> Delivery:
        """Carry a request out, as far as a fault lets it, and say what arrives."""
        self._advance_late()
        if self._before is not None:
            self._before(request)
        fault = self._faults.next_fault(request)
        if fault is not None and fault.kind is FaultKind.LATE:
            self._late.append((fault.amount, request))
            return Delivery(0, b"", {}, ConnectionEnd.NEVER)
        return deliver(self._remote, request, fault)

    def deliver_late(self) -> None:
        """Let every late request arrive now."""
        for _, request in self._late:
            self._remote.handle(request)
        self._late = []

    def _advance_late(self) -> None:
        waiting, self._late = self._late, []
        for left, request in waiting:
            if left > 0:
                self._late.append((left - 1, request))
            else:
                self._remote.handle(request)


def deliver(remote: SimulatedAPI, request: Request, fault: Fault | None = None) -> Delivery:
    """Carry a request out, as far as one fault lets it, and say what arrives.

    A late request never arrives here: only a `Wire` has the time for that.
    """
    if fault is None:
        return encode_response(remote.handle(request))
    match fault.kind:
        case FaultKind.RESET_BEFORE | FaultKind.HANG_BEFORE | FaultKind.LATE:
            return Delivery(0, b"", {}, _ENDINGS[fault.kind])
        case FaultKind.STATUS | FaultKind.HTML | FaultKind.RAW:
            return _refusal(fault)
        case FaultKind.DUPLICATE_PAGE:
            return encode_response(remote.handle(_page_before(request)))
        case FaultKind.STALE:
            return encode_response(remote.handle(request, stale=not request.writes))
        case _:
            return _distorted(remote.handle(request), fault)


def encode_response(response: Response) -> Delivery:
    """Write an answer as JSON; an empty body has no content type."""
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
        (fault.body or (_PAGE if html else "")).encode(),
        {"content-type": content_type, **fault.headers},
    )


def _distorted(response: Response, fault: Fault) -> Delivery:
    """Change a true answer; the request has been carried out."""
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


def _page_before(request: Request) -> Request:
    page = request.query.get("current_page", "0")
    if not (page.isascii() and page.isdigit()):
        return request
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
    """Merge JSON as RFC 7396 does: mappings merge, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(body) if isinstance(body, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
