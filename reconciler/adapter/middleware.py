"""Middleware of both ports, which every request passes before an application.

The order is framing, host and origin, credential, rate, body. Host and Origin headers are compared
exactly, which keeps web pages from reaching the adapter through a name that resolves to this
machine (DNS rebinding), on every bind address. The rate of each caller is a token bucket that
refills at a constant rate. In every case, the caller gets a response in our format, and the access
log gets one line.
"""

import asyncio
import math
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

from reconciler.adapter.auth import Headers, Principal, Tokens, has_credential
from reconciler.adapter.problems import Problem, Refusal, internal_problem, not_found, refuse
from reconciler.adapter.request_context import (
    REFUSED,
    Application,
    ClientGoneError,
    Header,
    Message,
    Receive,
    RequestContext,
    Scope,
    Send,
    read_body,
    replayed,
    send_answer,
    send_problem,
    too_large,
)
from reconciler.frozen_dataclass import dataclass

# As in a Host header, where an IPv6 address has brackets.
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Allowed values of the two headers, in lower case."""

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def for_port(
        cls, port: int, *, hosts: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> "AllowedHosts":
        """Return the loopback names with the listening port, and the given hosts and origins.

        A host without a port is allowed both without a port and with the listening port.
        """
        local = {f"{name}:{port}" for name in LOOPBACK}
        given = {name.lower() for name in hosts}
        with_port = {f"{name}:{port}" for name in given if not _has_port(name)}
        local_origins = {f"http://{host}" for host in local}
        # An origin has no path, but a copied address ends with a slash.
        given_origins = {origin.lower().rstrip("/") for origin in origins}
        return cls(
            hosts=frozenset(local | given | with_port),
            origins=frozenset(local_origins | given_origins),
        )

    def check(self, headers: Headers, *, target_host: str | None = None) -> None:
        """Raise the refusal of a host (421) or an origin (403) that is not allowed.

        `target_host` is the host of a request target in absolute form, which proxies and some
        clients send. It is checked in addition to the Host header.
        """
        hosts = _values(headers, b"host")
        # With two Host headers, a proxy in front may have checked the other one.
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            raise refuse("wrong-host", 421, "The Host header is not a host of this adapter.")
        if target_host is not None and target_host.lower() not in self.hosts:
            raise refuse("wrong-host", 421, "The request target is not a host of this adapter.")
        origins = _values(headers, b"origin")
        # Browsers send an origin; other clients have none, and no page can misuse them.
        if origins and (len(origins) > 1 or origins[0] not in self.origins):
            raise refuse("wrong-origin", 403, "Requests from this origin are not allowed.")


def _has_port(host: str) -> bool:
    # The colons of an IPv6 address are inside its brackets.
    return ":" in host.rpartition("]")[2]


def _values(headers: Headers, header: bytes) -> list[str]:
    # ASGI passes bytes in any encoding, and latin-1 decodes every byte.
    return [value.decode("latin-1").lower() for name, value in headers if name == header]


BURST_SECONDS: Final = 4.0
"""Size of a burst, as seconds of the rate limit."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Remaining requests of a caller; `wait` is None if the request is allowed."""

    limit: int
    remaining: int
    reset: float
    wait: float | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The `RateLimit` headers; times in whole seconds."""
        return [
            (b"ratelimit-limit", str(self.limit).encode()),
            (b"ratelimit-remaining", str(self.remaining).encode()),
            (b"ratelimit-reset", str(math.ceil(self.reset)).encode()),
        ]


class CallerRateLimiter:
    """Token buckets by caller; `rate` is in requests per second."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        # A bucket with room for less than one request would never let any pass.
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._clock = clock
        # Keyed by the names of tokens, which the operator chose, so the dictionary does not grow.
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> Allowance:
        """Count one request of a caller; `wait` of the result is set if it exceeds the limit."""
        now = self._clock()
        level, since = self._levels.get(name, (self._burst, now))
        # The bucket is refilled when it is used; there is no timer.
        level = min(self._burst, level + (now - since) * self._rate)
        wait = None
        if level >= 1:
            # A refused request takes no token, so a caller that waits as requested is always
            # served.
            level -= 1
        else:
            wait = (1 - level) / self._rate
        self._levels[name] = (level, now)
        full = (self._burst - level) / self._rate
        return Allowance(int(self._burst), int(level), full, wait)


