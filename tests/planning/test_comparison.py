"""Differences: field ownership, and which values are equal."""

from typing import Any

import pytest

from reconciler.domain.state import Ignored, LastApplied, LastAppliedState, Lifecycle
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, changes_of, declared, desired, mask, observed, state

AZURE = {"ai_provider_id": "azure-openai"}


def plan(*, want: dict[str, Any], have: dict[str, Any], **more: Any) -> Plan:
    lifecycle = more.pop("lifecycle", Lifecycle())
    return make_plan(
        desired=desired(declared(lifecycle=lifecycle, **want)),
        observed=state(observed(**have)),
        created_at=NOON,
        **more,
    )


def test_a_declared_field_is_made_equal() -> None:
    planned = plan(want={"description": "new"}, have={"description": "old"})
    assert changes_of(planned) == {"description": ("replace", "old", "new")}


def test_an_omitted_field_is_reported_and_not_changed() -> None:
    planned = plan(want={}, have={"description": "by hand", "tags": {"team": "a"}})
    assert planned.in_sync
    assert [item.path for item in planned.undeclared] == ["description", "tags.team"]


@pytest.mark.parametrize("nothing", ["", None])
def test_a_field_declared_empty_is_emptied(nothing: str | None) -> None:
    planned = plan(want={"description": nothing}, have={"description": "old"})
    assert changes_of(planned) == {"description": ("remove", "old", None)}
    assert planned.actions[0].calls[0].body == {"description": ""}


@pytest.mark.parametrize(
    ("want", "have"),
    [
        ({"description": ""}, {}),
        ({"description": ""}, {"description": None}),
        ({"tags": {}}, {"tags": None}),
        ({"configurations": {}}, {"configurations": {}}),
        ({"secret_mappings": []}, {"secret_mappings": None}),
        ({"pricing_adjustments": None}, {"pricing_adjustments": {}}),
        ({"global_workspace_access": {"enabled": False}}, {"global_workspace_access": None}),
        ({"global_workspace_access": None}, {"global_workspace_access": {"enabled": False}}),
        ({"allow_all_models": True}, {}),
        ({"workspaces": [{"id": "ws", "enabled": False}]}, {"workspaces": []}),
        (
            {"workspaces": [{"id": "ws", "enabled": False}]},
            {"workspaces": [{"id": "ws", "enabled": False, "usage_limits": [{"type": "cost"}]}]},
        ),
        (
            {"workspaces": [{"id": "ws", "enabled": True, "rate_limits": None}]},
            {"workspaces": [{"id": "ws", "enabled": True, "rate_limits": []}]},
        ),
        ({"models": [{"slug": "m", "enabled": True}], "allow_all_models": True}, {"models": []}),
        ({"models": [{"slug": "m", "enabled": True}]}, {"models": [], "allow_all_models": True}),
        (
            {"models": [{"slug": "m", "enabled": False}]},
            {"models": [], "allow_all_models": False},
        ),
        (
            {"models": [{"slug": "m", "enabled": True, "is_custom": False}]},
            {"models": [{"slug": "m", "enabled": True}]},
        ),
        ({"configurations": {"is_key_required": True}}, {"configurations": {"is_key_required": 1}}),
        (
            {"configurations": {"is_key_required": False}},
            {"configurations": {"is_key_required": "false"}},
        ),
        (
            {"pricing_adjustments": {"multiplier": {"default": 1.0}}},
            {"pricing_adjustments": {"multiplier": {"default": 1}}},
        ),
    ],
)
def test_equal_values(want: dict[str, Any], have: dict[str, Any]) -> None:
    assert plan(want=want, have=have).in_sync


def test_the_order_of_keyed_lists_does_not_matter() -> None:
    one = {"azure_deployment_name": "a", "azure_api_version": "1", "azure_model_slug": "m"}
    two = {"azure_deployment_name": "b", "azure_api_version": "2", "azure_model_slug": "n"}
    planned = plan(
        want={**AZURE, "configurations": {"azure_deployment_config": [one, two]}},
        have={**AZURE, "configurations": {"azure_deployment_config": [two, one]}},
    )
    assert planned.in_sync


