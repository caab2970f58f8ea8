"""Change windows against a table made by hand, with both daylight-saving transitions."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import get_args

import pytest

from reconciler.domain.change_windows import (
    InvalidWindow,
    UnknownZone,
    closure,
    end_of_freeze,
    parse_hours,
    time_zone,
    zone_of_freeze,
)
from reconciler.domain.policy import ChangeWindow, Freeze, RiskName
from reconciler.planning.actions import Risk

# The clock of Europe/Berlin goes from 02:00 to 03:00 at 2026-03-29T01:00Z, and from 03:00 to 02:00
# at 2026-10-25T01:00Z; that of America/New_York from 02:00 to 03:00 at 2026-03-08T07:00Z, and from
# 02:00 to 01:00 at 2026-11-01T06:00Z. Each line: an instant in UTC, and `open` or the next opening.
TABLE = """
Europe/Berlin Mon-Thu 09:00-16:00
2026-11-30T07:59:59 2026-11-30T08:00
2026-11-30T08:00:00 open
2026-11-30T14:59:59 open
2026-11-30T15:00:00 2026-12-01T08:00
2026-12-01T12:00:00 open
2026-12-03T14:59:00 open
2026-12-03T15:00:00 2026-12-07T08:00
2026-12-04T10:00:00 2026-12-07T08:00
2026-12-05T10:00:00 2026-12-07T08:00
2026-12-06T23:30:00 2026-12-07T08:00
2026-12-31T23:30:00 2027-01-04T08:00
2026-07-06T06:59:00 2026-07-06T07:00
2026-07-06T07:00:00 open
2026-07-06T13:59:00 open
2026-07-06T14:00:00 2026-07-07T07:00
2026-03-26T15:00:00 2026-03-30T07:00
2026-03-30T06:59:00 2026-03-30T07:00
2026-03-30T07:00:00 open
2026-10-22T14:00:00 2026-10-26T08:00
2026-10-26T07:30:00 2026-10-26T08:00
2026-10-26T08:00:00 open
Europe/Berlin Fri 22:00-02:00
2026-12-04T00:30:00 2026-12-04T21:00
2026-12-04T20:59:00 2026-12-04T21:00
2026-12-04T21:00:00 open
2026-12-04T23:30:00 open
2026-12-05T00:59:59 open
2026-12-05T01:00:00 2026-12-11T21:00
2026-12-05T21:30:00 2026-12-11T21:00
Europe/Berlin Sat 22:00-02:30
2026-03-28T20:59:00 2026-03-28T21:00
2026-03-29T00:59:59 open
2026-03-29T01:00:00 2026-04-04T20:00
2026-10-24T20:00:00 open
2026-10-25T00:29:00 open
2026-10-25T00:30:00 2026-10-25T01:00
2026-10-25T01:00:00 open
2026-10-25T01:29:59 open
2026-10-25T01:30:00 2026-10-31T21:00
Europe/Berlin Sun 02:15-02:45
2026-03-29T00:30:00 2026-04-05T00:15
2026-03-29T01:30:00 2026-04-05T00:15
2026-10-25T00:14:00 2026-10-25T00:15
2026-10-25T00:15:00 open
2026-10-25T00:45:00 2026-10-25T01:15
2026-10-25T01:15:00 open
2026-10-25T01:45:00 2026-11-01T01:15
Europe/Berlin Sun 02:30-04:00
2026-03-29T00:59:00 2026-03-29T01:00
2026-03-29T01:00:00 open
2026-03-29T02:00:00 2026-04-05T00:30
Europe/Berlin 00:00-24:00
2026-03-29T01:00:00 open
2026-10-25T01:00:00 open
UTC Sat-Mon 12:00-13:00
2026-12-06T12:30:00 open
2026-12-07T12:59:00 open
2026-12-07T13:00:00 2026-12-12T12:00
2026-12-08T12:30:00 2026-12-12T12:00
America/New_York Sun 01:30-03:30
2026-03-08T06:29:00 2026-03-08T06:30
2026-03-08T07:29:00 open
2026-03-08T07:30:00 2026-03-15T05:30
2026-11-01T05:30:00 open
2026-11-01T06:00:00 2026-11-01T06:30
2026-11-01T08:29:00 open
Asia/Kolkata Wed,Fri 09:30-10:00
2026-12-02T04:00:00 open
2026-12-03T04:00:00 2026-12-04T04:00
"""


def rows() -> list[tuple[str, str, str, str]]:
    found, zone, hours = [], "", ""
    for line in TABLE.strip().splitlines():
        first, rest = line.split(" ", 1)
        if "T" in first and first[0].isdigit():
            found.append((zone, hours, first, rest))
        else:
            zone, hours = first, rest
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_table_has_sixty_instants() -> None:
    assert len(rows()) >= 60


@pytest.mark.parametrize(("zone", "hours", "instant", "expected"), rows())
def test_a_window_is_open_or_has_a_next_opening(
    zone: str, hours: str, instant: str, expected: str
) -> None:
    window = ChangeWindow(allow=hours, zone=zone)
    closed = closure([window], None, {"delete"}, now=at(instant))
    if expected == "open":
        assert closed is None
    else:
        assert closed is not None
        assert closed.opens == at(expected)


WORK = ChangeWindow(allow="Mon-Thu 09:00-16:00", zone="Europe/Berlin", risks=("delete",))
NIGHT = ChangeWindow(allow="Fri 22:00-02:00", zone="Europe/Berlin", risks=("delete", "replace"))


@pytest.mark.parametrize(
    ("risks", "instant", "opens"),
    [
        ({"additive", "cosmetic"}, "2026-12-05T10:00", None),  # no window applies to them
        ({"delete"}, "2026-12-04T22:00", None),  # one open window is sufficient
        ({"delete"}, "2026-12-04T10:00", "2026-12-04T21:00"),
        ({"replace"}, "2026-12-01T10:00", "2026-12-04T21:00"),
        ({"delete", "replace"}, "2026-12-01T10:00", "2026-12-04T21:00"),
        ({"additive", "delete"}, "2026-12-05T10:00", "2026-12-07T08:00"),
        (set(), "2026-12-05T10:00", None),
    ],
)
def test_a_window_applies_to_its_risks(risks: set[str], instant: str, opens: str | None) -> None:
    closed = closure([WORK, NIGHT], None, risks, now=at(instant))
    assert (closed.opens if closed else None) == (at(opens) if opens else None)


def test_risks_without_a_common_window_have_no_opening() -> None:
    monday = ChangeWindow(allow="Mon 09:00-10:00", zone="UTC", risks=("delete",))
    tuesday = ChangeWindow(allow="Tue 09:00-10:00", zone="UTC", risks=("replace",))
    closed = closure([monday, tuesday], None, {"delete", "replace"}, now=at("2026-11-30T09:30"))
    assert closed is not None
    assert closed.opens is None
    assert closed.opening == ""


@pytest.mark.parametrize(
    ("until", "zone", "end"),
    [
        ("2027-01-02", "Europe/Berlin", "2027-01-02T23:00"),  # the day is included
        ("2027-01-02", "UTC", "2027-01-03T00:00"),
        ("2027-01-02T08:00:00+01:00", "UTC", "2027-01-02T07:00"),
        ("2027-01-02T08:00:00Z", "Europe/Berlin", "2027-01-02T08:00"),
        ("2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00"),  # midnight did not exist
        ("2026-10-31", "America/Havana", "2026-11-01T05:00"),  # midnight comes twice
    ],
)
def test_a_freeze_has_an_end(until: str, zone: str, end: str) -> None:
    assert end_of_freeze(until, time_zone(zone)) == at(end)


def test_a_freeze_applies_to_every_change_and_names_the_next_window() -> None:
    freeze = Freeze(until="2027-01-02", reason="year-end")
    before = closure([WORK], freeze, {"cosmetic"}, now=at("2027-01-02T22:59:59"))
    assert before is not None
    assert before.opens == at("2027-01-02T23:00")
    assert "year-end" in before.reasons[0]
    assert closure([WORK], freeze, {"cosmetic"}, now=at("2027-01-02T23:00")) is None
    delete = closure([WORK], freeze, {"delete"}, now=at("2026-12-24T10:00"))  # the window is open
    assert delete is not None
    assert delete.opens == at("2027-01-04T08:00")
    assert delete.opening == "Mon 2027-01-04 09:00 +01:00 (Europe/Berlin)"


@pytest.mark.parametrize("until", ["9999-12-31", "9999-12-30", "9999-12-31T20:00:00Z"])
@pytest.mark.parametrize("windows", [[], [WORK]])
def test_a_freeze_until_the_last_days_has_no_opening(
    until: str, windows: list[ChangeWindow]
) -> None:
    freeze = Freeze(until=until, reason="retired", zone="Pacific/Kiritimati")
    closed = closure(windows, freeze, {"delete"}, now=at("2026-12-24T10:00"))
    assert closed is not None
    assert closed.opens is None
    assert closed.opening == ""


def test_a_freeze_has_its_own_zone_or_that_of_the_windows() -> None:
    freeze = Freeze(until="2027-01-02", reason="x")
    assert zone_of_freeze(freeze, []) == "UTC"
    assert zone_of_freeze(freeze, [WORK, NIGHT]) == "Europe/Berlin"
    other = ChangeWindow(allow="09:00-10:00", zone="Asia/Tokyo")
    with pytest.raises(InvalidWindow, match="needs `zone`"):
        zone_of_freeze(freeze, [WORK, other])
    assert zone_of_freeze(freeze.model_copy(update={"zone": "UTC"}), [WORK, other]) == "UTC"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon",
        "Mon 9:00-16:00",
        "Mon 09:00",
        "Mon 09:00-24:01",
        "Mon 09:60-10:00",
        "Mon 24:00-25:00",
        "Mon 24:00-01:00",
        "Mon 09:00-09:00",
        "Monday 09:00-16:00",
        "mon 09:00-16:00",
        "Mon- 09:00-16:00",
        "Mon-Tue-Wed 09:00-16:00",
        "Mon,,Tue 09:00-16:00",
        "Mon 09:00-16:00 ",
        "Mon 09:00–16:00",
        "Mon ٠٩:00-16:00",
    ],
)
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(InvalidWindow):
        parse_hours(text)


@pytest.mark.parametrize("name", ["Europe", "Europe/Berlim", "", "../etc/passwd", "a\0b", "CETT"])
def test_other_zones_are_refused(name: str) -> None:
    with pytest.raises(UnknownZone) as caught:
        time_zone(name)
    assert not caught.value.lacks_zones


def test_a_machine_without_time_zone_data_knows_utc_and_reports_others() -> None:
    code = (
        "from reconciler.domain.change_windows import UnknownZone, time_zone\n"
        "time_zone('UTC')\n"
        "try: time_zone('Europe/Berlin')\n"
        "except UnknownZone as problem: print(problem.lacks_zones)\n"
    )
    command = [sys.executable, "-c", "import sys; sys.modules['tzdata'] = None\n" + code]
    done = subprocess.run(
        command, env={"PYTHONTZPATH": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_the_names_of_risks_are_those_of_plans() -> None:
    assert get_args(RiskName) == tuple(risk.value for risk in Risk)
