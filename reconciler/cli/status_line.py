"""Status line of a command, shown on a terminal while it reads.

Without a terminal, with `--quiet` and with a JSON log there is none. What it shows:
`reconciler.views.status_line`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from reconciler.cli import settings
from reconciler.cli.console import Console
from reconciler.views.status_line import StatusLine

INTERVAL_SECONDS = 0.1
"""Time between two redraws."""


@asynccontextmanager
async def shown(
    console: Console, *, verb: str = "reading", unit: str = ""
) -> AsyncIterator[StatusLine | None]:
    """Show a status line until the block ends; None where none may be shown."""
    is_wanted = console.is_live and not console.quiet and console.json_log is None
    # A dumb terminal cannot erase, and one line at a time is enough.
    if not is_wanted or settings.variable("TERM") == "dumb" or console.status is not None:
        yield console.status
        return
    status = StatusLine(
        console.draw,
        clock=settings.monotonic,
        width=lambda: console.stderr_width,
        verb=verb,
        unit=unit,
    )
    console.status = status
    redraws = asyncio.create_task(_redraw(status))
    try:
        yield status
    finally:
        console.status = None
        status.close()
        redraws.cancel()
        with suppress(asyncio.CancelledError):
            await redraws


async def _redraw(status: StatusLine) -> None:
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        status.draw()
