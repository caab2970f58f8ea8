"""Result of a run: the outcome of each action, and the documents of results and errors.

A saved document proves nothing: it is read only to be shown and merged. Plans are read by
`reconciler.planning.codec`.
"""

import json
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field, StrictInt
from typing_extensions import TypedDict

from reconciler.diagnostics import Diagnostic
from reconciler.domain.calls import OperationName
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.codec import plan_from
from reconciler.planning.documents import (
    Count,
    DiagnosticDocument,
    Digest,
    PlanDocument,
    PolicyDocument,
    TargetDocument,
    diagnostic_from,
    parse_json,
    validated,
    verdicts_from,
)
from reconciler.planning.plan import Plan, PlanTarget

CREDENTIAL_DEAD = "credential-dead"
CREDENTIAL_UNPROVEN = "credential-unproven"
UNPROVEN_CODES = frozenset({CREDENTIAL_DEAD, CREDENTIAL_UNPROVEN})
"""Codes of actions that wrote a credential which is not known to work."""
if TYPE_CHECKING:
    from reconciler.planning.policy_verdict import PolicyVerdict


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
    """How one action ended; `warnings` are sentences for people.

    `half_done` says which writes of an action that was not applied were carried out and which were
    not; it is empty where none was. `is_probed` is True if a probe has shown that the credential
    that the action wrote is alive.
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
    half_done: str = ""
    is_probed: bool = False
    seen_after: Observed | None = field(default=None, compare=False, repr=False)
    accepted: frozenset[OperationName] = field(default=frozenset(), compare=False, repr=False)
    identity: str | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as an entry of `outcomes` in the result document."""
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
        if self.half_done:
            document["half_done"] = self.half_done
        if self.is_probed:
            document["probe"] = "alive"
        return document


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What a run did. Outcomes are in the order of the plan's actions.

    `shard` is `I/N` if the run was one of several shards; `lacking` is True if results of other
    shards are missing. `ledger` is the end of the run's record, or the reason why no record could
    be kept; None if no record was requested. `break_freeze` is the reason for which the run was
    outside the windows or the freeze of its target, None if it was not. `policies` are the verdicts
    of its plan.
    """

    run: str
    target: PlanTarget
    plan_digest: str
    outcomes: tuple[Outcome, ...] = ()
    shard: str | None = None
    lacking: bool = False
    ledger: Anchor | ActionFailure | None = None
    break_freeze: str | None = None
    policies: "tuple[PolicyVerdict, ...]" = ()

    @property
    def summary(self) -> dict[str, int]:
        """Return the number of outcomes of each status."""
        return {
            status.value: sum(outcome.status is status for outcome in self.outcomes)
            for status in Status
        }

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger holds the whole run; True if no record was requested."""
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
            **({} if self.break_freeze is None else {"break_freeze": self.break_freeze}),
            **({"policies": [item.as_json() for item in self.policies]} if self.policies else {}),
        }


def _ledger_as_json(ledger: Anchor | ActionFailure) -> dict[str, Any]:
    if isinstance(ledger, ActionFailure):
        return {"error": ledger.as_json()}
    return {"head": ledger.head, "length": ledger.length, "state": ledger.state}


class FailureDocument(TypedDict):
    code: str
    http_status: StrictInt | None
    message: str
    hint: str


class OutcomeDocument(TypedDict):
    address: str
    slug: str
    action: ActionKind
    status: Status
    attempts: Count
    duration_ms: Count
    request_ids: list[str]
    error: FailureDocument | None
    warnings: NotRequired[list[str]]
    half_done: NotRequired[str]
    probe: NotRequired[Literal["alive"]]


class ResultSummaryDocument(TypedDict):
    applied: Count
    failed: Count
    skipped: Count
    unknown: Count


class LedgerDocument(TypedDict):
    """Either the end of the record, or the error that prevented it."""

    head: NotRequired[str | None]
    length: NotRequired[Count]
    state: NotRequired[str]
    error: NotRequired[FailureDocument]


