"""`reconcile merge-results`: merge the results of shards into one."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli import exit_codes, output
from reconciler.cli.console import DOCUMENT_FORMATS
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import command_context, format_option
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.execution.merge_results import merge, missing_shards
from reconciler.execution.result import ApplyResult, Status
from reconciler.execution.result_documents import (
    KIND,
    ErrorDocument,
    decode_error,
    decode_result,
    document_kind,
)
from reconciler.planning.codec import MAX_PLAN_BYTES
from reconciler.views import json
from reconciler.views.diagnostics import as_text
from reconciler.views.phrases import LEDGER_NOT_READ


@click.command("merge-results", cls=Command)
@argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    description="Results of `apply --shard I/N --format json`, one for each shard",
)
@format_option(*DOCUMENT_FORMATS)
@click.pass_obj
def command(invocation: Invocation, *, files: tuple[Path, ...], style: str) -> int:
    """Merge the results of several shards into one.

    Each FILE contains the output of `apply --shard I/N --format json`. The exit code is that of a
    single run: 5 if any action failed, was skipped or has an unknown outcome, or if other shards
    wrote and a shard failed or has no result.
    """
    results, failures = _read(files)
    merged = merge(results) if results else None
    failures += _absent(results, failed=len(failures))
    console = invocation.console
    problems = [item for failure in failures for item in failure.diagnostics]
    code = exit_code(merged, failures)
    if merged is not None:
        shown = replace(merged, lacking=bool(failures))
        context = command_context(invocation, click.get_current_context())
        console.show_result(shown, style=style, ledger=LEDGER_NOT_READ, context=context)
    elif style == "json":
        console.data(json.error(problems, exit_code=code))
        return code
    if problems:
        console.warning(as_text(problems))
    return code


def exit_code(merged: ApplyResult | None, failures: list[ErrorDocument]) -> int:
    """Return the exit code that a single run would have had."""
    outcomes = merged.outcomes if merged is not None else ()
    written = any(outcome.status is not Status.SKIPPED for outcome in outcomes)
    # If another shard has written, a shard that failed before its first write makes the apply
    # partial.
    if (merged is not None and exit_codes.for_result(merged)) or (failures and written):
        return exit_codes.INCOMPLETE
    return max((failure.exit_code for failure in failures), default=0)


def _absent(results: list[ApplyResult], *, failed: int) -> list[ErrorDocument]:
    """Return an error for shards without a result; a failed one does not name its shard."""
    number, named = missing_shards(results)
    if number <= failed:
        return []
    names = ", ".join(named) + (" …" if number > len(named) else "")
    missing = f"{number - failed} of {names}" if failed else names
    problem = error(
        "missing-shard",
        f"the result of shard {missing} is missing, so its changes are unknown",
        hint="pass the results of all shards; run a shard without a result again, with its --shard",
    )
    return [ErrorDocument(InvalidInput.exit_code, (problem,))]


def _read(files: tuple[Path, ...]) -> tuple[list[ApplyResult], list[ErrorDocument]]:
    results: list[ApplyResult] = []
    failures: list[ErrorDocument] = []
    for path in files:
        text, name = output.read(path, limit=MAX_PLAN_BYTES), str(path)
        if document_kind(text) == KIND:
            failures.append(decode_error(text, name=name))
        else:
            results.append(decode_result(text, name=name))
    return results, failures
