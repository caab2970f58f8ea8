"""remote/API.md §9: each open question has a switch with every possible answer."""

from dataclasses import fields
from typing import Any

import pytest

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.messages import Request, Response
from reconciler.simulator.switches import InvalidSwitch, Switches
from tests.contract.api import ManualClock, azure, make_remote, openai
from tests.contract.questions import open_questions


def call(
    remote: SimulatedAPI, method: str, path: str = "", body: Any = None, **query: str
) -> Response:
    return remote.handle(Request(method, f"/integrations{path}", query, body))


def with_one(clock: ManualClock | None = None, **switches: Any) -> SimulatedAPI:
    remote = make_remote(Switches.parse(switches), clock)
    body = openai(configurations={"openai_project": "p", "openai_organization": "o"})
    assert call(remote, "POST", "", body).status == 200
    return remote


def code(response: Response) -> str:
    return str(response.body["data"]["errorCode"])


def test_each_switch_has_its_row_among_the_open_questions() -> None:
    named = [row["switch"] for row in open_questions() if row["switch"]]
    assert named == [[field.name] for field in fields(Switches)]


def test_configurations_can_merge() -> None:
    remote = with_one(configurations_put="merge")
    call(remote, "PUT", "/openai-main", {"configurations": {"openai_project": "q"}})
    shown = call(remote, "GET", "/openai-main").body["configurations"]
    assert shown == {"openai_project": "q", "openai_organization": "o"}


def test_replacing_configurations_cannot_drop_what_the_provider_requires() -> None:
    for mode, status in (("replace", 400), ("merge", 200)):
        remote = make_remote(Switches.parse({"configurations_put": mode}))
        call(remote, "POST", "", azure())
        changed = {"configurations": {"azure_resource_name": "other"}}
        assert call(remote, "PUT", "/azure-main", changed).status == status


def test_a_missing_slug_can_be_forbidden() -> None:
    answer = call(with_one(missing="403_AB03"), "GET", "/nobody")
    assert (answer.status, code(answer)) == (403, "AB03")


def test_a_duplicate_can_be_a_bad_request() -> None:
    answer = call(with_one(duplicate_slug="400_AB01"), "POST", "", openai())
    assert (answer.status, code(answer)) == (400, "AB01")


def test_a_duplicate_can_get_another_slug() -> None:
    remote = with_one(duplicate_slug="suffixed")
    slug = call(remote, "POST", "", openai(name="Second")).body["slug"]
    assert slug.startswith("openai-main-")
    assert set(remote.integrations) == {"openai-main", slug}


def test_a_deleted_integration_can_stay_archived() -> None:
    remote = with_one(delete="archived")
    call(remote, "DELETE", "/openai-main")
    assert call(remote, "GET", "/openai-main").body["status"] == "archived"
    assert call(remote, "GET").body["data"][0]["status"] == "archived"
    assert call(remote, "POST", "", openai(name="New")).status == 200
    assert call(remote, "GET", "/openai-main").body["name"] == "New"


@pytest.mark.parametrize("delete", ["hard", "archived"])
def test_a_deleted_slug_can_stay_reserved(delete: str) -> None:
    remote = with_one(delete=delete, slug_reuse_after_delete=False)
    call(remote, "DELETE", "/openai-main")
    assert call(remote, "POST", "", openai()).status == 409


def test_dependent_providers_can_prevent_a_delete() -> None:
    remote = make_remote(Switches(delete_with_providers="refuse"))
    call(remote, "POST", "", openai(workspace_id="ws-a"))
    assert code(call(remote, "DELETE", "/openai-main")) == "AB07"


def test_responses_can_have_the_documented_shape() -> None:
    remote = make_remote(Switches(detail_shape="documented"))
    assert set(call(remote, "POST", "", openai()).body) == {"id", "slug"}
    shown = call(remote, "GET", "/openai-main").body
    assert {"organisation_id", "workspace_count", "global_workspace_access_settings"} <= set(shown)
    assert shown["secret_mappings"] == []
    assert "global_workspace_access" not in shown
    assert call(remote, "GET", "/openai-main/models").body == {"total": 0, "models": []}
    assert call(remote, "GET", "/openai-main/workspaces").body == {"total": 0, "workspaces": []}


def test_the_documented_shape_has_unspecified_fields_once_they_are_set() -> None:
    remote = make_remote(Switches(detail_shape="documented"))
    call(remote, "POST", "", openai("plain"))
    call(remote, "POST", "", openai("rich", tags={"team": "a"}, workspace_id="ws-a"))
    assert not {"tags", "workspace_id"} & set(call(remote, "GET", "/plain").body)
    shown = call(remote, "GET", "/rich").body
    assert (shown["tags"], shown["workspace_id"]) == ({"team": "a"}, "ws-a")