def test_an_entry_of_a_keyed_list_is_named_in_the_path() -> None:
    entry = {"azure_deployment_name": "a", "azure_api_version": "1", "azure_model_slug": "m"}
    changed = entry | {"azure_api_version": "2"}
    planned = plan(
        want={**AZURE, "configurations": {"azure_deployment_config": [changed]}},
        have={**AZURE, "configurations": {"azure_deployment_config": [entry]}},
    )
    path = "configurations.azure_deployment_config[a].azure_api_version"
    assert changes_of(planned) == {path: ("replace", "1", "2")}


def test_a_write_sends_the_complete_object() -> None:
    planned = plan(
        want={"configurations": {"openai_project": "p"}},
        have={"configurations": {"openai_project": "old", "openai_organization": "kept"}},
    )
    (call,) = planned.actions[0].calls
    assert call.body == {"configurations": {"openai_project": "p", "openai_organization": "kept"}}


def test_an_entry_that_is_no_longer_declared_is_removed() -> None:
    last_applied = LastAppliedState(
        {
            "alpha": LastApplied(
                {"workspaces": [{"id": "a"}, {"id": "b"}], "models": [{"slug": "m"}]}
            )
        }
    )
    planned = plan(
        want={
            "workspaces": [{"id": "a", "enabled": True}],
            "models": [{"slug": "n", "enabled": True}],
        },
        have={
            "workspaces": [{"id": i, "enabled": True} for i in "abc"],
            "models": [{"slug": s, "enabled": True} for s in "mno"],
            "allow_all_models": False,
        },
        last_applied=last_applied,
    )
    assert changes_of(planned) == {
        "models[m].enabled": ("replace", True, False),
        "workspaces[b].enabled": ("replace", True, False),
    }
    assert {c.risk.value for c in planned.actions[0].changes} == {"access-removal"}
    codes = [(d.code, d.hint) for d in planned.diagnostics]
    assert (
        "undeclared-access",
        "to keep it, add under workspaces: - {id: c, enabled: true}",
    ) in codes
    assert (
        "undeclared-access",
        "to keep it, add under models: - {slug: o, enabled: true}",
    ) in codes


def test_a_custom_model_that_was_withdrawn_is_deleted() -> None:
    last_applied = LastAppliedState(
        {"alpha": LastApplied({"models": [{"slug": "tuned"}, {"slug": "m"}]})}
    )
    planned = plan(
        want={"models": [{"slug": "m", "enabled": True}]},
        have={
            "models": [
                {"slug": "m", "enabled": True},
                {"slug": "tuned", "enabled": True, "is_custom": True},
                {"slug": "theirs", "enabled": True, "is_custom": True},
            ]
        },
        last_applied=last_applied,
    )
    assert list(changes_of(planned)) == ["models[tuned]"]
    (call,) = planned.actions[0].calls
    assert call.query == {"slugs": "tuned"}


def test_a_custom_model_that_no_query_can_name_is_disabled_instead() -> None:
    last_applied = LastAppliedState({"alpha": LastApplied({"models": [{"slug": "x,y"}]})})
    custom = {"enabled": True, "is_custom": True}
    planned = plan(
        want={"models": [{"slug": "x", **custom}, {"slug": "y", **custom}]},
        have={"models": [{"slug": slug, **custom} for slug in ("x", "y", "x,y")]},
        last_applied=last_applied,
    )
    assert changes_of(planned) == {"models[x,y].enabled": ("replace", True, False)}
    assert [call.operation.value for call in planned.actions[0].calls] == [
        "update-integration-models"
    ]


