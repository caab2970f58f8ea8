"""Ids that come back in another form, one rule at a time; and what a write merges."""

from typing import Any

import pytest

from reconciler.domain.schema import UNKNOWN, any_provider_schema
from reconciler.domain.secrets import Mask
from reconciler.planning.identifier_forms import align
from reconciler.planning.normalize import to_wire
from reconciler.planning.update_calls import merged

ONE = "00000000-0000-0000-0000-000000000001"
TWO = "00000000-0000-0000-0000-000000000002"
SCHEMA = any_provider_schema()
ON: dict[str, Any] = {"enabled": True}
FIVE = {"rate_limits": {"value": 5}}


def aligned(want: Any, have: Any, past: Any, *, name: str = "workspaces") -> tuple[Any, list[str]]:
    """Align one list; give it as it is compared, and what was recognised."""
    tree, paths = align({name: want}, {name: have}, {name: past})
    assert all(path[0] == name for path in paths)
    return tree[name], [path[1] for path in paths]


@pytest.mark.parametrize(
    ("want", "have", "past", "seen", "known"),
    [
        ({"a": ON}, {ONE: ON}, {"a": ON}, {"a": ON}, ["a"]),
        # Who loses access is recognised as well, and not reported as kept.
        (
            {"a": ON},
            {ONE: ON, TWO: ON | FIVE},
            {"a": ON | FIVE, "b": ON},
            {"b": ON, "a": ON | FIVE},
            ["a"],
        ),
        # A UUID that Git declared is itself and nobody else.
        ({ONE: ON}, {TWO: ON}, {ONE: ON}, {TWO: ON}, []),
        # Nothing declared is shown by nothing there, and by nothing else.
        (
            {"a": ON},
            {ONE: ON | {"usage_limits": []}},
            {"a": ON | {"usage_limits": None}},
            {"a": ON | {"usage_limits": []}},
            ["a"],
        ),
        ({"a": ON}, {ONE: ON | FIVE}, {"a": ON | {"rate_limits": None}}, {ONE: ON | FIVE}, []),
        # One without access shows nobody.
        ({"a": ON}, {ONE: {"enabled": False}}, {"a": ON}, {ONE: {"enabled": False}}, []),
        # Who is there under the declared id needs no other.
        ({"a": ON}, {"a": ON, ONE: ON}, {"a": ON}, {"a": ON, ONE: ON}, []),
    ],
)
def test_a_workspace_under_a_uuid_is_who_was_declared_like_it(
    want: Any, have: Any, past: Any, seen: Any, known: list[str]
) -> None:
    assert aligned(want, have, past) == (seen, known)


def test_who_fits_least_chooses_first_and_takes_what_shows_least_beyond_it() -> None:
    past = {"a": ON, "b": ON | FIVE}
    have = {ONE: ON | FIVE, TWO: ON}
    assert aligned(past, have, past) == ({"b": ON | FIVE, "a": ON}, ["a", "b"])


def test_who_should_lose_access_and_fits_nobody_is_taken_to_have_it() -> None:
    seen, known = aligned({}, {ONE: ON}, {"a": ON | FIVE})
    assert (seen, known) == ({ONE: ON, "a": ON}, [])


@pytest.mark.parametrize(
    ("want", "have", "past", "seen"),
    [("r", ONE, "r", "r"), ("r", ONE, "q", ONE), ("r", "q", "r", "q"), (ONE, TWO, ONE, TWO)],
)
def test_a_reference_under_a_uuid_is_the_one_that_was_applied(
    want: str, have: str, past: str, seen: str
) -> None:
    sides = [{"key": {"secret_reference_id": id_, "x": 1}} for id_ in (want, have, past)]
    tree, known = aligned(*sides, name="secret_mappings")
    assert tree == {"key": {"secret_reference_id": seen, "x": 1}}
    assert known == (["key"] if seen != have else [])


@pytest.mark.parametrize(
    ("want", "have", "result"),
    [
        (None, "text", ""),
        (None, Mask("sk***"), ""),
        (None, {"a": 1}, {}),
        (None, [1], []),
        (None, 5, None),
        ("", 5, ""),
        ({}, None, {}),
        ("new", "old", "new"),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ({"a": None}, {"a": "x", "b": 3}, {"a": "", "b": 3}),
        ({"a": {"b": ""}}, {"a": {"b": ["x"], "c": 1}}, {"a": {"b": [], "c": 1}}),
    ],
)
def test_what_is_declared_empty_becomes_the_empty_value_of_its_kind(
    want: Any, have: Any, result: Any
) -> None:
    assert merged(want, have, UNKNOWN) == result


def test_configurations_that_are_emptied_keep_what_the_server_adds() -> None:
    have = {"provider_auth_type": "apiKey", "region": "eu", "n": 5, "nested": {"a": 1}}
    assert merged(None, have, SCHEMA.child("configurations")) == {
        "provider_auth_type": "apiKey",
        "region": "",
        "n": None,
        "nested": {},
    }


def test_an_entry_of_a_keyed_list_is_left_out_where_it_is_declared_empty() -> None:
    have = {"m": {"enabled": True, "note": "x"}, "n": {"enabled": True}}
    want = {"m": None, "n": {"enabled": False, "note": ""}}
    assert merged(want, have, SCHEMA.child("models")) == {"n": {"enabled": False, "note": ""}}
    mappings = {"key": {"secret_reference_id": "r", "secret_key": None}}
    there = {"key": {"secret_reference_id": "q", "secret_key": "k", "value_format": "json"}}
    assert merged(mappings, there, SCHEMA.child("secret_mappings")) == {
        "key": {"secret_reference_id": "r", "value_format": "json"}
    }


def test_on_the_wire_lists_are_lists_and_masks_are_left_out() -> None:
    entry = {"enabled": True, "usage_limits": {"type": "cost"}, "rate_limits": {}}
    assert to_wire({"b": entry, "a": {"y": 1}}, SCHEMA.child("workspaces")) == [
        {"id": "a", "y": 1},
        {"id": "b", "enabled": True, "usage_limits": [{"type": "cost"}], "rate_limits": None},
    ]
    assert to_wire(
        {"x": Mask("sk***"), "y": {"z": Mask("sk***")}}, SCHEMA.child("configurations")
    ) == {"y": {}}
