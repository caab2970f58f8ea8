"""remote/API.md §11, fact by fact: workspaces, providers and configs."""

from typing import Any

import pytest

from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.contract.api import Api, make_remote, openai

PROVIDER_ROW = {
    "name",
    "slug",
    "integration_id",
    "note",
    "status",
    "usage_limits",
    "rate_limits",
    "reset_usage",
    "expires_at",
    "created_at",
    "object",
}


def prepared(api: Api) -> None:
    """Create an integration that two workspaces may use."""
    assert api.call("POST", "/integrations", openai()).status == 200
    entries = [{"id": name, "enabled": True} for name in ("ws-a", "ws-b")]
    access = {"workspaces": entries, "create_default_provider": False}
    assert api.call("PUT", "/integrations/openai-main/workspaces", access).status == 200


def provider(api: Api, workspace: str = "ws-a", **fields: Any) -> Any:
    body = {"name": "Main", "integration_id": "openai-main", "workspace_id": workspace}
    return api.call("POST", "/providers", {**body, **fields})


def config(api: Api, content: Any, workspace: str = "ws-a") -> str:
    body = {"name": "Main route", "workspace_id": workspace, "config": content}
    return str(api.call("POST", "/configs", body).body["slug"])


def listed(api: Api, path: str, **query: Any) -> Any:
    answer = api.call("GET", path, query=query)
    assert answer.status == 200, answer.body
    assert set(answer.body) == {"object", "total", "data"}
    return answer.body


def test_11_1_workspaces_have_an_id_and_a_slug(api: Api) -> None:
    prepared(api)
    rows = listed(api, "/admin/workspaces")["data"]
    assert [row["slug"] for row in rows] == ["ws-a", "ws-b"]
    assert all(len(row["id"]) == 36 for row in rows)


def test_11_1_providers_are_listed_by_workspace_in_either_form(api: Api) -> None:
    prepared(api)
    assert provider(api, slug="main").status == 200
    assert provider(api, "ws-b", slug="main").status == 200
    [first, _] = listed(api, "/admin/workspaces")["data"]
    for form in (first["id"], first["slug"]):
        [row] = listed(api, "/providers", workspace_id=form)["data"]
        assert set(row) == PROVIDER_ROW
        assert (row["slug"], row["integration_id"]) == ("main", "openai-main")


def test_11_1_an_organisation_key_must_name_the_workspace(api: Api) -> None:
    answer = api.call("GET", "/providers")
    assert (answer.status, answer.code) == (400, "AB01")


def test_11_1_a_provider_needs_an_integration_that_its_workspace_may_use(api: Api) -> None:
    prepared(api)
    assert provider(api, "ws-c").status == 400
    assert provider(api, integration_id="nobody").status == 404
    assert provider(api, slug="main").status == 200
    assert provider(api, slug="main").status == 409
    # A workspace can have several for one integration.
    assert provider(api).status == 200


def test_11_1_a_default_provider_is_listed(api: Api) -> None:
    api.call("POST", "/integrations", openai())
    access = {"workspaces": [{"id": "ws-a", "enabled": True}]}
    api.call("PUT", "/integrations/openai-main/workspaces", access)
    [row] = listed(api, "/providers", workspace_id="ws-a")["data"]
    assert row["note"] == "Created automatically on integration access grant"


def test_11_2_a_row_has_no_content_and_the_detail_has_json_text(api: Api) -> None:
    slug = config(api, {"provider": "@main"})
    assert slug.startswith("pc-main-r-")
    [row] = listed(api, "/configs")["data"]
    assert (row["slug"], "config" in row) == (slug, False)
    detail = api.call("GET", f"/configs/{slug}").body
    assert detail["config"] == '{"provider": "@main"}'
    assert detail["workspace_id"] == row["workspace_id"]
    assert api.call("GET", "/configs/pc-none").status == 404


@pytest.mark.parametrize("path", ["/admin/workspaces", "/configs"])
def test_11_the_lists_are_paged_from_zero(api: Api, path: str) -> None:
    for number in range(5):
        config(api, {}, f"ws-{number}")
    seen = []
    for page in range(3):
        body = listed(api, path, current_page=page, page_size=2)
        assert body["total"] == 5
        seen += [row["slug"] for row in body["data"]]
    assert len(set(seen)) == len(seen) == 5
    assert api.call("GET", path, query={"page_size": 0}).status == 400


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("workspaces.list", "/admin/workspaces"),
        ("providers.list", "/providers"),
        ("configs.list", "/configs"),
        ("configs.read", "/configs/pc-any"),
    ],
)
def test_11_a_list_needs_its_scope(scope: str, path: str) -> None:
    remote = make_remote(Switches(denied_scopes=f"logs.list,{scope}"))
    answer = remote.handle(Request("GET", path, {"workspace_id": "ws-a"}))
    assert (answer.status, answer.body["data"]["errorCode"]) == (403, "AB03")


def test_11_deleting_an_integration_removes_its_providers(api: Api) -> None:
    prepared(api)
    provider(api)
    assert api.call("DELETE", "/integrations/openai-main").status == 200
    assert listed(api, "/providers", workspace_id="ws-a")["total"] == 0
