"""The simulator has a handler for each operation of the table, and for nothing else."""

import pytest

from reconciler.domain.calls import OperationName
from reconciler.remote.operations import OPERATIONS
from reconciler.simulator.messages import Request
from tests.contract.api import make_remote, openai

BODIES = {
    OperationName.CREATE: openai("another"),
    OperationName.UPDATE: {"name": "x"},
    OperationName.UPDATE_MODELS: {"models": []},
    OperationName.UPDATE_WORKSPACES: {"workspaces": []},
}


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_operation_of_the_table_has_a_handler(name: OperationName) -> None:
    remote = make_remote()
    remote.handle(Request("POST", "/integrations", {}, openai()))
    models = {"models": [{"slug": "mine", "enabled": True, "is_custom": True}]}
    remote.handle(Request("PUT", "/integrations/openai-main/models", {}, models))
    operation = OPERATIONS[name]
    query = {"slugs": "mine"} if name is OperationName.DELETE_MODELS else {}
    path = operation.path.replace("{slug}", "openai-main")
    response = remote.handle(Request(operation.method, path, query, BODIES.get(name)))
    assert response.status == 200, response


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS.values()}))
def test_every_other_method_is_refused(path: str) -> None:
    remote = make_remote()
    remote.handle(Request("POST", "/integrations", {}, openai()))
    taken = {operation.method for operation in OPERATIONS.values() if operation.path == path}
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - taken:
        answer = remote.handle(Request(method, path.replace("{slug}", "openai-main"), {}, {}))
        assert (answer.status, answer.body["data"]["errorCode"]) == (404, "AB08")
