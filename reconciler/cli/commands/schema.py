"""`reconcile schema`: JSON Schemas for editors and for programs that read outputs."""

import json

import click

from reconciler.cli.global_options import Command, Invocation


@click.command("schema", cls=Command)
@click.option(
    "--kind",
    type=click.Choice(
        ["integration", "access", "overlay", "config", "fleet", "plan", "result", "drift"]
    ),
    default="integration",
    show_default=True,
    help="File or output that the schema describes",
)
@click.pass_obj
def command(invocation: Invocation, *, kind: str) -> int:
    """Print the JSON Schema of a file or an output.

    `integration`, `access`, `overlay`, `config` and `fleet` describe files, for editors: those in
    integrations/, access/ and environments/, reconcile.yaml and fleet.yaml. The others describe the
    output of `--format json`. The schemas conform to draft 2020-12.
    """
    from reconciler.desired import schema as of_files
    from reconciler.fleet.config import schema as fleet
    from reconciler.views import output_schema as of_outputs

    schemas = {
        "integration": of_files.integration,
        "access": of_files.access,
        "overlay": of_files.overlay,
        "config": of_files.config,
        "fleet": fleet,
        "plan": of_outputs.plan,
        "result": of_outputs.result,
        "drift": of_outputs.drift,
    }
    invocation.console.data(json.dumps(schemas[kind](), indent=2) + "\n")
    return 0
