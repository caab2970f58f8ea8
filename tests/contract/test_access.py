"""remote/API.md §5, fact by fact: the models and workspaces of an integration."""

from typing import Any

import pytest

from tests.contract.api import Answer, Api, openai

MODELS = "/integrations/openai-main/models"
WORKSPACES = "/integrations/openai-main/workspaces"


@pytest.fixture(autouse=True)
def _one_integration(api: Api) -> None:
    assert api.call("POST", "/integrations", openai()).status == 200


def put(api: Api, path: str, body: Any) -> None:
    answer = api.call("PUT", path, body)
    assert (answer.status, answer.body) == (200, {}), answer.body


def models(api: Api) -> dict[str, dict[str, Any]]:
    return {item["slug"]: item for item in api.call("GET", MODELS).body["models"]}


def workspaces(api: Api) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in api.call("GET", WORKSPACES).body["workspaces"]}


def delete(api: Api, slugs: str) -> Answer:
    return api.call("DELETE", MODELS, query={"slugs": slugs})


def grant(**fields: Any) -> dict[str, Any]:
    return {"workspaces": [{"id": "ws-a", "enabled": True, **fields}]}


# §5.1 Models


def test_5_1_the_response_has_no_total_and_may_be_empty(api: Api) -> None:
    assert api.call("GET", MODELS).body == {
        "models": [],
        "allow_all_models": True,
        "object": "list",
    }


def test_5_1_an_item_has_the_observed_keys(api: Api) -> None:
    put(api, MODELS, {"models": [{"slug": "gpt-5", "enabled": True}]})
    assert set(models(api)["gpt-5"]) == {
        "slug",
        "enabled",
        "is_custom",
        "is_finetune",
        "base_model_slug",
        "pricing_config",
        "created_at",
        "last_updated_at",
        "description",
    }


def test_5_1_flags_are_returned_in_several_forms(api: Api) -> None:
    tuned = {"slug": "mine", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"}
    put(api, MODELS, {"models": [{"slug": "gpt-5", "enabled": True}, tuned]})
    assert models(api)["mine"]["is_custom"] == 1
    assert models(api)["gpt-5"]["is_custom"] == "false"


def test_5_1_a_put_changes_the_listed_models_alone(api: Api) -> None:
    put(api, MODELS, {"models": [{"slug": "a", "enabled": True}, {"slug": "b", "enabled": True}]})
    put(api, MODELS, {"models": [{"slug": "b", "enabled": False}, {"slug": "c", "enabled": True}]})
    enabled = {slug: item["enabled"] for slug, item in models(api).items()}
    assert enabled == {"a": True, "b": False, "c": True}


def test_5_1_an_upsert_keeps_fields_that_are_not_sent(api: Api) -> None:
    pricing = {"type": "static", "pay_as_you_go": {"request_token": {"price": 1}}}
    put(api, MODELS, {"models": [{"slug": "a", "enabled": True, "pricing_config": pricing}]})
    put(api, MODELS, {"models": [{"slug": "a", "enabled": False}]})
    assert models(api)["a"]["pricing_config"] == pricing


def test_5_1_the_flag_alone_can_be_flipped(api: Api) -> None:
    put(api, MODELS, {"models": [], "allow_all_models": False})
    assert api.call("GET", MODELS).body["allow_all_models"] is False
    assert api.call("GET", "/integrations/openai-main").body["allow_all_models"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"allow_all_models": True},
        {"models": [{"slug": "a"}]},
        {"models": [{"enabled": True}]},
        {"models": ["a"]},
        {"models": [], "allow_all_models": "yes"},
        {"models": [{"slug": "a", "enabled": True, "configurations": {"custom_host": "x"}}]},
    ],
)
def test_5_1_a_put_without_its_required_fields_is_400(api: Api, body: Any) -> None:
    assert api.call("PUT", MODELS, body).code == "AB01"


def test_5_1_the_headers_of_a_model_are_masked(api: Api) -> None:
    configurations = {"custom_headers": {"x-key": "canary-canary-canary"}}
    item = {"slug": "a", "enabled": True, "configurations": configurations}
    put(api, MODELS, {"models": [item]})
    assert "canary-canary" not in str(api.call("GET", MODELS).body)


