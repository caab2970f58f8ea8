"""Result of a run: the outcome of each action.

Saved results are read by `reconciler.execution.result_documents`.
"""

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.domain.calls import OperationName
from reconciler.domain.state import Observed
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

if TYPE_CHECKING:
    from reconciler.planning.costs import Costs
    from reconciler.planning.policy_verdict import PolicyVerdict

CREDENTIAL_DEAD = "credential-dead"
CREDENTIAL_UNPROVEN = "credential-unproven"
UNPROVEN_CODES = frozenset({CREDENTIAL_DEAD, CREDENTIAL_UNPROVEN})
"""Codes of actions that wrote a credential which is not known to work."""


class Status(StrEnum):
    """The four ways an action ends. `unknown`: the API may or may not have carried it out."""

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
        """Return the value of an `error` key in the result document."""
        return {
            "code": self.code,
            "http_status": self.http_status,
            "message": self.message,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one action ended; `warnings` are sentences for users.

    `half_done` lists which writes of an action that was not applied were carried out and which were
    not; it is empty if none was. `is_probed` is True if a probe has shown that the credential that
    the action wrote works. `seen_after` is the last state that the API showed after the writes.
    `accepted` are the kinds of writes that the API certainly carried out on an integration that
    this run created, however the action ended. `identity` is the id of the integration that the run
    updated or created. `is_unconfirmed` is True if the API accepted all writes, but no read has
    shown their effect. These four go to the ledger and are not part of the result document.
    """

    slug: str
    kind: ActionKind
    status: Status
    attempts: int = 0
    duration_ms: int = 0
    request_ids: tuple[str, ...] = ()
    error: ActionFailure | None = None
    warnings: tuple[str, ...] = ()
    half_done: str = ""
    is_probed: bool = False
    seen_after: Observed | None = field(default=None, compare=False, repr=False)
    accepted: frozenset[OperationName] = field(default=frozenset(), compare=False, repr=False)
    identity: str | None = field(default=None, compare=False, repr=False)
    is_unconfirmed: bool = field(default=False, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as an entry of `outcomes` in the result document."""
        # The order of the keys is part of the format: golden files and humans compare the text.
        document: dict[str, Any] = {
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
        # Omitted if empty, so that documents equal those of earlier releases.
        if self.half_done:
            document["half_done"] = self.half_done
        if self.is_probed:
            document["probe"] = "alive"
        return document


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What a run did. Outcomes are in the order of the plan's actions.

    `shard` is `I/N` if the run was one of several shards; `lacking` is True if results of other
    shards are missing. `ledger` is the head of the ledger after the run, or the reason why no
    record could be kept; None if no record was requested. `break_freeze` is the reason to run
    outside the windows or during the freeze of its target, None if it was not needed. `policies`
    are the verdicts of its plan. `costs` are the changes of budgets and prices that were applied;
    they have sums only if every action was.
    """

    run: str
    target: PlanTarget
    plan_digest: str
    outcomes: tuple[Outcome, ...] = ()
    shard: str | None = None
    lacking: bool = False
    ledger: Anchor | ActionFailure | None = None
    break_freeze: str | None = None
    allow_unsoaked: str | None = None
    policies: "tuple[PolicyVerdict, ...]" = ()
    costs: "Costs | None" = None

    @property
    def summary(self) -> dict[str, int]:
        """Return the number of outcomes of each status."""
        return {
            status.value: sum(outcome.status is status for outcome in self.outcomes)
            for status in Status
        }

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger contains the whole run; True if no record was requested."""
        return not isinstance(self.ledger, ActionFailure)

    @property
    def complete(self) -> bool:
        """Whether every action was applied."""
        return all(outcome.status is Status.APPLIED for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """Return the result document, `kind: apply_result`."""
        document: dict[str, Any] = {
            "format_version": "1",
            "kind": "apply_result",
            "run": self.run,
            "target": self.target.as_json(),
            "plan_digest": self.plan_digest,
            "summary": self.summary,
            "outcomes": [outcome.as_json() for outcome in self.outcomes],
        }
        # Each of these concerns few runs; without it, the key is left out.
        optional = {
            "shard": self.shard,
            "ledger": None if self.ledger is None else _ledger_as_json(self.ledger),
            "break_freeze": self.break_freeze,
            "allow_unsoaked": self.allow_unsoaked,
            "policies": [item.as_json() for item in self.policies] or None,
            "costs": None if self.costs is None else self.costs.as_json(),
        }
        document |= {name: value for name, value in optional.items() if value is not None}
        return document


def _ledger_as_json(ledger: Anchor | ActionFailure) -> dict[str, Any]:
    if isinstance(ledger, ActionFailure):
        return {"error": ledger.as_json()}
    return {"head": ledger.head, "length": ledger.length, "state": ledger.state}
