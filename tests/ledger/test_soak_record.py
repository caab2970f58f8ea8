"""Record of the soak time of content: when it starts, continues and ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.ledger.models import Confirmed
from reconciler.ledger.soak_record import SoakCheck, SoakEntry, content_of, from_text
from reconciler.ledger.store import Ledger
from tests.ledger.builders import KEY, declared, ledger_in

A = declared("a")
CONTENT = content_of(A.fields)
FIRST, SECOND, THIRD = (f"2026-03-0{day}T10:00:00Z" for day in (1, 2, 3))


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.needs_system)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Return a ledger in which `a` was applied, in a file and in a database."""
    url = request.getfixturevalue("url") if request.param == "server" else None
    with ledger_in(tmp_path, url=url) as opened:
        opened.store_confirmed(KEY, [Confirmed(A)])
        opened.record_soak(KEY, SoakCheck({"a": CONTENT}), now=FIRST)
        yield opened


def test_a_soak_time_starts_and_continues_with_each_check(ledger: Ledger) -> None:
    assert ledger.soak_entries(KEY) == {"a": SoakEntry(CONTENT, FIRST, FIRST)}
    ledger.record_soak(KEY, SoakCheck({"a": CONTENT}), now=SECOND)
    ledger.record_soak(KEY, SoakCheck(), now=THIRD)
    assert ledger.soak_entries(KEY) == {"a": SoakEntry(CONTENT, FIRST, SECOND)}


def test_an_ended_soak_time_restarts_with_the_next_check(ledger: Ledger) -> None:
    ledger.record_soak(KEY, SoakCheck(ended={"a"}), now=SECOND)
    assert ledger.soak_entries(KEY) == {}
    ledger.record_soak(KEY, SoakCheck({"a": CONTENT}), now=THIRD)
    assert ledger.soak_entries(KEY) == {"a": SoakEntry(CONTENT, THIRD, THIRD)}


def test_only_content_that_a_run_has_applied_counts(ledger: Ledger) -> None:
    other = declared("a", name="Other")
    check = SoakCheck({"a": content_of(other.fields), "b": CONTENT})
    ledger.record_soak(KEY, check, now=SECOND)
    assert ledger.soak_entries(KEY) == {}
    ledger.store_confirmed(KEY, [Confirmed(other)])
    ledger.record_soak(KEY, check, now=THIRD)
    assert ledger.soak_entries(KEY)["a"] == SoakEntry(content_of(other.fields), THIRD, THIRD)


def test_a_removal_has_a_separate_soak_time(ledger: Ledger) -> None:
    # While the ledger contains it, the delete has not succeeded.
    ledger.record_soak(KEY, SoakCheck(ended={"a"}, removed={"a"}), now=SECOND)
    assert ledger.soak_entries(KEY) == {}
    ledger.store_confirmed(KEY, [], gone=["a"])
    ledger.record_soak(KEY, SoakCheck(removed={"a"}), now=SECOND)
    ledger.record_soak(KEY, SoakCheck(), now=THIRD)
    assert ledger.soak_entries(KEY) == {"a": SoakEntry(None, SECOND, THIRD)}


def test_content_that_was_applied_by_a_clock_that_is_behind_is_not_older(ledger: Ledger) -> None:
    ledger.record_soak(KEY, SoakCheck({"a": CONTENT}), now=THIRD)
    # A run begins and ends with the clock set back, then another one.
    for _ in range(2):
        ledger.record_soak(KEY, SoakCheck(ended={"a"}), now=FIRST)
        ledger.record_soak(KEY, SoakCheck({"a": CONTENT}), now=SECOND)
        assert ledger.soak_entries(KEY)["a"] == SoakEntry(CONTENT, THIRD, SECOND)
    ledger.record_soak(KEY, SoakCheck(removed={"b"}), now=FIRST)
    assert ledger.soak_entries(KEY)["b"] == SoakEntry(None, THIRD, FIRST)


def test_a_check_by_a_clock_that_is_far_ahead_does_not_count(ledger: Ledger) -> None:
    ledger.record_soak(KEY, SoakCheck(ended={"a"}), now="2026-04-01T10:00:00Z")
    ledger.record_soak(KEY, SoakCheck({"a": CONTENT}), now=SECOND)
    assert ledger.soak_entries(KEY) == {"a": SoakEntry(CONTENT, SECOND, SECOND)}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a": 7}',
        '{"a": {"content": 7, "since": "2026-03-01T10:00:00Z", "checked": "2026-03-01T10:00:00Z"}}',
        '{"a": {"content": "x", "since": "soon", "checked": "2026-03-01T10:00:00Z"}}',
        '{"a": {"content": "x", "since": "2026-03-01T10:00:00Z"}}',
    ],
)
def test_a_damaged_row_counts_as_none(text: str | None) -> None:
    assert from_text(text) == {}
