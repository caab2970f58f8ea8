"""Saved results are parsed unchanged, and other documents are refused."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.execution.result_documents import UnreadableResult, decode_result, document_kind
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

RESULT = ApplyResult(
    run="20260101T000000Z-0a1b2c3d",
    target=PlanTarget("here", "simulator:", "org"),
    plan_digest="sha256:00",
    outcomes=(
        Outcome("alpha", ActionKind.CREATE, Status.APPLIED, 2, 81, ("req-1",)),
        Outcome(
            "beta",
            ActionKind.DELETE,
            Status.FAILED,
            error=ActionFailure("AB07", "it is in use", "remove it there first", 409),
            warnings=("the integration no longer existed",),
        ),
    ),
)


def test_a_saved_result_is_parsed_unchanged() -> None:
    text = json.dumps(RESULT.as_json())
    assert decode_result(text, name="result.json") == RESULT
    assert document_kind(text) == "apply_result"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "plan"},
        {"format_version": "2"},
        {"run": 1},
        {"target": None},
        {"outcomes": [{}]},
        {"outcomes": 1},
        {"shard": 1},
        {"shard": "2"},
        {"shard": "0/3"},
        {"shard": "4/3"},
        {"shard": "a/b"},
        {"plan_digest": None},
        {"target": {"name": "here", "base_url": "simulator:"}},
        {"target": {"name": None, "base_url": "simulator:", "organisation_id": None}},
    ],
)
def test_a_document_that_is_not_a_result_is_bad_input_that_names_the_file(
    change: dict[str, Any],
) -> None:
    with pytest.raises(UnreadableResult) as caught:
        decode_result(json.dumps({**RESULT.as_json(), **change}), name="result.json")
    assert (caught.value.exit_code, caught.value.code) == (3, "unreadable-result")
    assert caught.value.summary == "result.json: not a result of this version"
    assert caught.value.hint == "save one with `reconcile apply --format json`"


@pytest.mark.parametrize(
    "ledger",
    [
        {},
        {"head": "sha256:0"},
        {"head": "sha256:0", "length": 2},
        {"head": None, "length": -1, "state": "ok"},
        {"head": None, "length": True, "state": "ok"},
        {"error": {}},
        {"error": None},
    ],
)
def test_a_damaged_ledger_head_is_refused(ledger: object) -> None:
    with pytest.raises(UnreadableResult):
        decode_result(json.dumps({**RESULT.as_json(), "ledger": ledger}), name="x")


def test_a_result_with_a_key_that_occurs_twice_is_refused() -> None:
    text = json.dumps(RESULT.as_json())
    with pytest.raises(UnreadableResult):
        decode_result(
            text.replace('"status": "failed"', '"status": "applied", "status": "failed"'), name="x"
        )


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000])
def test_any_text_is_parsed_or_refused(text: str) -> None:
    assert document_kind(text) is None
    with pytest.raises(UnreadableResult):
        decode_result(text, name="x")


def test_the_result_of_a_shard_names_it() -> None:
    shard = replace(RESULT, shard="2/10")
    assert decode_result(json.dumps(shard.as_json()), name="x") == shard
    for written in ("1/1", "3/3", "02/03"):
        text = json.dumps({**RESULT.as_json(), "shard": written})
        assert decode_result(text, name="x").shard == written.replace("0", "")


def edited(**change: Any) -> str:
    """Return the result document with a changed member in its second outcome."""
    document = RESULT.as_json()
    document["outcomes"][1] |= change
    return json.dumps(document)


def test_an_older_result_without_warnings_is_parsed() -> None:
    document = RESULT.as_json()
    del document["outcomes"][1]["warnings"]
    assert decode_result(json.dumps(document), name="x").outcomes[1].warnings == ()


def test_a_failure_without_an_http_status_is_parsed() -> None:
    error = {"code": "interrupted", "message": "m", "hint": "h", "http_status": None}
    assert decode_result(edited(error=error), name="x").outcomes[1].error == ActionFailure(
        "interrupted", "m", "h"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"slug": 1},
        {"action": "explode"},
        {"status": "fine"},
        {"attempts": "many"},
        {"duration_ms": None},
        {"request_ids": [1]},
        {"warnings": [None]},
        {"error": "no"},
        {"error": {"code": 1, "message": "m", "hint": "h", "http_status": 409}},
        {"error": {"code": "c", "message": 1, "hint": "h", "http_status": 409}},
        {"error": {"code": "c", "message": "m", "hint": 1, "http_status": 409}},
        {"error": {"code": "c", "message": "m", "hint": "h", "http_status": "x"}},
        {"error": {"code": "c", "message": "m", "hint": "h"}},
    ],
)
def test_an_invalid_outcome_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableResult):
        decode_result(edited(**change), name="x")


def test_a_kind_is_text_in_an_object() -> None:
    assert document_kind('{"kind": "plan"}') == "plan"
    for text in ('{"kind": 1}', "{}", '["kind"]', '"kind"'):
        assert document_kind(text) is None
