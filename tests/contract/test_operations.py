"""remote/API.md §1 and §2, fact by fact: the five operations of an integration."""

import re
from typing import Any

import pytest

from tests.contract.api import KEY, Api, openai

ROW = {
    "id",
    "organisation_id",
    "name",
    "owner_id",
    "status",
    "created_at",
    "last_updated_at",
    "slug",
    "tags",
    "description",
    "workspaces_count",
    "type",
    "workspace_id",
    "ai_provider_id",
    "object",
}
DETAIL = (ROW - {"organisation_id", "workspaces_count"}) | {
    "masked_key",
    "configurations",
    "global_workspace_access",
    "allow_all_models",
    "pricing_adjustments",
    "secret_mappings",
}


def create(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.call("POST", "/integrations", body)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def get(api: Api, slug: str = "openai-main") -> dict[str, Any]:
    answer = api.call("GET", f"/integrations/{slug}")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def put(api: Api, body: Any, slug: str = "openai-main") -> None:
    answer = api.call("PUT", f"/integrations/{slug}", body)
    assert (answer.status, answer.body) == (200, {})


# §1.1 Common


def test_1_1_the_key_has_its_own_header(api: Api) -> None:
    assert api.call("GET", "/integrations", headers=KEY).status == 200


def test_1_1_a_bearer_token_is_accepted_too(api: Api) -> None:
    assert api.call("GET", "/integrations", headers={"authorization": "Bearer x"}).status == 200


def test_1_7_no_key_is_401_ab05(api: Api) -> None:
    answer = api.call("GET", "/integrations", headers={})
    assert (answer.status, answer.code) == (401, "AB05")


def test_1_1_the_path_takes_an_id_instead_of_a_slug(api: Api) -> None:
    identifier = create(api, openai())["id"]
    assert get(api, identifier)["slug"] == "openai-main"


def test_1_1_times_are_iso_8601_in_utc_with_milliseconds(api: Api) -> None:
    create(api, openai())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", get(api)["created_at"])


def test_1_1_last_updated_at_is_null_until_the_first_update(api: Api) -> None:
    create(api, openai())
    assert get(api)["last_updated_at"] is None
    put(api, {"name": "Other"})
    assert get(api)["last_updated_at"] is not None


def test_1_1_the_path_admin_integrations_does_not_exist(api: Api) -> None:
    assert api.call("GET", "/admin/integrations").status == 404


# §1.2 List


def test_1_2_the_envelope_has_only_object_total_and_data(api: Api) -> None:
    assert api.call("GET", "/integrations").body == {"object": "list", "total": 0, "data": []}


def test_1_2_a_row_has_the_observed_keys_and_no_configurations(api: Api) -> None:
    create(api, openai(configurations={"openai_project": "p"}))
    (row,) = api.call("GET", "/integrations").body["data"]
    assert set(row) == ROW


def test_1_2_pages_count_from_zero_and_have_a_hundred_rows(api: Api) -> None:
    for number in range(105):
        create(api, openai(f"i-{number:03}"))
    first = api.call("GET", "/integrations").body
    second = api.call("GET", "/integrations", query={"current_page": 1}).body
    assert (len(first["data"]), len(second["data"])) == (100, 5)
    assert first["total"] == second["total"] == 105
    assert second["data"][0]["slug"] == "i-100"


def test_1_2_a_page_after_the_last_is_empty(api: Api) -> None:
    create(api, openai())
    answer = api.call("GET", "/integrations", query={"current_page": 9})
    assert (answer.body["total"], answer.body["data"]) == (1, [])


@pytest.mark.parametrize(
    "query", [{"current_page": "x"}, {"current_page": -1}, {"page_size": 0}, {"type": "some"}]
)
def test_1_2_an_invalid_count_or_type_is_400(api: Api, query: dict[str, Any]) -> None:
    assert api.call("GET", "/integrations", query=query).code == "AB01"


def test_1_2_type_separates_organisation_and_workspace(api: Api) -> None:
    create(api, openai("wide"))
    create(api, openai("narrow", workspace_id="ws-a"))

    def slugs(kind: str) -> list[str]:
        data = api.call("GET", "/integrations", query={"type": kind}).body["data"]
        return [row["slug"] for row in data]

    assert slugs("organisation") == ["wide"]
    assert slugs("workspace") == ["narrow"]
    assert slugs("all") == ["wide", "narrow"]


def test_1_2_workspace_id_shows_what_a_workspace_can_use(api: Api) -> None:
    create(api, openai("own", workspace_id="ws-a"))
    create(api, openai("granted"))
    create(api, openai("other"))
    grant = {"workspaces": [{"id": "ws-a", "enabled": True}]}
    api.call("PUT", "/integrations/granted/workspaces", grant)
    listed = api.call("GET", "/integrations", query={"workspace_id": "ws-a"}).body
    assert [row["slug"] for row in listed["data"]] == ["own", "granted"]
    assert listed["total"] == 2


# §1.3 Create


def test_1_3_a_create_returns_a_receipt(api: Api) -> None:
    receipt = create(api, openai())
    assert set(receipt) == {"id", "slug", "provider_id", "object"}
    assert (receipt["slug"], receipt["provider_id"]) == ("openai-main", None)


@pytest.mark.parametrize("field", ["name", "ai_provider_id", "key"])
def test_1_3_a_missing_required_field_is_refused(api: Api, field: str) -> None:
    answer = api.call("POST", "/integrations", openai(**{field: ...}))
    assert (answer.status, answer.code) == (400, "AB01")


@pytest.mark.parametrize("slug", ["", "a b", "a/b", "..", "ä", "x" * 256, 7])
def test_1_3_a_slug_has_its_pattern_and_length(api: Api, slug: Any) -> None:
    assert api.call("POST", "/integrations", openai(slug)).code == "AB01"


def test_1_3_a_name_has_255_characters_at_most(api: Api) -> None:
    assert api.call("POST", "/integrations", openai(name="x" * 256)).code == "AB01"
    create(api, openai(name="x" * 255))


def test_1_3_a_slug_is_generated_from_the_name_when_absent(api: Api) -> None:
    receipt = create(api, openai(..., name="First Integration"))
    assert re.fullmatch(r"first-integrati-[0-9a-f]{6}", receipt["slug"])


def test_1_3_without_a_workspace_it_belongs_to_the_organisation(api: Api) -> None:
    create(api, openai())
    shown = get(api)
    assert (shown["type"], shown["workspace_id"]) == ("organisation", None)


def test_1_3_pricing_adjustments_take_multipliers_of_zero_or_more(api: Api) -> None:
    units = {"web_search": 0.7, "file_search": None}
    good = {
        "multiplier": {
            "default": 0.8,
            "request_token": None,
            "image": {"default": 0.9},
            "additional_units": units,
        }
    }
    create(api, openai("good", pricing_adjustments=good))
    assert get(api, "good")["pricing_adjustments"] == good
    refused: list[Any] = [
        {"multiplier": {"default": -1}},
        {"other": {}},
        {"multiplier": {"odd": 1}},
        {"multiplier": {"image": 0.9}},
        {"multiplier": {"image": {"large": 0.9}}},
        {"multiplier": {"image": {"default": -1}}},
        {"multiplier": {"additional_units": 2}},
        {"multiplier": {"additional_units": {"web_search": "cheap"}}},
        {"multiplier": {"default": True}},
    ]
    for bad in refused:
        answer = api.call("POST", "/integrations", openai(pricing_adjustments=bad))
        assert answer.code == "AB01"


def test_1_3_an_unknown_field_is_refused_by_default(api: Api) -> None:
    assert api.call("POST", "/integrations", openai(descripton="x")).code == "AB01"


# §1.4 Get


def test_1_4_a_detail_has_the_observed_keys(api: Api) -> None:
    create(api, openai())
    assert set(get(api)) == DETAIL


def test_1_4_global_access_and_mappings_are_null_at_first(api: Api) -> None:
    create(api, openai())
    shown = get(api)
    assert (shown["global_workspace_access"], shown["secret_mappings"]) == (None, None)
    assert shown["allow_all_models"] is True


def test_1_4_the_provider_is_returned_as_sent(api: Api) -> None:
    create(api, openai(ai_provider_id="some-provider"))
    assert get(api)["ai_provider_id"] == "some-provider"


# §1.5 and §2 Update


def test_2_an_update_keeps_fields_that_are_not_sent(api: Api) -> None:
    create(api, openai(description="d", configurations={"openai_project": "p"}))
    put(api, {"name": "New"})
    shown = get(api)
    assert (shown["name"], shown["description"]) == ("New", "d")
    assert shown["configurations"] == {"openai_project": "p"}
    assert api.remote.integrations["openai-main"]["key"] == "sk-canary-9f8e7d6c5b4a"


def test_2_a_key_that_is_sent_replaces_the_stored_one(api: Api) -> None:
    create(api, openai())
    put(api, {"key": "sk-new-1234567890"})
    assert api.remote.integrations["openai-main"]["key"] == "sk-new-1234567890"


@pytest.mark.parametrize("key", ["", None])
def test_2_an_empty_key_keeps_the_stored_one(api: Api, key: str | None) -> None:
    create(api, openai())
    put(api, {"key": key})
    assert api.remote.integrations["openai-main"]["key"] == "sk-canary-9f8e7d6c5b4a"


@pytest.mark.parametrize(
    "field", ["slug", "ai_provider_id", "workspace_id", "type", "create_default_provider"]
)
def test_2_immutable_and_create_only_fields_are_refused(api: Api, field: str) -> None:
    create(api, openai())
    assert api.call("PUT", "/integrations/openai-main", {field: "x"}).code == "AB01"


def test_2_an_empty_description_clears_it(api: Api) -> None:
    create(api, openai(description="d"))
    put(api, {"description": ""})
    assert get(api)["description"] is None


def test_2_null_clears_pricing_adjustments(api: Api) -> None:
    create(api, openai(pricing_adjustments={"multiplier": {"default": 2}}))
    put(api, {"pricing_adjustments": None})
    assert get(api)["pricing_adjustments"] is None


def test_2_a_list_of_mappings_replaces_all_and_an_empty_one_clears(api: Api) -> None:
    one = {"target_field": "key", "secret_reference_id": "ref-1"}
    two = {"target_field": "configurations.x", "secret_reference_id": "ref-2"}
    create(api, openai(key=..., secret_mappings=[one]))
    put(api, {"secret_mappings": [two]})
    assert get(api)["secret_mappings"] == [two]
    put(api, {"secret_mappings": []})
    assert get(api)["secret_mappings"] is None


def test_2_configurations_are_replaced_completely_by_default(api: Api) -> None:
    create(api, openai(configurations={"openai_project": "p", "openai_organization": "o"}))
    put(api, {"configurations": {"openai_project": "q"}})
    assert get(api)["configurations"] == {"openai_project": "q"}


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_1_5_a_body_other_than_an_object_is_400(api: Api, body: Any) -> None:
    create(api, openai())
    assert api.call("PUT", "/integrations/openai-main", body).code == "AB01"
    assert api.call("POST", "/integrations", body).code == "AB01"


# §1.6 Delete


def test_1_6_a_delete_removes_it_from_get_and_list(api: Api) -> None:
    create(api, openai())
    answer = api.call("DELETE", "/integrations/openai-main")
    assert (answer.status, answer.body) == (200, {})
    assert api.call("GET", "/integrations/openai-main").status == 404
    assert api.call("GET", "/integrations").body["total"] == 0


def test_1_6_a_slug_can_be_used_again_for_another_integration(api: Api) -> None:
    before = create(api, openai())["id"]
    api.call("DELETE", "/integrations/openai-main")
    after = create(api, openai())["id"]
    assert before != after
    assert api.call("GET", f"/integrations/{before}").status == 404
    assert get(api, after)["slug"] == "openai-main"


# §1.7 Errors


def test_1_7_an_error_has_the_documented_body(api: Api) -> None:
    answer = api.call("GET", "/integrations/nobody")
    assert answer.status == 404
    assert answer.body == {"success": False, "data": {"message": "Not found", "errorCode": "AB08"}}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_1_7_a_missing_slug_is_404_ab08(api: Api, method: str) -> None:
    body = {"name": "x"} if method == "PUT" else None
    answer = api.call(method, "/integrations/nobody", body)
    assert (answer.status, answer.code) == (404, "AB08")


def test_1_7_a_taken_slug_is_409_ab07(api: Api) -> None:
    create(api, openai())
    answer = api.call("POST", "/integrations", openai(name="Another"))
    assert (answer.status, answer.code) == (409, "AB07")
    assert get(api)["name"] == "OpenAI"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/integrations/a/b"),
        ("GET", "/integrations/%2e%2e"),
        ("PATCH", "/integrations/a"),
        ("DELETE", "/integrations"),
        ("DELETE", "/integrations/"),
    ],
)
def test_1_7_an_unknown_route_is_a_json_404(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert (answer.status, answer.code) == (404, "AB08")
