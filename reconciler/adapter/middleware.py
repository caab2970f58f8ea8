"""The door of both ports: what every request has to pass before an application sees it.

In this order: framing, host, origin, credential, rate, body. Whatever happens behind the door, the
caller gets an answer of ours, and the access log a line.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reconciler.adapter.allowed_hosts import AllowedHosts
from reconciler.adapter.auth import Headers, Principal, Tokens, has_credential
from reconciler.adapter.cors import answer_preflight, is_preflight, of_origin
from reconciler.adapter.problems import Problem, Refusal, internal, not_found, refuse
from reconciler.adapter.rate_limit import Allowance, CallerRateLimiter
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
    answer_problem,
    read_body,
    replayed,
    too_large,
)
from reconciler.adapter.request_targets import is_oauth_metadata, take_host

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a request's body."""

BODY_SECONDS: Final = 15.0
"""How long a body may take to arrive."""

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that are answered to anybody, and cost nothing."""

_STOPPED: Final = Problem(
    "unavailable",
    503,
    "The adapter was stopped before the answer was there. Whether a write was carried out is not "
    "known; read the integration to see.",
    headers={"connection": "close"},
)

_FIXED: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


@dataclass(frozen=True, slots=True)
class MiddlewareConfig:
    """What both doors share.

    `log` is told every exchange when it is over, `failed` every defect of the adapter, by the id of
    its exchange. `clock` gives seconds, `new_id` a UUID text.
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
    """An ASGI application that lets requests through to another one.

    `is_open` tells which paths may be seen without a credential: the application then judges
    itself, and `visitor` tells whom a cookie stands for. A wrong credential is refused there, too.
    """

    def __init__(
        self,
        application: Application,
        *,
        protocol: str,
        allowed: AllowedHosts,
        rules: MiddlewareConfig,
        is_open: Callable[[str], bool] = lambda _path: False,
        visitor: Callable[[Headers], Principal | None] = lambda _headers: None,
    ) -> None:
        self._application = application
        self._protocol = protocol
        self._allowed = allowed
        self._rules = rules
        self._is_open = is_open
        self._visitor = visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and end of the server's life."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        exchange = RequestContext(
            self._rules.new_id(), self._protocol, self._rules.clock(), self._rules.failed
        )
        exchange.client = (scope.get("client") or (None,))[0]
        exchange.attach(scope)
        sender = _Sender(send, exchange)
        try:
            await self._serve(scope, receive, sender, exchange)
        except ClientGoneError:
            pass
        except asyncio.CancelledError:
            await sender.refuse(_STOPPED)
            raise
        except Refusal as refusal:
            await sender.refuse(refusal.problem)
        except Exception as error:  # noqa: BLE001  the outermost border
            self._rules.failed(exchange.id, error)
            await sender.refuse(internal())
        finally:
            self._rules.log(exchange)

    async def _serve(
        self, scope: Scope, receive: Receive, sender: "_Sender", exchange: RequestContext
    ) -> None:
        _check_server(scope)
        headers: Headers = scope["headers"]
        length = _check_framing(headers)
        self._allowed.check(headers, target_host=take_host(scope))
        sender.origin = of_origin(headers)
        if is_preflight(scope):
            await answer_preflight(sender)
            return
        if is_oauth_metadata(scope["path"]):
            # A client asks before it has a token, and takes a 401 for a broken server.
            raise not_found()
        if scope["path"] not in PROBES:
            self._recognise(scope["path"], headers, exchange)
            sender.allowance = self._take(exchange)
        if length > self._rules.body_limit:
            raise too_large(self._rules.body_limit)
        content = b""
        if length:
            content = await read_body(
                receive, limit=self._rules.body_limit, seconds=self._rules.body_seconds
            )
            _check_server(scope)
        await self._application(scope, replayed(content, receive), sender)

    def _recognise(self, path: str, headers: Headers, exchange: RequestContext) -> None:
        if self._is_open(path) and self._rules.tokens.asks and not has_credential(headers):
            exchange.principal = self._visitor(headers)
            return
        exchange.principal = self._rules.tokens.of_request(headers)

    def _take(self, exchange: RequestContext) -> Allowance:
        name = exchange.principal.name if exchange.principal else ""
        allowance = self._rules.rates.take(name)
        if allowance.wait is not None:
            seconds = str(max(1, round(allowance.wait + 0.5)))
            detail = "This token's rate limit is used up for now."
            raise refuse("too-many-requests", 429, detail, retry_after=seconds)
        return allowance


class _Sender:
    """Sends an answer with the headers that all have, and notes its status."""

    def __init__(self, send: Send, exchange: RequestContext) -> None:
        self.allowance: Allowance | None = None
        self.origin: list[Header] = []
        self._send = send
        self._exchange = exchange
        self._started = False

    async def __call__(self, message: Message) -> None:
        """Pass a message of the application on."""
        if message["type"] == "http.response.start":
            self._started = True
            if self._exchange.status is None:
                # A tool that failed has noted why; its answer over HTTP is a 200 all the same.
                self._exchange.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers(message)]
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer has begun already."""
        if not self._started:
            await answer_problem(self, problem, self._exchange.id)

    def _headers(self, message: Message) -> list[Header]:
        said = {name for name, _ in message.get("headers", ())}
        fixed = [pair for pair in _FIXED if pair[0] not in said]
        limits = self.allowance.headers if self.allowance else []
        return [(b"x-request-id", self._exchange.id.encode()), *fixed, *limits, *self.origin]


def _check_server(scope: Scope) -> None:
    """Refuse what the server has found to be no request, perhaps in the middle of its body."""
    if REFUSED in scope:
        raise Refusal(scope[REFUSED])


def _check_framing(headers: Headers) -> int:
    """Give the length that the headers announce, 1 for an unknown one, 0 for no body.

    Two ways to say it, or one said twice, let a proxy before us see other requests than we do.
    """
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or (lengths and codings) or len(codings) > 1:
        detail = "Content-Length and Transfer-Encoding exclude each other, and each comes once."
        raise refuse("bad-framing", 400, detail, connection="close")
    if codings:
        return 1
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0
