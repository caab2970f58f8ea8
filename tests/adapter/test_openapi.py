"""OpenAPI document: derived from the operation table, complete, and equal to a golden file."""

import json
from pathlib import Path

from openapi_spec_validator import validate

from reconciler.adapter.openapi import document
from reconciler.adapter.service import RAW_OPERATIONS
from reconciler.remote.operations import OPERATIONS
from tests.adapter.ports import Ports

GOLDEN = Path(__file__).parents[1] / "golden" / "adapter" / "openapi.json"


def test_it_is_valid_and_has_the_operations_of_the_table() -> None:
    described = document()
    validate(described)
    found = {
        (operation["operationId"], method.upper(), path)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert found == {(row.name, row.method, f"/v1{row.path}") for row in RAW_OPERATIONS}


def test_parameters_and_bodies_are_those_of_the_table() -> None:
    for row in RAW_OPERATIONS:
        described = document()["paths"][f"/v1{row.path}"][row.method.lower()]
        parameters = described.get("parameters", [])
        names = [p["name"] for p in parameters if "name" in p]
        assert names == [p.name for p in row.query]
        assert ("requestBody" in described) == (row.body is not None)
        if row.body is not None:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            assert schema["properties"].keys() == row.body["properties"].keys()
            assert schema["additionalProperties"] is False


def test_sub_resources_are_left_out() -> None:
    text = json.dumps(document())
    assert all(f'"{row.name.value}"' not in text for row in OPERATIONS.values() if not row.raw)


def test_every_operation_refuses_a_large_body_as_described() -> None:
    for path, methods in document()["paths"].items():
        for method, described in methods.items():
            response = Ports().ask(
                method.upper(), path.replace("{slug}", "a"), content=b" " * (2**20 + 1)
            )
            assert str(response.status_code) == "413"
            assert "413" in described["responses"], (method, path)


def test_it_is_served_with_a_token() -> None:
    response = Ports().ask("GET", "/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == document()


def test_it_equals_the_golden_file() -> None:
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    assert text == GOLDEN.read_text(encoding="utf-8"), (
        "the description changed; if that is meant, run: python -m tests.adapter.test_openapi"
    )


if __name__ == "__main__":
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
