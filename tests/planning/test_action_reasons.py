"""Reasons of actions and of blocks, as a plan shows them."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.policy import Prune, Tombstone
from reconciler.domain.state import LastApplied, LastAppliedState, Lifecycle
from reconciler.planning.approval import beyond_approval
from reconciler.planning.normalize import desired_digest
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import NOON, changes_of, declared, desired, observed, state


def plan(want: dict[str, Any], have: dict[str, Any], **more: Any) -> Plan:
    return make_plan(
        desired=desired(declared(**want)), observed=state(observed(**have)), created_at=NOON, **more
    )


def test_a_value_that_is_not_a_boolean_is_shown_unchanged() -> None:
    planned = plan(
        {"configurations": {"is_key_required": True}},
        {"configurations": {"is_key_required": "odd"}},
    )
    assert changes_of(planned) == {"configurations.is_key_required": ("replace", "odd", True)}


@pytest.mark.parametrize(
    ("want", "reason"),
    [
        ({"description": "new"}, "description differs"),
        ({"tags": {"team": "x"}}, "tags differ"),
        ({"description": "new", "name": "New"}, "description and name differ"),
        (
            {"description": "new", "name": "New", "tags": {"team": "x"}},
            "description, name and tags differ",
        ),
        ({"ai_provider_id": "anthropic"}, "ai_provider_id cannot be changed in place"),
    ],
)
def test_an_update_names_what_differs(want: dict[str, Any], reason: str) -> None:
    (action,) = plan(want, {}).actions
    assert action.reason == reason


@pytest.mark.parametrize(
    ("prune", "last_applied", "reason"),
    [
        (Prune.MANAGED, LastAppliedState({"old": LastApplied({})}), "no longer declared"),
        (Prune.ALL, LastAppliedState({"old": LastApplied({})}), "no longer declared"),
        (Prune.ALL, LastAppliedState(), "not declared, and prune is all"),
    ],
)
def test_a_prune_states_whether_it_was_ever_declared(
    prune: Prune, last_applied: LastAppliedState, reason: str
) -> None:
    (action,) = make_plan(
        desired=desired(prune=prune),
        observed=state(observed("old")),
        last_applied=last_applied,
        created_at=NOON,
    ).actions
    assert action.reason == reason


def test_a_tombstone_without_a_reason_is_described_as_such() -> None:
    buried = replace(desired(), tombstones={"old": Tombstone(slug="old")})
    planned = make_plan(desired=buried, observed=state(observed("old")), created_at=NOON)
    assert [action.reason for action in planned.actions] == ["tombstone: no reason given"]


def test_protection_names_the_prevented_action() -> None:
    protected = declared(ai_provider_id="anthropic", lifecycle=Lifecycle(protected=True))
    planned = make_plan(desired=desired(protected), observed=state(observed()), created_at=NOON)
    said = [d.summary for d in planned.diagnostics if d.code == "protected"]
    assert said == ["alpha is protected, but would be replaced (deleted and re-created)"]
    planned = make_plan(
        desired=desired(),
        observed=state(observed()),
        last_applied=LastAppliedState({"alpha": LastApplied({}, protected=True)}),
        created_at=NOON,
    )
    said = [d.summary for d in planned.diagnostics if d.code == "protected"]
    assert said == ["alpha is protected, but would be deleted"]


def test_everything_that_was_not_approved_is_named() -> None:
    fresh = make_plan(
        desired=desired(declared("beta"), declared("gamma")), observed=state(), created_at=NOON
    )
    assert [excess.slug for excess in beyond_approval(fresh, [])] == ["beta", "gamma"]


@pytest.mark.parametrize(
    ("last_applied", "origin"),
    [
        (LastAppliedState(), "unknown"),
        (LastAppliedState(complete=True), "local"),
        (LastAppliedState({"alpha": LastApplied({})}), "remote"),
        (LastAppliedState({"alpha": LastApplied({})}, complete=True), "remote"),
        (LastAppliedState({"alpha": LastApplied()}), "unknown"),
    ],
)
def test_an_absent_integration_was_added_in_git_or_deleted_in_the_api(
    last_applied: LastAppliedState, origin: str
) -> None:
    planned = make_plan(
        desired=desired(declared()), observed=state(), last_applied=last_applied, created_at=NOON
    )
    assert {change.origin.value for change in planned.actions[0].changes} == {origin}


def test_the_desired_digest_does_not_depend_on_the_order_of_files() -> None:
    alpha, beta = declared(tags={"a": "1", "b": "2"}), declared("beta")
    guarded = declared("beta", lifecycle=Lifecycle(protected=True))
    digests = [
        desired_digest(desired(alpha, beta, tombstones=("x", "y"))),
        desired_digest(desired(beta, alpha, tombstones=("y", "x"))),
        desired_digest(desired(alpha, guarded, tombstones=("x", "y"))),
        desired_digest(desired(alpha, beta, tombstones=("x",))),
        desired_digest(desired(alpha)),
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    # Plans and records of earlier versions contain it.
    assert desired_digest(desired(declared())) == (
        "sha256:57ad14d07d5973bbd89bcd8c2334bd0ebe6a1f266b4947ae13aa2f86dc2d78b2"
    )
