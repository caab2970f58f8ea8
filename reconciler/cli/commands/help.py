"""`reconcile help`: the same text as `--help`."""

import click

from reconciler.cli import completion_values
from reconciler.cli.global_options import Command, Invocation


@click.command("help", cls=Command)
@click.argument(
    "words", nargs=-1, metavar="[COMMAND]...", shell_complete=completion_values.commands
)
@click.pass_context
def command(ctx: click.Context, *, words: tuple[str, ...]) -> int:
    """Show the help of a command, or the list of commands."""
    described: click.Command = ctx.find_root().command
    here = ctx.find_root()
    for word in words:
        if not isinstance(described, click.Group):
            here.fail(f"`{here.command_path}` has no commands")
        _, found, _ = described.resolve_command(here, [word])
        assert found is not None  # noqa: S101  an unknown command has raised; for the type checker
        described = found
        here = click.Context(described, info_name=word, parent=here)
    invocation: Invocation = ctx.obj
    invocation.console.data(described.get_help(here))
    return 0
