"""`reconcile show`: print a saved plan, result or drift report, without calling the API."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.console import DOCUMENT_FORMATS
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import command_context, format_option, plan_options_of
from reconciler.execution.result_documents import decode_result, document_kind
from reconciler.planning import codec
from reconciler.planning.plan import Plan
from reconciler.views.phrases import LEDGER_NOT_READ


@click.command("show", cls=Command)
@argument(
    "file",
    metavar="PLAN",
    type=click.Path(path_type=Path),
    description="Saved plan, or result or drift report saved with --format json",
)
@format_option(*DOCUMENT_FORMATS)
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
            console.show_result(result, style=style, ledger=LEDGER_NOT_READ, context=context)
        case "drift_report":
            from reconciler.drift.codec import decode_report

            report = decode_report(text, name=str(file))
            console.show_drift(report, style=style, ledger=LEDGER_NOT_READ, context=context)
        # Also used for a file that is not a document: the codec of plans explains the error.
        case _:
            plan = codec.decode(text, name=str(file))
            context = replace(context, plan_options=_options_of(plan))
            console.show_plan(plan, style=style, ledger=LEDGER_NOT_READ, context=context)
    return 0


def _options_of(plan: Plan) -> tuple[str, ...]:
    """Return the options that decided what a plan contains; its digest does not protect them."""
    from reconciler.cli.commands.plan import command as plan_command

    # Parsed as by `plan`, so that an edited file cannot suggest any other word. `resilient_parsing`
    # neither raises nor prints.
    parsed = plan_command.make_context("plan", list(plan.options), resilient_parsing=True)
    return plan_options_of(parsed)
