"""`reconcile show`: a saved plan or result in any format, without asking the API."""

from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import format_option
from reconciler.execution import saved
from reconciler.planning import codec

NOT_READ = "not read"


@click.command("show", cls=Command)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@format_option(*output.PLAN_FORMATS)
@click.pass_obj
def command(invocation: Invocation, *, file: Path, style: str) -> int:
    """Print a saved plan or result.

    The digest is checked: a plan that was edited is refused.
    """
    text = output.read(file, limit=codec.MAX_PLAN_BYTES)
    console = invocation.console
    if saved.kind_of(text) == "apply_result":
        result = saved.decode(text, name=str(file))
        output.show_result(console, result, style=style, ledger=NOT_READ)
    else:
        plan = codec.decode(text, name=str(file))
        output.show_plan(console, plan, style=style, ledger=NOT_READ)
    return 0
