"""`reconcile show`: a saved plan in any format, without asking the API."""

from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import format_option
from reconciler.planning import codec

NOT_READ = "not read"


@click.command("show", cls=Command)
@click.argument("plan", type=click.Path(path_type=Path))
@format_option(*output.PLAN_FORMATS)
@click.pass_obj
def command(invocation: Invocation, *, plan: Path, style: str) -> int:
    """Print a saved plan or result.

    The digest is checked: a plan that was edited is refused.
    """
    text = output.read(plan, limit=codec.MAX_PLAN_BYTES)
    saved = codec.decode(text, name=str(plan))
    output.show_plan(invocation.console, saved, style=style, ledger=NOT_READ)
    return 0