def test_5_1_custom_models_are_deleted_by_a_list_in_the_query(api: Api) -> None:
    custom = [{"slug": slug, "enabled": True, "is_custom": True} for slug in ("a", "b", "c/d")]
    put(api, MODELS, {"models": custom})
    assert delete(api, "a,c/d").status == 200
    assert set(models(api)) == {"b"}


def test_5_1_base_models_cannot_be_deleted(api: Api) -> None:
    custom = {"slug": "mine", "enabled": True, "is_custom": True}
    put(api, MODELS, {"models": [{"slug": "gpt-5", "enabled": True}, custom]})
    answer = delete(api, "mine,gpt-5")
    assert (answer.status, answer.body["data"]["message"]) == (400, "Base models cannot be deleted")
    assert set(models(api)) == {"gpt-5", "mine"}


def test_5_1_a_delete_needs_the_query_and_ignores_a_body(api: Api) -> None:
    custom = {"slug": "mine", "enabled": True, "is_custom": True}
    put(api, MODELS, {"models": [custom]})
    assert api.call("DELETE", MODELS, {"models": ["mine"]}).code == "AB01"
    assert set(models(api)) == {"mine"}


# §5.2 Workspaces


def test_5_2_the_response_has_global_access_and_no_total(api: Api) -> None:
    assert api.call("GET", WORKSPACES).body == {
        "workspaces": [],
        "global_workspace_access": {"enabled": False},
        "object": "list",
    }


def test_5_2_an_item_has_the_observed_keys(api: Api) -> None:
    put(api, WORKSPACES, grant())
    assert set(workspaces(api)["ws-a"]) == {
        "id",
        "enabled",
        "usage_limits",
        "rate_limits",
        "status",
        "created_at",
        "last_updated_at",
        "last_reset_at",
    }


def test_5_2_a_put_merges_the_listed_workspaces_alone(api: Api) -> None:
    limits = [{"type": "requests", "unit": "rpm", "value": 5}]
    put(api, WORKSPACES, grant(rate_limits=limits))
    put(api, WORKSPACES, {"workspaces": [{"id": "ws-b", "enabled": True}]})
    put(api, WORKSPACES, grant())
    assert workspaces(api)["ws-a"]["rate_limits"][0]["value"] == 5
    assert set(workspaces(api)) == {"ws-a", "ws-b"}


def test_5_2_a_revoked_workspace_stays_listed_as_archived(api: Api) -> None:
    put(api, WORKSPACES, grant())
    put(api, WORKSPACES, grant(enabled=False))
    revoked = workspaces(api)["ws-a"]
    assert (revoked["enabled"], revoked["status"]) == (False, "archived")


def test_5_2_the_server_adds_fields_to_a_usage_limit(api: Api) -> None:
    put(api, WORKSPACES, grant(usage_limits=[{"type": "cost", "credit_limit": 10}]))
    (limit,) = workspaces(api)["ws-a"]["usage_limits"]
    assert set(limit) >= {"id", "status", "current_usage", "periodic_reset"}
    assert limit["periodic_reset"] == ""


@pytest.mark.parametrize("empty", [None, []])
def test_5_2_null_clears_limits(api: Api, empty: Any) -> None:
    put(api, WORKSPACES, grant(usage_limits=[{"type": "cost", "credit_limit": 10}]))
    put(api, WORKSPACES, grant(usage_limits=empty))
    assert workspaces(api)["ws-a"]["usage_limits"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"usage_limits": [{"credit_limit": 0}]},
        {"usage_limits": [{"credit_limit": 1.5}]},
        {"usage_limits": [{"credit_limit": 1}, {"credit_limit": 2}]},
        {"usage_limits": [{"credit_limit": 1, "periodic_reset": "daily"}]},
        {"usage_limits": [{"credit_limit": 1, "periodic_reset_days": 400}]},
        {
            "usage_limits": [
                {"credit_limit": 1, "periodic_reset": "weekly", "periodic_reset_days": 3}
            ]
        },
        {"rate_limits": [{"type": "requests", "unit": "rps", "value": 1}]},
        {"rate_limits": [{"type": "requests", "unit": "rpm"}]},
        {"rate_limits": {"type": "requests"}},
        {"enabled": None},
        {"id": 7},
    ],
)
def test_5_2_limits_outside_their_bounds_are_refused(api: Api, fields: dict[str, Any]) -> None:
    assert api.call("PUT", WORKSPACES, grant(**fields)).code == "AB01"


