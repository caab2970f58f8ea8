"""The door of the stand-in: what is checked before a request reaches the state machine.

Path, size, JSON, credential and rate are judged here, the same for the in-process transport and
for the server. What a request then does: `reconciler.simulator.api`.
"""

import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from reconciler.errors import ReconcilerError
from reconciler.simulator.faults import Delivery, Wire, encode_response
from reconciler.simulator.messages import (
    INVALID,
    Request,
    RequestRefused,
    error_response,
    invalid_request,
    refusal,
)

BODY_LIMIT = 1024 * 1024
"""Bytes of a request body; larger ones are answered 413."""

KeyCheck = Callable[[str | None], bool]


def accept_any_key(key: str | None) -> bool:
    """Accept whoever brings a key."""
    return bool(key)


def accept_without_key(_key: str | None) -> bool:
    """Accept everybody; for targets inside the process."""
    return True


def accept_only(expected: str) -> KeyCheck:
    """Accept one key."""
    return lambda key: key is not None and hmac.compare_digest(key.encode(), expected.encode())


class Throttle:
    """Admits a number of requests in any one second, measured by `clock`, in seconds."""

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._admitted: deque[float] = deque()

    def admits(self) -> bool:
        """Count a request if there is room for it."""
        now = self._clock()
        while self._admitted and now - self._admitted[0] >= 1:
            self._admitted.popleft()
        if len(self._admitted) >= self._per_second:
            return False
        self._admitted.append(now)
        return True


class ApiService:
    """Answers raw requests over a wire, after the checks."""

    def __init__(
        self,
        wire: Wire,
        *,
        accepts: KeyCheck = accept_any_key,
        throttle: Throttle | None = None,
    ) -> None:
        self._wire = wire
        self._accepts = accepts
        self._throttle = throttle

    def respond(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> Delivery:
        """Answer one request; `target` is path and query as sent, header names are lower case."""
        path, _, query = target.partition("?")
        request = Request(method, _below_version(path), dict(parse_qsl(query, True)))  # noqa: FBT003  positional in the library
        try:
            if self._throttle is not None and not self._throttle.admits():
                return encode_response(
                    error_response(429, "AB06", "Rate limit exceeded", {"retry-after": "1"})
                )
            self._check_key(headers)
            return self._wire.deliver(_with_body(request, content))
        except RequestRefused as refused:
            return encode_response(refused.response)
        except ReconcilerError as failure:
            return encode_response(
                error_response(500, "AB04", f"{failure.summary} ({failure.hint})")
            )

    def _check_key(self, headers: Mapping[str, str]) -> None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        key = headers.get("x-portkey-api-key") or (bearer if scheme.lower() == "bearer" else None)
        if not self._accepts(key):
            raise refusal(401, "AB05", "Invalid API key" if key else "Unauthorised Request")


def _below_version(path: str) -> str:
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


def _with_body(request: Request, content: bytes) -> Request:
    if len(content) > BODY_LIMIT:
        raise refusal(413, "AB01", "Request body is too large")
    if not content or not request.writes:
        return request
    return Request(request.method, request.path, request.query, parse_json(content))


def parse_json(content: bytes) -> Any:
    """Read a body as strict JSON; whatever it is not is refused as AB01."""
    try:
        return json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as reason:
        raise invalid_request(INVALID) from reason


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