def test_workspace_ids_can_be_returned_as_uuids_of_the_same_workspace() -> None:
    remote = with_one(workspace_id_form="uuid")
    grant = {"workspaces": [{"id": "ws-a", "enabled": True}]}
    call(remote, "PUT", "/openai-main/workspaces", grant)
    (shown,) = call(remote, "GET", "/openai-main/workspaces").body["workspaces"]
    assert len(shown["id"]) == 36
    revoke = {"workspaces": [{"id": shown["id"], "enabled": False}]}
    call(remote, "PUT", "/openai-main/workspaces", revoke)
    (after,) = call(remote, "GET", "/openai-main/workspaces").body["workspaces"]
    assert (after["id"], after["enabled"]) == (shown["id"], False)


def test_secret_references_can_be_returned_as_uuids() -> None:
    remote = make_remote(Switches(reference_form="uuid"))
    mapping = {"target_field": "key", "secret_reference_id": "openai-prod"}
    call(remote, "POST", "", openai(key=..., secret_mappings=[mapping]))
    (shown,) = call(remote, "GET", "/openai-main").body["secret_mappings"]
    assert len(shown["secret_reference_id"]) == 36


def test_flags_can_be_booleans() -> None:
    remote = with_one(flexbool="bool")
    listed = {"models": [{"slug": "a", "enabled": True, "is_custom": True}]}
    call(remote, "PUT", "/openai-main/models", listed)
    (shown,) = call(remote, "GET", "/openai-main/models").body["models"]
    assert (shown["is_custom"], shown["is_finetune"]) == (True, False)


def test_a_successful_write_can_have_an_empty_body() -> None:
    remote = with_one(put_body="empty")
    assert call(remote, "PUT", "/openai-main", {"name": "x"}) == Response(200, None)
    assert call(remote, "DELETE", "/openai-main") == Response(200, None)


def test_an_empty_update_can_be_refused() -> None:
    assert call(with_one(), "PUT", "/openai-main", {}).status == 200
    assert call(with_one(empty_put="refuse"), "PUT", "/openai-main", {}).status == 400


def test_unexpected_fields_can_be_ignored() -> None:
    remote = with_one(unexpected_fields="ignore")
    update = {"slug": "other", "name": "New", "odd": 1}
    assert call(remote, "PUT", "/openai-main", update).status == 200
    assert set(remote.integrations) == {"openai-main"}
    assert "odd" not in remote.integrations["openai-main"]


def test_unexpected_fields_can_be_stored_as_by_a_later_version() -> None:
    remote = with_one(unexpected_fields="keep")
    call(remote, "PUT", "/openai-main", {"name": "New", "odd": {"a": 1}, "slug": "other"})
    call(remote, "PUT", "/openai-main", {"description": "d"})
    shown = call(remote, "GET", "/openai-main").body
    assert (shown["slug"], shown["name"], shown["odd"]) == ("openai-main", "New", {"a": 1})


def test_the_provider_of_an_integration_can_be_changed_or_not() -> None:
    update = {"ai_provider_id": "anthropic"}
    assert call(with_one(), "PUT", "/openai-main", update).status == 400
    remote = with_one(immutable_fields="change")
    assert call(remote, "PUT", "/openai-main", update).status == 200
    assert call(remote, "GET", "/openai-main").body["ai_provider_id"] == "anthropic"


def test_an_empty_list_of_budgets_can_be_refused() -> None:
    body: Any = {"workspaces": [{"id": "ws-a", "enabled": True, "usage_limits": []}]}
    for choice, status in (("clear", 200), ("refuse", 400)):
        remote = with_one(empty_usage_limits=choice)
        assert call(remote, "PUT", "/openai-main/workspaces", body).status == status
    body["workspaces"][0]["usage_limits"] = None
    assert call(remote, "PUT", "/openai-main/workspaces", body).status == 200


def test_a_null_description_can_be_ignored() -> None:
    for choice, expected in (("clear", None), ("keep", "d")):
        remote = with_one(description_null=choice)
        call(remote, "PUT", "/openai-main", {"description": "d"})
        call(remote, "PUT", "/openai-main", {"description": None})
        assert call(remote, "GET", "/openai-main").body["description"] == expected


def test_the_server_can_add_a_field() -> None:
    shown = call(with_one(server_added_fields=True), "GET", "/openai-main").body
    assert shown["configurations"]["provider_auth_type"] == "apiKey"


def test_a_custom_host_can_require_an_auth_type() -> None:
    remote = make_remote(Switches(require_provider_auth_type=True))
    host = {"custom_host": "https://models.example.com"}
    assert call(remote, "POST", "", openai(configurations=host)).status == 400
    typed = {**host, "provider_auth_type": "apiKey"}
    assert call(remote, "POST", "", openai(configurations=typed)).status == 200


def test_aws_ids_can_be_masked() -> None:
    remote = make_remote(Switches(mask_aws_ids=True))
    configurations = {
        "aws_auth_type": "accessKey",
        "aws_region": "us-east-1",
        "aws_access_key_id": "AKIAEXAMPLE12345",
        "aws_secret_access_key": "canary-canary-canary",
    }
    body = openai(ai_provider_id="bedrock", key=..., configurations=configurations)
    call(remote, "POST", "", body)
    shown = call(remote, "GET", "/openai-main").body["configurations"]
    assert shown["masked_aws_access_key_id"] == "AK*****345"


