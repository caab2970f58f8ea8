"""`reconcile scaffold`: an example file for a provider, from the schema that checks files."""

import click

from reconciler.cli import completion_values
from reconciler.cli.global_options import Command, Invocation, argument


@click.command("scaffold", cls=Command)
@argument(
    "provider",
    metavar="PROVIDER",
    description="Id of the provider, for example openai",
    shell_complete=completion_values.providers,
)
@click.option(
    "--auth",
    metavar="MODE",
    shell_complete=completion_values.auth_modes,
    help="Authentication mode  [default: the provider's first mode]",
)
@click.option("--slug", metavar="S", help="Slug of the integration  [default: the provider]")
@click.pass_obj
def command(invocation: Invocation, *, provider: str, auth: str | None, slug: str | None) -> int:
    """Print an example file for an integration of a provider.

    The file is valid as printed. Save it in integrations/ and replace the example values.
    """
    from reconciler.desired.documents import MODELINE, SCHEMA_FILE
    from reconciler.desired.scaffold import starter_file

    text = starter_file(provider, auth=auth, slug=slug)
    modeline = MODELINE if (invocation.dir / SCHEMA_FILE).is_file() else ""
    invocation.console.data(modeline + text)
    return 0
