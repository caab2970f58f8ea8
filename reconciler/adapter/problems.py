"""Everything the adapter refuses or fails to do, as a value in the form of RFC 9457.

REST sends a problem as it is; a tool's failed result carries the same members. Nothing here holds a
credential or a request's body.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from reconciler.adapter.json_limits import MAX_DEPTH
from reconciler.domain.calls import OperationName
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
"""Statuses of the upstream that say something to the caller; 401 is about our own credential."""

_TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "invalid-request": "The request is not valid",
        "bad-slug": "The slug is not valid",
        "bad-framing": "The request is not well-formed",
        "unauthorised": "A credential is needed",
        "forbidden": "The caller may not do this",
        "read-only": "The adapter only reads",
        "managed": "The integration is managed by files",
        "not-confirmed": "The deletion is not confirmed",
        "wrong-host": "This host is not served here",
        "wrong-origin": "This origin may not call",
        "not-found": "There is nothing at this path",
        "method-not-allowed": "The path does not take this method",
        "too-slow": "The request did not arrive in time",
        "too-large": "The request is too large",
        "unsupported-media-type": "The body has to be JSON",
        "too-many-requests": "Too many requests",
        "unavailable": "The adapter takes no requests for now",
        "internal": "The adapter failed",
        "upstream-refused": "The upstream refused the request",
        "upstream-throttled": "The upstream takes no more requests for now",
        "upstream-credential": "The upstream refused the adapter's own credential",
        "upstream-failed": "The upstream gave no usable answer",
        "upstream-unreachable": "The upstream cannot be reached",
        "upstream-timeout": "The upstream gave no answer in time",
    }
)

_SILENT: Final = "The upstream gave no reason."
_UNKNOWN_OUTCOME: Final = " Whether it was carried out is not known; read the integration to see."


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure: its kind, its HTTP status and a sentence about this case.

    `headers` go with the answer over REST, `upstream_code` is the API's own code where it gave one.
    """

    code: str
    status: int
    detail: str
    upstream_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def title(self) -> str:
        """Give the sentence that all problems of this kind share."""
        return _TITLES[self.code]

    def as_json(self, request_id: str) -> dict[str, Any]:
        """Give the members of RFC 9457, and `upstream_code`."""
        return {
            "type": f"urn:reconcile:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            # The upstream's words are in it, and UTF-8 cannot express a lone surrogate.
            "detail": self.detail.encode("utf-8", "replace").decode(),
            "instance": f"urn:uuid:{request_id}",
            "upstream_code": self.upstream_code,
        }


class Refusal(Exception):
    """A request ends here, with this problem for an answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def refuse(code: str, status: int, detail: str, **headers: str) -> Refusal:
    """Make a refusal that can be raised; `_` in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(Problem(code, status, detail, headers=named))


def not_found() -> Refusal:
    """Return the refusal of a path that leads nowhere."""
    return refuse("not-found", 404, "There is nothing at this path.")


def timeout_problem(operation: OperationName) -> Problem:
    """Say that the upstream was too slow."""
    return Problem(
        "upstream-timeout",
        504,
        "The upstream gave no complete answer in time." + outcome(operation),
    )


def unusable_answer_problem(operation: OperationName) -> Problem:
    """Return the problem of a successful answer that cannot be passed on."""
    detail = (
        f"The upstream's answer cannot be passed on: it is nested deeper than {MAX_DEPTH} levels, "
        "or holds a number or a character that JSON cannot express."
    )
    return Problem("upstream-failed", 502, detail + outcome(operation))


def internal_problem(operation: OperationName | None = None) -> Problem:
    """Return the problem of a defect; `operation` is the one that may have been carried out."""
    detail = "The adapter failed; see its log."
    return Problem("internal", 500, detail + (outcome(operation) if operation else ""))


def upstream_problem(error: RemoteError, operation: OperationName) -> Problem:
    """Say what a failed call means to the caller; the upstream's address is not theirs to know."""
    match error:
        case Answered():
            return _answered(error, operation)
        case InvalidCall():
            code = "bad-slug" if error.code == "bad-slug" else "invalid-request"
            return Problem(code, 400, f"{error.summary}. {error.hint}".strip())
        case ReadOnlyViolation():
            return Problem("read-only", 403, "The adapter was started to read only.")
        case NoAnswer(code="timeout"):
            return timeout_problem(operation)
        case NotSent():
            detail = "The upstream cannot be reached, so the request was not sent."
            return Problem("upstream-unreachable", 502, detail)
        case _:
            detail = f"The upstream's answer cannot be used ({error.code})."
            return Problem("upstream-failed", 502, detail + outcome(operation))


def _answered(error: Answered, operation: OperationName) -> Problem:
    code = None if error.code.startswith("http-") else error.code
    status = error.http_status or 502
    said = "" if error.message == f"status {status}" else error.message
    if isinstance(error, Throttled):
        wait = error.retry_after
        headers = {} if wait is None else {"retry-after": str(math.ceil(wait))}
        return Problem("upstream-throttled", 429, said or _SILENT, code, headers)
    if status in RELAYED:
        return Problem("upstream-refused", status, said or _SILENT, code)
    if status == 401:
        detail = "The upstream refused the adapter's own credential, not the caller's."
        return Problem("upstream-credential", 502, detail, code)
    detail = f"The upstream answered with {status}" + (f": {said}" if said else "")
    detail += "" if detail.endswith((".", "!", "?", "…")) else "."
    if error.outcome_unknown:
        detail += outcome(operation)
    return Problem("upstream-failed", 502, detail, code)


def outcome(operation: OperationName) -> str:
    """Return the sentence about a write of which nothing more is known; empty for a read."""
    return "" if OPERATIONS[operation].safe else _UNKNOWN_OUTCOME
