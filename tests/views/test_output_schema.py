"""The schemas of outputs accept every document that the views print."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from reconciler.drift.codec import decode_report
from reconciler.drift.report import detect_drift
from reconciler.planning.codec import decode, encode
from reconciler.planning.plan import Plan
from reconciler.views import output_schema
from tests.end_to_end.harness import ROOT
from tests.views.hostile import plans

KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "plan": output_schema.plan,
    "apply_result": output_schema.result,
    "drift_report": output_schema.drift,
}
VALIDATORS = {kind: Draft202012Validator(schema()) for kind, schema in KINDS.items()}
DOCUMENTS = {
    file.relative_to(ROOT / "tests" / "golden").as_posix(): document
    for file in sorted((ROOT / "tests" / "golden").rglob("*.json"))
    if isinstance(document := json.loads(file.read_text(encoding="utf-8")), dict)
    and document.get("kind") in KINDS
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one_of_draft_2020_12(kind: str) -> None:
    Draft202012Validator.check_schema(KINDS[kind]())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_golden_document_conforms_to_its_schema(name: str) -> None:
    document = DOCUMENTS[name]
    errors = VALIDATORS[document["kind"]].iter_errors(document)
    assert [error.message for error in errors] == []


def test_there_is_a_golden_document_of_every_kind() -> None:
    assert {document["kind"] for document in DOCUMENTS.values()} == set(KINDS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_names_every_key_of_its_documents(name: str) -> None:
    document = DOCUMENTS[name]
    assert set(document) <= set(KINDS[document["kind"]]()["properties"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_with_a_missing_key_or_a_sensitive_value_is_invalid(kind: str) -> None:
    validator = Draft202012Validator(KINDS[kind]())
    document = next(d for d in DOCUMENTS.values() if d["kind"] == kind)
    for key in validator.schema["required"]:
        assert not validator.is_valid({k: v for k, v in document.items() if k != key}), key


@pytest.mark.slow
@settings(max_examples=25)
@given(plans())
def test_every_plan_and_report_conforms_to_its_schema_and_is_parsed(made: Plan) -> None:
    made = replace(made, run=None)
    report = detect_drift(made)
    for kind, document in (("plan", made.as_json()), ("drift_report", report.as_json())):
        assert list(VALIDATORS[kind].iter_errors(json.loads(json.dumps(document)))) == []
    assert decode(encode(made), name="x").as_json() == made.as_json()
    assert decode_report(json.dumps(report.as_json()), name="x").as_json() == report.as_json()


def test_a_sensitive_change_with_a_value_is_invalid() -> None:
    change = {
        "path": "key",
        "op": "rotate",
        "before": None,
        "after": "sk-visible",
        "sensitive": True,
        "origin": "local",
        "risk": "credential",
    }
    document = output_schema.plan()
    validator = Draft202012Validator({"$ref": "#/$defs/ChangeDocument", "$defs": document["$defs"]})
    assert not validator.is_valid(change)
    assert validator.is_valid(change | {"after": None})
