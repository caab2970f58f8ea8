"""The result of a run: what became of each action, and the result document.

A saved result is not proof of anything: it is read only to be shown and merged. Plans are read by
`reconciler.planning.codec`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.domain.calls import OperationName
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget


class Status(StrEnum):
    """The four ways an action ends. `unknown`: the API may or may not have carried it out."""

    APPLIED = "applied"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """Why an action was not applied. `code` is the API's (AB07) or our own (changed-since-plan)."""

    code: str
    message: str
    hint: str = ""
    http_status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the value of an `error` key in the result document."""
        return {
            "code": self.code,
            "http_status": self.http_status,
            "message": self.message,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one action ended; `warnings` are sentences for people.

    `seen_after` is the last state that the API showed after the writes. `accepted` are the kinds of
    writes that the API certainly carried out on an integration that this run created, however the
    action ended. `identity` is the id of the integration that the run updated or created. These
    three go to the ledger and are not part of the result document.
    """

    slug: str
    kind: ActionKind
    status: Status
    attempts: int = 0
    duration_ms: int = 0
    request_ids: tuple[str, ...] = ()
    error: ActionFailure | None = None
    warnings: tuple[str, ...] = ()
    seen_after: Observed | None = field(default=None, compare=False, repr=False)
    accepted: frozenset[OperationName] = field(default=frozenset(), compare=False, repr=False)
    identity: str | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as an entry of `outcomes` in the result document."""
        return {
            "address": f"integration/{self.slug}",
            "slug": self.slug,
            "action": self.kind.value,
            "status": self.status.value,
            "attempts": self.attempts,
            "duration_ms": self.duration_ms,
            "request_ids": list(self.request_ids),
            "error": self.error.as_json() if self.error else None,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What a run did. Outcomes are in the order of the plan's actions.

    `shard` is `I/N` where the run was one of several shards; `lacking` is True where results of
    other shards are missing. `ledger` is the end of the run's record, or why no record could be
    kept; None where no record was asked for.
    """

    run: str
    target: PlanTarget
    plan_digest: str
    outcomes: tuple[Outcome, ...] = ()
    shard: str | None = None
    lacking: bool = False
    ledger: Anchor | ActionFailure | None = None

    @property
    def summary(self) -> dict[str, int]:
        """Return the number of outcomes of each status."""
        return {
            status.value: sum(outcome.status is status for outcome in self.outcomes)
            for status in Status
        }

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger holds the whole run; True where no record was asked for."""
        return not isinstance(self.ledger, ActionFailure)

    @property
    def complete(self) -> bool:
        """Whether every action was applied."""
        return all(outcome.status is Status.APPLIED for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """Return the result document, `kind: apply_result`."""
        return {
            "format_version": "1",
            "kind": "apply_result",
            "run": self.run,
            **({} if self.shard is None else {"shard": self.shard}),
            "target": self.target.as_json(),
            "plan_digest": self.plan_digest,
            "summary": self.summary,
            "outcomes": [outcome.as_json() for outcome in self.outcomes],
            **({} if self.ledger is None else {"ledger": _ledger_as_json(self.ledger)}),
        }


def _ledger_as_json(ledger: Anchor | ActionFailure) -> dict[str, Any]:
    if isinstance(ledger, ActionFailure):
        return {"error": ledger.as_json()}
    return {"head": ledger.head, "length": ledger.length, "state": ledger.state}


class UnreadableResult(ReconcilerError):
    """The text is not a result that this version understands."""

    exit_code = 3


def document_kind(text: str) -> str | None:
    """Return the `kind` of a JSON document, None where there is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def decode_result(text: str, *, name: str) -> ApplyResult:
    """Parse a result document; errors call it `name`."""
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


def _outcome(item: Mapping[str, Any]) -> Outcome:
    problem = item["error"]
    return Outcome(
        slug=_text(item["slug"]),
        kind=ActionKind(item["action"]),
        status=Status(item["status"]),
        attempts=int(item["attempts"]),
        duration_ms=int(item["duration_ms"]),
        request_ids=tuple(_text(value) for value in item["request_ids"]),
        error=None if problem is None else _failure(problem),
        # Results of early releases have no warnings.
        warnings=tuple(_text(value) for value in item.get("warnings", ())),
    )


def _failure(problem: Mapping[str, Any]) -> ActionFailure:
    status = problem["http_status"]
    return ActionFailure(
        code=_text(problem["code"]),
        message=_text(problem["message"]),
        hint=_text(problem["hint"]),
        http_status=None if status is None else int(status),
    )


def _ledger(found: Mapping[str, Any] | None) -> Anchor | ActionFailure | None:
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


def _shard(value: object) -> str | None:
    if value is None:
        return None
    index, _, count = _text(value).partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError
    return f"{int(index)}/{int(count)}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
