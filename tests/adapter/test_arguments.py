"""Arguments as clients send them: null for unset parameters, and JSON text for other types."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapter.service import RAW_OPERATIONS
from reconciler.adapter.validation import read_arguments
from tests.adapter.ports import Ports, Wire, bearer, says
from tests.adapter.test_gitops_tools import ALPHA, Here
from tests.adapter.test_tools import call, post

CREATE: dict[str, Any] = {"name": "N", "ai_provider_id": "openai"}


def sent(ports: Ports) -> list[tuple[str, str, Any]]:
    return [
        (
            request.method,
            request.url.raw_path.decode(),
            json.loads(request.content) if request.content else None,
        )
        for request in ports.wire.requests
    ]


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (dict.fromkeys(("current_page", "page_size", "workspace_id", "type")), ""),
        ({"current_page": None, "page_size": 5}, "?page_size=5"),
        ({"current_page": "0", "page_size": " 7 "}, "?current_page=0&page_size=7"),
        ({"page_size": "2.0"}, "?page_size=2"),
        ({"page_size": "null", "type": "all"}, "?type=all"),
        ({"workspace_id": "123"}, "?workspace_id=123"),
        ({"workspace_id": "null"}, "?workspace_id=null"),
        ({"workspace_id": '{"a": 1}'}, "?workspace_id=%7B%22a%22%3A+1%7D"),
    ],
)
def test_query_parameters(arguments: dict[str, Any], query: str) -> None:
    ports = Ports()
    result = call(ports, "list-all-integrations", arguments)
    assert not result.is_error, result.content[0].text
    assert sent(ports) == [("GET", f"/v1/integrations{query}", None)]


BODIES: list[tuple[Any, dict[str, Any]]] = [
    (json.dumps(CREATE), CREATE),
    (f"\n {json.dumps(CREATE)}\t", CREATE),
    ({**CREATE, "description": None, "workspace_id": None, "key": None}, CREATE),
    (json.dumps({**CREATE, "description": None, "configurations": None}), CREATE),
    (
        {**CREATE, "configurations": '{"a": null, "b": "1"}'},
        {**CREATE, "configurations": {"a": None, "b": "1"}},
    ),
    (
        {**CREATE, "configurations": {"a": "{}", "b": None, "c": "true"}},
        {**CREATE, "configurations": {"a": "{}", "b": None, "c": "true"}},
    ),
    (
        {**CREATE, "create_default_provider": "false"},
        {**CREATE, "create_default_provider": False},
    ),
    (
        {**CREATE, "name": "123", "key": "true", "description": '{"a": 1}'},
        {**CREATE, "name": "123", "key": "true", "description": '{"a": 1}'},
    ),
    (
        {**CREATE, "tags": '{"a": "1", "b": null}', "pricing_adjustments": None},
        {**CREATE, "tags": {"a": "1", "b": None}, "pricing_adjustments": None},
    ),
    ({**CREATE, "tags": "null"}, {**CREATE, "tags": None}),
    (
        {
            **CREATE,
            "secret_mappings": json.dumps(
                [{"target_field": "key", "secret_reference_id": "1", "value_format": None}]
            ),
        },
        {
            **CREATE,
            "secret_mappings": [
                {"target_field": "key", "secret_reference_id": "1", "value_format": None}
            ],
        },
    ),
    (
        {
            **CREATE,
            "secret_mappings": ['{"target_field": "key", "secret_reference_id": "1"}'],
        },
        {**CREATE, "secret_mappings": [{"target_field": "key", "secret_reference_id": "1"}]},
    ),
    (
        {
            **CREATE,
            "pricing_adjustments": {
                "multiplier": {"default": "1.5", "image": '{"default": 2}', "request_token": "3"}
            },
        },
        {
            **CREATE,
            "pricing_adjustments": {
                "multiplier": {"default": 1.5, "image": {"default": 2}, "request_token": 3}
            },
        },
    ),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_bodies(body: Any, expected: dict[str, Any]) -> None:
    ports = Ports(wire=Wire(says(200, {"id": "1", "slug": "a"})))
    result = call(ports, "create-integration", {"body": body})
    assert not result.is_error, result.content[0].text
    assert sent(ports) == [("POST", "/v1/integrations", expected)]


def test_null_fields_are_left_out_of_an_update() -> None:
    ports = Ports()
    body = {"name": "B", "description": None, "key": None}
    assert not call(ports, "update-integration", {"slug": "a", "body": body}).is_error
    assert sent(ports) == [("PUT", "/v1/integrations/a", {"name": "B"})]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("list-all-integrations", {"page_size": "ten"}, "page_size must be an integer"),
    ("list-all-integrations", {"page_size": ""}, "page_size must be an integer"),
    ("list-all-integrations", {"page_size": "1.5"}, "has another type"),
    ("list-all-integrations", {"page_size": "true"}, "has another type"),
    ("list-all-integrations", {"page_size": "NaN"}, "is not JSON"),
    ("list-all-integrations", {"page_size": "9" * 5000}, "is not JSON"),
    ("list-all-integrations", {"page_size": "1e999"}, "page_size"),
    ("list-all-integrations", {"page_size": "1001"}, "above the maximum"),
    ("list-all-integrations", {"unknown": None}, "unknown"),
    ("get-integration", {"slug": None}, "slug"),
    ("create-integration", {"body": None}, "body must be of type object"),
    ("create-integration", {"body": "sk-never-shown"}, "body must be an object"),
    ("create-integration", {"body": '{"key": "sk-never-shown"'}, "is not JSON"),
    ("create-integration", {"body": '["sk-never-shown"]'}, "has another type"),
    ("create-integration", {"body": json.dumps(json.dumps(CREATE))}, "has another type"),
    ("create-integration", {"body": "[" * 100_000}, "is not JSON"),
    ("create-integration", {"body": json.dumps({**CREATE, "typo": "sk-never-shown"})}, "typo"),
    ("create-integration", {"body": {**CREATE, "name": None}}, "body.name"),
    (
        "create-integration",
        {"body": {**CREATE, "configurations": "sk-never-shown"}},
        "body.configurations must be an object; the string is not JSON",
    ),
    (
        "create-integration",
        {"body": {**CREATE, "create_default_provider": "True"}},
        "body.create_default_provider must be a boolean",
    ),
    (
        "create-integration",
        {"body": {**CREATE, "secret_mappings": ["sk-never-shown"]}},
        "body.secret_mappings.0 must be an object",
    ),
    (
        "create-integration",
        {"body": {**CREATE, "configurations": '{"a":' * 300 + "1" + "}" * 300}},
        "nested deeper",
    ),
]


@pytest.mark.parametrize(("name", "arguments", "sent"), WRONG)
def test_an_error_for_an_unreadable_value_names_its_place_and_not_the_text(
    name: str, arguments: dict[str, Any], sent: str
) -> None:
    ports = Ports()
    result = call(ports, name, arguments)
    assert result.is_error
    assert result.structured_content["status"] == 400
    assert sent in result.structured_content["detail"]
    assert "sk-never-shown" not in result.content[0].text
    assert (ports.wire.requests, ports.defects) == ([], [])


def test_a_null_confirmation_does_not_confirm() -> None:
    ports = Ports(confirms=True)
    assert call(ports, "delete-integration", {"slug": "a", "confirm_slug": None}).is_error
    assert ports.wire.requests == []


def test_documents_of_a_proposal_may_be_json_text_and_null_removes_a_file() -> None:
    here = Here(alpha=ALPHA)
    beta = {"integrations/beta.yaml": ALPHA.decode().replace("alpha", "beta")}
    planned = here.call("plan-changes", documents=json.dumps(beta)).structured_content
    assert [action["slug"] for action in planned["actions"]] == ["alpha", "beta"]
    today = here.call("plan-changes", documents=None).structured_content
    assert [action["slug"] for action in today["actions"]] == ["alpha"]
    removed = here.call("plan-changes", documents={"integrations/alpha.yaml": None})
    assert removed.structured_content["actions"] == []


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_the_endpoint_is_served_with_and_without_a_slash(path: str) -> None:
    ports = Ports(wire=Wire(says(200, {"slug": "a"})))
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "get-integration", "arguments": {"slug": "a"}},
    }
    answer: httpx.Response = post(
        ports, path=path, headers=bearer(accept="application/json"), json=message
    )
    assert answer.status_code == 200
    assert answer.json()["result"]["structuredContent"] == {"slug": "a"}
    assert post(ports, path=path, headers={}, json=message).status_code == 401


def _values(schema: Any) -> st.SearchStrategy[Any]:
    """Generate values that a schema takes, without null."""
    if branches := schema.get("anyOf"):
        return st.one_of([_values(branch) for branch in branches])
    named = schema.get("type")
    kinds = [named] if isinstance(named, str) else [name for name in named if name != "null"]
    return st.one_of([_of_type(kind, schema) for kind in kinds])


def _of_type(kind: str, schema: Any) -> st.SearchStrategy[Any]:
    if kind == "object":
        known = {n: _values(s) for n, s in schema.get("properties", {}).items()}
        return st.fixed_dictionaries({}, optional=known)
    if kind == "array":
        return st.lists(_values(schema["items"]), max_size=2)
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text(max_size=5),
        "integer": st.integers(),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
    }
    return scalars[kind]


BODY_SCHEMAS = {str(row.name): row.body for row in RAW_OPERATIONS if row.body is not None}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_value_and_its_json_text_are_read_as_the_same_value(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(sorted(BODY_SCHEMAS)))
    schema = {"type": "object", "required": ["body"], "properties": {"body": BODY_SCHEMAS[name]}}
    body = data.draw(_values(BODY_SCHEMAS[name]))
    assert read_arguments({"body": body}, schema) == {"body": body}
    assert read_arguments({"body": json.dumps(body)}, schema) == {"body": body}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()
    }
    assert read_arguments({"body": texts}, schema) == {"body": body}
