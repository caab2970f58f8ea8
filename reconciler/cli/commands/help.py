"""`reconcile help`: the same text as `--help`, and the list of environment variables."""

import click

from reconciler.cli import completion_values
from reconciler.cli.global_options import Command, HelpFormatter, Invocation, argument

_ENVIRONMENT = "environment"


@click.command("help", cls=Command)
@argument(
    "words",
    nargs=-1,
    metavar="[COMMAND]...",
    description="Command to describe, or `environment` for the environment variables",
    shell_complete=completion_values.commands,
)
@click.pass_context
def command(ctx: click.Context, *, words: tuple[str, ...]) -> int:
    """Show the help of a command, the environment variables or the list of commands."""
    invocation: Invocation = ctx.obj
    if words == (_ENVIRONMENT,):
        invocation.console.data(_environment_help(ctx))
        return 0
    described: click.Command = ctx.find_root().command
    here = ctx.find_root()
    for word in words:
        if not isinstance(described, click.Group):
            here.fail(f"`{here.command_path}` has no commands")
        _, found, _ = described.resolve_command(here, [word])
        assert found is not None  # noqa: S101  an unknown command has raised; for the type checker
        described = found
        here = click.Context(described, info_name=word, parent=here)
    invocation.console.data(described.get_help(here))
    return 0


def _environment_help(ctx: click.Context) -> str:
    from reconciler.cli.environment_variables import VARIABLES

    formatter = HelpFormatter(width=ctx.terminal_width, max_width=ctx.max_content_width)
    formatter.write_text(
        "Every option can be set by a variable, which the command line overrides: RECONCILE_TARGET "
        "for --target, RECONCILE_PLAN_BASE for `plan --base`, RECONCILE_FLEET_PLAN_ONLY for "
        "`fleet plan --only`. An empty variable counts as unset."
    )
    for title, variables in VARIABLES.items():
        with formatter.section(title):
            formatter.write_dl(list(variables))
    return formatter.getvalue()
