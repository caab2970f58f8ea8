"""Announcements of a retirement: once at each of four thresholds, however often checks run."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from reconciler.domain.catalogue import ModelFinding, ModelState
from reconciler.drift.retirements import Retirement, announced_by, retirements_of
from reconciler.views.notification import of_drift
from tests.views import drift_samples

RETIRES = date(2027, 1, 31)


def finding(days_left: int, model: str = "gpt-4", retires: date = RETIRES) -> ModelFinding:
    state = ModelState.RETIRING if days_left > 0 else ModelState.RETIRED
    return ModelFinding(state, "alpha", model, "openai", retires, days_left)


@pytest.mark.parametrize("every", [1, 2, 5, 29, 400])
def test_each_threshold_is_announced_once(every: int) -> None:
    announced: dict[str, int] = {}
    days = []
    for days_left in range(120, -30, -every):
        found = retirements_of([finding(days_left)], announced)
        if any(item.is_due for item in found):
            days.append(days_left)
            announced |= announced_by(found)
    thresholds = [t for t in (90, 30, 7, 1) if any(0 < d <= t for d in range(120, -30, -every))]
    first = {t: max(d for d in range(120, -30, -every) if 0 < d <= t) for t in thresholds}
    assert days == sorted(set(first.values()), reverse=True)


def test_a_clock_that_was_set_back_repeats_no_announcement() -> None:
    announced: dict[str, int] = {}
    days = []
    for days_left in (80, 25, 80, 25, 6, 31, 6, 0, 1, 0):
        found = retirements_of([finding(days_left)], announced)
        if any(item.is_due for item in found):
            days.append(days_left)
        announced = announced_by(found, announced)
    assert days == [80, 25, 6]


def test_a_changed_date_is_announced_again() -> None:
    announced = announced_by(retirements_of([finding(20)], {}))
    later = finding(25, retires=RETIRES + timedelta(days=5))
    assert [item.is_due for item in retirements_of([later], announced)] == [True]


def test_a_retirement_far_away_is_not_in_the_report() -> None:
    assert retirements_of([finding(91), finding(90)], {})[0].days_left == 90
    assert retirements_of([finding(91)], {}) == ()


def test_several_targets_of_one_model_are_separate() -> None:
    found = retirements_of([finding(5), finding(5, "gpt-5")], {})
    assert [item.model for item in found if item.is_due] == ["gpt-4", "gpt-5"]


def test_a_message_names_the_integration_and_no_model_name_that_a_chat_could_link() -> None:
    report = replace(
        drift_samples.in_sync(),
        retiring=(
            Retirement("alpha", "@cf/meta/llama", RETIRES, 6, is_due=True),
            Retirement("beta", "gpt-4", RETIRES, 6),
        ),
    )
    message = of_drift(report, ledger="shared")
    assert "a model of alpha retires on 2027-01-31, within 7 days" in message.body
    assert "llama" not in message.body
    assert "beta" not in message.body
