"""`reconcile schema`: JSON Schemas for editors and for readers of the outputs."""

import json

import click

from reconciler.cli.global_options import Command, Invocation


@click.command("schema", cls=Command)
@click.option(
    "--kind",
    type=click.Choice(["integration", "config", "plan", "result", "drift"]),
    default="integration",
    show_default=True,
    help="What the schema describes.",
)
@click.pass_obj
def command(invocation: Invocation, *, kind: str) -> int:
    """Print JSON Schemas of files and outputs.

    `integration` and `config` describe files, for editors; the others what `--format json` prints.
    They are of draft 2020-12.
    """
    from reconciler.desired import schema as of_files
    from reconciler.views import output_schema as of_outputs

    schemas = {
        "integration": of_files.integration,
        "config": of_files.config,
        "plan": of_outputs.plan,
        "result": of_outputs.result,
        "drift": of_outputs.drift,
    }
    invocation.console.data(json.dumps(schemas[kind](), indent=2) + "\n")
    return 0
