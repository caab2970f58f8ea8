"""What became of each action, and of the run as a whole."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.domain.calls import OperationName
from reconciler.domain.state import Observed
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget


class Status(StrEnum):
    """The four ways an action can end. `unknown`: the API may or may not have carried it out."""

    APPLIED = "applied"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """Why an action was not applied. `code` is the API's (AB07) or ours (changed-since-plan)."""

    code: str
    message: str
    hint: str = ""
    http_status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the public form."""
        return {
            "code": self.code,
            "http_status": self.http_status,
            "message": self.message,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action; `warnings` are sentences for people.

    `seen_after` is what the API showed last after the writes, and `accepted` the kinds of writes to
    an integration that it has certainly created for us and carried out, however the action ended.
    `identity` is the id of the object that was written, where the run updated or created it. All
    three are for the record and no part of the public form.
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
    """What a run did. Outcomes stand in the order of the plan's actions.

    `shard` is `I/N` where it was a part of a run; `lacking` says that other parts are not here.
    `ledger` is where the record of it ends, or why it could not be kept; None where none was asked.
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
        """Count by status."""
        return {
            status.value: sum(outcome.status is status for outcome in self.outcomes)
            for status in Status
        }

    @property
    def is_recorded(self) -> bool:
        """Return whether the record of the run is complete, as far as one was asked for."""
        return not isinstance(self.ledger, ActionFailure)

    @property
    def complete(self) -> bool:
        """Tell whether every action was applied."""
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
