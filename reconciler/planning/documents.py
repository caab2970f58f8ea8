"""Models of the JSON documents: they validate what is read, and JSON Schemas are derived from them.

`as_json` methods write the values. A document may have further keys, because later versions can add
some; every release has written the keys that a model requires. The models of results and drift
reports: `reconciler.execution.result_documents`, `reconciler.drift.codec`.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, NotRequired, TypeVar, cast

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict  # pydantic accepts typing's own from Python 3.12 on

from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.domain.instants import parse_zoned_instant
from reconciler.planning.actions import ActionKind, ChangeKind, ChangeOrigin, Risk

if TYPE_CHECKING:
    from reconciler.planning.policy_verdict import PolicyVerdict

Shape = TypeVar("Shape")

_FREE_KEYS = "origins"
"""Name of an object whose keys are not fixed, so that messages do not repeat them."""


def _with_zone(text: str) -> str:
    """Return a time with a time zone; without one, a plan could never expire."""
    parse_zoned_instant(text)
    return text


# Strict, because pydantic otherwise accepts "3" and true as integers.
Count = Annotated[StrictInt, Field(ge=0)]
Position = Annotated[StrictInt, Field(ge=1)]
# Patterns are only for the schemas: a reader computes the digest again instead of checking its
# form.
Digest = Annotated[str, Field(json_schema_extra={"pattern": "^sha256:[0-9a-f]{64}$"})]
Time = Annotated[
    str,
    AfterValidator(_with_zone),
    Field(json_schema_extra={"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}),
]
Address = Annotated[str, Field(json_schema_extra={"pattern": "^integration/"})]


class TargetDocument(TypedDict):
    name: str
    base_url: str
    organisation_id: str | None


class SourceDocument(TypedDict):
    file: str
    line: Position


class PreconditionDocument(TypedDict):
    last_updated_at: str | None
    fingerprint: str | None


@with_config(
    ConfigDict(
        # No document may show the value of a secret.
        json_schema_extra={
            "if": {"properties": {"sensitive": {"const": True}}},
            "then": {"properties": {"before": {"type": "null"}, "after": {"type": "null"}}},
        }
    )
)
class ChangeDocument(TypedDict):
    path: str
    op: ChangeKind
    before: object
    after: object
    sensitive: StrictBool
    origin: ChangeOrigin
    risk: Risk
    reference: NotRequired[str | None]
    before_reference: NotRequired[str | None]
    unknown_field: NotRequired[StrictBool]


class UsingProviderDocument(TypedDict):
    slug: str
    workspace: str | None


class UsingConfigDocument(TypedDict):
    slug: str
    workspace: str | None
    possible: StrictBool


class UsageDocument(TypedDict):
    """What uses an integration; if it is not complete, there may be more."""

    complete: StrictBool
    providers: list[UsingProviderDocument]
    workspaces: list[str]
    configs: list[UsingConfigDocument]


class ActionDocument(TypedDict):
    address: Address
    slug: str
    action: ActionKind
    reason: str
    risk: Risk
    source: SourceDocument | None
    precondition: PreconditionDocument
    changes: list[ChangeDocument]
    blocked_by: list[str]
    used_by: NotRequired[UsageDocument]
    staged_by: NotRequired[str]


class SummaryDocument(TypedDict):
    create: Count
    update: Count
    replace: Count
    delete: Count
    no_op: Count
    blocked: Count
    unmanaged: Count
    undeclared: Count
    unverified_secrets: Count


class UnverifiedDocument(TypedDict):
    slug: str
    path: str
    reference: str


class UndeclaredDocument(TypedDict):
    slug: str
    path: str


# Not a JSON number: most readers would turn it into a float.
Amount = Annotated[
    str,
    Field(pattern=r"^-?[0-9]{1,1000}(\.[0-9]{1,1000})?$"),
]


class BudgetDocument(TypedDict):
    amount: Amount | None
    unit: str
    period: str


class BudgetChangeDocument(TypedDict):
    slug: str
    workspace: str | None
    before: BudgetDocument | None
    after: BudgetDocument | None


class BudgetTotalDocument(TypedDict):
    unit: str
    period: str
    before: Amount
    after: Amount


class WithoutBudgetDocument(TypedDict):
    before: Count
    after: Count


class PriceChangeDocument(TypedDict):
    slug: str
    model: str | None
    kind: str
    before: Amount | None
    after: Amount | None
    models: Count | None
    unaffected: list[str]
    percent: Amount | None


class CostsDocument(TypedDict):
    """Changes of budgets and prices; a null amount is unlimited, a null budget is no access."""

    budgets: list[BudgetChangeDocument]
    totals: list[BudgetTotalDocument]
    unlimited: WithoutBudgetDocument
    prices: list[PriceChangeDocument]


class DiagnosticDocument(TypedDict):
    severity: Severity
    code: str
    summary: str
    hint: str
    file: str | None
    line: Position | None
    column: Position | None


class PolicyFindingDocument(TypedDict):
    severity: Severity
    code: str
    message: str
    slug: str | None


class PolicyDocument(TypedDict):
    name: str
    digest: Digest | None
    verdict: Literal["passed", "warned", "denied", "failed"]
    findings: list[PolicyFindingDocument]


class ComparisonDocument(TypedDict):
    """Keys that a plan and a drift report have in common."""

    format_version: Literal["1"]
    tool: str
    created_at: Time
    commit: str | None
    target: TargetDocument
    desired_digest: Digest
    max_risk: Risk | None
    summary: SummaryDocument
    unverified: list[UnverifiedDocument]
    undeclared: list[UndeclaredDocument]
    unmanaged: list[str]
    forgotten: list[str]
    diagnostics: list[DiagnosticDocument]
    policies: NotRequired[list[PolicyDocument]]
    costs: NotRequired[CostsDocument]
    opens_at: NotRequired[Time]
    soaked_at: NotRequired[Time]
    # Only if the files differed from the commit.
    uncommitted_changes: NotRequired[StrictBool]


class UndoneRunDocument(TypedDict):
    run: str


class PlanDocument(ComparisonDocument):
    """Plan as `reconcile plan` saves it and prints it as JSON."""

    kind: Literal["plan"]
    digest: Digest
    actions: list[ActionDocument]
    source: NotRequired[UndoneRunDocument]
    approved_at: NotRequired[Time]
    options: NotRequired[list[str]]
    unverified_digest: NotRequired[Digest]


def parse_json(text: str) -> object:
    """Parse JSON text; raises `ValueError` for NaN and for a key that occurs twice.

    Raises `RecursionError` if it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)