def _shard(text: str) -> str:
    index, _, count = text.partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError
    # Written from the numbers, so that `01/4` and `1/4` are the same shard.
    return f"{int(index)}/{int(count)}"


Shard = Annotated[
    str,
    AfterValidator(_shard),
    Field(json_schema_extra={"pattern": "^[1-9][0-9]*/[1-9][0-9]*$"}),
]


class ResultDocument(TypedDict):
    """Result as `reconcile apply` prints it as JSON."""

    format_version: Literal["1"]
    kind: Literal["apply_result"]
    run: str
    target: TargetDocument
    plan_digest: Digest
    summary: ResultSummaryDocument
    outcomes: list[OutcomeDocument]
    shard: NotRequired[Shard | None]
    ledger: NotRequired[LedgerDocument | None]
    break_freeze: NotRequired[str | None]
    policies: NotRequired[list[PolicyDocument]]


class UnreadableResult(ReconcilerError):
    """The text is not a result that this version understands."""

    exit_code = 3


def document_kind(text: str) -> str | None:
    """Return the `kind` of a JSON document, None if it has none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def decode_result(text: str, *, name: str) -> ApplyResult:
    """Parse a result document; errors call it `name`."""
    try:
        document = validated(ResultDocument, parse_json(text))
        return ApplyResult(
            run=document["run"],
            target=PlanTarget(**document["target"]),
            plan_digest=document["plan_digest"],
            outcomes=tuple(_outcome(item) for item in document["outcomes"]),
            shard=document.get("shard"),
            ledger=_ledger(document.get("ledger")),
            break_freeze=document.get("break_freeze"),
            policies=verdicts_from(document.get("policies", ())),
        )
    except (ValueError, RecursionError):
        raise UnreadableResult(
            f"{name}: not a result of this version",
            code="unreadable-result",
            hint="save one with `reconcile apply --format json`",
        ) from None


def _outcome(item: OutcomeDocument) -> Outcome:
    return Outcome(
        slug=item["slug"],
        kind=item["action"],
        status=item["status"],
        attempts=item["attempts"],
        duration_ms=item["duration_ms"],
        request_ids=tuple(item["request_ids"]),
        error=ActionFailure(**item["error"]) if item["error"] else None,
        # Results of early releases have no warnings.
        warnings=tuple(item.get("warnings", ())),
        half_done=item.get("half_done", ""),
        is_probed="probe" in item,
    )


def _ledger(found: LedgerDocument | None) -> Anchor | ActionFailure | None:
    if found is None:
        return None
    if "error" in found:
        return ActionFailure(**found["error"])
    if "head" in found and "length" in found and "state" in found:
        return Anchor(head=found["head"], length=found["length"], state=found["state"])
    raise ValueError


KIND = "error"
"""The `kind` of an error document."""


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """Why a command has no result; `plan` is the plan that it would have carried out, if any."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    plan: Plan | None = None


class _Shape(TypedDict):
    format_version: Literal["1"]
    kind: Literal["error"]
    exit_code: StrictInt
    diagnostics: list[DiagnosticDocument]
    plan: NotRequired[PlanDocument]


def decode_error(text: str, *, name: str) -> ErrorDocument:
    """Parse an error document; errors call it `name`. The digest of its plan is not checked."""
    try:
        document = validated(_Shape, parse_json(text))
        return ErrorDocument(
            # A command without a result never succeeded, whatever the document claims.
            exit_code=document["exit_code"] or 1,
            diagnostics=tuple(diagnostic_from(item) for item in document["diagnostics"]),
            plan=plan_from(document["plan"]) if "plan" in document else None,
        )
    except (ValueError, RecursionError):
        raise UnreadableResult(
            f"{name}: not an error document of this version", code="unreadable-result"
        ) from None
