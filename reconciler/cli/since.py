"""Option `--since`: a date, a time or an age."""

import re
from datetime import timedelta

import click

from reconciler.cli import settings
from reconciler.domain.instants import parse_instant

_AGO = re.compile(r"([0-9]{1,5})([dh])")


def parse_since(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Parse a date, a time or an age, and return the time in UTC as the ledger writes it."""
    from reconciler.workflows import timestamp

    if value is None:
        return None
    if ago := _AGO.fullmatch(value.strip()):
        unit = timedelta(days=1) if ago[2] == "d" else timedelta(hours=1)
        return timestamp(settings.now() - int(ago[1]) * unit)
    # The same command must mean the same time in every time zone.
    moment = parse_instant(value.strip())
    if moment is None:
        raise click.BadParameter(
            f"{value!r} is neither a date such as 2026-01-31, nor a time such as "
            "2026-01-31T09:30:00Z, nor an age such as 7d or 12h"
        )
    return timestamp(moment)


def parse_past(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Parse the option as `parse_since` does, and refuse a time that is still to come."""
    from reconciler.workflows import timestamp

    since = parse_since(ctx, param, value)
    # Both are text of the same form in UTC, so their order is that of the times.
    if since is not None and since > timestamp(settings.now()):
        raise click.BadParameter(
            f"{value!r} is in the future ({since}); use an earlier date or time in UTC, or an age "
            "such as 7d"
        )
    return since
