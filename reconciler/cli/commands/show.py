"""`reconcile show`: print a saved plan, result or drift report, without calling the API."""

from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.console import PLAN_FORMATS
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import command_context, format_option
from reconciler.execution.result import decode_result, document_kind
from reconciler.planning import codec

NOT_READ = "not read"


@click.command("show", cls=Command)
@argument(
    "file",
    metavar="PLAN",
    type=click.Path(path_type=Path),
    description="Saved plan, or result or drift report saved with --format json",
)
@format_option(*PLAN_FORMATS)
@click.pass_obj
def command(invocation: Invocation, *, file: Path, style: str) -> int:
    """Print a saved plan, result or drift report.

    The digest is verified: an edited plan is refused.
    """
    text = output.read(file, limit=codec.MAX_PLAN_BYTES)
    console = invocation.console
    context = command_context(invocation, click.get_current_context(), saved_plan=file)
    match document_kind(text):
        case "apply_result":
            result = decode_result(text, name=str(file))
            console.show_result(result, style=style, ledger=NOT_READ, context=context)
        case "drift_report":
            from reconciler.drift.report import decode_report

            report = decode_report(text, name=str(file))
            console.show_drift(report, style=style, ledger=NOT_READ, context=context)
        # Also used for a file that is not a document: the codec of plans explains the error.
        case _:
            plan = codec.decode(text, name=str(file))
            console.show_plan(plan, style=style, ledger=NOT_READ, context=context)
    return 0
