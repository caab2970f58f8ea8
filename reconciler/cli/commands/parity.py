"""`reconcile parity`: the fields that differ between the files of two environments."""

import click

from reconciler.cli import completion_values
from reconciler.cli.environments import loaded_sides
from reconciler.cli.exit_codes import DIFFERENT
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import format_option
from reconciler.pull.parity import compare
from reconciler.views import diagnostics, parity


@click.command("parity", cls=Command)
@argument(
    "origin",
    metavar="FROM",
    description="Target or environment to compare with",
    shell_complete=completion_values.environments,
)
@argument(
    "destination",
    metavar="TO",
    description="Target or environment that is compared",
    shell_complete=completion_values.environments,
)
@format_option("text", "json", "markdown")
@click.pass_obj
def command(invocation: Invocation, *, origin: str, destination: str, style: str) -> int:
    """Show the fields that differ between the files of two environments.

    Secrets are compared by their references, and no API call is made. Differences that `differs` in
    reconcile.yaml lists are expected. The exit code is 2 if there is any other difference.
    """
    sides = loaded_sides(invocation, origin, destination)
    found = compare(sides.files, sides.config, sides.source, sides.target)
    console = invocation.console
    if style == "json":
        console.data(parity.parity_json(found))
    elif style == "markdown":
        console.data(parity.parity_markdown(found))
    else:
        console.data(parity.parity_text(found, verbose=console.verbosity > 0))
    if found.diagnostics and style != "json":
        console.info(diagnostics.as_text(found.diagnostics))
    return 0 if found.in_parity else DIFFERENT
