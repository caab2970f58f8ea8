"""Change windows and the freeze of a target: whether a change may be applied at a time.

A window is compared with the local time of its zone. A local time that a clock change skips never
occurs, and one that occurs twice is within the window both times. This module is loaded only for a
target that has a window or a freeze.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from reconciler.domain.instants import parse_zoned_instant
from reconciler.domain.policy import ChangeWindow, Freeze
from reconciler.frozen_dataclass import dataclass

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

EXAMPLE = "Mon-Thu 09:00-16:00"

_WEEK = len(DAYS)
_MINUTES_A_DAY = 24 * 60
_FORM = re.compile(r"(?:([A-Za-z,-]+) +)?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# Files of the database that are not usable zones: local time, no zone, leap-second clocks.
_OF_ONE_MACHINE = re.compile(r"(?:localtime|posixrules|Factory)$|posix/|right/")

_SEARCHED_DAYS = 15
"""Days in which an opening is searched: hours repeat weekly, but a clock change can skip one."""


class InvalidWindow(ValueError):
    """A value of a window or a freeze is not valid; the message follows the name of its field."""


class UnknownZone(ValueError):
    """The zone does not exist, or this machine has no time zones, as `lacks_zones` says."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lacks_zones = not available_timezones()


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours on some days of the week, in minutes since midnight; `end` is exclusive.

    Hours whose end is not after their start end on the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def contains(self, local: datetime) -> bool:
        """Return whether a local time is within these hours."""
        minute, weekday = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        # Hours that span midnight belong to the day on which they start.
        began_today = weekday in self.days and minute >= self.start
        began_yesterday = (weekday - 1) % _WEEK in self.days and minute < self.end
        return began_today or began_yesterday


@dataclass(frozen=True, slots=True)
class Closure:
    """Reason why changes cannot be applied at a given time.

    `opens` is when they can be, in the zone called `zone`; None if no such time was found.
    """

    reasons: tuple[str, ...]
    opens: datetime | None
    zone: str

    @property
    def opening(self) -> str:
        """Return the next opening for readers, with weekday, offset and zone; "" without one."""
        return shown_time(self.opens, self.zone) if self.opens is not None else ""


@dataclass(frozen=True, slots=True)
class _Window:
    hours: WeeklyHours
    zone: tzinfo
    declared: ChangeWindow

    def is_open(self, moment: datetime) -> bool:
        return self.hours.contains(moment.astimezone(self.zone))

    def concerns(self, risk: str) -> bool:
        return self.declared.risks is None or risk in self.declared.risks


def parse_hours(text: str) -> WeeklyHours:
    """Parse hours such as `Mon-Thu 09:00-16:00`; raise `InvalidWindow` for any other text."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidWindow("must be days and hours")
    days = match[1]
    start = _minutes(match[2], match[3])
    end = _minutes(match[4], match[5])
    if start == _MINUTES_A_DAY:
        raise InvalidWindow("cannot start at 24:00")
    if start == end:
        raise InvalidWindow("starts and ends at the same time")
    weekdays = frozenset(range(_WEEK)) if days is None else _weekdays(days)
    return WeeklyHours(weekdays, start, end)


def time_zone(name: str) -> tzinfo:
    """Return a zone of the IANA database; raise `UnknownZone` if it cannot be found."""
    if name == "UTC":
        return UTC  # needs no database
    if _OF_ONE_MACHINE.match(name):
        raise UnknownZone(name)
    try:
        return ZoneInfo(name)
    # A name that is not a zone can be the name of a folder, or an invalid path.
    except (LookupError, ValueError, OSError):
        raise UnknownZone(name) from None


def zone_of_freeze(freeze: Freeze, windows: Iterable[ChangeWindow]) -> str:
    """Return the name of the zone in which a freeze ends.

    Without a separate zone, it is the zone of the windows, or UTC without windows. Raises
    `InvalidWindow` if the windows have several zones.
    """
    if freeze.zone is not None:
        return freeze.zone
    zones = sorted({window.zone for window in windows})
    if len(zones) > 1:
        raise InvalidWindow("needs `zone`, because the windows have several")
    return zones[0] if zones else "UTC"


def end_of_freeze(until: str, zone: tzinfo) -> datetime:
    """Return the instant at which a freeze ends: after the whole day of a date.

    Raises `InvalidWindow` for text that is neither a date nor a time with a zone.
    """
    try:
        if not _DATE.fullmatch(until):
            return parse_zoned_instant(until)
        day = date.fromisoformat(until)
    except ValueError:
        raise InvalidWindow("must be a date, or a time with a time zone") from None
    try:
        midnight = datetime.combine(day + timedelta(days=1), time(), zone)
        # The later of two midnights, so that a day on which the clock is set back is frozen
        # completely. A skipped midnight counts as the end of the gap, which is also the later
        # interpretation.
        return max(midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def has_ended(freeze: Freeze, windows: Sequence[ChangeWindow], *, now: datetime) -> bool:
    """Return whether a freeze is over."""
    zone = time_zone(zone_of_freeze(freeze, windows))
    return now >= end_of_freeze(freeze.until, zone)


def closure(
    windows: Sequence[ChangeWindow],
    freeze: Freeze | None,
    risks: Collection[str],
    *,
    now: datetime,
) -> Closure | None:
    """Return why changes with these risks cannot be applied now; None if they can be."""
    if not risks:
        return None
    parsed = [_Window(parse_hours(w.allow), time_zone(w.zone), w) for w in windows]
    reasons: list[str] = []
    zone, begin = windows[0].zone if windows else "UTC", now
    if freeze is not None and not has_ended(freeze, windows, now=now):
        zone = zone_of_freeze(freeze, windows)
        begin = end_of_freeze(freeze.until, time_zone(zone))
        reasons.append(_frozen(freeze, zone))
    closed = _closed_risks(parsed, risks, now)
    if closed:
        concerned = [w for w in parsed if any(w.concerns(risk) for risk in closed)]
        if not reasons:
            zone = concerned[0].declared.zone
        reasons.append(_outside(concerned, closed))
    if not reasons:
        return None
    return Closure(tuple(reasons), _opening(parsed, risks, begin), zone)


def shown_time(moment: datetime, zone: str) -> str:
    """Return an instant as local time with its offset, because an hour can occur twice."""
    local = moment.astimezone(time_zone(zone))
    offset = local.strftime("%z")
    day = f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M}"
    return f"{day} {offset[:3]}:{offset[3:5]} ({zone})"


def _minutes(hour: str, minute: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if minutes > _MINUTES_A_DAY or int(minute) >= 60:
        raise InvalidWindow(f"has no valid time: {hour}:{minute}")
    return minutes


def _weekdays(text: str) -> frozenset[int]:
    """Parse days such as `Mon-Thu,Sat`; a range can span the end of the week."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start = _weekday(first)
        end = _weekday(last) if dash else start
        found.update((start + step) % _WEEK for step in range((end - start) % _WEEK + 1))
    return frozenset(found)