def test_the_delete_of_an_unknown_model_can_be_ignored() -> None:
    for choice, status in (("refuse", 400), ("ignore", 200)):
        remote = with_one(unknown_model_delete=choice)
        assert call(remote, "DELETE", "/openai-main/models", slugs="gone").status == status


def test_models_can_also_be_deleted_by_a_body() -> None:
    custom = {"slug": "my-tune", "enabled": True, "is_custom": True}
    for choice, status, left in (("query", 400, ["my-tune"]), ("query_or_body", 200, [])):
        remote = with_one(models_delete=choice)
        call(remote, "PUT", "/openai-main/models", {"models": [custom]})
        answer = call(remote, "DELETE", "/openai-main/models", {"models": ["my-tune"]})
        models = call(remote, "GET", "/openai-main/models").body["models"]
        assert (answer.status, [model["slug"] for model in models]) == (status, left)


@pytest.mark.parametrize("body", [None, {}, {"models": []}, {"models": "my-tune"}, {"models": [1]}])
def test_a_body_without_a_model_deletes_nothing(body: Any) -> None:
    remote = with_one(models_delete="query_or_body")
    assert call(remote, "DELETE", "/openai-main/models", body).status == 400


def test_the_models_of_the_catalogue_can_be_listed() -> None:
    remote = with_one(base_models="listed")
    disabled = {"slug": "gpt-5", "enabled": False}
    call(remote, "PUT", "/openai-main/models", {"models": [disabled]})
    models = call(remote, "GET", "/openai-main/models").body["models"]
    assert {m["slug"]: m["enabled"] for m in models} == {
        "gpt-5": False,
        "gpt-5-mini": True,
        "gpt-4.1": True,
        "text-embedding-3-large": True,
    }
    assert call(with_one(), "GET", "/openai-main/models").body["models"] == []


def test_a_write_of_access_can_update_the_time_of_the_integration() -> None:
    for choice in (False, True):
        remote = with_one(access_touches_integration=choice)
        call(remote, "PUT", "/openai-main/models", {"models": []})
        touched = call(remote, "GET", "/openai-main").body["last_updated_at"] is not None
        assert touched is choice


def test_the_list_can_start_with_the_newest() -> None:
    remote = with_one(list_order="newest")
    call(remote, "POST", "", openai("second"))
    for query in ({}, {"type": "organisation"}):
        rows = call(remote, "GET", "", None, **query).body["data"]
        assert [row["slug"] for row in rows] == ["second", "openai-main"]


def test_the_detail_of_a_listed_integration_can_be_404() -> None:
    remote = with_one(detail_404="other,openai-main")
    assert [row["slug"] for row in call(remote, "GET").body["data"]] == ["openai-main"]
    assert call(remote, "GET", "/openai-main").status == 404


def test_a_page_is_never_larger_than_its_maximum() -> None:
    remote = with_one(page_max=2)
    for number in range(4):
        call(remote, "POST", "", openai(f"i-{number}"))
    page = call(remote, "GET", "", None, page_size="100", current_page="2").body
    assert (page["total"], [row["slug"] for row in page["data"]]) == (5, ["i-3"])


def test_a_page_above_the_maximum_can_be_refused() -> None:
    remote = with_one(page_max=100, larger_page="refuse")
    assert call(remote, "GET", "", None, page_size="100").status == 200
    assert call(remote, "GET", "", None, page_size="101").status == 400


def test_reads_can_be_stale_for_a_while_and_writes_are_not() -> None:
    clock = ManualClock()
    remote = with_one(clock, stale_read_ms=1000)
    assert call(remote, "GET", "/openai-main").status == 404
    assert call(remote, "GET").body["total"] == 0
    clock.milliseconds += 2000
    assert call(remote, "PUT", "/openai-main", {"name": "New"}).status == 200
    assert call(remote, "GET", "/openai-main").body["name"] == "OpenAI"
    assert call(remote, "DELETE", "/openai-main").status == 200
    assert call(remote, "GET", "/openai-main").body["name"] == "New"
    clock.milliseconds += 2000
    assert call(remote, "GET", "/openai-main").status == 404


def test_every_nth_request_can_be_refused() -> None:
    remote = make_remote(Switches(rate_limit_after=2, retry_after="7"))
    answers = [call(remote, "GET") for _ in range(6)]
    assert [answer.status for answer in answers] == [200, 200, 429, 200, 200, 429]
    assert (code(answers[2]), answers[2].headers["Retry-After"]) == ("AB06", "7")


@pytest.mark.parametrize(
    "given", [{"odd": 1}, {"delete": "soft"}, {"page_max": "10"}, {"slug_reuse_after_delete": 1}]
)
def test_an_unknown_switch_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidSwitch) as caught:
        Switches.parse(given)
    assert next(iter(given)) in caught.value.summary
    assert caught.value.exit_code == 3
    assert caught.value.hint
