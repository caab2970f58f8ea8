"""Calls of a plan, and the risk of each change."""

from typing import Any

import pytest

from reconciler.domain.state import LastApplied, LastAppliedState, Observed
from reconciler.planning.codec import decode, encode
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, declared, desired, mask, observed, state


def plan(*, want: dict[str, Any], have: Observed | None = None, **more: Any) -> Plan:
    there = () if have is None else (have,)
    return make_plan(
        desired=desired(declared(**want)), observed=state(*there), created_at=NOON, **more
    )


def calls(planned: Plan) -> list[tuple[str, str | None]]:
    (action,) = planned.actions
    return [(call.operation.value, call.slug) for call in action.calls]


def bodies(planned: Plan) -> list[Any]:
    return [call.body for call in planned.actions[0].calls]


def test_a_create_without_models_disables_allow_all_models() -> None:
    planned = plan(want={"allow_all_models": False})
    assert calls(planned) == [
        ("create-integration", None),
        ("update-integration-models", "alpha"),
    ]
    assert bodies(planned)[1] == {"models": [], "allow_all_models": False}


def test_a_create_enables_shared_access_and_grants_only_enabled_entries() -> None:
    workspaces = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": False}]
    access = {"enabled": True}
    planned = plan(want={"global_workspace_access": access, "workspaces": workspaces})
    assert bodies(planned)[1] == {
        "workspaces": [{"id": "ws-a", "enabled": True}],
        "create_default_provider": False,
        "global_workspace_access": access,
    }
    closed = plan(want={"global_workspace_access": {"enabled": False}})
    assert calls(closed) == [("create-integration", None)]


@pytest.mark.parametrize("deployments", [None, [], [{"azure_deployment_name": "d"}]])
def test_a_list_of_another_provider_is_sent_as_a_list(deployments: Any) -> None:
    planned = plan(want={"configurations": {"azure_deployment_config": deployments}})
    (body,) = bodies(planned)
    assert body["configurations"]["azure_deployment_config"] == (deployments or [])


def test_custom_models_that_were_withdrawn_are_deleted_in_one_call() -> None:
    gone = [{"slug": s, "is_custom": True, "enabled": True} for s in ("tuned-b", "tuned-a")]
    past = {"models": gone}
    planned = plan(
        want={"models": []},
        have=observed(models=gone),
        last_applied=LastAppliedState({"alpha": LastApplied(past)}),
    )
    (call,) = planned.actions[0].calls
    assert (call.operation.value, call.slug) == ("delete-integration-models", "alpha")
    assert call.query == {"slugs": "tuned-a,tuned-b"}


def test_an_update_of_everything_is_one_call_for_each_resource_with_the_fields_first() -> None:
    want = {
        "description": "new",
        "models": [{"slug": "gpt-5", "enabled": False}],
        "workspaces": [{"id": "ws-a", "enabled": True}],
    }
    planned = plan(want=want, have=observed(description="old", models=[], workspaces=[]))
    assert calls(planned) == [
        ("update-integration", "alpha"),
        ("update-integration-models", "alpha"),
        ("update-integration-workspaces", "alpha"),
    ]
    assert bodies(planned)[0] == {"description": "new"}


def test_disabling_allow_all_models_sends_the_models_that_stay_enabled() -> None:
    stays = [{"slug": "gpt-5", "enabled": True}]
    planned = plan(
        want={"allow_all_models": False, "models": stays},
        have=observed(allow_all_models=True, models=stays),
    )
    assert bodies(planned) == [{"allow_all_models": False, "models": stays}]


def test_the_plan_names_its_organisation() -> None:
    assert plan(want={}).target.organisation_id == "org-1"


def test_an_update_has_the_observed_state_as_precondition() -> None:
    one = plan(want={"description": "new"}, have=observed(description="a", last_updated_at=NOON))
    two = plan(want={"description": "new"}, have=observed(description="b", last_updated_at=NOON))
    first, second = (p.actions[0].precondition for p in (one, two))
    assert first.last_updated_at == NOON
    assert None not in {first.fingerprint, second.fingerprint}
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    ("before", "risk"), [({}, "additive"), ({"openai_project": "a"}, "restrictive")]
)
def test_a_new_configuration_field_is_additive_and_a_changed_one_is_not(
    before: dict[str, str], risk: str
) -> None:
    want = {"configurations": {"openai_project": "b"}}
    planned = plan(want=want, have=observed(configurations=before))
    assert [c.risk.value for c in planned.actions[0].changes] == [risk]