@pytest.mark.parametrize("unit", ["rpd", "rph", "rpm", "rpw"])
def test_5_2_rate_limits_have_four_units(api: Api, unit: str) -> None:
    put(api, WORKSPACES, grant(rate_limits=[{"type": "tokens", "unit": unit, "value": 9}]))
    assert workspaces(api)["ws-a"]["rate_limits"][0]["unit"] == unit


def test_5_2_global_access_can_be_set_without_workspaces(api: Api) -> None:
    put(api, WORKSPACES, {"global_workspace_access": {"enabled": True}})
    assert api.call("GET", WORKSPACES).body["global_workspace_access"] == {"enabled": True}
    shown = api.call("GET", "/integrations/openai-main").body
    assert shown["global_workspace_access"] == {"enabled": True}


def test_5_2_override_applies_the_global_settings_to_existing_workspaces(api: Api) -> None:
    put(api, WORKSPACES, grant(rate_limits=[{"type": "tokens", "unit": "rpm", "value": 9}]))
    shared = {"global_workspace_access": {"enabled": False}, "workspaces": []}
    put(api, WORKSPACES, {**shared, "override_existing_workspaces_access": True})
    assert workspaces(api)["ws-a"]["enabled"] is True
    put(api, WORKSPACES, {**shared, "override_existing_workspace_access": True})
    assert workspaces(api)["ws-a"]["enabled"] is False
    assert workspaces(api)["ws-a"]["rate_limits"] is None


def test_5_2_a_grant_creates_a_provider_unless_it_is_declined(api: Api) -> None:
    put(api, WORKSPACES, {**grant(), "create_default_provider": False})
    put(api, WORKSPACES, {"workspaces": [{"id": "ws-b", "enabled": True}]})
    loud = {"id": "ws-c", "enabled": True, "create_default_provider": True}
    put(api, WORKSPACES, {"workspaces": [loud], "create_default_provider": False})
    assert [provider["workspace_id"] for provider in api.remote.providers] == ["ws-b", "ws-c"]


def test_5_2_a_second_grant_creates_no_second_provider(api: Api) -> None:
    for enabled in (True, True, False, True):
        put(api, WORKSPACES, grant(enabled=enabled))
    assert len(api.remote.providers) == 1


def test_5_2_a_workspace_with_access_gets_no_provider(api: Api) -> None:
    put(api, WORKSPACES, {**grant(), "create_default_provider": False})
    put(api, WORKSPACES, grant(usage_limits=[{"credit_limit": 9}]))
    assert api.remote.providers == []


def test_4_a_refused_grant_creates_no_provider(api: Api) -> None:
    other = openai("other", workspace_id="ws-b", default_provider_slug="mine")
    assert api.call("POST", "/integrations", other).status == 200
    both = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}]
    body = {"workspaces": both, "default_provider_slug": "mine"}
    assert api.call("PUT", WORKSPACES, body).code == "AB01"
    assert [provider["workspace_id"] for provider in api.remote.providers] == ["ws-b"]
    assert workspaces(api) == {}


def test_5_2_usage_can_be_reset(api: Api) -> None:
    put(api, WORKSPACES, grant(usage_limits=[{"type": "cost", "credit_limit": 10}]))
    put(api, WORKSPACES, grant(reset_usage=True))
    shown = workspaces(api)["ws-a"]
    assert shown["last_reset_at"] is not None
    assert shown["usage_limits"][0]["current_usage"] == 0


def test_4_a_workspace_scoped_integration_has_no_grants(api: Api) -> None:
    api.call("POST", "/integrations", openai("narrow", workspace_id="ws-a"))
    assert api.call("PUT", "/integrations/narrow/workspaces", grant()).code == "AB01"


def test_5_a_sub_resource_of_a_missing_integration_is_404(api: Api) -> None:
    for part in ("models", "workspaces"):
        assert api.call("GET", f"/integrations/nobody/{part}").status == 404


def test_5_2_the_number_of_workspaces_counts_those_with_access(api: Api) -> None:
    put(api, WORKSPACES, grant())
    put(api, WORKSPACES, {"workspaces": [{"id": "ws-b", "enabled": False}]})
    (row,) = api.call("GET", "/integrations").body["data"]
    assert row["workspaces_count"] == 1
