"""Notifications for channels, in plain text: problem, place and next step.

They contain only fixed phrases, numbers, slugs and plain ids. Names, values and messages of the API
are omitted, because a chat would resolve mentions or links in them. Sending:
`reconciler.drift.notify`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.diagnostics import counted
from reconciler.drift.notify import Message
from reconciler.drift.report import DriftReport
from reconciler.drift.retirements import Retirement
from reconciler.execution.result import ApplyResult, Status
from reconciler.views import drift_outline, phrases, result_outline
from reconciler.views.escape import visible
from reconciler.views.phrases import LISTED
from reconciler.views.plan_outline import totals_of
from reconciler.views.sections import CommandContext


def of_drift(
    report: DriftReport, *, ledger: str, context: CommandContext = CommandContext()
) -> Message:
    """Return the message about drift: what changed where, and the commands that resolve it."""
    shown = drift_outline.of_report(report, ledger=ledger, context=context)
    lines = [shown.summary, *_sums(report), shown.header, f"fingerprint: {shown.fingerprint}", ""]
    for group in shown.groups:
        named = [f"{i.symbol} {i.word} {i.slug}{_by(report, i.slug)}" for i in group.items]
        lines += [group.title, *_listed(named), ""]
    if report.announced:
        lines += [phrases.RETIREMENTS, *_listed([_retirement(i) for i in report.announced]), ""]
    for step in shown.steps:
        lines.append(f"{step.text} {step.command or ', '.join(step.slugs)}".rstrip())
    return Message(_title(phrases.DRIFT_TITLE, report.target.name), "\n".join(lines) + "\n")


def _sums(report: DriftReport) -> Sequence[str]:
    """Return the sums of budgets that differ, without those whose unit is free text of the API."""
    costs = report.plan.costs
    if costs is None:
        return ()
    plain = replace(costs, totals=tuple(total for total in costs.totals if total.is_plain))
    return totals_of(plain, report.target.name, sides=phrases.DRIFT_SIDES)


def _by(report: DriftReport, slug: str) -> str:
    """Return who changed an integration, if the report has one plain id for it."""
    if report.who is None:
        return ""
    from reconciler.views.attribution import plain_writer  # noqa: PLC0415  needed with --who alone

    writer = plain_writer([answer for answer in report.who.fields if answer.slug == slug])
    return f" ({writer})" if writer else ""


def of_failed_apply(
    result: ApplyResult, *, ledger: str, context: CommandContext = CommandContext()
) -> Message:
    """Return the message about an incomplete apply: what was not applied, and what to do next."""
    shown = result_outline.of_result(result, ledger=ledger, context=context)
    failed = [item for item in shown.outcomes if item.status is not Status.APPLIED]
    lines = [
        shown.summary,
        shown.header,
        f"run: {shown.run}",
        "",
        *_listed([f"{i.symbol} {i.status.value}: {i.kind.value} {i.slug}" for i in failed]),
        "",
        *(f"{step.text} {step.command}".rstrip() for step in shown.next_steps),
    ]
    return Message(_title(phrases.RESULT_FAILED_TITLE, result.target.name), "\n".join(lines) + "\n")


def _retirement(item: Retirement) -> str:
    # Without the name of the model, which a chat could resolve as a mention.
    within = counted(item.threshold, "day")
    return phrases.RETIREMENT.format("a model", visible(item.slug), item.retires, within)


def _title(subject: str, target: str) -> str:
    return f"reconcile: {subject} on {visible(target)}"


def _listed(lines: Sequence[str]) -> Iterable[str]:
    yield from lines[:LISTED]
    if len(lines) > LISTED:
        yield phrases.AND_MORE.format(len(lines) - LISTED)
