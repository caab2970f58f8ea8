"""`reconcile simulate`: serve the simulator over HTTP until a signal ends it."""

import asyncio
from pathlib import Path

import click

from reconciler.cli import signals, wiring
from reconciler.cli.console import Console
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import Number
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.simulator.factory import serve_simulator

HOST = "127.0.0.1"
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("simulate", cls=Command)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8787,
    show_default=True,
    help="Port on this machine; 0 takes a free one.",
)
@click.option("--seed", metavar="NAME|N", help="Start with a named world, or with N integrations.")
@click.option(
    "--latency-ms",
    type=Number(0),
    default=0,
    metavar="MS",
    help="How long each answer takes.",
)
@click.option(
    "--jitter-ms",
    type=Number(0),
    default=0,
    metavar="MS",
    help="How much longer it takes at most.",
)
@click.option("--rate-limit", type=click.IntRange(1), metavar="N", help="Answer N calls a second.")
@click.option("--fault", type=_FILE, help="Script of faults and switches, YAML or JSON.")
@click.option("--db", type=_FILE, help="Keep the state in this file instead of in memory.")
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    port: int,
    seed: str | None,
    latency_ms: float,
    jitter_ms: float,
    rate_limit: int | None,
    fault: Path | None,
    db: Path | None,
) -> int:
    """Serve a stand-in of the API on this machine.

    The base URL is the first line on stdout. Any API key is accepted. SIGINT or SIGTERM ends it.
    """
    console = invocation.console

    async def serve(interruption: signals.SignalHandler) -> int:
        stop = asyncio.Event()
        interruption.ask = stop.set
        await serve_simulator(
            host=HOST,
            port=port,
            seed=seed,
            latency_ms=latency_ms,
            jitter_ms=jitter_ms,
            rate_limit=rate_limit,
            faults=fault,
            db=db,
            on_ready=lambda url: _announce(console, url),
            stop=stop,
            dependencies=wiring.clockwork(),
        )
        return interruption.exit_code

    try:
        return signals.run(serve)
    except OSError as reason:
        summary = f"cannot serve on {HOST}:{port}: {reason.strerror}"
        hint = "choose another with --port, or 0 for a free one"
        raise InvalidInput([error("port", summary, hint=hint)]) from reason


def _announce(console: Console, url: str) -> None:
    console.data(url)
    console.say("serving the simulator; any key is accepted; Ctrl-C ends it")
