"""Drift issue for retiring models: open until they retire, with a comment at each threshold."""

from dataclasses import replace
from datetime import date
from typing import Any

from reconciler.drift.report import DriftReport
from reconciler.drift.retirements import Retirement
from tests.github.reporting import Reporter
from tests.github.test_issue import CLEAN, DRIFTED, drift, notifications, the_issue


def retiring(days_left: int, base: DriftReport = CLEAN, *models: str, due: bool = True) -> Any:
    items = tuple(
        Retirement("alpha", model, date(2027, 1, 31), days_left, is_due=due)
        for model in models or ("gpt-4",)
    )
    return replace(base, retiring=items)


def test_a_threshold_opens_the_issue_and_each_later_one_notifies_once(reporter: Reporter) -> None:
    assert drift(reporter, retiring(85)).err == "drift issue: opened\n"
    assert "gpt-4 of alpha retires on 2027-01-31, within 90 days" in the_issue(reporter)["body"]
    for days_left in (84, 60, 31):
        drift(reporter, retiring(days_left, due=False))
    assert notifications(reporter) == []
    for days_left in (30, 29, 8, 7, 6, 2, 1, 0, -5):
        # Also without a ledger, where every report has the announcement.
        drift(reporter, retiring(days_left))
    said = notifications(reporter)
    assert [text.strip().splitlines()[-1].strip("`- ") for text in said] == [
        "gpt-4 of alpha retires on 2027-01-31, within 30 days",
        "gpt-4 of alpha retires on 2027-01-31, within 7 days",
        "gpt-4 of alpha retires on 2027-01-31, within 1 day",
        "gpt-4 of alpha was retired on 2027-01-31",
    ]
    assert the_issue(reporter)["state"] == "open"
    assert drift(reporter, CLEAN).err == "drift issue: closed\n"


def test_a_new_model_is_announced_and_a_known_one_is_not_repeated(reporter: Reporter) -> None:
    drift(reporter, retiring(20))
    drift(reporter, retiring(20, CLEAN, "gpt-4", "gpt-5"))
    (comment,) = notifications(reporter)
    assert "gpt-5" in comment
    assert "gpt-4" not in comment


def test_drift_and_a_retirement_are_one_comment(reporter: Reporter) -> None:
    drift(reporter, retiring(85))
    drift(reporter, retiring(20, DRIFTED))
    (comment,) = notifications(reporter)
    assert "within 30 days" in comment
    assert "fingerprint" in comment


def test_a_closed_issue_is_reopened_for_a_retirement(reporter: Reporter) -> None:
    drift(reporter, DRIFTED)
    drift(reporter, CLEAN)
    assert drift(reporter, retiring(85)).err == "drift issue: reopened\n"
