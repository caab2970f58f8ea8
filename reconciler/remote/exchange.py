"""Exchange with the API: interface of a transport, and the meaning of a response.

Only documented structures count. A denial, a redirect, a proxy's page or a truncated document never
counts as data, and a 404 means absence only in the API's own form (remote/API.md §1.7).
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from decimal import Context, Decimal, InvalidOperation
from typing import NoReturn, Protocol, TypeAlias
from urllib.parse import quote, urlsplit

from reconciler.domain.calls import Reply
from reconciler.domain.instants import parse_http_date
from reconciler.domain.secrets import LOOKS_SECRET
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.errors import (
    Answered,
    Conflict,
    Forbidden,
    NoAnswer,
    NotFound,
    Rejected,
    ServerFault,
    Throttled,
    Unauthorised,
    WrongShape,
)
from reconciler.remote.wire_secrets import Needles, needles_of, redact

MESSAGE_LENGTH = 200
LONGEST_PAUSE_SECONDS = 300.0
"""A server that requests a longer pause stops the run."""

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")
_REQUEST_ID_HEADERS = ("x-request-id", "x-portkey-request-id", "x-portkey-trace-id")

_CLASSES: Mapping[int, type[Answered]] = {
    401: Unauthorised,
    403: Forbidden,
    404: NotFound,
    # 408 and 425 can be retried, like a fault (remote/API.md §7).
    408: ServerFault,
    409: Conflict,
    425: ServerFault,
    429: Throttled,
}

_HINTS: Mapping[int, str] = {
    400: "compare the fields with the message; `reconcile validate` checks what can be checked",
    401: "check the target's api_key (usually the variable PORTKEY_API_KEY) and auth_header",
    402: "have the owner of the organisation extend the subscription, which is exhausted",
    403: "check the scopes and the workspace of the key with `reconcile doctor`",
    404: "check the target's base_url, and the slug if the path has one",
    409: "run `reconcile plan`: the slug is taken, or another resource depends on the integration",
    413: "send less: the request is too large for the API or for a proxy before it",
    422: "compare the fields with the message; `reconcile validate` checks what can be checked",
    429: "run again later, or with a smaller --parallelism",
}
_FAULT_HINT = "run again later: the API failed, and nothing is wrong with the files"
_FOREIGN_HINT = "check the target's base_url, and any proxy between this machine and the API"

# Characters that `quote` does not change in the path of a base URL, which may already be encoded.
_SAFE = "/%:@!$&'()*+,;=~"


Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """Request of one call; `headers` does not contain the host and the length of the content."""

    method: str
    url: str
    headers: Headers
    content: bytes | None = None

    @property
    def target(self) -> str:
        """Return the path and query, encoded."""
        parts = urlsplit(self.url)
        return quote(parts.path or "/", safe=_SAFE) + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Response as received, with header names in lower case and a decompressed body."""

    status: int
    headers: Mapping[str, str]
    # Not in the representation, because a page of the audit log contains secrets in clear text.
    body: bytes = field(repr=False)

    @property
    def request_id(self) -> str | None:
        """Return the server's id of the request, None without a printable id that is not a key."""
        for name in _REQUEST_ID_HEADERS:
            value = self.headers.get(name)
            if value and _REQUEST_ID.fullmatch(value) and not LOOKS_SECRET.search(value):
                return value
        return None


