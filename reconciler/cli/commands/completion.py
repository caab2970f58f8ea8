"""`reconcile completion`: the script that enables completion in a shell."""

import click

from reconciler.cli import completion
from reconciler.cli.global_options import Command, Invocation, argument


@click.command("completion", cls=Command)
@argument(
    "shell",
    metavar="SHELL",
    type=click.Choice(completion.SHELLS),
    description=f"Shell to complete in: {', '.join(completion.SHELLS)}",
)
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> int:
    """Print the script that completes commands and values in a shell.

    Besides commands and options, it completes targets, slugs, runs, environments, providers,
    fields, diagnostic codes and formats. The values come from the files and from a local ledger; no
    secret is read and no request is sent. To enable completion:

    \b
      bash  echo 'eval "$(reconcile completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(reconcile completion zsh)"' >> ~/.zshrc
      fish  reconcile completion fish > ~/.config/fish/completions/reconcile.fish

    bash must be 4.4 or newer; zsh needs `compinit` before that line.
    """
    invocation: Invocation = ctx.obj
    invocation.console.data(completion.script(ctx.find_root().command, shell))
    return 0
