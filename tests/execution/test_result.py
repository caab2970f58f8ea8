"""Keys of the result document."""

import pytest

from reconciler.domain.calls import OperationName
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget
from tests.builders import observed

HERE = PlanTarget("here", "https://here.example/v1", "org")
DONE = Outcome(
    "alpha",
    ActionKind.CREATE,
    Status.APPLIED,
    2,
    81,
    ("req-1", "req-2"),
    warnings=("it was odd",),
    seen_after=observed(),
    accepted=frozenset({OperationName.CREATE}),
)
FAILED = Outcome(
    "beta",
    ActionKind.DELETE,
    Status.FAILED,
    error=ActionFailure("AB07", "in use", "remove it", 409),
)
AS_JSON = {
    "alpha": {
        "address": "integration/alpha",
        "slug": "alpha",
        "action": "create",
        "status": "applied",
        "attempts": 2,
        "duration_ms": 81,
        "request_ids": ["req-1", "req-2"],
        "error": None,
        "warnings": ["it was odd"],
    },
    "beta": {
        "address": "integration/beta",
        "slug": "beta",
        "action": "delete",
        "status": "failed",
        "attempts": 0,
        "duration_ms": 0,
        "request_ids": [],
        "error": {"code": "AB07", "http_status": 409, "message": "in use", "hint": "remove it"},
        "warnings": [],
    },
}


def result(*outcomes: Outcome, shard: str | None = None) -> ApplyResult:
    return ApplyResult("run-1", HERE, "sha256:00", outcomes, shard)


def test_an_outcome_omits_what_is_only_for_the_ledger() -> None:
    assert DONE.as_json() == AS_JSON["alpha"]
    assert FAILED.as_json() == AS_JSON["beta"]


def test_a_result_has_its_run_and_has_a_shard_only_if_sharded() -> None:
    whole = {
        "format_version": "1",
        "kind": "apply_result",
        "run": "run-1",
        "target": {
            "name": "here",
            "base_url": "https://here.example/v1",
            "organisation_id": "org",
        },
        "plan_digest": "sha256:00",
        "summary": {"applied": 1, "failed": 1, "skipped": 0, "unknown": 0},
        "outcomes": [AS_JSON["alpha"], AS_JSON["beta"]],
    }
    assert result(DONE, FAILED).as_json() == whole
    assert result(DONE, FAILED, shard="1/3").as_json() == {**whole, "shard": "1/3"}


@pytest.mark.parametrize("status", list(Status))
def test_a_run_is_complete_if_everything_was_applied(status: Status) -> None:
    other = Outcome("gamma", ActionKind.UPDATE, status)
    assert result(DONE, other).complete is (status is Status.APPLIED)
    assert result().complete
