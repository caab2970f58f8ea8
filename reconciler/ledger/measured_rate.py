"""Rate of calls that a target's API accepted, with which the next run starts.

It is a row of the table `meta`. It only paces calls: if the row is missing, old or damaged, the
rate is measured again.
"""

from datetime import datetime, timedelta

from reconciler.ledger.codec import parse_document, to_json
from reconciler.ledger.errors import LedgerError
from reconciler.remote.api import MeasuredRate
from reconciler.remote.exchange import LONGEST_PAUSE_SECONDS

MAX_AGE = timedelta(days=7)
"""Age at which a rate is measured again, because a raised limit is otherwise not detected."""

_SLOWEST, _FASTEST = 1 / LONGEST_PAUSE_SECONDS, 10_000.0


def name_of(target: int) -> str:
    """Return the name of the row for a target's id."""
    return f"rate of target {target}"


def to_text(rate: MeasuredRate, *, now: datetime) -> str:
    """Return a rate as the text of a row."""
    return to_json(
        {
            "calls_per_second": rate.calls_per_second,
            "window_seconds": rate.window_seconds,
            "measured_at": now.isoformat(timespec="seconds"),
        }
    )


def from_text(text: str | None, *, now: datetime) -> MeasuredRate | None:
    """Parse the text of a row; return None if it is old or damaged."""
    try:
        found = parse_document(text or "")
        age = now - datetime.fromisoformat(found["measured_at"])
        rate = MeasuredRate(float(found["calls_per_second"]), float(found["window_seconds"]))
    except (LedgerError, KeyError, TypeError, ValueError, OverflowError):
        return None
    is_plausible = (
        _SLOWEST <= rate.calls_per_second <= _FASTEST
        and 1 <= rate.window_seconds <= LONGEST_PAUSE_SECONDS
    )
    # A time in the future was written by a clock that is wrong, so its age is unknown.
    return rate if is_plausible and timedelta(0) <= age <= MAX_AGE else None
