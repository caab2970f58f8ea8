"""Who may call the adapter, how often, and what is written down about it."""

import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.cli import output, settings
from reconciler.cli.console import Console
from reconciler.desired.config import is_loopback
from reconciler.diagnostics import error, warning
from reconciler.domain.rejection import InvalidInput
from reconciler.workflows import timestamp

if TYPE_CHECKING:
    from reconciler.adapter.auth import Tokens
    from reconciler.adapter.middleware import MiddlewareConfig
    from reconciler.adapter.request_context import RequestContext
    from reconciler.adapter.telemetry import Metrics
    from reconciler.cli.serve_wiring import ServeOptions

TOKEN_VARIABLE = "RECONCILE_SERVE_TOKEN"  # noqa: S105  the name of a variable
_TOKEN_FILE_LIMIT = 1024 * 1024
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


def rules(console: Console, serving: "ServeOptions", counted: "Metrics") -> "MiddlewareConfig":
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


def _tokens(console: Console, serving: "ServeOptions") -> "Tokens":
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
