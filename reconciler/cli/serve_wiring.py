"""Put the adapter together for `reconcile serve`, and run its two ports.

The adapter's libraries come with the extra `serve`, so they are imported here only when they are
used, and their absence is a sentence.
"""

import asyncio
import errno
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from reconciler.cli import settings
from reconciler.cli.global_options import Invocation
from reconciler.cli.serve_target import ServedTarget
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.remote.client import Client

if TYPE_CHECKING:
    from reconciler.adapter.middleware import MiddlewareConfig
    from reconciler.adapter.request_context import Application
    from reconciler.adapter.service import UpstreamService
    from reconciler.adapter.telemetry import Metrics
    from reconciler.adapter.tools import ToolDefinition
    from reconciler.adapter.ui.routes import PageRoutes
import shlex
import stat
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.cli import output
from reconciler.cli.console import Console
from reconciler.desired.config import is_loopback
from reconciler.diagnostics import warning
from reconciler.workflows import timestamp

if TYPE_CHECKING:
    from reconciler.adapter.auth import Tokens
    from reconciler.adapter.middleware import MiddlewareConfig
    from reconciler.adapter.request_context import RequestContext
    from reconciler.adapter.telemetry import Metrics

_LIBRARIES = ("jinja2", "jsonschema", "mcp", "prometheus_client", "starlette", "uvicorn")

_TIDY_SECONDS = 5
TOKEN_VARIABLE = "RECONCILE_SERVE_TOKEN"  # noqa: S105  the name of a variable
_TOKEN_FILE_LIMIT = 1024 * 1024
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class ServeOptions:
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
    serving: ServeOptions,
    *,
    stop: asyncio.Event,
    ready: Callable[[Addresses], None],
) -> None:
    """Serve until `stop` is set; `ready` is told where.

    Raises `InvalidInput` for options and files that cannot be used, `Refused` for a host that the
    key may not go to.
    """
    _need_extra()
    from reconciler.adapter.connections import connection_budget, raise_file_limit
    from reconciler.adapter.failure_hooks import reported_failures
    from reconciler.adapter.server import ServerLimits
    from reconciler.adapter.server import serve as serve_ports
    from reconciler.adapter.telemetry import Metrics

    counted = Metrics()
    shared = rules(invocation.console, serving, counted)
    budget = connection_budget(raise_file_limit())
    served = ServedTarget.of(
        invocation, call_timeout=serving.upstream_timeout, connections=budget.upstream
    )
    with (
        _listener(serving.host, serving.rest_port) as rest,
        _listener(serving.host, serving.mcp_port) as mcp,
    ):
        async with served.client(read_only=serving.read_only) as client:
            ports = _Ports(serving, served, shared, counted, lambda: not stop.is_set())
            applications = ports.applications(client, rest=rest, mcp=mcp)
            # What is there now stays for good; looking through it again and again for garbage
            # would hold requests up for tens of milliseconds.
            gc.freeze()
            tidying = asyncio.create_task(_tidy(client))
            try:
                with reported_failures(lambda failure: shared.failed(shared.new_id(), failure)):
                    await serve_ports(
                        applications,
                        stop=stop,
                        ready=lambda: ready(Addresses(serving.host, _port(rest), _port(mcp))),
                        trusted_proxies=serving.forwarded_allow,
                        limits=ServerLimits(connections=budget.callers),
                    )
            finally:
                tidying.cancel()


async def _tidy(client: Client) -> None:
    """Give back, every now and then, the connections upstream that nobody needs any more."""
    while True:
        await asyncio.sleep(_TIDY_SECONDS)
        await client.drop_expired()


@dataclass(frozen=True, slots=True)
class _Ports:
    """What the applications are made of."""

    serving: ServeOptions
    served: ServedTarget
    rules: "MiddlewareConfig"
    counted: "Metrics"
    is_ready: Callable[[], bool]

    def applications(
        self, client: Client, *, rest: socket.socket, mcp: socket.socket
    ) -> "list[tuple[Application, socket.socket]]":
        """Make the application of each listening socket."""
        from reconciler.adapter.allowed_hosts import AllowedHosts
        from reconciler.adapter.mcp_server import mcp_application
        from reconciler.adapter.rest import rest_application

        relay = self._relay(client)

        def allowed(listener: socket.socket) -> AllowedHosts:
            hosts, origins = self.serving.allow_host, self.serving.allow_origin
            return AllowedHosts.for_port(_port(listener), hosts=hosts, origins=origins)

        rest_app = rest_application(
            relay,
            config=self.rules,
            allowed=allowed(rest),
            metrics=self.counted,
            is_ready=self.is_ready,
            page=self._page(),
        )
        mcp_app = mcp_application(
            self._offers(relay), config=self.rules, allowed=allowed(mcp), is_ready=self.is_ready
        )
        return [(rest_app, rest), (mcp_app, mcp)]

    def _page(self) -> "PageRoutes":
        from reconciler.adapter.ui.routes import PageRoutes
        from reconciler.adapter.ui.sessions import Sessions

        sessions = Sessions(lambda: token_urlsafe(32), settings.monotonic)
        return PageRoutes(self.served.lookout(), sessions, self.rules.tokens)

    def _relay(self, client: Client) -> "UpstreamService":
        from reconciler.adapter.service import UpstreamService

        return UpstreamService(
            client,
            timeout=self.serving.upstream_timeout,
            read_only=self.serving.read_only,
            declared_in=self.served.files().declared_in if self.serving.guard_managed else None,
            count=self.counted.count_upstream,
        )

    def _offers(self, relay: "UpstreamService") -> "list[ToolDefinition]":
        from reconciler.adapter.gitops_tools import GitopsTools, gitops_tools
        from reconciler.adapter.tools import raw_tools

        offers = raw_tools(relay, confirms=self.serving.confirm_deletes)
        if self.serving.with_gitops_tools:
            files = self.served.files()
            offers += gitops_tools(GitopsTools(files, self.served.session, asyncio.Lock()))
        return offers


