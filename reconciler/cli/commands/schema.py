"""`reconcile schema`: JSON Schemas for editors and for programs that read outputs."""

import json

import click

from reconciler.cli.global_options import Command, Invocation


@click.command("schema", cls=Command)
@click.option(
    "--kind",
    type=click.Choice(["integration", "config", "plan", "result", "drift"]),
    default="integration",
    show_default=True,
    help="File or output that the schema describes",
)
@click.pass_obj
def command(invocation: Invocation, *, kind: str) -> int:
    """Print the JSON Schema of a file or an output.

    `integration` and `config` describe files, for editors; the others describe the output of
    `--format json`. The schemas conform to draft 2020-12.
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