def test_a_plan_with_unverified_secrets_and_blocks_is_unchanged_after_a_round_trip() -> None:
    have = observed(key=mask("hidden"))
    unverified = plan(want={"key": KEY, "description": "x"}, have=have)
    assert len(unverified.unverified) == 1
    blocked = plan(want={}, have=observed(status="archived"))
    assert blocked.blocked
    for planned in (unverified, blocked):
        assert decode(encode(planned), name="p").as_json() == planned.as_json()


USAGE = [{"type": "cost", "credit_limit": 5}]
RATE = [{"type": "requests", "unit": "rpm", "value": 5}]


def granted(**limits: Any) -> dict[str, Any]:
    return {"id": "ws-a", "enabled": True, **limits}


@pytest.mark.parametrize(
    ("want", "have", "sent"),
    [
        # Undeclared values are sent as well, because the call may replace the entry.
        (
            granted(rate_limits=RATE),
            granted(usage_limits=USAGE),
            granted(rate_limits=RATE, usage_limits=USAGE),
        ),
        # The API keeps the limits of a revoked workspace, and a new grant keeps them as well.
        (
            granted(rate_limits=RATE),
            granted(usage_limits=USAGE) | {"enabled": False},
            granted(rate_limits=RATE, usage_limits=USAGE),
        ),
        (
            granted() | {"enabled": False},
            granted(usage_limits=USAGE),
            {"id": "ws-a", "enabled": False},
        ),
    ],
)
def test_a_workspace_with_access_is_sent_completely(
    want: dict[str, Any], have: dict[str, Any], sent: dict[str, Any]
) -> None:
    planned = plan(want={"workspaces": [want]}, have=observed(workspaces=[have]))
    assert bodies(planned) == [{"workspaces": [sent], "create_default_provider": False}]


@pytest.mark.parametrize(
    ("want", "have", "sent"),
    [
        (
            {"enabled": True, "rate_limits": RATE},
            {"enabled": True, "usage_limits": USAGE},
            {"enabled": True, "rate_limits": RATE, "usage_limits": USAGE},
        ),
        ({"enabled": False}, {"enabled": True, "usage_limits": USAGE}, {"enabled": False}),
    ],
)
def test_the_setting_for_new_workspaces_is_sent_completely_while_enabled(
    want: dict[str, Any], have: dict[str, Any], sent: dict[str, Any]
) -> None:
    planned = plan(
        want={"global_workspace_access": want}, have=observed(global_workspace_access=have)
    )
    (body,) = bodies(planned)
    assert body["global_workspace_access"] == sent


def test_only_changed_access_is_sent() -> None:
    want = {
        "workspaces": [granted(), granted(rate_limits=RATE) | {"id": "ws-b"}],
        "global_workspace_access": {"enabled": True},
    }
    have = want | {"workspaces": [granted(), granted() | {"id": "ws-b"}]}
    (body,) = bodies(plan(want=want, have=observed(**have)))
    assert body == {
        "workspaces": [granted(rate_limits=RATE) | {"id": "ws-b"}],
        "create_default_provider": False,
    }


def test_a_delete_keeps_the_observed_and_the_declared_state() -> None:
    there, remembered = observed(last_updated_at=NOON), LastApplied({"name": "Alpha"})
    planned = make_plan(
        desired=desired(tombstones=("alpha",)),
        observed=state(there),
        last_applied=LastAppliedState({"alpha": remembered}),
        created_at=NOON,
    )
    (action,) = planned.actions
    assert (action.kind.value, action.risk.value) == ("delete", "delete")
    assert action.precondition.last_updated_at == NOON
    assert action.subject.declared is None
    assert action.subject.observed is there
    assert action.subject.remembered is remembered
    assert calls(planned) == [("delete-integration", "alpha")]


@pytest.mark.parametrize("name", ["pricing_adjustments", "tags"])
def test_fields_that_null_clears_are_cleared_by_null(name: str) -> None:
    there = {"pricing_adjustments": {"multiplier": {"default": 2}}, "tags": {"team": "a"}}
    planned = plan(want={name: None}, have=observed(**{name: there[name]}))
    assert bodies(planned) == [{name: None}]


def test_a_model_is_sent_with_its_undeclared_fields() -> None:
    there = {"slug": "m", "enabled": False, "pricing_config": {"type": "static"}}
    planned = plan(want={"models": [{"slug": "m", "enabled": True}]}, have=observed(models=[there]))
    assert bodies(planned) == [{"models": [there | {"enabled": True}]}]


def test_a_create_with_global_access_names_its_provider() -> None:
    want = {
        "global_workspace_access": {"enabled": True},
        "create_default_provider": True,
        "default_provider_slug": "p",
    }
    provider = {"create_default_provider": True, "default_provider_slug": "p"}
    first, second = bodies(plan(want=want))
    assert {name: first[name] for name in provider} == provider
    assert second == {"workspaces": [], "global_workspace_access": {"enabled": True}, **provider}
