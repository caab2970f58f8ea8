"""`reconcile serve`: offer the five raw operations over REST and MCP until a signal ends it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import click

from reconciler.cli import serve_wiring, signals
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import Number, format_option

_NAME = r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_HOST = re.compile(_NAME)
_ORIGIN = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://{_NAME}/?")
_PORT = click.IntRange(0, 65535)
_SECONDS = Number(0, 3600, min_open=True)


def _address(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Insist on an address: the system takes an empty one for every network there is."""
    if not value.strip():
        raise click.BadParameter("it is empty; 127.0.0.1 is for this machine, 0.0.0.0 for all")
    return value


def _each(form: re.Pattern[str], wanted: str) -> Any:
    """Insist on a form in which a header can be equal to each value; anything else never is."""

    def check(
        _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
    ) -> tuple[str, ...]:
        for value in values:
            if not form.fullmatch(value):
                raise click.BadParameter(f"{value!r} is not {wanted}; each is named in full")
        return values

    return check


@click.command("serve", cls=Command)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    callback=_address,
    help="Address to listen on.",
)
@click.option(
    "--rest-port", type=_PORT, default=8080, show_default=True, help="Port for REST; 0: a free one."
)
@click.option(
    "--mcp-port", type=_PORT, default=9090, show_default=True, help="Port for MCP; 0: a free one."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Lines `name scope token`; the scope is read or write.",
)
@click.option("--insecure-no-auth", is_flag=True, help="Serve anybody; on loopback only.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST",
    callback=_each(_HOST, "a host such as adapter.example or adapter.example:8443"),
    help="Another Host header to answer; repeatable.",
)
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="URL",
    callback=_each(_ORIGIN, "an origin such as https://ui.example"),
    help="Another Origin to answer; repeatable.",
)
@click.option(
    "--forwarded-allow",
    multiple=True,
    metavar="IP",
    help="A proxy whose X-Forwarded-For and -Proto are believed; repeatable.",
)
@click.option(
    "--rate-limit",
    type=Number(0, 1_000_000, min_open=True),
    default=50,
    show_default=True,
    metavar="N",
    help="Requests a second for each token; four times as many at once.",
)
@click.option(
    "--upstream-timeout",
    type=_SECONDS,
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="How long the API may take.",
)
@click.option("--read-only", is_flag=True, help="Offer no writes.")
@click.option("--guard-managed", is_flag=True, help="Refuse to change what the files declare.")
@click.option(
    "--confirm-deletes", is_flag=True, help="Ask tools for `confirm_slug` before a deletion."
)
@click.option(
    "--with-gitops-tools", is_flag=True, help="Add the tools that validate, plan and detect drift."
)
@format_option("text", "json")
@click.pass_obj
def command(invocation: Invocation, /, *, style: str, **options: Any) -> int:
    """Offer the five raw operations over REST and MCP.

    Callers show the token of RECONCILE_SERVE_TOKEN, or one of --token-file; the target's own key
    stays in here. The addresses are the first line on stdout, the access log goes to stderr.
    SIGINT or SIGTERM ends it.
    """
    console = invocation.console

    def announce(at: serve_wiring.Addresses) -> None:
        console.data(_as_json(at) if style == "json" else f"REST {at.rest_url} MCP {at.mcp_url}")

    async def work(interruption: signals.SignalHandler) -> int:
        stop = asyncio.Event()
        interruption.ask = stop.set
        await serve_wiring.serve(
            invocation, serve_wiring.ServeOptions(**options), stop=stop, ready=announce
        )
        return interruption.exit_code

    return signals.run(work)


def _as_json(at: serve_wiring.Addresses) -> str:
    return json.dumps(
        {
            "format_version": "1",
            "kind": "serving",
            "rest_url": at.rest_url,
            "mcp_url": at.mcp_url,
            "rest_port": at.rest_port,
            "mcp_port": at.mcp_port,
        }
    )
