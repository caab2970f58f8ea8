"""Ids that are returned in another form, rule by rule, and the merging of writes."""

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
    """Align one list, and return it as it is compared, with the recognised ids."""
    tree, paths = align({name: want}, {name: have}, {name: past})
    assert all(path[0] == name for path in paths)
    return tree[name], [path[1] for path in paths]


@pytest.mark.parametrize(
    ("want", "have", "past", "seen", "known"),
    [
        ({"a": ON}, {ONE: ON}, {"a": ON}, {"a": ON}, ["a"]),
        # A workspace that loses access is recognised, and not reported as kept.
        (
            {"a": ON},
            {ONE: ON, TWO: ON | FIVE},
            {"a": ON | FIVE, "b": ON},
            {"b": ON, "a": ON | FIVE},
            ["a"],
        ),
        # A UUID that Git declared matches only itself.
        ({ONE: ON}, {TWO: ON}, {ONE: ON}, {TWO: ON}, []),
        # An empty declaration matches only an empty entry.
        (
            {"a": ON},
            {ONE: ON | {"usage_limits": []}},
            {"a": ON | {"usage_limits": None}},
            {"a": ON | {"usage_limits": []}},
            ["a"],
        ),
        ({"a": ON}, {ONE: ON | FIVE}, {"a": ON | {"rate_limits": None}}, {ONE: ON | FIVE}, []),
        # An entry without access matches nothing.
        ({"a": ON}, {ONE: {"enabled": False}}, {"a": ON}, {ONE: {"enabled": False}}, []),
        # A workspace that is listed under the declared id needs no match.
        ({"a": ON}, {"a": ON, ONE: ON}, {"a": ON}, {"a": ON, ONE: ON}, []),
    ],
)
def test_a_workspace_with_a_uuid_matches_the_declaration_with_the_same_content(
    want: Any, have: Any, past: Any, seen: Any, known: list[str]
) -> None:
    assert aligned(want, have, past) == (seen, known)


def test_the_declaration_with_the_fewest_matches_takes_the_closest_entry_first() -> None:
    past = {"a": ON, "b": ON | FIVE}
    have = {ONE: ON | FIVE, TWO: ON}
    assert aligned(past, have, past) == ({"b": ON | FIVE, "a": ON}, ["a", "b"])


def test_an_entry_to_revoke_without_a_match_counts_as_enabled() -> None:
    seen, known = aligned({}, {ONE: ON}, {"a": ON | FIVE})
    assert (seen, known) == ({ONE: ON, "a": ON}, [])


@pytest.mark.parametrize(
    ("want", "have", "past", "seen"),
    [("r", ONE, "r", "r"), ("r", ONE, "q", ONE), ("r", "q", "r", "q"), (ONE, TWO, ONE, TWO)],
)
def test_a_reference_with_a_uuid_is_the_applied_one(
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
def test_a_field_declared_empty_becomes_the_empty_value_of_its_type(
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


def test_an_empty_entry_of_a_keyed_list_is_left_out() -> None:
    have = {"m": {"enabled": True, "note": "x"}, "n": {"enabled": True}}
    want = {"m": None, "n": {"enabled": False, "note": ""}}
    assert merged(want, have, SCHEMA.child("models")) == {"n": {"enabled": False, "note": ""}}
    mappings = {"key": {"secret_reference_id": "r", "secret_key": None}}
    there = {"key": {"secret_reference_id": "q", "secret_key": "k", "value_format": "json"}}
    assert merged(mappings, there, SCHEMA.child("secret_mappings")) == {
        "key": {"secret_reference_id": "r", "value_format": "json"}
    }


def test_request_bodies_contain_lists_and_no_masks() -> None:
    entry = {"enabled": True, "usage_limits": {"type": "cost"}, "rate_limits": {}}
    assert to_wire({"b": entry, "a": {"y": 1}}, SCHEMA.child("workspaces")) == [
        {"id": "a", "y": 1},
        {"id": "b", "enabled": True, "usage_limits": [{"type": "cost"}], "rate_limits": None},
    ]
    assert to_wire(
        {"x": Mask("sk***"), "y": {"z": Mask("sk***")}}, SCHEMA.child("configurations")
    ) == {"y": {}}
