"""What counts as made by our own call, and as equal to what we declare."""

import pytest

from reconciler.domain.memory import Remembered
from reconciler.execution.likeness import CLOCK_SKEW, created_between, equals_ours, missing
from tests.builders import NOON, declared, observed
from tests.runs import START

BEGAN = START.timestamp()
UUID = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("early", "late", "ours"),
    [
        (0.0, 0.0, True),
        (CLOCK_SKEW, CLOCK_SKEW, True),
        (-CLOCK_SKEW, -CLOCK_SKEW, True),
        (CLOCK_SKEW + 1, CLOCK_SKEW + 2, False),
        (-CLOCK_SKEW - 2, -CLOCK_SKEW - 1, False),
    ],
)
def test_it_is_ours_by_its_time_as_far_as_clocks_agree(
    early: float, late: float, ours: bool
) -> None:
    assert created_between(observed(created_at=NOON), BEGAN + early, BEGAN + late) is ours


@pytest.mark.parametrize("moment", [None, "", "yesterday"])
def test_what_has_no_readable_time_is_never_taken_for_ours(moment: str | None) -> None:
    assert not created_between(observed(created_at=moment), 0.0, BEGAN * 2)


def test_a_field_that_does_not_identify_does_not_make_it_foreign() -> None:
    ours = declared(description="new", configurations={"a": "1"})
    assert equals_ours(ours, observed(description="old", configurations={"a": "1"}))
    assert not equals_ours(ours, observed(name="Theirs", configurations={"a": "1"}))
    assert not equals_ours(ours, observed(configurations={"a": "2"}))


def test_what_is_not_shown_as_declared_is_named_by_its_path() -> None:
    ours = declared(description="new", tags={"team": "a", "tier": "1"})
    shown = observed(description="new", tags={"team": "b", "tier": "1"})
    assert missing(ours, shown, Remembered()) == ["tags.team"]


def test_clocks_may_differ_by_two_minutes() -> None:
    assert CLOCK_SKEW == 120


@pytest.mark.parametrize(
    ("sent", "shown", "same"),
    [
        ("ws-own", UUID, True),
        (UUID, "ws-own", True),
        ("ws-own", "ws-other", False),
        (UUID, UUID.replace("1", "2"), False),
        ("ws-own", None, False),
    ],
)
def test_an_id_in_another_form_may_be_the_same_one(
    sent: str, shown: str | None, same: bool
) -> None:
    found = observed(**({} if shown is None else {"workspace_id": shown}))
    assert equals_ours(declared(workspace_id=sent), found) is same


def test_a_name_in_another_form_is_another_name() -> None:
    assert not equals_ours(declared(name=UUID), observed(name="alpha"))


def test_a_default_that_is_shown_though_nobody_declared_it_is_nothing_that_is_missing() -> None:
    assert missing(declared(), observed(description="theirs"), Remembered()) == []
    assert missing(declared(description="ours"), observed(), Remembered()) == ["description"]


def test_a_workspace_that_comes_back_under_a_uuid_is_the_one_that_was_just_sent() -> None:
    sent = declared(workspaces=[{"id": "ws-own", "enabled": True}])
    shown = observed(workspaces=[{"id": UUID, "enabled": True}])
    assert missing(sent, shown, Remembered()) == []
