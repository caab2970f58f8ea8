"""`reconcile simulate`: serve the simulator over HTTP until a signal ends it."""

import asyncio
from pathlib import Path

import click

from reconciler.cli import completion_values, signals, wiring
from reconciler.cli.console import Console
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import Number
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.simulator.factory import serve_simulator

# Only a loopback address, because the simulator accepts every key.
HOST = "127.0.0.1"
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("simulate", cls=Command)
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8787,
    show_default=True,
    help="Port on this machine; 0 selects a free port",
)
@click.option(
    "--seed",
    metavar="NAME|N",
    shell_complete=completion_values.seeds,
    help="Start with a named seed or with N integrations",
)
@click.option(
    "--latency-ms",
    type=Number(0),
    default=0,
    metavar="MS",
    help="Latency of each response, in milliseconds",
)
@click.option(
    "--jitter-ms",
    type=Number(0),
    default=0,
    metavar="MS",
    help="Maximum additional latency, in milliseconds",
)
@click.option(
    "--rate-limit", type=click.IntRange(1), metavar="N", help="Limit requests to N per second"
)
@click.option("--fault", type=_FILE, help="Read faults and switches from this YAML or JSON file")
@click.option("--db", type=_FILE, help="Store the state in this file instead of in memory")
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
    """Serve a simulator of the API on this machine.

    The first line on stdout is the base URL. Any API key is accepted. Stop the server with SIGINT
    or SIGTERM.
    """
    console = invocation.console

    async def serve(handler: signals.SignalHandler) -> int:
        stop = asyncio.Event()
        handler.on_signal = stop.set
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
            dependencies=wiring.simulator_dependencies(),
        )
        return handler.exit_code

    try:
        return signals.run(serve)
    except OSError as reason:
        summary = f"cannot serve on {HOST}:{port}: {reason.strerror}"
        hint = "use another port with --port; 0 selects a free port"
        raise InvalidInput([error("port", summary, hint=hint)]) from reason


def _announce(console: Console, url: str) -> None:
    console.data(url)
    console.info("serving the simulator; any API key is accepted; press Ctrl-C to stop")
