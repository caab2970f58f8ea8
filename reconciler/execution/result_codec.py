"""Results as they come back from JSON text, to be shown again.

A saved result is somebody's word; it is only ever shown. Plans: `reconciler.planning.codec`.
"""

import json
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget


class UnreadableResult(ReconcilerError):
    """The text is not a result that this version understands."""

    exit_code = 3


def kind_of(text: str) -> str | None:
    """Give the `kind` of a JSON document, None where there is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def decode(text: str, *, name: str) -> ApplyResult:
    """Read a result; `name` says in errors where it came from."""
    try:
        document = json.loads(text)
        if document["kind"] != "apply_result" or document["format_version"] != "1":
            raise KeyError
        target = document["target"]
        return ApplyResult(
            run=_text(document["run"]),
            target=PlanTarget(
                _text(target["name"]), _text(target["base_url"]), target["organisation_id"]
            ),
            plan_digest=_text(document["plan_digest"]),
            outcomes=tuple(_outcome(item) for item in document["outcomes"]),
            shard=_shard(document.get("shard")),
            ledger=_ledger(document.get("ledger")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UnreadableResult(
            f"{name}: it is not a result of this version",
            code="unreadable-result",
            hint="save one with `reconcile apply --format json`",
        ) from None


def _outcome(item: dict[str, Any]) -> Outcome:
    problem = item["error"]
    return Outcome(
        slug=_text(item["slug"]),
        kind=ActionKind(item["action"]),
        status=Status(item["status"]),
        attempts=int(item["attempts"]),
        duration_ms=int(item["duration_ms"]),
        request_ids=tuple(_text(value) for value in item["request_ids"]),
        error=None if problem is None else _failure(problem),
        warnings=tuple(_text(value) for value in item.get("warnings", ())),
    )


def _failure(problem: dict[str, Any]) -> ActionFailure:
    status = problem["http_status"]
    return ActionFailure(
        code=_text(problem["code"]),
        message=_text(problem["message"]),
        hint=_text(problem["hint"]),
        http_status=None if status is None else int(status),
    )


def _ledger(found: dict[str, Any] | None) -> Anchor | ActionFailure | None:
    if found is None:
        return None
    if "error" in found:
        return _failure(found["error"])
    head = found["head"]
    return Anchor(
        head=None if head is None else _text(head),
        length=int(found["length"]),
        state=_text(found["state"]),
    )


def _shard(value: Any) -> str | None:
    if value is None:
        return None
    index, _, count = _text(value).partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError
    return f"{int(index)}/{int(count)}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
