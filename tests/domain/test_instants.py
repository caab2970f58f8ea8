"""Times: each is parsed to the same instant in every time zone of the machine."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from reconciler.domain.instants import parse_http_date, parse_instant, parse_zoned_instant
from reconciler.execution.verification import created_between
from reconciler.remote.exchange import retry_after
from tests.builders import observed

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(params=["Asia/Tokyo", "America/New_York", "UTC"], autouse=True)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the time zone of the machine to each of these."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00",
        "2026-11-23 12:00:00.000",
        "2026-11-23T12:00:00Z",
        "2026-11-23T14:30:00+02:30",
        "2026-11-22T22:00:00-14:00",
    ],
)
def test_a_time_is_the_same_in_every_notation(text: str) -> None:
    assert parse_instant(text) == NOON
    assert created_between(observed(created_at=text), NOON.timestamp(), NOON.timestamp())


@pytest.mark.parametrize(
    "text", ["", "noon", None, 7, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"]
)
def test_text_that_is_not_a_time_is_none(text: object) -> None:
    assert parse_instant(text) is None


@pytest.mark.parametrize("text", ["", "noon", "2026-11-23", "2026-11-23T12:00:00"])
def test_a_time_without_its_zone_is_refused_where_one_is_needed(text: str) -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_zoned_instant(text)


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_an_http_date_is_in_utc(zone: str) -> None:
    text = f"Mon, 23 Nov 2026 12:00:00 {zone}"
    assert parse_http_date(text) == NOON
    assert retry_after({"retry-after": text}, wall_clock=NOON.timestamp() - 30) == 30
