"""`reconcile drift`: report how the API differs from the files.

The API is read and compared as in `plan`. Nothing is written.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler import workflows
from reconciler.cli import notifications, settings, signals, wiring
from reconciler.cli.console import DOCUMENT_FORMATS
from reconciler.cli.drift_models import DriftModels, drift_models
from reconciler.cli.global_options import Command, Invocation, RunObserver
from reconciler.cli.ledger_access import ledger_access_of
from reconciler.cli.model_gate import FAILED
from reconciler.cli.options import (
    ReadingOptions,
    command_context,
    format_option,
    grouped,
    metrics_file,
    observed,
    planning,
    reading_only,
)
from reconciler.cli.since import parse_past
from reconciler.diagnostics import Diagnostic, notice
from reconciler.domain.instants import parse_instant
from reconciler.drift.report import DriftReport
from reconciler.execution.threads import in_thread
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import PlanOptions
from reconciler.views.diagnostics import as_text
from reconciler.workflows import Session

if TYPE_CHECKING:
    from reconciler.ledger.models import OwnWrites, SeenState

DIFFERENT = 2
_IF_INTERRUPTED = "no report was made, and nothing was written"

EVERY = 168
"""Default of --sample-every: a week of hourly checks."""


@dataclass(frozen=True, slots=True)
class WhoOptions:
    """Options of the attribution; `since` is a time as text."""

    who: bool = False
    since: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None and not self.who:
            raise click.UsageError("--since can only be used with --who")


who_options = grouped(
    "attribution",
    WhoOptions,
    who=click.option(
        "--who",
        is_flag=True,
        help="Read the audit log of the API, and show who changed each field",
    ),
    since=click.option(
        "--since",
        metavar="WHEN",
        callback=parse_past,
        help="With --who, read the log since this date, time or age, such as 7d, for integrations "
        "without a run in the ledger  [default: 30d]",
    ),
)


@click.command("drift", cls=Command)
@format_option(*DOCUMENT_FORMATS)
@click.option(
    "--notify",
    metavar="URL",
    multiple=True,
    help="Also notify this channel if anything differs (needs the extra `notify`); repeatable",
)
@click.option(
    "--heartbeat",
    metavar="URL",
    help="Request this URL after each completed check, so that a missing check raises an alarm",
)
@click.option(
    "--incremental",
    is_flag=True,
    help="Read only what changed since the last check in the ledger, and a sample of the rest",
)
@click.option(
    "--sample-every",
    type=click.IntRange(1),
    metavar="RUNS",
    default=EVERY,
    show_default=True,
    help="With --incremental, read everything once in this number of runs",
)
@who_options
@metrics_file
@planning
@reading_only
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    style: str,
    notify: tuple[str, ...],
    heartbeat: str | None,
    incremental: bool,
    sample_every: int,
    attribution: WhoOptions,
    metrics_file: Path | None,
    options: PlanOptions,
    reading: ReadingOptions,
) -> int:
    """Report how the API differs from the files, and which side changed.

    The exit code is 2 if anything differs. --notify accepts a URL of apprise (slack://…). Every run
    that finds a difference notifies the channels; the fingerprint in the message shows whether it
    is the same difference as before. A channel that fails is a warning. The URLs of --notify and
    --heartbeat contain tokens: set RECONCILE_DRIFT_NOTIFY and RECONCILE_DRIFT_HEARTBEAT instead of
    passing them as options.

    Models and workspaces that no file declares are read as by `plan --audit`; an undeclared host
    or access is a warning.

    Retirements in the catalogue are announced 90, 30, 7 and 1 days ahead, once each if there is a
    ledger. They change the exit code only with --fail-on.

    With --incremental, integrations whose list entry has not changed are not read again, and the
    report counts them as not read. `apply` always reads everything.

    With --who, the report shows who changed each field since the last run, according to the audit
    log. The key must be allowed to read the log.
    """
    _check_urls(notify, heartbeat)
    options = replace(options, expects_values=not reading.without_values)
    run = wiring.new_run_id()
    observer = observed(invocation, command="drift", run=run, metrics_file=metrics_file)

    every = sample_every if incremental else None
    check = partial(_check, observer, reading, options, attribution, every=every)
    with observer:
        report, ledger, models = signals.run(check, if_interrupted=_IF_INTERRUPTED)
        report, has_failed = models.added_to(report, reading.fail_on, options.selection)
        observer.set_plan(report.plan)
        shown = partial(_show, style=style, ledger=ledger, channels=notify, heartbeat=heartbeat)
        # Last, so that a report that was not shown, or reached no channel, is made again.
        if shown(invocation, report) and (found := models.remember(invocation, report)):
            invocation.console.warning(as_text(found))
        code = 0 if report.in_sync else DIFFERENT
        return observer.finish(FAILED if has_failed else code)


async def _check(
    observer: RunObserver,
    reading: ReadingOptions,
    options: PlanOptions,
    attribution: WhoOptions,
    _handler: signals.SignalHandler,
    *,
    every: int | None,
) -> tuple[DriftReport, str, DriftModels]:
    """Return a report, the state of the ledger, and the declared models that retire.

    `every` is set for an incremental check: it reads everything once in this number of runs.
    """
    invocation = observer.invocation
    # Before the first page is requested: what changes after this time can be missing in the reads.
    began_at = workflows.timestamp(settings.now())
    async with wiring.session(invocation, reading, selection=options.selection) as session:
        observer.set_target(session.desired.target.name, ledger=session.ledger)
        workflows.require_ledger(session)
        models = await drift_models(invocation, session)
        seen = None
        if every is not None or attribution.who:
            # Before this check replaces them.
            seen = await _earlier_reads(invocation, session)
        report = await _compared(
            invocation, session, options, every=every, seen=seen, began_at=began_at
        )
        report = await _attributed(invocation, session, report, attribution, seen=seen or {})
        return report, session.ledger, models


def _check_urls(channels: Sequence[str], heartbeat: str | None) -> None:
    """Raise `InvalidInput` for a URL that cannot be used, before anything is read."""
    notifications.check(channels)
    if heartbeat is not None:
        from reconciler.drift.heartbeat import require_heartbeat  # its client is costly to load

        require_heartbeat(heartbeat)


def _show(
    invocation: Invocation,
    report: DriftReport,
    *,
    style: str,
    ledger: str,
    channels: Sequence[str],
    heartbeat: str | None,
) -> bool:
    """Print a report, request the heartbeat, and notify the channels if there is news.

    Return False if every channel failed.
    """
    context = command_context(invocation, click.get_current_context())
    console = invocation.console
    console.show_drift(report, style=style, ledger=ledger, context=context)
    if heartbeat is not None:
        _send_heartbeat(invocation, heartbeat)
    # A retirement is reported once for each threshold, even if nothing differs.
    if report.in_sync and not report.announced:
        return True
    return notifications.drift(console, channels, report, ledger=ledger, context=context)


def _send_heartbeat(invocation: Invocation, url: str) -> None:
    """Request the URL; a failure is a warning, because the check itself was completed."""
    from reconciler.cli.http_clients import transport_to
    from reconciler.drift.heartbeat import send_heartbeat

    transport = transport_to(url)

    async def work(_handler: signals.SignalHandler) -> Diagnostic | None:
        return await send_heartbeat(url, transport)

    failed = signals.run(work)
    if failed is not None:
        invocation.console.warning(as_text([failed]))


async def _earlier_reads(
    invocation: Invocation, session: Session
) -> Mapping[str, "SeenState"] | None:
    """Return what incremental checks have read before, None without a ledger."""
    ledger_access = ledger_access_of(
        invocation, invocation.environment or settings.from_environment()
    )
    # In a thread, because a database may hang.
    return await in_thread(lambda: ledger_access.seen(session.desired.target))


async def _compared(
    invocation: Invocation,
    session: Session,
    options: PlanOptions,
    *,
    every: int | None,
    seen: Mapping[str, "SeenState"] | None,
    began_at: str,
) -> DriftReport:
    """Read everything, or with `every` what changed and a sample; see `workflows.drift`.

    What an incremental check reads is stored in the ledger. Without a ledger, everything is read,
    and the report states this.
    """
    if every is None:
        report = await workflows.drift(session, options)
        await _recorded(invocation, session, report, options, has_read=lambda _: True)
        return report
    if seen is None:
        # Without a ledger, there is nothing to record the check in either.
        noted = replace(session, diagnostics=(*session.diagnostics, _no_ledger()))
        return await workflows.drift(noted, options)
    from reconciler.drift.incremental import IncrementalRead

    incremental = IncrementalRead(seen, every=every)
    report = await workflows.drift(session, options, incremental=incremental)
    ledger_access = ledger_access_of(
        invocation, invocation.environment or settings.from_environment()
    )
    read = incremental.read.values()
    if found := await in_thread(
        lambda: ledger_access.save_seen_states(report.target, read, now=began_at)
    ):
        invocation.console.warning(as_text(found))
    await _recorded(invocation, session, report, options, has_read=incremental.has_read)
    return report


async def _recorded(
    invocation: Invocation,
    session: Session,
    report: DriftReport,
    options: PlanOptions,
    *,
    has_read: Callable[[str], bool],
) -> None:
    """Record the check if other targets are promoted from this one."""
    if not session.desired.target.soaks:
        return
    from reconciler.cli.soaking import record_drift  # few targets are promoted from

    found = await in_thread(
        lambda: record_drift(
            invocation, report.plan, session.desired, options.selection, has_read=has_read
        )
    )
    if found:
        invocation.console.warning(as_text(found))


async def _attributed(
    invocation: Invocation,
    session: Session,
    report: DriftReport,
    attribution: WhoOptions,
    *,
    seen: Mapping[str, "SeenState"],
) -> DriftReport:
    """Return the report, with the attribution if `--who` is set."""
    if not attribution.who:
        return report
    from reconciler.drift.audit_reading import with_attribution

    ledger_access = ledger_access_of(
        invocation, invocation.environment or settings.from_environment()
    )

    async def own_writes(slugs: Collection[str]) -> "OwnWrites | None":
        return await in_thread(lambda: ledger_access.own_writes(session.desired.target, slugs))

    return await with_attribution(
        report,
        api=session.api,
        own_writes=own_writes,
        known_organisation=session.known_organisation,
        now=lambda: session.now,
        since=parse_instant(attribution.since),
        seen=seen,
    )


def _no_ledger() -> Diagnostic:
    return notice(
        "nothing-remembered",
        "there is no ledger to compare with, so --incremental read everything",
        hint="run `reconcile apply` to create one in .reconcile, or set RECONCILE_LEDGER_URL",
    )
