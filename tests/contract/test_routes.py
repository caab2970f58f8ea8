"""The simulator has a handler for each operation of the table, and for nothing else."""

import pytest

from reconciler.domain.calls import OperationName
from reconciler.remote.operations import OPERATIONS
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.messages import Request
from reconciler.simulator.usage import CREATES
from tests.contract.api import make_remote, openai

BODIES = {
    OperationName.CREATE: openai("another"),
    OperationName.UPDATE: {"name": "x"},
    OperationName.UPDATE_MODELS: {"models": []},
    OperationName.UPDATE_WORKSPACES: {"workspaces": []},
}
QUERIES = {
    OperationName.DELETE_MODELS: {"slugs": "mine"},
    OperationName.LIST_PROVIDERS: {"workspace_id": "ws-a"},
    OperationName.LIST_AUDIT_LOGS: {
        "start_time": "2026-01-01T00:00:00Z",
        "end_time": "2026-12-31T00:00:00Z",
        "organisation_id": "any",
    },
}


def with_one() -> tuple[SimulatedAPI, str]:
    """Return an API with one integration and one config, and the slug of the latter."""
    remote = make_remote()
    remote.handle(Request("POST", "/integrations", {}, openai()))
    config = {"name": "Main", "workspace_id": "ws-a", "config": {}}
    return remote, remote.handle(Request("POST", "/configs", {}, config)).body["slug"]


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_operation_of_the_table_has_a_handler(name: OperationName) -> None:
    remote, config = with_one()
    models = {"models": [{"slug": "mine", "enabled": True, "is_custom": True}]}
    remote.handle(Request("PUT", "/integrations/openai-main/models", {}, models))
    operation = OPERATIONS[name]
    query = QUERIES.get(name, {})
    slug = config if name is OperationName.GET_CONFIG else "openai-main"
    path = operation.path.replace("{slug}", slug)
    response = remote.handle(Request(operation.method, path, query, BODIES.get(name)))
    assert response.status == 200, response


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS.values()}))
def test_every_other_method_is_refused(path: str) -> None:
    remote, _ = with_one()
    taken = {operation.method for operation in OPERATIONS.values() if operation.path == path}
    # `reconcile` never creates these; other clients do.
    taken |= {"POST"} if path in CREATES else set()
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - taken:
        answer = remote.handle(Request(method, path.replace("{slug}", "openai-main"), {}, {}))
        assert (answer.status, answer.body["data"]["errorCode"]) == (404, "AB08")
