"""A damaged row counts once as a record of the list, and belongs to the slug that it names."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.calls import OperationName
from reconciler.remote.errors import IncompleteRead
from reconciler.remote.exchange import UnreadableValue, read_json
from reconciler.remote.observe import observe
from reconciler.remote.pagination import CompleteList, list_all
from tests.remote.builders import row
from tests.remote.fake_api import FakeAPI, forbidden, not_found


def listing(*pages: list[Any], total: int | None = None) -> CompleteList:
    """Read a list with these pages."""
    count = sum(map(len, pages)) if total is None else total

    def edit(number: int, _answer: dict[str, Any]) -> dict[str, Any]:
        return {"total": count, "data": pages[number] if number < len(pages) else []}

    return asyncio.run(list_all(FakeAPI([], edit=edit), concurrency=1))


DAMAGED = row("b", name=5)


def test_a_damaged_row_counts_and_the_list_is_complete() -> None:
    found = listing([row("a"), DAMAGED], [row("c")])
    assert (sorted(found.rows), sorted(found.unreadable)) == (["a", "c"], ["b"])
    assert found.unreadable["b"].reason == "name is not text"
    assert found.slugs == {"a", "b", "c"}
    assert (found.unidentified, found.nameless) == (0, 0)


@pytest.mark.parametrize("short", [[row("a")], [DAMAGED], [None], [row(slug=None)]])
def test_a_list_with_damaged_rows_is_not_complete_without_every_row(short: list[Any]) -> None:
    with pytest.raises(IncompleteRead, match="could not be proven complete"):
        listing(short, total=2)


@pytest.mark.parametrize(
    "seen_twice", [DAMAGED, row(slug=None), {"id": "i"}, row(slug="../x"), row(slug=7)]
)
def test_a_row_that_two_pages_show_counts_once(seen_twice: dict[str, Any]) -> None:
    with pytest.raises(IncompleteRead, match="total is 4, but 3 were listed"):
        listing([row("a"), seen_twice], [seen_twice, row("c")])


def test_equal_rows_on_one_page_count_separately() -> None:
    assert listing([None, None, row("a")]).nameless == 2
    with pytest.raises(IncompleteRead, match="total is 3, but 2 were listed"):
        listing([None, row("a")], [None])


@pytest.mark.parametrize(
    ("told", "belongs_to"),
    [
        ("alpha ", "alpha"),
        ("al/pha", "alpha"),
        ("alpha\ud83d", "alpha"),
        (7, "7"),
        ("x" * 300, None),
    ],
)
def test_an_invalid_slug_is_assigned_by_its_valid_characters(
    told: Any, belongs_to: str | None
) -> None:
    found = listing([row(slug=told)])
    assert list(found.unreadable) == [belongs_to or "x" * 255]
    assert (found.unidentified, found.nameless) == (1, 0)


def test_a_guess_does_not_hide_the_readable_row_of_that_slug() -> None:
    found = listing([row("alpha"), row(slug="al/pha", id="id-2")])
    assert list(found.rows) == ["alpha"]
    assert list(found.unreadable) == ["al/pha"]


def test_a_slug_that_a_damaged_and_a_readable_row_share_is_not_complete() -> None:
    with pytest.raises(IncompleteRead):
        listing([row("b"), DAMAGED])


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([5, None, [], {"a": 1}, True])), max_size=12),
    st.integers(1, 5),
)
def test_any_mixture_is_read_completely(made: list[tuple[bool, Any]], granted: int) -> None:
    rows = [
        row(f"s-{number}", **({"name": value} if damaged else {}))
        for number, (damaged, value) in enumerate(made)
    ]
    pages = [rows[start : start + granted] for start in range(0, len(rows), granted)]
    found = listing(*pages)
    assert len(found.rows) + len(found.unreadable) == len(made)
    assert set(found.unreadable) == {f"s-{n}" for n, (damaged, _) in enumerate(made) if damaged}


class Hiding(FakeAPI):
    """API that lists one row without a slug; `there` are slugs that exist but are not listed."""

    def __init__(self, *there: str) -> None:
        super().__init__([], edit=lambda *_: {"total": 2, "data": [row("a"), row(slug=None)]})
        for slug in ("b", "c"):
            if slug not in there:
                self.refusals[OperationName.GET, slug] = not_found()


def test_an_expected_slug_that_is_not_listed_is_read_separately() -> None:
    state = asyncio.run(observe(Hiding("b"), wants=lambda _: None, expected=["a", "b", "c"]))
    assert list(state.integrations) == ["a"]
    assert list(state.unreadable) == ["b"]
    assert (state.nameless, state.calls) == (1, 3)


def test_a_denial_proves_no_absence_while_a_row_has_no_slug() -> None:
    api = Hiding()
    api.refusals[OperationName.GET, "b"] = forbidden()
    state = asyncio.run(observe(api, wants=lambda _: None, expected=["b", "c"]))
    assert list(state.unreadable) == ["b"]


def test_nothing_more_is_read_where_every_row_has_its_slug() -> None:
    api = FakeAPI(["a"])
    asyncio.run(observe(api, wants=lambda _: None, expected=["b"]))
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "-" + "9" * 5000),
        *("0.00000000000000000e" + "9" * 20, "1.0000000000000000e-" + "9" * 20),
    ],
)
def test_an_invalid_number_affects_no_other_value(text: str) -> None:
    found = read_json(f'{{"bad": {text}, "good": 1.5, "name": "a"}}'.encode())
    assert isinstance(found.pop("bad"), UnreadableValue)
    assert found == {"good": 1.5, "name": "a"}


def test_a_lone_surrogate_is_kept_unchanged() -> None:
    assert read_json(b'{"\\ud83d": ["\\uDFFF", "\\ud83d\\ude00"]}') == {
        "\ud83d": ["\udfff", "\U0001f600"]
    }


@pytest.mark.parametrize("second", ['"b"', "null", "[]", '{"x": 1}'])
def test_a_name_with_two_values_has_no_value(second: str) -> None:
    found = read_json(f'{{"a": "a", "a": {second}, "a": "a", "other": {{"a": 1}}}}'.encode())
    assert isinstance(found.pop("a"), UnreadableValue)
    assert found == {"other": {"a": 1}}


def test_a_repeated_name_with_an_equal_value_is_accepted() -> None:
    assert read_json(b'{"a": [1], "a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("name", ["slug", "name", "status", "ai_provider_id", "id"])
def test_a_row_with_a_name_twice_is_unreadable_and_the_others_are_not(name: str) -> None:
    text = json.dumps(row("b")).replace(f'"{name}": ', f'"{name}": "other", "{name}": ')
    rows = read_json(f"[{json.dumps(row('a'))}, {text}]")
    api = FakeAPI([], edit=lambda *_: {"total": 2, "data": rows})
    found = asyncio.run(list_all(api))
    assert list(found.rows) == ["a"]
    assert len(found.unreadable) + found.nameless == 1
