"""Parsers of times, used everywhere, so that a time has the same meaning everywhere."""

from datetime import UTC, datetime


def parse_instant(text: object) -> datetime | None:
    """Parse a time in ISO 8601, in UTC if it has no zone; return None for anything else."""
    try:
        return _in_utc(datetime.fromisoformat(text)) if isinstance(text, str) else None
    # In the first and the last year, the conversion can result in a year that does not exist.
    except (ValueError, OverflowError):
        return None


def parse_zoned_instant(text: str) -> datetime:
    """Parse a time in ISO 8601 with a zone; raise `ValueError` for any other text."""
    moment = parse_instant(text)
    if moment is None or datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must be a time with a time zone")
    return moment


def parse_http_date(text: str | None) -> datetime | None:
    """Parse the time of an HTTP header such as `Date`; return None if it is absent or malformed."""
    if not text:
        return None
    # Imported late, because the date of most responses is not used.
    from email.utils import parsedate_to_datetime

    try:
        return _in_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _in_utc(moment: datetime) -> datetime:
    # Without a zone, it counts as UTC, like the API's timestamps (remote/API.md §1.1).
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
