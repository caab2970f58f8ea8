"""`reconcile serve`: serve the five integration operations over REST and MCP until a signal."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import click

from reconciler.cli import serve_wiring, signals
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import Number, format_option

# No wildcards: the check of the Host header stops web pages that rebind their own DNS name to this
# address.
_NAME = r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_HOST = re.compile(_NAME)
_ORIGIN = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://{_NAME}/?")
_PORT = click.IntRange(0, 65535)
_SECONDS = Number(0, 3600, min_open=True)


def _address(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Refuse an empty address, which the system interprets as all networks."""
    if not value.strip():
        raise click.BadParameter(
            "the address is empty; use 127.0.0.1 for this machine or 0.0.0.0 for all networks"
        )
    return value


def _each(form: re.Pattern[str], wanted: str) -> Any:
    """Return a callback that refuses values that no header can have."""

    def check(
        _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
    ) -> tuple[str, ...]:
        for value in values:
            if not form.fullmatch(value):
                raise click.BadParameter(f"{value!r} is not {wanted}; name each one in full")
        return values

    return check


@click.command("serve", cls=Command)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    callback=_address,
    help="Address to listen on",
)
@click.option(
    "--rest-port",
    metavar="PORT",
    type=_PORT,
    default=8080,
    show_default=True,
    help="Port for REST; 0 selects a free port",
)
@click.option(
    "--mcp-port",
    metavar="PORT",
    type=_PORT,
    default=9090,
    show_default=True,
    help="Port for MCP; 0 selects a free port",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read tokens from lines `name scope token`, with scope read or write",
)
@click.option(
    "--insecure-no-auth",
    is_flag=True,
    help="Accept requests without a token, on a loopback address only",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST",
    callback=_each(_HOST, "a host such as adapter.example or adapter.example:8443"),
    help="Also accept this Host header; repeatable",
)
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="URL",
    callback=_each(_ORIGIN, "an origin such as https://ui.example"),
    help="Also accept this Origin header; repeatable",
)
@click.option(
    "--forwarded-allow",
    multiple=True,
    metavar="IP",
    help="Trust X-Forwarded-For and X-Forwarded-Proto of this proxy; repeatable",
)
@click.option(
    "--rate-limit",
    type=Number(0, 1_000_000, min_open=True),
    default=50,
    show_default=True,
    metavar="N",
    help="Requests per second for each token, with bursts of four times as many",
)
@click.option(
    "--upstream-timeout",
    type=_SECONDS,
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Timeout for each API call, in seconds",
)
@click.option("--read-only", is_flag=True, help="Serve no write operations")
@click.option(
    "--guard-managed", is_flag=True, help="Refuse to change integrations that the files declare"
)
@click.option(
    "--confirm-deletes", is_flag=True, help="Require `confirm_slug` in tool calls that delete"
)
@click.option(
    "--with-gitops-tools", is_flag=True, help="Add MCP tools that validate, plan and detect drift"
)
@format_option("text", "json")
@click.pass_obj
def command(invocation: Invocation, /, *, style: str, **options: Any) -> int:
    """Serve the five integration operations over REST and MCP.

    Callers authenticate with the token in RECONCILE_SERVE_TOKEN or one of --token-file; the
    target's API key is never sent to them. The first line on stdout contains the addresses. The
    access log is written to stderr. Stop the server with SIGINT or SIGTERM.
    """
    console = invocation.console

    def announce(at: serve_wiring.Addresses) -> None:
        text = f"REST {at.rest_url} MCP {at.mcp_url} page {at.page_url}"
        console.data(_as_json(at) if style == "json" else text)

    async def work(handler: signals.SignalHandler) -> int:
        stop = asyncio.Event()
        handler.on_signal = stop.set
        await serve_wiring.serve(
            invocation, serve_wiring.ServeOptions(**options), stop=stop, ready=announce
        )
        return handler.exit_code

    return signals.run(work)


def _as_json(at: serve_wiring.Addresses) -> str:
    return json.dumps(
        {
            "format_version": "1",
            "kind": "serving",
            "rest_url": at.rest_url,
            "mcp_url": at.mcp_url,
            "page_url": at.page_url,
            "rest_port": at.rest_port,
            "mcp_port": at.mcp_port,
        }
    )
