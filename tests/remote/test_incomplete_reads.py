"""Messages for incomplete reads, and the one of several failures that is raised."""

import asyncio
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.state import UnreadableIntegration
from reconciler.remote.errors import (
    DeadlineExceeded,
    Forbidden,
    IncompleteRead,
    NoAnswer,
    UnreadableRecords,
)
from reconciler.remote.observe import WantedDetails, observe, read_one
from reconciler.remote.pagination import gather_or_raise, list_all
from tests.remote.builders import page
from tests.remote.fake_api import FakeAPI, forbidden, names, not_found

NOT_UNDERSTOOD = "the API returned an unexpected response: "


def totals(*named: Any) -> FakeAPI:
    """Return a list of twelve rows whose pages have these totals; the last one is repeated."""
    told = iter(named)

    def edit(_: int, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"total": next(told, named[-1])}

    return FakeAPI(names(12), granted=6, edit=edit)


@pytest.mark.parametrize(
    ("told", "why", "calls"),
    [
        ([None], "a page has no total", 4),
        ([True], "a page has no total", 4),
        ([12, 13] * 4, "total changed from 12 to 13 during the read", 8),
        ([13], "total is 13, but 12 were listed", 12),
        ([11], "total is 11, but 12 were listed", 8),
        ([0], "total is 0, but 6 were listed", 4),
    ],
)
def test_an_incomplete_list_is_reported_with_reason_and_number_of_reads(
    told: list[Any], why: str, calls: int
) -> None:
    api = totals(*told)
    with pytest.raises(IncompleteRead) as caught:
        asyncio.run(list_all(api))
    error = caught.value
    assert error.summary == f"the list of integrations could not be proven complete: {why}"
    assert error.hint == (
        "run again: nothing was planned or written; if the problem persists, run "
        "`reconcile doctor` to check the pagination"
    )
    assert (error.code, error.attempts, len(api.calls)) == ("incomplete-read", calls, calls)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([], "the list is not an object"),
        ({"total": 1}, "data is not there"),
        ({"total": 1, "data": {}}, "data is not a list"),
    ],
)
def test_a_list_of_another_shape_is_refused_with_a_reason(answer: Any, says: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        asyncio.run(list_all(FakeAPI([], edit=lambda *_: answer)))
    assert caught.value.summary == NOT_UNDERSTOOD + says


def test_an_organisation_that_is_not_text_damages_only_its_row() -> None:
    wrong = page(["a", "b"], 2)
    wrong["data"][0]["organisation_id"] = 5
    listing = asyncio.run(list_all(FakeAPI([], edit=lambda *_: wrong)))
    assert (list(listing.rows), listing.organisation_id) == (["b"], "org-1")
    assert listing.unreadable["a"].reason == "organisation_id is not text or null"


def test_the_first_row_with_an_organisation_determines_that_of_the_list() -> None:
    def first_page_without(number: int, answer: dict[str, Any]) -> dict[str, Any]:
        rows = [r | {"organisation_id": "org-1" if number else None} for r in answer["data"]]
        return answer | {"data": rows}

    api = FakeAPI(names(30), granted=10, edit=first_page_without)
    assert asyncio.run(list_all(api, concurrency=1)).organisation_id == "org-1"


@pytest.mark.parametrize(
    ("settings", "query"),
    [
        ({}, {"current_page": 0, "page_size": 100}),
        ({"kind": "all"}, {"current_page": 0, "page_size": 100}),
        ({"kind": "organisation"}, {"current_page": 0, "page_size": 100, "type": "organisation"}),
        ({"workspace_id": "w"}, {"current_page": 0, "page_size": 100, "workspace_id": "w"}),
        ({"page_size": 7}, {"current_page": 0, "page_size": 7}),
    ],
)
def test_the_list_is_filtered_only_by_the_given_parameters(
    settings: dict[str, Any], query: dict[str, Any]
) -> None:
    api = FakeAPI(["a"])
    asyncio.run(list_all(api, **settings))
    asyncio.run(observe(api, wants=lambda _: None, **settings))
    assert [call.query for call in api.calls] == [query, query]


def test_a_repeated_list_has_the_same_parameters() -> None:
    class Vanishing(FakeAPI):
        async def call(self, call: Call) -> Reply:
            if call.slug == "b":
                self.slugs = ["a"]
            return await super().call(call)

    api = Vanishing(["a", "b"])
    api.refusals[OperationName.GET, "b"] = not_found()
    settings: Any = {"page_size": 7, "workspace_id": "w", "kind": "workspace"}
    state = asyncio.run(observe(api, wants=lambda _: WantedDetails(), **settings))
    first, second = [c.query for c in api.calls if c.operation is OperationName.LIST]
    assert first == second
    assert first == {"current_page": 0, "page_size": 7, "workspace_id": "w", "type": "workspace"}
    assert list(state.integrations) == ["a"]


def test_a_row_is_reported_once_although_the_list_is_read_again() -> None:
    heard: list[str] = []
    api = totals(12, 13, 12, 12)
    asyncio.run(list_all(api, on_row=lambda row: heard.append(row.slug)))
    assert sorted(heard) == names(12)
    assert len(api.calls) == 4


def test_a_wave_of_pages_ends_with_the_first_that_adds_nothing() -> None:
    api = FakeAPI([], edit=lambda *_: page(names(10), 10_000))
    with pytest.raises(IncompleteRead) as caught:
        asyncio.run(list_all(api, concurrency=3))
    assert caught.value.summary.endswith("total is 10000, but 10 were listed")
    assert len(api.calls) <= 4 * (1 + 3 + 1)


@pytest.mark.parametrize("asked", [{"models": True}, {"workspaces": True}])
def test_only_the_wanted_parts_of_an_integration_are_read(asked: dict[str, bool]) -> None:
    api = FakeAPI(["a"])
    observed = asyncio.run(read_one(api, "a", **asked))
    assert observed is not None
    assert (observed.slug, observed.detailed, observed.fields["name"]) == ("a", True, "Name a")
    assert observed.models_read == ("models" in asked)
    assert observed.workspaces_read == ("workspaces" in asked)
    assert len(api.calls) == 2


class Odd(FakeAPI):
    """API that answers one operation with a value that is not an object."""

    def __init__(self, operation: OperationName, answer: Any) -> None:
        super().__init__(["a"])
        self.operation, self.odd = operation, answer

    def answer(self, call: Call) -> Any:
        return self.odd if call.operation is self.operation else super().answer(call)


@pytest.mark.parametrize(
    ("operation", "answer", "says"),
    [
        (OperationName.GET, [], "the answer is not an object"),
        (OperationName.GET, {"slug": "b", "id": "i"}, "slug is not the requested one"),
        (OperationName.GET_MODELS, None, "the answer is not an object"),
        (OperationName.GET_MODELS, {}, "models is not there"),
        (OperationName.GET_WORKSPACES, "x", "the answer is not an object"),
        (OperationName.GET_WORKSPACES, {}, "workspaces is not there"),
    ],
)
def test_a_record_of_another_shape_is_reported_by_every_read(
    operation: OperationName, answer: Any, says: str
) -> None:
    api = Odd(operation, answer)
    with pytest.raises(UnreadableRecords) as caught:
        asyncio.run(read_one(api, "a", models=True, workspaces=True))
    assert caught.value.code == "unreadable-record"
    assert caught.value.summary == f"an integration exists but cannot be read: a: {says}"
    wanted = WantedDetails(models=True, workspaces=True)
    state = asyncio.run(observe(api, wants=lambda _: wanted))
    assert dict(state.integrations) == {}
    assert state.unreadable == {"a": UnreadableIntegration("a", "unreadable-record", says)}


def refused() -> Forbidden:
    return Forbidden("GET returned 403", code="AB03", http_status=403, request_id="r-1")


def assert_unreadable(error: IncompleteRead) -> None:
    assert error.summary == "the list shows a, but reading it failed: GET returned 403"
    assert error.hint == (
        "grant the key the `.read` scope for each listed integration; see `reconcile doctor`"
    )
    assert (error.code, error.http_status, error.request_id) == ("incomplete-read", 403, "r-1")


def test_a_listed_integration_that_cannot_be_read_is_reported_with_the_refusal() -> None:
    api = FakeAPI(["a", "b"])
    api.refusals[OperationName.GET_WORKSPACES, "a"] = refused()
    api.refusals[OperationName.GET_WORKSPACES, "b"] = forbidden()
    with pytest.raises(IncompleteRead) as caught:
        asyncio.run(observe(api, wants=lambda _: WantedDetails(workspaces=True)))
    assert_unreadable(caught.value)
    with pytest.raises(IncompleteRead) as caught:
        asyncio.run(read_one(api, "a", workspaces=True))
    assert_unreadable(caught.value)


def test_a_part_can_be_read_without_the_detail() -> None:
    api = FakeAPI(["a"])
    wanted = WantedDetails(detail=False, models=True)
    state = asyncio.run(observe(api, wants=lambda _: wanted))
    observed = state.integrations["a"]
    assert (observed.detailed, observed.models_read, observed.workspaces_read) == (
        False,
        True,
        False,
    )
    assert observed.fields["models"] == [{"slug": "m", "enabled": True}]
    assert observed.fields["name"] == "Name a"
    assert state.calls == len(api.calls) == 2


DEFECT = KeyError("ours")
REFUSAL = refused()
LATE = DeadlineExceeded("late", code="deadline", attempts=0)


async def fails_with(error: BaseException, gate: asyncio.Event) -> None:
    await gate.wait()
    raise error


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([LATE, REFUSAL, DEFECT], DEFECT),
        ([LATE, REFUSAL], REFUSAL),
        ([REFUSAL, LATE], REFUSAL),
        ([REFUSAL, DEFECT], DEFECT),
        ([DEFECT, REFUSAL], DEFECT),
        ([LATE], LATE),
    ],
)
def test_a_defect_takes_precedence_over_a_refusal_and_that_over_the_deadline(
    errors: list[BaseException], told: BaseException
) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        gate.set()
        await gather_or_raise(fails_with(error, gate) for error in errors)

    with pytest.raises(type(told)) as caught:
        asyncio.run(main())
    assert caught.value is told
    assert caught.value.__cause__ is None


def test_the_first_of_several_equal_failures_is_raised_also_from_a_group() -> None:
    first, second, third = KeyError("1"), KeyError("2"), KeyError("3")

    async def main() -> None:
        gate = asyncio.Event()
        gate.set()
        inner = BaseExceptionGroup("inner", [first, second])
        await gather_or_raise(fails_with(error, gate) for error in (inner, third))

    with pytest.raises(KeyError) as caught:
        asyncio.run(main())
    assert caught.value is first


def test_a_failure_cancels_running_calls() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def main() -> None:
        gate = asyncio.Event()
        gate.set()
        await gather_or_raise([endless(), fails_with(REFUSAL, gate)])

    with pytest.raises(Forbidden):
        asyncio.run(main())
    assert ended == ["endless"]


def test_a_row_without_wanted_parts_keeps_the_values_of_the_list() -> None:
    api = FakeAPI(["a"])
    state = asyncio.run(observe(api, wants=lambda _: None))
    observed = state.integrations["a"]
    assert (observed.detailed, observed.models_read, state.calls) == (False, False, 1)