def test_a_list_that_is_no_longer_declared_is_reported_because_access_remains() -> None:
    last_applied = LastAppliedState(
        {"alpha": LastApplied({"workspaces": [{"id": "a", "enabled": True}]})}
    )
    planned = plan(want={}, have={}, last_applied=last_applied)
    assert planned.in_sync
    assert [(d.code, "workspaces: []" in d.hint) for d in planned.diagnostics] == [
        ("undeclared-access", True)
    ]


def test_an_empty_list_removes_all_entries() -> None:
    planned = plan(
        want={"workspaces": [], "models": []},
        have={
            "workspaces": [{"id": "a", "enabled": True}, {"id": "b", "enabled": False}],
            "models": [
                {"slug": "m", "enabled": True},
                {"slug": "c", "enabled": True, "is_custom": True},
            ],
            "allow_all_models": False,
        },
    )
    assert set(changes_of(planned)) == {"workspaces[a].enabled", "models[m].enabled", "models[c]"}


def test_disabling_allow_all_models_keeps_the_declared_ones_enabled() -> None:
    planned = plan(
        want={"allow_all_models": False, "models": [{"slug": "m", "enabled": True}]},
        have={"allow_all_models": True, "models": []},
    )
    (call,) = planned.actions[0].calls
    assert call.body == {"models": [{"slug": "m", "enabled": True}], "allow_all_models": False}


def test_limits_are_one_entry_and_null_clears_them() -> None:
    limits = [{"type": "cost", "credit_limit": 5, "alert_threshold": 4}]
    planned = plan(
        want={
            "workspaces": [{"id": "a", "enabled": True, "usage_limits": None, "rate_limits": []}]
        },
        have={"workspaces": [{"id": "a", "enabled": True, "usage_limits": limits}]},
    )
    assert set(changes_of(planned)) == {
        f"workspaces[a].usage_limits.{name}" for name in ("type", "credit_limit", "alert_threshold")
    }
    (call,) = planned.actions[0].calls
    assert call.body is not None
    (entry,) = call.body["workspaces"]
    assert entry["usage_limits"] is None
    assert call.body["create_default_provider"] is False


def test_a_lower_limit_is_restrictive_and_a_higher_one_additive() -> None:
    def risk(new: int) -> str:
        planned = plan(
            want={
                "workspaces": [
                    {"id": "a", "enabled": True, "usage_limits": [{"credit_limit": new}]}
                ]
            },
            have={
                "workspaces": [{"id": "a", "enabled": True, "usage_limits": [{"credit_limit": 5}]}]
            },
        )
        return planned.actions[0].risk.value

    assert (risk(4), risk(6)) == ("restrictive", "additive")


def test_an_ignored_path_is_neither_compared_nor_reported() -> None:
    lifecycle = Lifecycle(
        ignore=(Ignored(("description",)), Ignored(("configurations", "openai_project")))
    )
    planned = plan(
        want={
            "description": "d",
            "configurations": {"openai_project": "p", "openai_organization": "o"},
        },
        have={
            "description": "x",
            "configurations": {"openai_project": "y", "openai_organization": "o"},
        },
        lifecycle=lifecycle,
    )
    assert planned.in_sync
    assert planned.undeclared == ()


@pytest.mark.parametrize(
    ("past", "before", "after", "origin"),
    [
        ("old", "old", "new", "local"),
        ("new", "old", "new", "remote"),
        ("base", "old", "new", "both"),
    ],
)
def test_the_origin_names_the_side_that_changed(
    past: str, before: str, after: str, origin: str
) -> None:
    last_applied = LastAppliedState({"alpha": LastApplied({"description": past})})
    planned = plan(
        want={"description": after}, have={"description": before}, last_applied=last_applied
    )
    assert planned.actions[0].changes[0].origin.value == origin


def test_a_first_declaration_has_the_origin_git() -> None:
    last_applied = LastAppliedState({"alpha": LastApplied({"name": "Alpha"})})
    planned = plan(
        want={"description": ""}, have={"description": "set by hand"}, last_applied=last_applied
    )
    assert planned.actions[0].changes[0].origin.value == "local"


