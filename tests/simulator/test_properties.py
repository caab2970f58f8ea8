"""Any request gets a response in a documented form, with correct totals and without a secret."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import encode_response
from reconciler.simulator.messages import Request, Response
from reconciler.simulator.switches import Switches
from tests.contract.api import make_remote

pytestmark = pytest.mark.slow

CANARY = "canary-9f8e7d6c5b4a-canary"
SLUGS = st.sampled_from(["a", "b", "c"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
CONFIGURATIONS = st.fixed_dictionaries(
    {},
    optional={
        "custom_headers": st.just({"x-auth": CANARY}),
        "azure_entra_client_secret": st.just(CANARY),
        "aws_secret_access_key": st.just(CANARY),
        "vertex_service_account_json": st.just({"private_key": CANARY}),
        "openai_project": st.text(max_size=4),
    },
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(min_size=1, max_size=9) | ANYTHING,
    "key": st.just(CANARY),
    "description": st.text(max_size=9) | st.none(),
    "configurations": CONFIGURATIONS | ANYTHING,
    "secret_mappings": ANYTHING,
    "pricing_adjustments": ANYTHING,
    "tags": ANYTHING,
}
CREATE = st.builds(
    lambda slug, rest: Request("POST", "/integrations", {}, {**rest, **slug}),
    st.fixed_dictionaries(
        {"slug": SLUGS, "name": st.just("n"), "ai_provider_id": st.just("openai")},
        optional={"workspace_id": st.sampled_from(["ws-a", "ws-b"])},
    ),
    st.fixed_dictionaries({"key": st.just(CANARY)}, optional={"configurations": CONFIGURATIONS}),
)
MODEL = st.fixed_dictionaries(
    {"slug": st.sampled_from(["m", "n"]), "enabled": st.booleans()},
    optional={
        "is_custom": st.booleans(),
        "configurations": st.just({"custom_headers": {"x": CANARY}}),
    },
)
GRANT = st.fixed_dictionaries(
    {"id": st.sampled_from(["ws-a", "ws-b"]), "enabled": st.booleans()},
    optional={"usage_limits": st.just([{"credit_limit": 3}]) | ANYTHING},
)


def to_item(method: str, part: str, body: st.SearchStrategy[Any]) -> st.SearchStrategy[Request]:
    return st.builds(lambda s, b: Request(method, f"/integrations/{s}{part}", {}, b), SLUGS, body)


REQUESTS = st.one_of(
    CREATE,
    to_item("PUT", "", st.fixed_dictionaries({}, optional=FIELDS)),
    to_item("DELETE", "", st.none()),
    to_item("PUT", "/models", st.fixed_dictionaries({"models": st.lists(MODEL, max_size=2)})),
    to_item("PUT", "/workspaces", st.fixed_dictionaries({"workspaces": st.lists(GRANT)})),
    st.builds(
        Request,
        st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
        st.sampled_from(["/integrations", "/integrations/a", "/integrations/a/models", "/", "x"])
        | st.text(max_size=20),
        st.dictionaries(
            st.sampled_from(["current_page", "page_size", "type", "workspace_id", "slugs"]),
            st.text(max_size=4),
        ),
        ANYTHING,
    ),
)
SWITCHES = st.builds(
    Switches,
    configurations_put=st.sampled_from(["replace", "merge"]),
    missing=st.sampled_from(["404_AB08", "403_AB03"]),
    duplicate_slug=st.sampled_from(["409_AB07", "400_AB01", "suffixed"]),
    delete=st.sampled_from(["hard", "archived"]),
    slug_reuse_after_delete=st.booleans(),
    detail_shape=st.sampled_from(["observed", "documented"]),
    workspace_id_form=st.sampled_from(["slug", "uuid"]),
    unexpected_fields=st.sampled_from(["refuse", "ignore", "keep"]),
    mask_aws_ids=st.booleans(),
    list_order=st.sampled_from(["created", "newest"]),
    page_max=st.integers(1, 3),
    stale_read_ms=st.sampled_from([0, 20]),
    rate_limit_after=st.sampled_from([0, 7]),
)


def read(remote: SimulatedAPI, path: str, **query: str) -> Response:
    """Read, and repeat the read after a 429."""
    answer = remote.handle(Request("GET", path, query))
    return remote.handle(Request("GET", path, query)) if answer.status == 429 else answer


def documented(response: Response) -> bool:
    if response.status == 200:
        return response.body is None or isinstance(response.body, dict)
    data = response.body["data"]
    return response.body["success"] is False and set(data) == {"message", "errorCode"}


@settings(max_examples=150)
@given(SWITCHES, st.lists(REQUESTS, max_size=25))
def test_every_request_gets_a_response_in_a_documented_form(
    switches: Switches, requests: list[Request]
) -> None:
    remote = make_remote(switches)
    for request in requests:
        response = remote.handle(request)
        assert documented(response), (request, response)
        assert encode_response(response).status == response.status


@settings(max_examples=100)
@given(SWITCHES, st.lists(REQUESTS, max_size=25))
def test_no_response_contains_a_secret(switches: Switches, requests: list[Request]) -> None:
    remote = make_remote(switches)
    paths = ["/integrations"]
    paths += [f"/integrations/{s}{part}" for s in "abc" for part in ("", "/models", "/workspaces")]
    for request in requests:
        assert CANARY not in json.dumps(remote.handle(request).body)
    for path in paths:
        assert CANARY not in json.dumps(read(remote, path).body)


@settings(max_examples=100)
@given(SWITCHES, st.lists(CREATE | to_item("DELETE", "", st.none()), max_size=30))
def test_the_pages_have_as_many_rows_as_the_total(
    switches: Switches, requests: list[Request]
) -> None:
    remote = make_remote(replace(switches, stale_read_ms=0))
    for request in requests:
        remote.handle(request)
    for kind in ("all", "workspace", "organisation"):
        slugs: list[str] = []
        totals = set()
        for page in range(len(requests) + 1):
            body = read(remote, "/integrations", type=kind, current_page=str(page)).body
            totals.add(body["total"])
            slugs += [row["slug"] for row in body["data"]]
        assert totals == {len(slugs)}
        assert len(slugs) == len(set(slugs))


@settings(max_examples=60)
@given(st.lists(REQUESTS, max_size=15), st.lists(REQUESTS, max_size=15))
def test_a_restored_state_responds_as_the_original_did(
    before: list[Request], after: list[Request]
) -> None:
    remote = make_remote()
    for request in before:
        remote.handle(request)
    state = remote.snapshot()
    assert json.loads(json.dumps(state)) == state
    for request in after:
        remote.handle(request)
    remote.restore(state)
    assert remote.snapshot() == state