BODY_LIMIT: Final = 1024 * 1024
"""Maximum bytes of a request's body."""

BODY_SECONDS: Final = 15.0
"""Maximum time until a body has arrived."""

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that need no credential and are not rate-limited."""

_STOPPED: Final = Problem(
    "unavailable",
    503,
    "The adapter stopped before the response arrived. It is unknown whether a write was "
    "carried out; read the integration to check.",
    headers={"connection": "close"},
)

_COMMON_HEADERS: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


@dataclass(frozen=True, slots=True)
class MiddlewareConfig:
    """Settings and collaborators that both ports share.

    `log` receives every request when it is finished, `failed` every defect of the adapter with the
    id of its request. `clock` returns seconds, `new_id` a UUID as text.
    """

    tokens: Tokens
    rates: CallerRateLimiter
    clock: Callable[[], float]
    new_id: Callable[[], str]
    log: Callable[[RequestContext], None]
    failed: Callable[[str, BaseException], None]
    body_limit: int = BODY_LIMIT
    body_seconds: float = BODY_SECONDS


class GatewayMiddleware:
    """ASGI middleware around the application of one port.

    `is_open` returns whether a path can be requested without a credential: in that case, the
    application decides, and `visitor` returns the principal of a cookie. A wrong credential is
    refused even on open paths.
    """

    def __init__(
        self,
        application: Application,
        *,
        protocol: str,
        allowed: AllowedHosts,
        config: MiddlewareConfig,
        is_open: Callable[[str], bool] = lambda _path: False,
        visitor: Callable[[Headers], Principal | None] = lambda _headers: None,
    ) -> None:
        self._application = application
        self._protocol = protocol
        self._allowed = allowed
        self._config = config
        self._is_open = is_open
        self._visitor = visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on the lifespan events of the server."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        context = RequestContext(
            self._config.new_id(), self._protocol, self._config.clock(), self._config.failed
        )
        # Optional in ASGI.
        context.client = (scope.get("client") or (None,))[0]
        context.attach(scope)
        # Outside the `try`: every way out of it responds through this sender.
        sender = _Sender(send, context)
        try:
            await self._serve(scope, receive, sender, context)
        # There is no client to respond to. The access log shows the request without a status.
        except ClientGoneError:
            pass
        # The server cancels running requests when the grace period of a stop ends.
        except asyncio.CancelledError:
            await sender.refuse(_STOPPED)
            raise
        except Refusal as refusal:
            await sender.refuse(refusal.problem)
        except Exception as error:  # noqa: BLE001  the outermost border
            self._config.failed(context.id, error)
            await sender.refuse(internal_problem())
        finally:
            self._config.log(context)

    async def _serve(
        self, scope: Scope, receive: Receive, sender: "_Sender", context: RequestContext
    ) -> None:
        _check_server(scope)
        headers: Headers = scope["headers"]
        # Before anything trusts the headers: with two lengths, the rest may belong to another
        # request.
        length = _check_framing(headers)
        self._allowed.check(headers, target_host=_take_target_host(scope))
        # Before the credential is checked, because a page must also be able to read a refusal.
        sender.cors_headers = _cors_headers(headers)
        if _is_preflight(scope):
            await send_answer(sender, 204, b"", headers=_PREFLIGHT_HEADERS)
            return
        if _OAUTH_METADATA.fullmatch(scope["path"]):
            # A client requests these before it has a token, and treats a 401 as a broken server.
            raise not_found()
        if scope["path"] not in PROBES:
            self._authenticate(scope["path"], headers, context)
            sender.allowance = self._check_rate(context)
        # After the credential, so that only callers with a token learn the limit, and before the
        # body is read.
        if length > self._config.body_limit:
            raise too_large(self._config.body_limit)
        content = b""
        if length:
            content = await read_body(
                receive, limit=self._config.body_limit, seconds=self._config.body_seconds
            )
            # The server may have found the request malformed while its body arrived.
            _check_server(scope)
        await self._application(scope, replayed(content, receive), sender)

    def _authenticate(self, path: str, headers: Headers, context: RequestContext) -> None:
        if self._is_open(path) and self._config.tokens.required and not has_credential(headers):
            context.principal = self._visitor(headers)
            return
        context.principal = self._config.tokens.authenticate(headers)

    def _check_rate(self, context: RequestContext) -> Allowance:
        name = context.principal.name if context.principal else ""
        allowance = self._config.rates.take(name)
        if allowance.wait is not None:
            # Rounded up, because Retry-After has whole seconds and an earlier attempt would be
            # refused again.
            seconds = str(max(1, math.ceil(allowance.wait)))
            detail = "This token has exceeded its rate limit."
            raise refuse("too-many-requests", 429, detail, retry_after=seconds)
        return allowance


class _Sender:
    """Sender that adds the common headers to a response and records its status."""

    def __init__(self, send: Send, context: RequestContext) -> None:
        self.allowance: Allowance | None = None
        self.cors_headers: list[Header] = []
        self._send = send
        self._context = context
        self._is_started = False

    async def __call__(self, message: Message) -> None:
        """Send a message of the application."""
        if message["type"] == "http.response.start":
            self._is_started = True
            if self._context.status is None:
                # A failed tool has already recorded its status; its HTTP response is a 200.
                self._context.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers(message)]
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Respond with a problem, unless a response has already begun."""
        if not self._is_started:
            await send_problem(self, problem, self._context.id)

    def _headers(self, message: Message) -> list[Header]:
        present = {name for name, _ in message.get("headers", ())}
        common = [pair for pair in _COMMON_HEADERS if pair[0] not in present]
        limits = self.allowance.headers if self.allowance else []
        request_id = (b"x-request-id", self._context.id.encode())
        return [request_id, *common, *limits, *self.cors_headers]


