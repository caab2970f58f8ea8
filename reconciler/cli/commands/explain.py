"""`reconcile explain`: describe a field, from the schema that checks files."""

import click

from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import format_option


@click.command("explain", cls=Command)
@click.argument("path", default="")
@click.option(
    "--provider", metavar="ID", help="Show only the configuration fields of this provider"
)
@click.option("--recursive", is_flag=True, help="Also list nested fields")
@format_option("text", "json", "markdown")
@click.pass_obj
def command(
    invocation: Invocation, *, path: str, provider: str | None, recursive: bool, style: str
) -> int:
    """Explain a field of an integration.

    PATH joins field names by dots, such as `models.pricing_config` or
    `configurations.aws_role_arn`. Without PATH, the fields of an integration are listed.
    """
    from reconciler.desired.explain import explain
    from reconciler.views import field_reference

    explained = explain(path, provider=provider, recursive=recursive)
    render = {
        "text": field_reference.as_text,
        "json": field_reference.as_json,
        "markdown": field_reference.as_markdown,
    }
    invocation.console.data(render[style](explained))
    return 0