def test_without_a_last_applied_state_the_origin_of_a_change_is_unknown() -> None:
    planned = plan(want={"description": "a"}, have={"description": "b"})
    assert planned.actions[0].changes[0].origin.value == "unknown"


UUID = "11111111-2222-4333-8444-555555555555"


def past(*workspaces: dict[str, Any]) -> LastAppliedState:
    return LastAppliedState({"alpha": LastApplied({"workspaces": list(workspaces)})})


def test_a_workspace_returned_as_a_uuid_is_recognised_by_its_content() -> None:
    entry = {"id": "ws-a", "enabled": True, "rate_limits": [{"value": 5}]}
    planned = plan(
        want={"workspaces": [entry]},
        have={"workspaces": [entry | {"id": UUID}]},
        last_applied=past(entry),
    )
    assert planned.in_sync
    assert [d.code for d in planned.diagnostics] == ["id-form"]


def test_a_workspace_that_git_never_declared_is_granted_despite_similar_uuids() -> None:
    planned = plan(
        want={"workspaces": [{"id": "ws-a", "enabled": True}]},
        have={"workspaces": [{"id": UUID, "enabled": True}]},
        last_applied=past(),
    )
    assert changes_of(planned) == {"workspaces[ws-a].enabled": ("replace", False, True)}


def test_an_entry_to_revoke_is_revoked_even_without_a_matching_uuid() -> None:
    moved = [{"id": UUID, "enabled": True, "rate_limits": [{"value": 9}]}]
    planned = plan(
        want={"workspaces": []},
        have={"workspaces": moved},
        last_applied=past({"id": "ws-a", "enabled": True, "rate_limits": [{"value": 5}]}),
    )
    assert ("workspaces[ws-a].enabled", ("replace", True, False)) in changes_of(planned).items()
    (call,) = planned.actions[0].calls
    assert call.body is not None
    assert {"id": "ws-a", "enabled": False} in call.body["workspaces"]


def test_a_secret_reference_returned_as_a_uuid_is_recognised_once_applied() -> None:
    mapping = {"target_field": "key", "secret_reference_id": "openai-prod"}
    change = {
        "want": {"secret_mappings": [mapping]},
        "have": {"secret_mappings": [mapping | {"secret_reference_id": UUID}]},
    }
    applied = LastAppliedState({"alpha": LastApplied({"secret_mappings": [mapping]})})
    assert plan(**change, last_applied=applied).in_sync
    assert list(changes_of(plan(**change))) == ["secret_mappings[key].secret_reference_id"]


def test_emptied_fields_of_a_replaced_list_are_left_out() -> None:
    mapping = {"target_field": "key", "secret_reference_id": "r"}
    planned = plan(
        want={"secret_mappings": [mapping | {"value_format": None}]},
        have={"secret_mappings": [mapping | {"value_format": "json"}]},
    )
    assert planned.actions[0].calls[0].body == {"secret_mappings": [mapping]}


def test_shared_access_is_switched_in_one_call_without_the_workspaces() -> None:
    off, on = {"enabled": False}, {"enabled": True, "usage_limits": [{"type": "cost"}]}
    workspaces: list[Any] = []
    opened = plan(
        want={"global_workspace_access": on},
        have={"global_workspace_access": off, "workspaces": workspaces},
    )
    (call,) = opened.actions[0].calls
    assert call.operation.value == "update-integration-workspaces"
    assert call.body == {
        "workspaces": [],
        "create_default_provider": False,
        "global_workspace_access": on,
    }
    closed = plan(
        want={"global_workspace_access": off},
        have={"global_workspace_access": on, "workspaces": workspaces},
    )
    (call,) = closed.actions[0].calls
    assert call.body["global_workspace_access"] == off