class Transport(Protocol):
    """Way to send requests, one at a time."""

    async def send(self, request: Request) -> RawAnswer:
        """Send a request and return its whole response; raises `TransportError`."""

    async def aclose(self) -> None:
        """Close what is open; a later request opens it again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Request of a response, and the secrets that no message may repeat.

    `secrets` are those of the request, walked only for an error; `known` are those of the run.
    `read_body` parses a successful response whose content must not be kept.
    """

    method: str
    path: str
    secrets: Iterable[str] = ()
    known: Callable[[], Needles] = Needles
    read_body: Callable[[bytes], object] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def without_request_id(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers without those that can name the request."""
    return {name: value for name, value in headers.items() if name not in _REQUEST_ID_HEADERS}


def read_answer(sent: Sent, answer: RawAnswer, *, wall_clock: float) -> Reply:
    """Return the reply, or raise the error that corresponds to the response."""
    if 300 <= answer.status < 400:
        raise _nothing(sent, answer, "redirected", "was redirected; redirects are never followed")
    if answer.status >= 400:
        _refuse(sent, answer, wall_clock=wall_clock)
    # The specification lists only 200 (remote/API.md §1.1); one client also accepts 204 (§1.6).
    if answer.status not in {200, 201, 202, 204}:
        raise _nothing(sent, answer, "unexpected-status", "returned an unknown status")
    body = _document(sent, answer) if answer.body.strip() else None
    # Every documented response to these two has a body, so this one is not from the API.
    if body is None and sent.method in {"GET", "POST"}:
        raise _nothing(sent, answer, "empty-answer", "returned an empty body")
    if body is not None and (not isinstance(body, dict) or _reports_failure(body)):
        raise _nothing(
            sent, answer, "unexpected-shape", "returned a response in an undocumented form"
        )
    # Content with a separate parser contains secrets that only this parser drops.
    content = answer.body if sent.read_body is None else b""
    date = answer.headers.get("date")
    return Reply(answer.status, body, answer.request_id, content=content, date=date)


def _reports_failure(body: Mapping[str, object]) -> bool:
    """Return whether a document denies or qualifies its success, whatever the status is.

    Data next to an error can be a part of what was requested.
    """
    succeeded = body.get("success") in (None, True)
    return not succeeded or bool(body.get("error") or body.get("errors"))


def _document(sent: Sent, answer: RawAnswer) -> object:
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip()
    kind = content_type.lower()
    # A missing content type is tolerated, because the body must parse as JSON in any case.
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise _nothing(sent, answer, "not-json", f"returned {content_type} instead of JSON")
    try:
        return (sent.read_body or read_json)(answer.body)
    except (ValueError, RecursionError):
        # The error of the library contains the whole body.
        pass
    raise _nothing(sent, answer, "invalid-json", "returned invalid JSON")


@dataclass(frozen=True, slots=True)
class UnreadableValue:
    """Marker for a value that cannot be used; `expected` is what it is not.

    It makes one record unreadable and does not affect the rest of the response.
    """

    expected: str


# NaN, infinite, or too long to be parsed.
_UNREADABLE_NUMBER = UnreadableValue("a number that can be used")
# Parsers disagree about which of two values for one name is valid, so neither is used.
_UNREADABLE_MEMBER = UnreadableValue("a single value, but has several")


LONGEST_INTEGER = 4000
"""Maximum number of digits; Python refuses to convert more than 4,300."""


def parse_json(body: bytes) -> object:
    """Parse strict JSON; raises ValueError or RecursionError for anything else.

    NaN and lone surrogates are refused, because our outputs cannot represent them.
    """
    document = _STRICT.decode(_text(body))
    if b"\\ud" in body or b"\\uD" in body:
        json.dumps(document, ensure_ascii=False).encode()
    return document


def mapping(value: object, where: str) -> dict[str, object]:
    """Read an object."""
    if not isinstance(value, dict):
        raise WrongShape(where, "an object")
    return value


def rows(value: object, where: str) -> list[object]:
    """Read a list of anything; null is empty."""
    if value is not None and not isinstance(value, list):
        raise WrongShape(where, "a list")
    return value or []


def read_json(body: bytes | str) -> object:
    """Parse the API's JSON; raises ValueError or RecursionError for anything else.

    A lone surrogate is kept. A number that cannot be used, and a name with different values in one
    object, become an `UnreadableValue`: one invalid value must not hide all other records of the
    response.
    """
    return _TOLERANT.decode(_text(body) if isinstance(body, bytes) else body)


def _text(body: bytes) -> str:
    """Decode UTF-8 without a byte order mark, which the parser would refuse."""
    return body.removeprefix(BOM_UTF8).decode()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _integer(digits: str) -> int | UnreadableValue:
    return int(digits) if len(digits) <= LONGEST_INTEGER else _UNREADABLE_NUMBER


_FLOAT_DIGITS = 17
"""Significant digits that identify any float."""


def _decimal(digits: str) -> float | str | UnreadableValue:
    """Return a number as a float, or its text if it has more digits than a float holds.

    A price or a budget must not be rounded. Digits that only write a float out, such as those of
    `0.1000000000000000055511151231257827`, are no more than this float.
    """
    number = float(digits)
    if not math.isfinite(number):
        return _UNREADABLE_NUMBER
    if len(digits) <= _FLOAT_DIGITS:
        return number
    if len(digits) > LONGEST_INTEGER:
        return _UNREADABLE_NUMBER
    try:
        written = Decimal(digits).normalize(Context(prec=LONGEST_INTEGER))
    except InvalidOperation:  # an exponent of twenty digits
        return _UNREADABLE_NUMBER
    precision = len(written.as_tuple().digits)
    if precision <= _FLOAT_DIGITS or written == Context(prec=precision).create_decimal(number):
        return number
    return digits


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) < len(members):
        for name, value in members:
            if value != found[name]:
                found[name] = _UNREADABLE_MEMBER
    return found


_STRICT = json.JSONDecoder(parse_constant=_no_constant)
_TOLERANT = json.JSONDecoder(
    parse_constant=lambda _name: _UNREADABLE_NUMBER,
    parse_int=_integer,
    parse_float=_decimal,
    object_pairs_hook=_object,
)


def _nothing(sent: Sent, answer: RawAnswer, code: str, what: str) -> NoAnswer:
    secrets = _all_secrets(sent)
    return NoAnswer(
        f"{sent} {_without(what, secrets)} (status {answer.status})",
        code=code,
        hint=_FOREIGN_HINT,
        http_status=answer.status,
        request_id=_request_id(answer, secrets),
    )


def _refuse(sent: Sent, answer: RawAnswer, *, wall_clock: float) -> NoReturn:
    """Raise the error for a status of 400 or more."""
    documented, code, message = _error_body(answer)
    status = answer.status
    # Either could be treated as absence, so only the API's own form counts (remote/API.md §1.7).
    if status in {403, 404} and not documented:
        raise _nothing(sent, answer, "not-json", "was refused by a server that is not the API")
    kind = _CLASSES.get(status, ServerFault if status >= 500 else Rejected)
    if status == 404 and code == "AB02":
        kind = Rejected  # documented as a validation error that happens to carry 404
    secrets = _all_secrets(sent)
    message = _without(message, secrets)
    hint = _FAULT_HINT if kind is ServerFault else _HINTS.get(status, "")
    # Without the API's own form, a status that it does not document is most likely a proxy's.
    if not hint and not documented:
        hint = _FOREIGN_HINT
    # The code comes from the response, so it can repeat a secret like any other text.
    code = code if _without(code, secrets) == code else ""
    shown = code or f"http-{status}"
    raise kind(
        f"{sent} returned {status} {code}".rstrip() + (f": {message}" if message else ""),
        code=shown,
        hint=hint,
        http_status=status,
        request_id=_request_id(answer, secrets),
        message=message or f"status {status}",
        retry_after=retry_after(answer.headers, wall_clock=wall_clock),
    )


def _error_body(answer: RawAnswer) -> tuple[bool, str, str]:
    """Return whether an error has a known form (remote/API.md §1.7), with its code and message."""
    try:
        body = read_json(answer.body)
    except (ValueError, RecursionError):
        return False, "", ""
    if not isinstance(body, dict):
        return False, "", ""
    # Three places are known: under `data`, under `error` and at the top (remote/API.md §1.7).
    inner = next((v for v in (body.get("data"), body.get("error")) if isinstance(v, dict)), body)
    codes = (inner.get(name) for name in ("errorCode", "code", "slug"))
    code = next((c for c in codes if isinstance(c, str) and _CODE.fullmatch(c)), "")
    message = inner.get("message")
    return body.get("success") is False, code, message if isinstance(message, str) else ""


def _all_secrets(sent: Sent) -> Needles:
    return needles_of(sent.secrets) | sent.known()


def _request_id(answer: RawAnswer, secrets: Needles) -> str | None:
    """Return the server's id of the request, unless it repeats a secret."""
    id_ = answer.request_id
    return None if id_ is None or redact(id_, secrets) != id_ else id_


def _without(text: str, secrets: Needles) -> str:
    """Return a text without secrets and likely secrets, shortened to `MESSAGE_LENGTH`.

    A command that only reads has only its own secret, but the API may quote any secret.
    """
    # Redacted before it is shortened, because the rest of a truncated secret would not be found.
    text = redact(text, secrets)
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


def retry_after(headers: Mapping[str, str], *, wall_clock: float) -> float | None:
    """Return the seconds that `Retry-After` requests; None if it is absent or malformed.

    A date is compared with the server's `Date` if it sends one, else with `wall_clock`, so that the
    result is never too early.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    until = parse_http_date(text)
    if until is None:
        return None
    date = parse_http_date(headers.get("date"))
    asked_at = wall_clock if date is None else date.timestamp()
    return max(0.0, until.timestamp() - asked_at)
