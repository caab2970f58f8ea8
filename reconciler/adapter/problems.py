"""Problem details (RFC 9457) for everything that the adapter refuses or fails to do.

REST sends a problem unchanged; the failed result of a tool has the same members. A problem never
contains a credential or the body of a request.
"""

import math
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final

from reconciler.adapter.json_limits import MAX_DEPTH
from reconciler.domain.calls import OperationName
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.errors import (
    Answered,
    InvalidCall,
    NoAnswer,
    NotSent,
    ReadOnlyViolation,
    RemoteError,
    Throttled,
)
from reconciler.remote.operations import OPERATIONS

MEDIA_TYPE: Final = "application/problem+json"
RELAYED: Final = frozenset({400, 402, 403, 404, 409, 422})
"""Upstream statuses passed on to the caller; 401 is about the adapter's own credential."""

_TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "invalid-request": "The request is not valid",
        "bad-slug": "The slug is not valid",
        "bad-framing": "The request is not well-formed",
        "unauthorised": "A credential is needed",
        "forbidden": "The caller is not allowed to do this",
        "read-only": "The adapter is read-only",
        "managed": "The integration is managed by files",
        "not-confirmed": "The deletion is not confirmed",
        "wrong-host": "The adapter does not serve this host",
        "wrong-origin": "This origin is not allowed",
        "not-found": "There is no resource at this path",
        "method-not-allowed": "The path does not accept this method",
        "too-slow": "The request did not arrive in time",
        "too-large": "The request is too large",
        "unsupported-media-type": "The body must be JSON",
        "too-many-requests": "Too many requests",
        "unavailable": "The adapter does not accept requests now",
        "internal": "The adapter failed",
        "upstream-refused": "The upstream refused the request",
        "upstream-throttled": "The upstream does not accept more requests now",
        "upstream-credential": "The upstream refused the adapter's own credential",
        "upstream-failed": "The upstream sent no usable response",
        "upstream-unreachable": "The upstream cannot be reached",
        "upstream-timeout": "The upstream did not respond in time",
    }
)

_NO_REASON: Final = "The upstream gave no reason."
_UNKNOWN_OUTCOME: Final = (
    " It is unknown whether the call was carried out; read the integration to check."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure: code, HTTP status and a sentence about this case.

    `headers` are sent with the response over REST. `upstream_code` is the API's own code, if any.
    """

    code: str
    status: int
    detail: str
    upstream_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def title(self) -> str:
        """The sentence that all problems with this code share."""
        return _TITLES[self.code]

    def as_json(self, request_id: str) -> dict[str, object]:
        """Return the members of RFC 9457, and `upstream_code`."""
        return {
            "type": f"urn:reconcile:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            # It may quote the upstream, and UTF-8 cannot encode a lone surrogate.
            "detail": self.detail.encode("utf-8", "replace").decode(),
            "instance": f"urn:uuid:{request_id}",
            "upstream_code": self.upstream_code,
        }


class Refusal(Exception):
    """Exception that ends a request with a problem as the response."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def refuse(code: str, status: int, detail: str, **headers: str) -> Refusal:
    """Return a refusal to raise; `_` in the name of a header becomes a hyphen."""
    by_name = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(Problem(code, status, detail, headers=by_name))


def not_found() -> Refusal:
    """Return the refusal (404) of a path without a route."""
    return refuse("not-found", 404, "There is no resource at this path.")


def timeout_problem(operation: OperationName) -> Problem:
    """Return the problem of an upstream that did not respond in time."""
    return Problem(
        "upstream-timeout",
        504,
        "The upstream did not send a complete response in time." + _outcome_note(operation),
    )


def unusable_answer_problem(operation: OperationName) -> Problem:
    """Return the problem of a successful response that cannot be forwarded."""
    detail = (
        f"The upstream's response cannot be forwarded: it is nested deeper than {MAX_DEPTH} "
        "levels, or contains a number or a character that JSON cannot represent, or a name with "
        "several values."
    )
    return Problem("upstream-failed", 502, detail + _outcome_note(operation))


def internal_problem(operation: OperationName | None = None) -> Problem:
    """Return the problem of a defect; `operation` may have been carried out."""
    detail = "The adapter failed; see its log."
    return Problem("internal", 500, detail + (_outcome_note(operation) if operation else ""))


def in_sentences(error: InvalidCall) -> str:
    """Return the summary and the hint of an error as sentences."""
    hint = f" {error.hint[:1].upper()}{error.hint[1:]}." if error.hint else ""
    return f"{error.summary}.{hint}"


def upstream_problem(error: RemoteError, operation: OperationName) -> Problem:
    """Return the problem of a failed call, without the upstream's address."""
    match error:
        case Answered():
            return _answered(error, operation)
        case InvalidCall():
            code = "bad-slug" if error.code == "bad-slug" else "invalid-request"
            return Problem(code, 400, in_sentences(error))
        case ReadOnlyViolation():
            return Problem("read-only", 403, "The adapter was started with --read-only.")
        case NoAnswer(code="timeout"):
            return timeout_problem(operation)
        # Nothing was received, so the outcome is certain.
        case NotSent():
            detail = "The upstream cannot be reached, so the request was not sent."
            return Problem("upstream-unreachable", 502, detail)
        case _:
            detail = f"The upstream's response cannot be used ({error.code})."
            return Problem("upstream-failed", 502, detail + _outcome_note(operation))


def _answered(error: Answered, operation: OperationName) -> Problem:
    # The client generates this code, and the message below, for a response without a code.
    code = None if error.code.startswith("http-") else error.code
    status = error.http_status or 502
    reason = "" if error.message == f"status {status}" else error.message
    if isinstance(error, Throttled):
        wait = error.retry_after
        headers = {} if wait is None else {"retry-after": str(math.ceil(wait))}
        return Problem("upstream-throttled", 429, reason or _NO_REASON, code, headers)
    if status in RELAYED:
        return Problem("upstream-refused", status, reason or _NO_REASON, code)
    if status == 401:
        detail = "The upstream refused the adapter's own credential, not the caller's."
        return Problem("upstream-credential", 502, detail, code)
    detail = f"The upstream responded with {status}" + (f": {reason}" if reason else "")
    # The reason is text of the upstream, with or without a full stop.
    detail += "" if detail.endswith((".", "!", "?", "…")) else "."
    if error.outcome_unknown:
        detail += _outcome_note(operation)
    return Problem("upstream-failed", 502, detail, code)


def _outcome_note(operation: OperationName) -> str:
    """Return the sentence about a write with an unknown outcome; empty for a read."""
    return "" if OPERATIONS[operation].safe else _UNKNOWN_OUTCOME
