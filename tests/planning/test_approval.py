"""A saved plan as an approval: codec, tampering and containment."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.planning.approval import beyond_approval
from reconciler.planning.codec import TamperedPlan, UnreadablePlan, decode, encode
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, declared, desired, mask, observed, state


def plan(*, want: list[Any], have: list[Any], push: bool = False, values: Any = None) -> Plan:
    return make_plan(
        desired=desired(*want),
        observed=state(*have),
        values=values,
        created_at=NOON,
        options=PlanOptions(push_secrets=push),
    )


def renamed(name: str) -> Plan:
    return plan(
        want=[declared(name=name), declared("beta", description="x")],
        have=[observed(), observed("beta")],
    )


def test_a_plan_is_unchanged_after_a_json_round_trip() -> None:
    planned = plan(
        want=[declared(key=KEY, tags={"a": "b"}), declared("beta", description="x")],
        have=[observed("beta", key=mask(), configurations={"custom_host": "https://h"})],
    )
    assert decode(encode(planned), name="p") == planned


names = st.text(min_size=1, max_size=20)


@pytest.mark.slow
@given(
    want=st.lists(
        st.tuples(st.sampled_from("abcdef"), names, st.dictionaries(names, names)), max_size=5
    ),
    have=st.lists(st.tuples(st.sampled_from("abcdef"), names), max_size=5),
)
def test_any_plan_is_unchanged_after_a_json_round_trip(want: list[Any], have: list[Any]) -> None:
    planned = plan(
        want=[declared(s, description=d, tags=t) for s, d, t in want],
        have=[observed(s, description=d) for s, d in have],
    )
    assert decode(encode(planned), name="p") == planned


def test_an_edited_plan_is_refused() -> None:
    document = json.loads(encode(renamed("New")))
    document["actions"][0]["changes"][0]["after"] = "Worse"
    with pytest.raises(TamperedPlan) as caught:
        decode(json.dumps(document), name="p.json")
    assert (caught.value.code, caught.value.exit_code) == ("tampered-plan", 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "plan"}',
        '{"kind": "plan", "format_version": "9"}',
        "[" * 100_000,
        "\x00",
    ],
)
def test_a_document_that_is_not_a_plan_is_bad_input(text: str) -> None:
    with pytest.raises(UnreadablePlan) as caught:
        decode(text, name="p.json")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("moment", ["nonsense", "2026-11-23T12:00:00"])
def test_a_plan_without_a_valid_time_is_bad_input(moment: str) -> None:
    document = json.loads(encode(renamed("New"))) | {"created_at": moment}
    with pytest.raises(UnreadablePlan):
        decode(json.dumps(document), name="p.json")


@pytest.mark.parametrize("old", ['"no_op":0', '"created_at"'])
def test_json_that_is_not_strict_is_bad_input(old: str) -> None:
    new = {'"no_op":0': '"no_op":NaN', '"created_at"': '"kind":"plan","created_at"'}[old]
    text = encode(renamed("New"))
    assert old in text
    with pytest.raises(UnreadablePlan):
        decode(text.replace(old, new, 1), name="p.json")


def test_an_equal_plan_is_approved() -> None:
    assert beyond_approval(renamed("New"), [renamed("New")]) == ()


def test_changes_that_are_already_in_effect_need_no_approval() -> None:
    smaller = plan(want=[declared(name="New")], have=[observed()])
    assert beyond_approval(smaller, [renamed("New")]) == ()


def test_another_value_is_not_approved() -> None:
    (excess,) = beyond_approval(renamed("Newer"), [renamed("New")])
    assert excess.change is not None
    assert excess.approved is not None
    shown = (excess.slug, excess.change.path, excess.change.after, excess.approved.after)
    assert shown == ("alpha", "name", "Newer", "New")


def test_another_value_before_is_not_approved() -> None:
    approved = plan(want=[declared(description="c")], have=[observed(description="a")])
    fresh = plan(want=[declared(description="c")], have=[observed(description="b")])
    assert len(beyond_approval(fresh, [approved])) == 1


def test_a_new_action_is_not_approved() -> None:
    fresh = plan(want=[declared("gamma")], have=[])
    (excess,) = beyond_approval(fresh, [renamed("New")])
    assert (excess.slug, excess.kind.value, excess.change) == ("gamma", "create", None)


def test_several_plans_approve_their_union() -> None:
    one = plan(want=[declared(name="New")], have=[observed()])
    two = plan(want=[declared("beta", description="x")], have=[observed("beta")])
    assert beyond_approval(renamed("New"), [one, two]) == ()


def test_an_unverified_secret_can_be_rotated_later() -> None:
    job_without_secrets = plan(want=[declared(key=KEY)], have=[observed(key=mask())])
    later = plan(
        want=[declared(key=KEY)], have=[observed(key=mask())], push=True, values={KEY: _value()}
    )
    assert [c.op.value for c in later.actions[0].changes] == ["rotate"]
    assert beyond_approval(later, [job_without_secrets]) == ()


def test_a_rotation_in_no_approved_plan_is_not_approved() -> None:
    approved = plan(want=[declared()], have=[observed(key=mask())])
    later = plan(
        want=[declared(key=KEY)], have=[observed(key=mask())], push=True, values={KEY: _value()}
    )
    assert len(beyond_approval(later, [approved])) == 1


def _value() -> Any:
    from reconciler.domain.secrets import Redacted

    return Redacted("sk-value-abc")
