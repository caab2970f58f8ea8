"""Composition of the adapter for `reconcile serve`, and its two ports.

The adapter's libraries are part of the extra `serve`, so they are imported only on use; if they are
missing, an error names the extra.
"""

import asyncio
import errno
import gc
import shlex
import socket
import stat
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.cli import output, settings
from reconciler.cli.console import Console
from reconciler.cli.global_options import Invocation
from reconciler.cli.serve_target import ServedTarget
from reconciler.desired.config import is_loopback
from reconciler.diagnostics import error, warning
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.client import Client
from reconciler.workflows import timestamp

if TYPE_CHECKING:
    from reconciler.adapter.auth import Tokens
    from reconciler.adapter.middleware import MiddlewareConfig
    from reconciler.adapter.request_context import Application, RequestContext
    from reconciler.adapter.service import UpstreamService
    from reconciler.adapter.telemetry import Metrics
    from reconciler.adapter.tools import ToolDefinition
    from reconciler.adapter.ui.routes import PageRoutes

_LIBRARIES = ("jsonschema", "mcp", "prometheus_client", "starlette", "uvicorn")

# Otherwise, a connection that the upstream has closed would stay open until its next use.
_DROP_EXPIRED_SECONDS = 5
TOKEN_VARIABLE = "RECONCILE_SERVE_TOKEN"  # noqa: S105  the name of a variable
_TOKEN_FILE_LIMIT = 1024 * 1024
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Values of the options of `serve`."""

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
    """Host and ports of the adapter."""

    host: str
    rest_port: int
    mcp_port: int

    @property
    def rest_url(self) -> str:
        """Return the base URL of the REST operations."""
        return f"http://{self._host}:{self.rest_port}/v1"

    @property
    def mcp_url(self) -> str:
        """Return the URL of the MCP endpoint."""
        return f"http://{self._host}:{self.mcp_port}/mcp"

    @property
    def page_url(self) -> str:
        """Return the URL of the web page, which a browser on this machine can open."""
        # The page does not accept the address for all networks as its host name.
        local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  replaced, not bound
        return f"http://{local.get(self.host, self._host)}:{self.rest_port}/"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


async def serve(
    invocation: Invocation,
    options: ServeOptions,
    *,
    stop: asyncio.Event,
    ready: Callable[[Addresses], None],
) -> None:
    """Serve until `stop` is set; call `ready` with the addresses.

    Raises `InvalidInput` for options and files that cannot be used, and `Refused` for a host that
    may not receive the key.
    """
    _require_extra()
    from reconciler.adapter.connections import connection_budget, raise_file_limit
    from reconciler.adapter.server import ServerLimits, reported_failures
    from reconciler.adapter.server import serve as serve_ports
    from reconciler.adapter.telemetry import Metrics

    metrics = Metrics()
    config = middleware_config(invocation.console, options, metrics)
    # Before any file is opened, because both sides share the limit on open files.
    budget = connection_budget(raise_file_limit())
    served = ServedTarget.of(
        invocation, call_timeout=options.upstream_timeout, connections=budget.upstream
    )
    with (
        _listener(options.host, options.rest_port) as rest,
        _listener(options.host, options.mcp_port) as mcp,
    ):
        async with served.client(read_only=options.read_only) as client:
            ports = _Ports(options, served, config, metrics, lambda: not stop.is_set())
            applications = ports.applications(client, rest=rest, mcp=mcp)
            # Existing objects are used until the process ends. A garbage collection that scans them
            # would delay requests by tens of milliseconds.
            gc.freeze()
            # Kept in a variable, because the event loop holds its tasks only weakly.
            dropping = asyncio.create_task(_drop_expired(client))
            try:
                with reported_failures(lambda failure: config.failed(config.new_id(), failure)):
                    await serve_ports(
                        applications,
                        stop=stop,
                        ready=lambda: ready(Addresses(options.host, _port(rest), _port(mcp))),
                        trusted_proxies=options.forwarded_allow,
                        limits=ServerLimits(connections=budget.callers),
                    )
            finally:
                dropping.cancel()


async def _drop_expired(client: Client) -> None:
    """Close idle upstream connections at regular intervals."""
    while True:
        await asyncio.sleep(_DROP_EXPIRED_SECONDS)
        await client.drop_expired()


@dataclass(frozen=True, slots=True)
class _Ports:
    """Parts that the applications of both ports share."""

    options: ServeOptions
    served: ServedTarget
    middleware_config: "MiddlewareConfig"
    metrics: "Metrics"
    is_ready: Callable[[], bool]

    def applications(
        self, client: Client, *, rest: socket.socket, mcp: socket.socket
    ) -> "list[tuple[Application, socket.socket]]":
        """Return the application of each listening socket."""
        from reconciler.adapter.mcp_server import mcp_application
        from reconciler.adapter.middleware import AllowedHosts
        from reconciler.adapter.rest import rest_application

        service = self._service(client)

        def allowed(listener: socket.socket) -> AllowedHosts:
            hosts, origins = self.options.allow_host, self.options.allow_origin
            return AllowedHosts.for_port(_port(listener), hosts=hosts, origins=origins)

        rest_app = rest_application(
            service,
            config=self.middleware_config,
            allowed=allowed(rest),
            metrics=self.metrics,
            is_ready=self.is_ready,
            page=self._page(),
        )
        mcp_app = mcp_application(
            self._tools(service),
            config=self.middleware_config,
            allowed=allowed(mcp),
            is_ready=self.is_ready,
        )
        return [(rest_app, rest), (mcp_app, mcp)]

    def _page(self) -> "PageRoutes":
        from reconciler.adapter.ui.routes import PageRoutes, Sessions

        # Kept in memory: a restart of the adapter ends every session, so no session can outlive its
        # token.
        sessions = Sessions(lambda: token_urlsafe(32), settings.monotonic)
        return PageRoutes(self.served.state_cache(), sessions, self.middleware_config.tokens)

    def _service(self, client: Client) -> "UpstreamService":
        from reconciler.adapter.service import UpstreamService

        return UpstreamService(
            client,
            timeout=self.options.upstream_timeout,
            read_only=self.options.read_only,
            declared_in=self.served.files().declared_in if self.options.guard_managed else None,
            count=self.metrics.count_upstream,
        )

    def _tools(self, service: "UpstreamService") -> "list[ToolDefinition]":
        from reconciler.adapter.gitops_tools import GitopsTools, gitops_tools
        from reconciler.adapter.tools import raw_tools

        tools = raw_tools(service, confirms=self.options.confirm_deletes)
        if self.options.with_gitops_tools:
            files = self.served.files()
            # One lock for all callers, because each of these tools reads the whole API.
            tools += gitops_tools(GitopsTools(files, self.served.session, asyncio.Lock()))
        return tools


def _require_extra() -> None:
    for name in _LIBRARIES:
        if find_spec(name) is None:
            summary = f"`serve` needs {name}, which is not installed"
            hint = "run `pip install 'portkey-reconciler[serve]'`"
            raise InvalidInput([error("missing-extra", summary, hint=hint)])


def _listener(host: str, port: int) -> socket.socket:
    from reconciler.adapter.server import open_listener

    try:
        return open_listener(host, port)
    except OSError as reason:
        summary = f"cannot serve on {host}:{port}: {reason.strerror}"
        hint = "use another port; 0 selects a free port"
        if isinstance(reason, socket.gaierror) or reason.errno == errno.EADDRNOTAVAIL:
            hint = "set --host to an address of this machine, such as 127.0.0.1, ::1 or 0.0.0.0"
        raise InvalidInput([error("port", summary, hint=hint)]) from None


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def middleware_config(
    console: Console, options: ServeOptions, metrics: "Metrics"
) -> "MiddlewareConfig":
    """Return the middleware configuration of both ports; raise `InvalidInput` without a token."""
    from reconciler.adapter import telemetry
    from reconciler.adapter.middleware import CallerRateLimiter, MiddlewareConfig

    def log(context: "RequestContext") -> None:
        seconds = settings.monotonic() - context.started
        metrics.count(context, seconds)
        moment = timestamp(settings.now())
        # On stderr, like every message; stdout is only for the addresses, which scripts read.
        console.warning(telemetry.request_line(context, time=moment, seconds=seconds))

    def failed(request_id: str, problem: BaseException) -> None:
        moment = timestamp(settings.now())
        console.warning(telemetry.failure_line(request_id, problem, time=moment))

    return MiddlewareConfig(
        tokens=_tokens(console, options),
        rates=CallerRateLimiter(options.rate_limit, settings.monotonic),
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
    # The tokens have been read; a file that no longer exists exposes none.
    except OSError:
        return
    # The mode of a pipe, such as `<(…)` in a shell, does not show who can read it.
    if stat.S_ISREG(status.st_mode) and status.st_mode & _READABLE_BY_OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        found = warning(
            "exposed-tokens",
            f"{file}: other users of this machine can read the tokens (mode {mode})",
            hint=f"run `chmod 600 {shlex.quote(str(file))}`",
        )
        console.warning(as_text([found]))


def _tokens(console: Console, options: ServeOptions) -> "Tokens":
    """Return the tokens of the file and the environment; raise `InvalidInput` without any."""
    from reconciler.adapter.auth import LINE_HINT, Token, Tokens, parse_tokens

    if options.insecure_no_auth:
        # Without a token, anyone who can reach the port can write.
        if not is_loopback(options.host):
            summary = (
                f"--insecure-no-auth requires a loopback address, and {options.host} is not one"
            )
            raise InvalidInput([error("insecure", summary, hint="set a token instead")])
        console.warning(
            "warning: --insecure-no-auth accepts requests from every program on this machine"
        )
        return Tokens(())
    found: list[Token] = []
    if options.token_file is not None:
        text = output.read(
            options.token_file, limit=_TOKEN_FILE_LIMIT, code="bad-token", hint=LINE_HINT
        )
        found += parse_tokens(text, file=str(options.token_file))
        _warn_if_exposed(console, options.token_file)
    text = (settings.variable(TOKEN_VARIABLE) or "").strip()
    if text:
        found.append(Token.of(text))
    if not found:
        hint = f"set {TOKEN_VARIABLE} to 32 or more characters, or use --token-file"
        raise InvalidInput([error("no-token", "no token is set", hint=hint)])
    return Tokens(tuple(found))
