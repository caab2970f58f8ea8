"""`reconcile render`: the merged documents of one target, with the origin of each value."""

import click

from reconciler.cli import settings
from reconciler.cli.desired_source import checkout_of
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import format_option
from reconciler.desired import render
from reconciler.desired.load import load_rendered
from reconciler.diagnostics import has_errors
from reconciler.errors import InvalidInput
from reconciler.views import diagnostics


@click.command("render", cls=Command)
@format_option("yaml", "json")
@click.pass_obj
def command(invocation: Invocation, *, style: str) -> int:
    """Print the merged documents with the origin of each field.

    Secrets are shown as references. No secret is resolved and no API call is made.
    """
    documents, found = load_rendered(
        checkout_of(invocation).files,
        target_name=invocation.target,
        today=settings.now().date(),
    )
    if has_errors(found):
        raise InvalidInput(found)
    console = invocation.console
    console.data(render.as_json(documents) if style == "json" else render.as_yaml(documents))
    if found:
        console.warning(diagnostics.as_text(found))
    return 0