def test_a_revoked_workspace_is_sent_only_as_disabled() -> None:
    limits = [{"type": "cost", "credit_limit": 5}]
    planned = plan(
        want={"workspaces": [{"id": "ws", "enabled": False}]},
        have={"workspaces": [{"id": "ws", "enabled": True, "usage_limits": limits}]},
    )
    (call,) = planned.actions[0].calls
    assert call.body["workspaces"] == [{"id": "ws", "enabled": False}]


def test_undeclared_fields_of_an_entry_are_reported() -> None:
    limits = [{"type": "cost", "credit_limit": 5, "periodic_reset": "weekly"}]
    priced = {"pricing_config": {"type": "static", "pay_as_you_go": {"request_token": 1}}}
    model = {"slug": "m", "enabled": True, "is_custom": False, "is_finetune": False, **priced}
    access = {"id": "w", "enabled": True, "usage_limits": limits, "rate_limits": []}
    want = {
        "models": [{"slug": "m", "enabled": True}],
        "workspaces": [{"id": "w", "enabled": True}],
    }
    planned = plan(want=want, have={"models": [model], "workspaces": [access]})
    assert [item.path for item in planned.undeclared] == [
        "models[m].pricing_config",
        "workspaces[w].usage_limits",
    ]


@pytest.mark.parametrize(
    ("have", "undeclared"),
    [
        ({"global_workspace_access": {"enabled": False}}, []),
        ({"global_workspace_access": {"enabled": True}}, ["global_workspace_access.enabled"]),
        ({"allow_all_models": True}, []),
        ({"allow_all_models": False}, ["allow_all_models"]),
        ({"configurations": {"is_key_required": False}}, ["configurations.is_key_required"]),
        ({"description": "", "tags": {}, "workspace_id": None}, []),
        ({"models": [{"slug": "m", "enabled": False}]}, []),
        ({"models": [{"slug": "m", "enabled": True}]}, ["models[m]"]),
        ({"workspaces": [{"id": "w", "enabled": True}]}, ["workspaces[w]"]),
    ],
)
def test_undeclared_values_are_reported_unless_they_are_defaults(
    have: dict[str, Any], undeclared: list[str]
) -> None:
    assert [item.path for item in plan(want={}, have=have).undeclared] == undeclared


def headers(*names: str) -> dict[str, Any]:
    return {"configurations": {"custom_headers": dict.fromkeys(names, mask())}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tags": {"a.b": "x"}}, {"tags": {"a": {"b": "x"}}}),
        ({"tags": {"a[b]": "x"}}, {"tags": {"a": {"b]": "x"}}}),
        ({"tags": {"a\nb": "x"}}, {"tags": {"a\\nb": "x"}}),
        ({"tags": {"": "x"}}, {"tags": "x"}),
        ({"tags": {"models": "x"}}, {"tags": {"models": "y"}}),
        ({"tags": {"usage_limits": "x"}}, {"tags": {"usage_limits": "y"}}),
    ],
)
def test_two_different_changes_share_neither_path_nor_digest(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = plan(want=one, have={}), plan(want=other, have={})
    assert changes_of(first) != changes_of(second)
    assert first.digest != second.digest


@pytest.mark.parametrize("name", ["x.y", "x[y]", "models", "workspaces", "rate_limits"])
def test_a_header_of_any_name_is_a_separate_change(name: str) -> None:
    references = {"configurations": {"custom_headers": {name: KEY, "x": KEY}}}
    planned = plan(want=references, have={})
    shown = name if name.isidentifier() else f'["{name}"]'
    dot = "." if name.isidentifier() else ""
    assert set(changes_of(planned)) == {
        f"configurations.custom_headers{dot}{shown}",
        "configurations.custom_headers.x",
    }
    gone = plan(want={"configurations": {"custom_headers": {name: ""}}}, have=headers(name, "x"))
    assert set(changes_of(gone)) == {f"configurations.custom_headers{dot}{shown}"}
