"""Results survive being saved, and what is no result is refused."""

import json
from typing import Any

import pytest

from reconciler.execution.outcome import ApplyResult, Failure, Outcome, Status
from reconciler.execution.saved import UnreadableResult, decode, kind_of
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
            error=Failure("AB07", "it is in use", "remove it there first", 409),
            warnings=("it was gone already",),
        ),
    ),
)


def test_a_result_reads_back_as_it_was() -> None:
    text = json.dumps(RESULT.as_json())
    assert decode(text, name="result.json") == RESULT
    assert kind_of(text) == "apply_result"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "plan"},
        {"format_version": "2"},
        {"run": 1},
        {"target": None},
        {"outcomes": [{}]},
        {"outcomes": 1},
    ],
)
def test_what_is_no_result_is_bad_input_that_names_the_file(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableResult) as caught:
        decode(json.dumps({**RESULT.as_json(), **change}), name="result.json")
    assert (caught.value.exit_code, "result.json" in caught.value.summary) == (3, True)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000])
def test_any_text_may_come(text: str) -> None:
    assert kind_of(text) is None
    with pytest.raises(UnreadableResult):
        decode(text, name="x")
