"""A list is used only if it is proven to be complete."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.remote.errors import IncompleteRead, NoAnswer
from reconciler.remote.pagination import CompleteList, list_all
from tests.remote.builders import page
from tests.remote.fake_api import FakeAPI, names


def listed(api: FakeAPI, **settings: Any) -> CompleteList:
    return asyncio.run(list_all(api, **settings))


def incomplete(api: FakeAPI) -> IncompleteRead:
    with pytest.raises(IncompleteRead) as caught:
        listed(api)
    assert caught.value.code == "incomplete-read"
    assert caught.value.__context__ is None
    return caught.value


def test_250_integrations_take_exactly_three_list_calls() -> None:
    api = FakeAPI(names(250))
    listing = listed(api)
    assert sorted(listing.rows) == names(250)
    assert (listing.calls, len(api.calls)) == (3, 3)
    assert listing.organisation_id == "org-1"


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (100, 1), (101, 2), (1000, 10)])
def test_a_list_takes_no_more_calls_than_it_has_pages(count: int, calls: int) -> None:
    assert listed(FakeAPI(names(count))).calls == calls


def test_an_empty_list_is_complete_without_an_organisation() -> None:
    assert listed(FakeAPI([])) == CompleteList({}, None, 1)


def test_a_server_can_return_smaller_pages_than_requested() -> None:
    assert listed(FakeAPI(names(95), granted=10)).calls == 10


@given(count=st.integers(0, 60), granted=st.integers(1, 25), asked=st.integers(1, 25))
def test_any_list_is_read_completely(count: int, granted: int, asked: int) -> None:
    listing = listed(FakeAPI(names(count), granted=granted), page_size=asked)
    assert sorted(listing.rows) == names(count)
    assert listing.calls == max(1, -(-count // min(granted, asked)))


def test_pages_are_requested_concurrently_up_to_a_limit() -> None:
    api = FakeAPI(names(3000))
    listed(api, concurrency=7)
    assert api.most_running == 7


def test_filters_are_sent_with_every_page() -> None:
    api = FakeAPI(names(150))
    listed(api, workspace_id="ws-1", kind="workspace", page_size=50)
    assert [call.query for call in api.calls] == [
        {"current_page": number, "page_size": 50, "workspace_id": "ws-1", "type": "workspace"}
        for number in range(3)
    ]


@pytest.mark.parametrize("total", [None, "12", True, 12.0, -1])
def test_a_total_that_is_not_a_number_is_never_complete(total: Any) -> None:
    api = FakeAPI(names(12), edit=lambda _, answer: answer | {"total": total})
    assert "total" in incomplete(api).summary
    assert len(api.calls) == 4


def test_a_missing_total_is_never_complete() -> None:
    incomplete(FakeAPI(names(12), edit=lambda _, answer: {"data": answer["data"]}))


@pytest.mark.parametrize("total", [0, 11, 13, 250, 10**9])
def test_a_wrong_total_is_never_complete_and_ends(total: int) -> None:
    api = FakeAPI(names(12), edit=lambda _, answer: answer | {"total": total})
    incomplete(api)
    assert len(api.calls) <= 4 * 12


def test_reading_a_page_that_repeats_forever_ends() -> None:
    api = FakeAPI([], edit=lambda *_: page(names(100), 250))
    assert "100 were listed" in incomplete(api).summary
    assert len(api.calls) <= 4 * 4


def test_reading_endless_pages_ends() -> None:
    api = FakeAPI([], edit=lambda number, _: page([f"p-{number}"], 10**6 if number % 2 else 10**5))
    incomplete(api)
    assert len(api.calls) <= 4 * 12


def test_a_total_that_changes_during_the_read_causes_another_read() -> None:
    totals = iter([250, 251, 250, 250, 250, 250])
    api = FakeAPI(names(250), edit=lambda _, answer: answer | {"total": next(totals)})
    assert len(listed(api).rows) == 250


def test_a_row_that_moved_between_pages_is_found_by_another_read() -> None:
    first = iter([True])

    def slip(number: int, answer: dict[str, Any]) -> dict[str, Any]:
        if number == 1 and next(first, False):
            return answer | {"data": answer["data"][1:]}
        return answer

    listing = listed(FakeAPI(names(150), edit=slip))
    assert sorted(listing.rows) == names(150)
    assert listing.calls == 2 + 1 + 2


@pytest.mark.parametrize(
    "answer",
    [
        {"total": 1},
        {"total": 1, "data": {}},
        {"total": 1, "data": "x"},
    ],
)
def test_a_list_of_another_shape_is_refused(answer: Any) -> None:
    with pytest.raises(NoAnswer):
        listed(FakeAPI([], edit=lambda *_: answer))


@pytest.mark.parametrize("total", [10**8, 2**63, 10**30])
def test_a_total_beyond_any_list_is_refused_by_its_first_page(total: int) -> None:
    api = FakeAPI(names(12), edit=lambda _, answer: answer | {"total": total})
    assert "total is larger" in incomplete(api).summary
    assert len(api.calls) == 4


@pytest.mark.parametrize("more", [True, 1, "true"])
def test_a_last_page_that_announces_more_is_never_complete(more: Any) -> None:
    api = FakeAPI(names(12), edit=lambda _, answer: answer | {"has_more": more})
    assert "announces more" in incomplete(api).summary


def test_pages_before_the_last_one_may_announce_more() -> None:
    api = FakeAPI(names(250), edit=lambda number, answer: answer | {"has_more": number < 2})
    assert len(listed(api).rows) == 250


def test_a_full_last_page_may_announce_more_if_the_next_one_is_empty() -> None:
    api = FakeAPI(names(200), edit=lambda _, answer: answer | {"has_more": bool(answer["data"])})
    assert (len(listed(api).rows), len(api.calls)) == (200, 3)


def test_a_total_of_one_page_is_not_that_of_the_list() -> None:
    def own_total(number: int, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"total": 100, "has_more": number < 1}

    api = FakeAPI(names(200), edit=own_total)
    assert "total is 100, but 200 were listed" in incomplete(api).summary


def test_rows_of_two_organisations_are_not_one_list() -> None:
    def mix(_: int, answer: dict[str, Any]) -> dict[str, Any]:
        *others, last = answer["data"]
        return answer | {"data": [*others, last | {"organisation_id": "org-2"}]}

    assert "more than one organisation" in incomplete(FakeAPI(names(12), edit=mix)).summary


def test_a_row_without_an_organisation_is_accepted() -> None:
    def omit(_: int, answer: dict[str, Any]) -> dict[str, Any]:
        first, *others = answer["data"]
        return answer | {"data": [first | {"organisation_id": None}, *others]}

    assert listed(FakeAPI(names(12), edit=omit)).organisation_id == "org-1"
