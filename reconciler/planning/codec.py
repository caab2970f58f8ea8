"""Plans as JSON text, and back.

A plan that was read from a file is not trusted: its structure is checked, and its digest is
computed again. The parts of a plan that are not in its JSON form (calls, subjects) are not
stored.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from reconciler.diagnostics import SourceLocation
from reconciler.domain.surrogates import escaped
from reconciler.domain.tree import Json, canonical_json
from reconciler.domain.usage import Usage, UsingConfig, UsingProvider
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import (
    Action,
    Change,
    Precondition,
)
from reconciler.planning.costs import costs_from
from reconciler.planning.documents import (
    ActionDocument,
    ChangeDocument,
    ComparisonDocument,
    PlanDocument,
    UsageDocument,
    diagnostic_from,
    parse_json,
    validated,
    verdicts_from,
    what_is_wrong,
)
from reconciler.planning.plan import Plan, PlanTarget, Undeclared, Unverified

MAX_PLAN_BYTES = 64 * 1024 * 1024


class UnreadablePlan(ReconcilerError):
    """The text is not a plan that this version understands."""

    exit_code = 3


class TamperedPlan(ReconcilerError):
    """The plan's content does not have the digest that the plan claims."""

    exit_code = 4


def encode(plan: Plan) -> str:
    """Return the plan as one line of canonical JSON."""
    # A lone surrogate cannot be written in UTF-8; its escape is the same text to a JSON parser.
    return escaped(canonical_json(plan.as_json())) + "\n"


def decode(text: str, *, name: str) -> Plan:
    """Parse the text of a plan; errors call it `name`.

    Raises `UnreadablePlan` for a wrong structure and `TamperedPlan` for a wrong digest.
    """
    try:
        # Not assigned to a name, so that the parsed document is freed before the plan is built.
        document = validated(PlanDocument, _of_this_version(parse_json(text), name))
        plan = plan_from(document)
    except (ValueError, RecursionError) as problem:
        # The cause is dropped, because its text repeats parts of the document.
        raise _unreadable(name, what_is_wrong(problem)) from None
    if not _has_claimed_digest(plan, document):
        raise TamperedPlan(
            f"{name}: its content does not match its digest",
            code="tampered-plan",
            hint="create the plan again; a saved plan must not be edited",
        )
    return plan


def _of_this_version(document: object, name: str) -> object:
    # Checked before the structure, so that a document of another kind or version is reported as
    # such.
    if not isinstance(document, dict) or document.get("kind") != "plan":
        raise _unreadable(name, "not a plan")
    if document.get("format_version") != "1":
        raise _unreadable(name, "it has another format version")
    return document


def _has_claimed_digest(plan: Plan, document: PlanDocument) -> bool:
    """Return whether a plan is unchanged since it was saved.

    Its digest leaves out the unverified secrets, which have a separate digest, because apply can
    send the secrets that an approved plan lists. In plans of 0.1.0, one digest covers both.
    """
    if "unverified_digest" not in document:
        return document["digest"] == plan.earlier_digest
    is_listed = document["unverified_digest"] == plan.unverified_digest
    return document["digest"] == plan.digest and is_listed


def _unreadable(name: str, why: str) -> UnreadablePlan:
    return UnreadablePlan(
        f"{name}: {why}", code="unreadable-plan", hint="create one with `reconcile plan --out FILE`"
    )


def plan_from(document: PlanDocument) -> Plan:
    """Build a plan from its document; the caller checks the digest."""
    plan = build_plan(document, document["actions"])
    run = document["source"]["run"] if "source" in document else None
    return replace(
        plan,
        run=run,
        approved_at=document.get("approved_at"),
        options=tuple(document.get("options", ())),
    )


def build_plan(document: ComparisonDocument, actions: Sequence[ActionDocument]) -> Plan:
    """Build a plan from the parts of a document; the caller checks the digest.

    Raises `ValueError` for a diagnostic with a file and without a position.
    """
    return Plan(
        target=PlanTarget(**document["target"]),
        created_at=document["created_at"],
        desired_digest=document["desired_digest"],
        commit=document["commit"],
        uncommitted=document.get("uncommitted_changes", False),
        actions=tuple(_action(item) for item in actions),
        # The only count that cannot be computed again: integrations in sync are not listed.
        no_op=document["summary"]["no_op"],
        unverified=tuple(Unverified(**item) for item in document["unverified"]),
        undeclared=tuple(Undeclared(**item) for item in document["undeclared"]),
        unmanaged=tuple(document["unmanaged"]),
        forgotten=tuple(document["forgotten"]),
        diagnostics=tuple(diagnostic_from(item) for item in document["diagnostics"]),
        opens_at=document.get("opens_at"),
        soaked_at=document.get("soaked_at"),
        policies=verdicts_from(document.get("policies", ())),
        costs=costs_from(document["costs"]) if "costs" in document else None,
    )


def _action(item: ActionDocument) -> Action:
    source = item["source"]
    return Action(
        slug=item["slug"],
        kind=item["action"],
        reason=item["reason"],
        risk=item["risk"],
        changes=tuple(_change(change) for change in item["changes"]),
        source=SourceLocation(**source) if source else None,
        precondition=Precondition(**item["precondition"]),
        blocked_by=tuple(item["blocked_by"]),
        staged_by=item.get("staged_by"),
        used_by=_usage(item["used_by"]) if "used_by" in item else None,
    )


def _usage(item: UsageDocument) -> Usage:
    return Usage(
        tuple(UsingProvider(**provider) for provider in item["providers"]),
        tuple(UsingConfig(**config) for config in item["configs"]),
        complete=item["complete"],
    )


def _change(item: ChangeDocument) -> Change:
    return Change(
        path=item["path"],
        op=item["op"],
        risk=item["risk"],
        # The document was parsed from JSON, so both values are `Json`.
        before=cast("Json", item["before"]),
        after=cast("Json", item["after"]),
        sensitive=item["sensitive"],
        origin=item["origin"],
        reference=item.get("reference"),
        before_reference=item.get("before_reference"),
        unknown_field=item.get("unknown_field", False),
    )
