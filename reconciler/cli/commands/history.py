"""`reconcile history`: what was done to a target, when and on whose word, from the ledger alone."""

import re
from datetime import UTC, datetime, timedelta

import click

from reconciler.cli import settings, wiring
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import format_option

_AGO = re.compile(r"(\d{1,5})([dh])")


def _since(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read a date, a time or an age, and give the time in UTC as the ledger writes it."""
    from reconciler.workflows import timestamp

    if value is None:
        return None
    if ago := _AGO.fullmatch(value.strip()):
        unit = timedelta(days=1) if ago[2] == "d" else timedelta(hours=1)
        return timestamp(settings.now() - int(ago[1]) * unit)
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is neither a date such as 2026-01-31, nor a time such as "
            "2026-01-31T09:30:00Z, nor an age such as 7d or 12h"
        ) from None
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@click.command("history", cls=Command)
@format_option("text", "json")
@click.option(
    "--since",
    metavar="T",
    callback=_since,
    help="Only runs from this date or time (UTC) on, or from an age on: 7d, 12h.",
)
@click.option("--verify", is_flag=True, help="Check that no record was changed or taken out.")
@click.pass_obj
def command(invocation: Invocation, *, style: str, since: str | None, verify: bool) -> int:
    """List past runs on a target, the newest last.

    With --verify the hashes of all runs in the ledger are computed anew; exits 1 if one differs.
    """
    from reconciler.ledger.errors import NoLedger
    from reconciler.views import history, problems
    from reconciler.views.outline import header_of

    environment = settings.from_environment()
    target = wiring.read_target(invocation, environment)
    records = wiring.records_of(invocation, environment)
    state = records.state
    try:
        with records.open(read_only=True) as ledger:
            everything = ledger.history(since=since)
            found = ledger.verify() if verify else None
    except NoLedger:
        everything, found = [], [] if verify else None
    runs = [run for run in everything if (run["target"] or {}).get("name") == target.name]
    console = invocation.console
    if style == "json":
        console.data(history.as_json(runs, ledger=state, problems=found))
    else:
        header = header_of(wiring.plan_target(target), ledger=state)
        console.data(
            history.as_text(runs, header=header, width=console.width, color=console.colors_data)
        )
        if found is not None:
            console.say(problems.as_text(found) or "every record is as it was written")
    return 1 if found else 0