def _check_server(scope: Scope) -> None:
    """Raise the refusal of a request that the server found to be malformed."""
    if REFUSED in scope:
        raise Refusal(scope[REFUSED])


def _check_framing(headers: Headers) -> int:
    """Return the announced length of the body, 1 if it is unknown, 0 without a body.

    With two lengths, a proxy may see other requests than this server (request smuggling).
    """
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or (lengths and codings) or len(codings) > 1:
        detail = "Send either Content-Length or Transfer-Encoding, and only once."
        raise refuse("bad-framing", 400, detail, connection="close")
    # The length of a chunked body is known only when it has been read; `read_body` has the limit.
    if codings:
        return 1
    # h11 has reported any other length as malformed already.
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


# Clients behind a proxy send the target in absolute form (RFC 9112, section 3.2.2).
_ABSOLUTE_TARGET: Final = re.compile(rb"https?://([^/]*)(/.*)?", re.IGNORECASE | re.DOTALL)

# Clients look here for an authorization server; there is none.
_OAUTH_METADATA: Final = re.compile(
    r"(/.*)?/\.well-known/(oauth-[^/]*|openid-configuration)(/.*)?", re.DOTALL
)


def _take_target_host(scope: Scope) -> str | None:
    """Return the host of a target in absolute form and leave its path in the scope.

    Returns None for a target that is already a path, or that has neither form.
    """
    found = _ABSOLUTE_TARGET.fullmatch(scope.get("raw_path") or b"")
    if found is None:
        return None
    # `http://host` without a path is a request for the root.
    raw_path = found[2] or b"/"
    scope["raw_path"] = raw_path
    scope["path"] = unquote(raw_path.decode("ascii"))
    return found[1].decode("ascii")


# CORS: `AllowedHosts.check` has already refused every origin that is not allowed.
_REQUEST_HEADERS: Final = (
    b"authorization, content-type, x-portkey-api-key, mcp-protocol-version, mcp-method, mcp-name"
)
_PREFLIGHT_HEADERS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (b"access-control-allow-headers", _REQUEST_HEADERS),
    (b"access-control-max-age", b"600"),
)
_EXPOSED_HEADERS: Final = (
    b"x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset"
)


def _cors_headers(headers: Headers) -> list[Header]:
    """Return the headers that let a page of the request's origin read the response."""
    origin = next((value for name, value in headers if name == b"origin"), None)
    if origin is None:
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED_HEADERS),
        (b"vary", b"origin"),
    ]


def _is_preflight(scope: Scope) -> bool:
    """Return whether this is a preflight request of a browser, which has no credential."""
    names = {name for name, _ in scope["headers"]}
    required = {b"origin", b"access-control-request-method"}
    return scope["method"] == "OPTIONS" and required <= names
