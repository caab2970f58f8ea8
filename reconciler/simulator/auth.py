"""Checks of a raw request before the state machine: rate, credential, size and JSON.

They are the same for the in-process transport and the server. Handling of requests:
`reconciler.simulator.api`.
"""

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn
from urllib.parse import parse_qsl

from reconciler.errors import ReconcilerError
from reconciler.simulator.faults import Delivery, Wire, encode_response
from reconciler.simulator.messages import (
    INVALID,
    Actor,
    Request,
    RequestRefused,
    error_response,
    invalid_request,
    refusal,
)

BODY_LIMIT = 1024 * 1024
"""Largest request body in bytes; a larger one gets 413."""

KeyCheck = Callable[[str | None], bool]


def accept_any_key(key: str | None) -> bool:
    """Accept any key that is not empty."""
    return bool(key)


def accept_without_key(_key: str | None) -> bool:
    """Also accept a request without a key; for targets in the process."""
    return True


def accept_only(expected: str) -> KeyCheck:
    """Build a check that accepts one key."""
    # In constant time, so that timing does not reveal the key.
    return lambda key: key is not None and hmac.compare_digest(key.encode(), expected.encode())


class Throttle:
    """Rate limit per sliding second; `clock` returns seconds."""

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._accepted_at: deque[float] = deque()

    def try_acquire(self) -> bool:
        """Count a request and return whether it is within the limit."""
        now = self._clock()
        while self._accepted_at and now - self._accepted_at[0] >= 1:
            self._accepted_at.popleft()
        if len(self._accepted_at) >= self._per_second:
            return False
        self._accepted_at.append(now)
        return True


class ApiService:
    """Raw requests to a `Wire`, after the checks."""

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
        """Return the result of one request.

        `target` is path and query as sent; the names in `headers` are lower case.
        """
        path, _, query = target.partition("?")
        request = Request(
            method,
            _strip_version(path),
            dict(parse_qsl(query, keep_blank_values=True)),
            provider=headers.get("x-portkey-provider"),
            actor=_actor(headers),
        )
        try:
            if self._throttle is not None and not self._throttle.try_acquire():
                return encode_response(
                    error_response(429, "AB06", "Rate limit exceeded", {"retry-after": "1"})
                )
            self._check_key(headers)
            return self._wire.deliver(_with_body(request, content))
        except RequestRefused as refused:
            return encode_response(refused.response)
        except ReconcilerError as failure:
            # To a client, an unusable file of a store is an internal error of the API.
            return encode_response(
                error_response(500, "AB04", f"{failure.summary} ({failure.hint})")
            )

    def _check_key(self, headers: Mapping[str, str]) -> None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        # The second deployment takes bearer tokens (remote/API.md §1.1).
        key = headers.get("x-portkey-api-key") or (bearer if scheme.lower() == "bearer" else None)
        if not self._accepts(key):
            raise refusal(401, "AB05", "Invalid API key" if key else "Unauthorised Request")


def _strip_version(path: str) -> str:
    # A base URL may end with the version, as the public one does (remote/API.md §1.1), or not.
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


def _with_body(request: Request, content: bytes) -> Request:
    if len(content) > BODY_LIMIT:
        raise refusal(413, "AB01", "Request body is too large")
    # Content in a GET has no meaning in HTTP, so it is not even parsed.
    if not content or not request.writes:
        return request
    return replace(request, body=parse_json(content))


def _actor(headers: Mapping[str, str]) -> Actor:
    """Return who sends a request: the user of a token, or the key (remote/API.md §12)."""
    agent = headers.get("user-agent", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = headers.get("x-portkey-api-key")
    if key is not None:
        return Actor("api_key", _id_of(key), agent)
    if scheme.lower() == "bearer":
        return Actor("user", _id_of(token), agent)
    return Actor(user_agent=agent)


def _id_of(credential: str) -> str:
    """Return an id in the form of a UUID that is always the same for a credential."""
    digest = hashlib.sha256(credential.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def parse_json(content: bytes) -> object:
    """Parse a body as strict JSON; raise `RequestRefused`, AB01, for anything else.

    Not the parser of `reconciler.remote.exchange`, which the simulator verifies independently.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as reason:
        # RecursionError: brackets nested deeper than Python's parser can follow.
        raise invalid_request(INVALID) from reason


def _refuse_constant(name: str) -> NoReturn:
    # NaN and Infinity, which Python's parser accepts although JSON does not have them.
    raise ValueError(name)
