"""Put the adapter together for `reconcile serve`: its tokens, its target, its two ports.

The adapter's libraries come with the extra `serve`, so they are imported here only when they are
used, and their absence is a sentence.
"""

import asyncio
import math
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.cli import credentials, output, settings, wiring
from reconciler.cli.address import refuse_unknown_host
from reconciler.cli.command import Invocation
from reconciler.cli.settings import Settings
from reconciler.desired.config import is_loopback
from reconciler.diagnostics import error
from reconciler.domain.policy import Target
from reconciler.domain.rejection import InvalidInput
from reconciler.remote.client import Client, make_client
from reconciler.simulator.serving import simulator_transport
from reconciler.workflows import timestamp

if TYPE_CHECKING:
    from reconciler.adapter.door import Rules
    from reconciler.adapter.exchanges import Application, Exchange
    from reconciler.adapter.metrics import Metrics
    from reconciler.adapter.tokens import Tokens

CONNECTIONS = 100
"""Calls in flight to the upstream."""

TOKEN_VARIABLE = "RECONCILE_SERVE_TOKEN"  # noqa: S105  the name of a variable
_LIBRARIES = ("jsonschema", "mcp", "prometheus_client", "starlette", "uvicorn")
_TOKEN_FILE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Serving:
    """What the options of `serve` say."""

    host: str
    rest_port: int
    mcp_port: int
    allow_host: tuple[str, ...]
    allow_origin: tuple[str, ...]
    forwarded_allow: tuple[str, ...]
    token_file: Path | None
    insecure_no_auth: bool
    rate_limit: float
    upstream_timeout: float
    read_only: bool
    guard_managed: bool
    confirm_deletes: bool
    with_gitops_tools: bool


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the adapter listens."""

    host: str
    rest_port: int
    mcp_port: int

    @property
    def rest_url(self) -> str:
        """Give the base URL of the operations."""
        return f"http://{self._host}:{self.rest_port}/v1"

    @property
    def mcp_url(self) -> str:
        """Give the endpoint for MCP."""
        return f"http://{self._host}:{self.mcp_port}/mcp"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


async def serve(
    invocation: Invocation,
    serving: Serving,
    *,
    stop: asyncio.Event,
    ready: Callable[[Addresses], None],
) -> None:
    """Serve until `stop` is set; `ready` is told where.

    Raises `InvalidInput` for options and files that cannot be used, `Refused` for a host that the
    key may not go to.
    """
    _need_extra()
    from reconciler.adapter.metrics import Metrics
    from reconciler.adapter.server import serve as serve_ports

    environment = settings.from_environment()
    counted = Metrics()
    rules = _rules(invocation, _tokens(serving), serving.rate_limit, counted)
    target = wiring.read_target(invocation, environment)
    with (
        _listener(serving.host, serving.rest_port) as rest,
        _listener(serving.host, serving.mcp_port) as mcp,
    ):
        async with _client(invocation, environment, target, serving) as client:
            await serve_ports(
                _applications(
                    client,
                    serving,
                    rules,
                    counted,
                    rest=rest,
                    mcp=mcp,
                    is_ready=lambda: not stop.is_set(),
                ),
                stop=stop,
                ready=lambda: ready(Addresses(serving.host, _port(rest), _port(mcp))),
                trusted_proxies=serving.forwarded_allow,
            )


def _applications(
    client: Client,
    serving: Serving,
    rules: "Rules",
    counted: "Metrics",
    *,
    rest: socket.socket,
    mcp: socket.socket,
    is_ready: Callable[[], bool],
) -> "list[tuple[Application, socket.socket]]":
    from reconciler.adapter.hosts import AllowedHosts
    from reconciler.adapter.mcp_port import mcp_application
    from reconciler.adapter.relay import Relay
    from reconciler.adapter.rest_port import rest_application
    from reconciler.adapter.tools import raw_tools

    relay = Relay(
        client,
        timeout=serving.upstream_timeout,
        read_only=serving.read_only,
        count=counted.count_upstream,
    )

    def allowed(listener: socket.socket) -> AllowedHosts:
        return AllowedHosts.at(
            _port(listener), hosts=serving.allow_host, origins=serving.allow_origin
        )

    offers = raw_tools(relay, confirms=serving.confirm_deletes)
    return [
        (
            rest_application(
                relay, rules=rules, allowed=allowed(rest), counted=counted, is_ready=is_ready
            ),
            rest,
        ),
        (
            mcp_application(offers, rules=rules, allowed=allowed(mcp), is_ready=is_ready),
            mcp,
        ),
    ]


def _need_extra() -> None:
    for name in _LIBRARIES:
        if find_spec(name) is None:
            summary = f"`serve` needs {name}, which is not installed"
            hint = "pip install 'portkey-reconciler[serve]'"
            raise InvalidInput([error("missing-extra", summary, hint=hint)])


def _tokens(serving: Serving) -> "Tokens":
    """Gather the tokens, and refuse to serve anybody without."""
    from reconciler.adapter.tokens import Token, Tokens, parse_tokens

    if serving.insecure_no_auth:
        if not is_loopback(serving.host):
            summary = f"--insecure-no-auth is for this machine only, and {serving.host} is not"
            raise InvalidInput([error("insecure", summary, hint="set a token instead")])
        return Tokens(())
    found: list[Token] = []
    if serving.token_file is not None:
        text = output.read(serving.token_file, limit=_TOKEN_FILE_LIMIT)
        found += parse_tokens(text, file=str(serving.token_file))
    text = (settings.variable(TOKEN_VARIABLE) or "").strip()
    if text:
        found.append(Token.of(text))
    if not found:
        hint = f"set {TOKEN_VARIABLE} to 32 or more characters, or use --token-file"
        raise InvalidInput([error("no-token", "without a token nobody is served", hint=hint)])
    return Tokens(tuple(found))


def _rules(
    invocation: Invocation, tokens: "Tokens", rate_limit: float, counted: "Metrics"
) -> "Rules":
    from reconciler.adapter import access_log
    from reconciler.adapter.door import Rules
    from reconciler.adapter.rates import RateLimit

    def log(exchange: "Exchange") -> None:
        seconds = settings.monotonic() - exchange.started
        counted.count(exchange, seconds)
        moment = timestamp(settings.now())
        invocation.console.insist(access_log.line(exchange, time=moment, seconds=seconds))

    def failed(exchange_id: str, problem: BaseException) -> None:
        moment = timestamp(settings.now())
        invocation.console.insist(access_log.failure(exchange_id, problem, time=moment))

    return Rules(
        tokens=tokens,
        rates=RateLimit(rate_limit, settings.monotonic),
        clock=settings.monotonic,
        new_id=lambda: str(uuid4()),
        log=log,
        failed=failed,
    )


def _listener(host: str, port: int) -> socket.socket:
    from reconciler.adapter.server import listen

    try:
        return listen(host, port)
    except OSError as reason:
        summary = f"cannot serve on {host}:{port}: {reason.strerror}"
        hint = "choose another port, or 0 for a free one"
        raise InvalidInput([error("port", summary, hint=hint)]) from None


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _client(
    invocation: Invocation, environment: Settings, target: Target, serving: Serving
) -> Client:
    """Make the client that calls are passed on with; it has no deadline and no retries."""
    refuse_unknown_host(target, allowed_hosts=environment.allowed_hosts)
    secrets = credentials.Secrets(environment, invocation.dir)
    simulated = target.is_simulator
    file = wiring.simulator_file(invocation)
    return make_client(
        base_url=wiring.IN_PROCESS if simulated else target.base_url,
        api_key=None if simulated else secrets.key_of(target),
        timing=wiring.timing(),
        auth_header=target.auth_header,
        read_only=serving.read_only,
        transport=simulator_transport(file, wiring.clockwork()) if simulated else None,
        concurrency=CONNECTIONS,
        deadline=math.inf,
        call_timeout=serving.upstream_timeout,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
    )
