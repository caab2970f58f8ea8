"""The error document of a run is parsed, or refused with the name of the file."""

import json
from typing import Any

import pytest

from reconciler.diagnostics import Severity, SourceLocation
from reconciler.execution.result_documents import ErrorDocument, UnreadableResult, decode_error
from tests.views.samples import mixed_plan

SAID = {
    "severity": "warning",
    "code": "odd",
    "summary": "it is odd",
    "hint": "look at it",
    "file": "a.yaml",
    "line": 3,
    "column": 7,
}


def document(**change: Any) -> str:
    base = {"kind": "error", "format_version": "1", "exit_code": 3, "diagnostics": [SAID]}
    return json.dumps(base | change)


def test_diagnostics_and_locations_are_parsed() -> None:
    broken = decode_error(document(), name="error.json")
    (said,) = broken.diagnostics
    assert broken.exit_code == 3
    assert (said.severity, said.code, said.summary) == (Severity.WARNING, "odd", "it is odd")
    assert (said.hint, said.at) == ("look at it", SourceLocation("a.yaml", 3, 7))


def test_a_diagnostic_without_a_file_has_no_location() -> None:
    (said,) = decode_error(document(diagnostics=[SAID | {"file": None}]), name="x").diagnostics
    assert said.at is None


def test_the_refused_plan_is_parsed() -> None:
    plan = mixed_plan()
    assert decode_error(document(plan=plan.as_json()), name="x").plan == plan
    with pytest.raises(UnreadableResult):
        decode_error(document(plan=plan.as_json() | {"actions": [{}]}), name="x")


def test_an_aborted_run_never_counts_as_success() -> None:
    assert decode_error(document(exit_code=0, diagnostics=[]), name="x") == ErrorDocument(1, ())


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "plan"},
        {"format_version": "2"},
        {"exit_code": "three"},
        {"exit_code": None},
        {"diagnostics": 1},
        {"diagnostics": [1]},
        {"diagnostics": [{}]},
        {"diagnostics": [SAID | {"severity": "loud"}]},
        {"diagnostics": [SAID | {"line": None}]},
        {"diagnostics": [SAID | {"column": None}]},
        {"diagnostics": [SAID | {"line": 0}]},
        {"exit_code": True},
    ],
)
def test_another_document_is_bad_input_that_names_the_file(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableResult) as caught:
        decode_error(document(**change), name="error.json")
    assert caught.value.exit_code == 3
    assert caught.value.code == "unreadable-result"
    assert caught.value.summary == "error.json: not an error document of this version"


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", "[" * 100_000])
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with pytest.raises(UnreadableResult):
        decode_error(text, name="x")