def _weekday(name: str) -> int:
    if name not in DAYS:
        raise InvalidWindow(f"has an unknown day: {name or 'empty'}")
    return DAYS.index(name)


def _closed_risks(windows: Sequence[_Window], risks: Iterable[str], now: datetime) -> list[str]:
    """Return the risks that windows restrict and that no open window allows."""
    closed = []
    for risk in sorted(risks):
        concerned = [window for window in windows if window.concerns(risk)]
        if concerned and not any(window.is_open(now) for window in concerned):
            closed.append(risk)
    return closed


def _frozen(freeze: Freeze, zone: str) -> str:
    is_date = _DATE.fullmatch(freeze.until) is not None
    end = f"the end of {freeze.until} ({zone})" if is_date else freeze.until
    return f"it is frozen until {end}: {freeze.reason}"


def _outside(windows: Iterable[_Window], closed: Sequence[str]) -> str:
    hours = [f"{window.declared.allow} ({window.declared.zone})" for window in windows]
    within = ", ".join(dict.fromkeys(hours))
    return f"changes of risk {', '.join(closed)} are allowed only within {within}"


def _opening(
    windows: Sequence[_Window], risks: Collection[str], begin: datetime
) -> datetime | None:
    """Return the first instant from `begin` on at which every risk is allowed."""
    if begin.year == date.max.year:
        return None  # frozen until the last year that exists: no date after it can be shown
    moments = {begin}
    for window in windows:
        moments.update(_starts(window, begin))
        moments.update(_clock_changes(window.zone, begin))
    possible = sorted(moment for moment in moments if moment >= begin)
    return next((m for m in possible if not _closed_risks(windows, risks, m)), None)


def _starts(window: _Window, begin: datetime) -> Iterator[datetime]:
    first = begin.astimezone(window.zone).date()
    start = time(window.hours.start // 60, window.hours.start % 60)
    for offset in range(_SEARCHED_DAYS):
        local = datetime.combine(first + timedelta(days=offset), start, window.zone)
        yield local.astimezone(UTC)
        yield local.replace(fold=1).astimezone(UTC)


def _clock_changes(zone: tzinfo, begin: datetime) -> Iterator[datetime]:
    """Yield the instants at which the clock changes: a window can start within a gap."""
    whole = begin.astimezone(UTC).replace(microsecond=0)
    for day in range(_SEARCHED_DAYS):
        before = whole + timedelta(days=day)
        after = before + timedelta(days=1)
        old = before.astimezone(zone).utcoffset()
        if old == after.astimezone(zone).utcoffset():
            continue
        # Halve the day until the second of the change is found.
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if middle.astimezone(zone).utcoffset() == old:
                before = middle
            else:
                after = middle
        yield after
