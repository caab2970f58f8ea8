"""`reconcile history`: past runs on a target, from the ledger alone."""

import re
from datetime import timedelta

import click

from reconciler.cli import settings, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.ledger_access import key_of
from reconciler.cli.options import format_option
from reconciler.diagnostics import Diagnostic
from reconciler.domain.instants import parse_instant
from reconciler.views import diagnostics

NEWEST = 50
"""Default number of listed runs."""

_AGO = re.compile(r"(\d{1,5})([dh])")


def _since(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Parse a date, a time or an age, and return the time in UTC as the ledger writes it."""
    from reconciler.workflows import timestamp

    if value is None:
        return None
    if ago := _AGO.fullmatch(value.strip()):
        unit = timedelta(days=1) if ago[2] == "d" else timedelta(hours=1)
        return timestamp(settings.now() - int(ago[1]) * unit)
    # The same command must list the same runs in every time zone.
    moment = parse_instant(value.strip())
    if moment is None:
        raise click.BadParameter(
            f"{value!r} is neither a date such as 2026-01-31, nor a time such as "
            "2026-01-31T09:30:00Z, nor an age such as 7d or 12h"
        )
    return timestamp(moment)


@click.command("history", cls=Command)
@format_option("text", "json")
@click.option(
    "--since",
    metavar="T",
    callback=_since,
    help="List only runs since this date or time in UTC, or this age, such as 7d or 12h",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="List only the newest N runs  [default: 50; no limit with --since]",
)
@click.option("--all", "everything", is_flag=True, help="List all runs")
@click.option("--verify", is_flag=True, help="Verify that no record was changed or removed")
@click.option(
    "--expect-head",
    metavar="HASH",
    help="With --verify, fail unless the run with this hash, printed by apply, is recorded",
)
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    style: str,
    since: str | None,
    limit: int | None,
    everything: bool,
    verify: bool,
    expect_head: str | None,
) -> int:
    """List past runs on a target, newest last.

    With --verify, the whole ledger is compared with its hashes; the exit code is 1 if any differs.
    """
    from reconciler.ledger.errors import NoLedger
    from reconciler.views import reports
    from reconciler.views.plan_outline import header_of

    _check(limit=limit, everything=everything, verify=verify, expect_head=expect_head)
    if limit is None and not everything and since is None:
        limit = NEWEST
    environment = settings.from_environment()
    target = wiring.read_target(invocation, environment)
    ledger_access = wiring.ledger_access_of(invocation, environment)
    listing = reports.RunList(ledger=ledger_access.state)
    found: list[Diagnostic] = []
    try:
        with ledger_access.open(read_only=True) as ledger:
            listing = reports.RunList(
                ledger=ledger_access.state,
                runs=ledger.history(target=target.name, since=since, limit=limit),
                total=ledger.count(target=target.name, since=since),
                anchors=ledger.anchors(key_of(target)),
            )
            if verify:
                found = ledger.verify(expected_head=expect_head)
    except NoLedger:
        # The hash proves that there was a ledger, so the absence of a ledger is an error.
        if expect_head is not None:
            raise
    console = invocation.console
    if style == "json":
        console.data(reports.history_json(listing, problems=found if verify else None))
    else:
        header = header_of(wiring.plan_target(target), ledger=listing.ledger)
        width, color = console.stdout_width, console.colors_stdout
        console.data(reports.history_text(listing, header=header, width=width, color=color))
        if verify:
            console.info(diagnostics.as_text(found) or "verified: no record was changed or removed")
    return 1 if found else 0


def _check(*, limit: int | None, everything: bool, verify: bool, expect_head: str | None) -> None:
    """Refuse options that contradict each other."""
    if limit is not None and everything:
        raise click.UsageError("--limit and --all cannot be used together")
    if expect_head is not None and not verify:
        raise click.UsageError("--expect-head needs --verify")
