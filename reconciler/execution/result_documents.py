"""Documents of results and errors, as commands print them as JSON.

A saved document proves nothing; it is read only to be shown or merged. Plans are read by
`reconciler.planning.codec`.
"""

import json
from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, Field, StrictInt
from typing_extensions import TypedDict

from reconciler.diagnostics import Diagnostic
from reconciler.errors import ReconcilerError
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.codec import plan_from
from reconciler.planning.costs import costs_from
from reconciler.planning.documents import (
    CostsDocument,
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
    """Either the head of the ledger, or the error that prevented it."""

    head: NotRequired[str | None]
    length: NotRequired[Count]
    state: NotRequired[str]
    error: NotRequired[FailureDocument]


def _shard(text: str) -> str:
    index, _, count = text.partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError
    # Formatted from the numbers, so that `01/4` and `1/4` are the same shard.
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
    allow_unsoaked: NotRequired[str | None]
    policies: NotRequired[list[PolicyDocument]]
    costs: NotRequired[CostsDocument]


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
            allow_unsoaked=document.get("allow_unsoaked"),
            policies=verdicts_from(document.get("policies", ())),
            costs=costs_from(document["costs"]) if "costs" in document else None,
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
            # A command without a result did not succeed, regardless of the exit code in the
            # document.
            exit_code=document["exit_code"] or 1,
            diagnostics=tuple(diagnostic_from(item) for item in document["diagnostics"]),
            plan=plan_from(document["plan"]) if "plan" in document else None,
        )
    except (ValueError, RecursionError):
        raise UnreadableResult(
            f"{name}: not an error document of this version", code="unreadable-result"
        ) from None