def _need_extra() -> None:
    for name in _LIBRARIES:
        if find_spec(name) is None:
            summary = f"`serve` needs {name}, which is not installed"
            hint = "pip install 'portkey-reconciler[serve]'"
            raise InvalidInput([error("missing-extra", summary, hint=hint)])


def _listener(host: str, port: int) -> socket.socket:
    from reconciler.adapter.server import open_listener

    try:
        return open_listener(host, port)
    except OSError as reason:
        summary = f"cannot serve on {host}:{port}: {reason.strerror}"
        hint = "choose another port, or 0 for a free one"
        if isinstance(reason, socket.gaierror) or reason.errno == errno.EADDRNOTAVAIL:
            hint = "--host is an address of this machine, such as 127.0.0.1, ::1 or 0.0.0.0"
        raise InvalidInput([error("port", summary, hint=hint)]) from None


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def rules(console: Console, serving: ServeOptions, counted: "Metrics") -> "MiddlewareConfig":
    """Put together what both ports share; raises `InvalidInput` without a token."""
    from reconciler.adapter import telemetry
    from reconciler.adapter.middleware import MiddlewareConfig
    from reconciler.adapter.rate_limit import CallerRateLimiter

    def log(context: "RequestContext") -> None:
        seconds = settings.monotonic() - context.started
        counted.count(context, seconds)
        moment = timestamp(settings.now())
        console.insist(telemetry.request_line(context, time=moment, seconds=seconds))

    def failed(request_id: str, problem: BaseException) -> None:
        moment = timestamp(settings.now())
        console.insist(telemetry.failure_line(request_id, problem, time=moment))

    return MiddlewareConfig(
        tokens=_tokens(console, serving),
        rates=CallerRateLimiter(serving.rate_limit, settings.monotonic),
        clock=settings.monotonic,
        new_id=lambda: str(uuid4()),
        log=log,
        failed=failed,
    )


def _warn_if_exposed(console: Console, file: Path) -> None:
    """Warn about a file of tokens that other users of this machine can read."""
    from reconciler.views.diagnostics import as_text

    try:
        status = file.stat()
    except OSError:
        return
    if stat.S_ISREG(status.st_mode) and status.st_mode & _READABLE_BY_OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        found = warning(
            "exposed-tokens",
            f"{file}: other users of this machine can read the tokens (mode {mode})",
            hint=f"run `chmod 600 {shlex.quote(str(file))}`",
        )
        console.insist(as_text([found]))


def _tokens(console: Console, serving: ServeOptions) -> "Tokens":
    """Gather the tokens, and refuse to serve anybody without."""
    from reconciler.adapter.auth import LINE_HINT, Token, Tokens, parse_tokens

    if serving.insecure_no_auth:
        if not is_loopback(serving.host):
            summary = f"--insecure-no-auth is for this machine only, and {serving.host} is not"
            raise InvalidInput([error("insecure", summary, hint="set a token instead")])
        console.insist("warning: --insecure-no-auth lets every program on this machine in")
        return Tokens(())
    found: list[Token] = []
    if serving.token_file is not None:
        text = output.read(
            serving.token_file, limit=_TOKEN_FILE_LIMIT, code="bad-token", hint=LINE_HINT
        )
        found += parse_tokens(text, file=str(serving.token_file))
        _warn_if_exposed(console, serving.token_file)
    text = (settings.variable(TOKEN_VARIABLE) or "").strip()
    if text:
        found.append(Token.of(text))
    if not found:
        hint = f"set {TOKEN_VARIABLE} to 32 or more characters, or use --token-file"
        raise InvalidInput([error("no-token", "without a token nobody is served", hint=hint)])
    return Tokens(tuple(found))