def validated(shape: type[Shape], document: object) -> Shape:
    """Return the validated document; raises `ValueError` if it has another structure."""
    return cast("Shape", _adapter(cast("type", shape)).validate_python(document))


@cache
def _adapter(shape: type) -> TypeAdapter[object]:
    # Built on first use, so that commands that read no document are not slower.
    return TypeAdapter(shape)


def what_is_wrong(problem: Exception) -> str:
    """Return why a document could not be read, without repeating its content."""
    if isinstance(problem, json.JSONDecodeError):
        return f"not valid JSON at line {problem.lineno}, column {problem.colno}"
    place = _place(problem) if isinstance(problem, ValidationError) else ""
    return f"{place or 'a part of it'} is missing or has the wrong type"


def _place(problem: ValidationError) -> str:
    place = ""
    # Only the path, because the rejected input may be a part of the document that must not be
    # shown.
    for part in problem.errors(include_input=False, include_url=False)[0]["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        else:
            place += f".{part}" if place else part
        if part == _FREE_KEYS:
            break
    return place


def diagnostic_from(item: DiagnosticDocument) -> Diagnostic:
    """Return the diagnostic; raises `ValueError` for a file without a position."""
    at = None
    if item["file"] is not None:
        if item["line"] is None or item["column"] is None:
            raise ValueError
        at = SourceLocation(item["file"], item["line"], item["column"])
    return Diagnostic(item["severity"], item["code"], item["summary"], item["hint"], at)


def verdicts_from(items: Sequence[PolicyDocument]) -> "tuple[PolicyVerdict, ...]":
    """Return the verdicts of policies; raises `ValueError` for one that its findings contradict."""
    if not items:
        return ()
    # Imported late, because few plans have verdicts.
    from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict

    found = []
    for item in items:
        findings = tuple(PolicyFinding(**finding) for finding in item["findings"])
        verdict = PolicyVerdict(item["name"], item["digest"], findings)
        if verdict.verdict != item["verdict"]:
            raise ValueError
        found.append(verdict)
    return tuple(found)


# NaN and Infinity are not JSON, and the canonical form of a digest excludes them.
def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError


# json.loads keeps the last of two equal keys; a reader of the file may see only the first.
def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document
