"""`reconcile scaffold`: a first file for a provider, from the schema that also checks it."""

import click

from reconciler.cli.global_options import Command, Invocation


@click.command("scaffold", cls=Command)
@click.argument("provider")
@click.option("--auth", metavar="MODE", help="Auth mode, the provider's first one by default")
@click.option("--slug", metavar="S", help="Slug of the integration, the provider by default")
@click.pass_obj
def command(invocation: Invocation, *, provider: str, auth: str | None, slug: str | None) -> int:
    """Print a first file for an integration of PROVIDER.

    The file validates as it is: replace the examples in it, and write it to integrations/.
    """
    from reconciler.desired.scaffold import starter_file

    invocation.console.data(starter_file(provider, auth=auth, slug=slug))
    return 0
