"""Operation table: it builds and routes requests, and refuses malformed slugs."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.calls import Call, OperationName
from reconciler.remote.errors import InvalidCall
from reconciler.remote.operations import OPERATIONS, allowed_methods, match, prepare

SLUGS = st.from_regex(r"[A-Za-z0-9_-]{1,255}", fullmatch=True)
BAD_SLUGS = ["", ".", "..", "a/b", "a\n", "%2e%2e", "a%2Fb", "a\0", "x" * 256, "ä", "a b", "a?b"]


def call_of(name: OperationName, slug: str) -> Call:
    operation = OPERATIONS[name]
    # Required parameters of calls.
    query = {parameter.name: "m" for parameter in operation.query if parameter.required}
    return Call(name, slug if operation.takes_slug else None, query, {} if operation.body else None)


def test_the_table_holds_all_operations_and_five_are_raw() -> None:
    assert list(OPERATIONS) == list(OperationName)
    assert [name for name, row in OPERATIONS.items() if row.raw] == list(OperationName)[:5]


def test_the_hints_are_those_documented() -> None:
    facts = {n: (r.safe, r.destructive, r.idempotent) for n, r in OPERATIONS.items() if r.raw}
    assert facts == {
        OperationName.LIST: (True, False, True),
        OperationName.CREATE: (False, False, False),
        OperationName.GET: (True, False, True),
        OperationName.UPDATE: (False, False, True),
        OperationName.DELETE: (False, True, True),
    }


@given(slug=SLUGS, name=st.sampled_from(OperationName))
def test_a_built_request_is_routed_to_its_operation(slug: str, name: OperationName) -> None:
    prepared = prepare(call_of(name, slug))
    found = match(prepared.method, prepared.path)
    assert found == (OPERATIONS[name], slug if OPERATIONS[name].takes_slug else None)


@pytest.mark.parametrize("slug", [*BAD_SLUGS, None])
def test_a_bad_slug_is_refused_before_anything_is_sent(slug: str | None) -> None:
    with pytest.raises(InvalidCall) as caught:
        prepare(Call(OperationName.GET, slug))
    assert (caught.value.code, caught.value.attempts) == ("bad-slug", 0)


@pytest.mark.parametrize("slug", ["", "%2e%2e", ".."])
def test_a_bad_slug_in_a_path_is_refused_rather_than_routed(slug: str) -> None:
    with pytest.raises(InvalidCall):
        match("GET", f"/integrations/{slug}")


def test_a_bad_slug_in_a_create_body_is_refused() -> None:
    with pytest.raises(InvalidCall):
        prepare(Call(OperationName.CREATE, body={"slug": "a\n"}))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/integrations/a/b"),
        ("GET", "/integrations/a/models/b"),
        ("PATCH", "/integrations/a"),
        ("GET", "/v1/integrations"),
        ("GET", "/integrations\n"),
        ("POST", "/providers"),
        ("PUT", "/configs/a"),
        ("GET", "/configs/a/versions"),
        ("GET", "/admin/workspaces/a"),
        ("GET", "/providers/a"),
    ],
)
def test_other_paths_have_no_operation(method: str, path: str) -> None:
    assert match(method, path) is None


def test_a_path_has_its_methods() -> None:
    assert allowed_methods("/integrations") == ("GET", "POST")
    assert allowed_methods("/integrations/a") == ("GET", "PUT", "DELETE")
    assert allowed_methods("/integrations/a/models") == ("GET", "PUT", "DELETE")
    assert allowed_methods("/integrations/a/workspaces") == ("GET", "PUT")
    assert allowed_methods("/configs/a") == allowed_methods("/providers") == ("GET",)
    assert allowed_methods("/other") == ()


BODY = {"name": "A"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            Call(OperationName.LIST, query={"pages": 1, "all": 1}),
            "list-all-integrations and query all, pages",
        ),
        (Call(OperationName.DELETE_MODELS, "a"), "delete-integration-models and query slugs"),
        (
            Call(OperationName.DELETE_MODELS, "a", {"slug": "m"}),
            "delete-integration-models and query slug, slugs",
        ),
        (Call(OperationName.GET, "a", {"page": 1}), "get-integration and query page"),
        (Call(OperationName.LIST, slug="a"), "list-all-integrations takes no slug"),
        (Call(OperationName.CREATE, "a", body=BODY), "create-integration takes no slug"),
        (Call(OperationName.UPDATE, "a"), "update-integration needs body"),
        (Call(OperationName.GET, "a", body={}), "get-integration takes no body"),
    ],
)
def test_a_call_that_does_not_fit_its_operation_is_refused(call: Call, says: str) -> None:
    with pytest.raises(InvalidCall) as caught:
        prepare(call)
    error = caught.value
    assert (error.code, error.summary, error.attempts) == ("bad-call", says, 0)


def test_a_call_is_written_with_its_path_its_query_and_its_body() -> None:
    prepared = prepare(Call(OperationName.DELETE_MODELS, "a", {"slugs": "m,n"}))
    assert (prepared.method, prepared.path) == ("DELETE", "/integrations/a/models")
    assert (prepared.query, prepared.body) == ({"slugs": "m,n"}, None)
    prepared = prepare(Call(OperationName.CREATE, body=BODY | {"slug": "a"}))
    assert (prepared.method, prepared.path, prepared.query) == ("POST", "/integrations", {})
    assert prepared.body == {"name": "A", "slug": "a"}


def test_only_the_beginning_of_a_refused_slug_is_shown() -> None:
    with pytest.raises(InvalidCall) as caught:
        prepare(Call(OperationName.GET, "x " + "y" * 100))
    assert caught.value.summary == f"'x {'y' * 58}' is not a slug"
    assert caught.value.hint == ("write 1 to 255 letters, digits, hyphens and underscores")


@pytest.mark.parametrize("name", [OperationName.CREATE, OperationName.UPDATE])
def test_body_schemas_are_closed_at_the_top_level_and_open_in_configurations(
    name: OperationName,
) -> None:
    schema = dict(OPERATIONS[name].body or {})
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = {"name": "N", "configurations": {"anything": [1]}, "tags": None}
    good |= {"ai_provider_id": "openai"} if name is OperationName.CREATE else {}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | {"descripton": "x"})
    assert not validator.is_valid(good | {"name": ""})
    assert not validator.is_valid(good | {"secret_mappings": [{"target_field": "name"}]})


def test_a_parameter_has_its_bounds_as_json_schema() -> None:
    schemas = {p.name: p.schema for p in OPERATIONS[OperationName.LIST].query}
    described = {name: schema.pop("description") for name, schema in schemas.items()}
    assert schemas == {
        "current_page": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "page_size": {"type": "integer", "minimum": 1, "maximum": 1000},
        "workspace_id": {"type": "string"},
        "type": {"type": "string", "enum": ["workspace", "organisation", "all"]},
    }
    assert all(described.values())
