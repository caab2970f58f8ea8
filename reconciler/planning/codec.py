"""Plans as JSON text, and back.

A plan read from a file is somebody's word: its shape is checked and its digest computed anew. What
a fresh plan carries beyond its public form (calls, subjects) is not stored.
"""

import json
from datetime import datetime
from typing import Any, NoReturn

from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.domain.surrogates import escaped
from reconciler.domain.tree import canonical_json
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
    Risk,
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
    """Give the plan as one line of canonical JSON."""
    return escaped(canonical_json(plan.as_json())) + "\n"


def decode(text: str, *, name: str) -> Plan:
    """Read a plan; `name` says in errors where it came from.

    Raises `UnreadablePlan` for a wrong shape and `TamperedPlan` for a wrong digest.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
        if not isinstance(document, dict) or document.get("kind") != "plan":
            raise _unreadable(name, "it is not a plan")
        if document.get("format_version") != "1":
            raise _unreadable(name, "it has another format version")
        plan = plan_from(document)
        claimed = document["digest"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise _unreadable(name, what_is_wrong(problem)) from None
    if claimed != plan.digest:
        raise TamperedPlan(
            f"{name}: its content does not have the digest it claims",
            code="tampered-plan",
            hint="make the plan again; a plan must not be edited",
        )
    return plan


def what_is_wrong(problem: Exception) -> str:
    """Say in words why a document could not be read; what it holds is not repeated."""
    if isinstance(problem, json.JSONDecodeError):
        return f"it is not JSON, as line {problem.lineno}, column {problem.colno} shows"
    return "a part of it is missing or of another kind than expected"


def _unreadable(name: str, why: str) -> UnreadablePlan:
    return UnreadablePlan(
        f"{name}: {why}", code="unreadable-plan", hint="make one with `reconcile plan --out FILE`"
    )


def plan_from(document: dict[str, Any]) -> Plan:
    """Read the public form of a plan, but for kind, version and digest, which the caller checks.

    Raises what Python raises for a wrong shape: `KeyError`, `TypeError`, `ValueError`.
    """
    target = document["target"]
    return Plan(
        target=PlanTarget(
            _text(target["name"]), _text(target["base_url"]), target["organisation_id"]
        ),
        created_at=_moment(document["created_at"]),
        desired_digest=_text(document["desired_digest"]),
        commit=document["commit"],
        actions=tuple(_action(item) for item in document["actions"]),
        no_op=int(document["summary"]["no_op"]),
        unverified=tuple(
            Unverified(_text(i["slug"]), _text(i["path"]), _text(i["reference"]))
            for i in document["unverified"]
        ),
        undeclared=tuple(
            Undeclared(_text(i["slug"]), _text(i["path"])) for i in document["undeclared"]
        ),
        unmanaged=tuple(_text(slug) for slug in document["unmanaged"]),
        forgotten=tuple(_text(slug) for slug in document["forgotten"]),
        diagnostics=tuple(_diagnostic(item) for item in document["diagnostics"]),
        run=document["source"]["run"] if "source" in document else None,
    )


def _action(item: dict[str, Any]) -> Action:
    source = item["source"]
    before = item["precondition"]
    return Action(
        slug=_text(item["slug"]),
        kind=ActionKind(item["action"]),
        reason=_text(item["reason"]),
        risk=Risk(item["risk"]),
        changes=tuple(_change(change) for change in item["changes"]),
        source=SourceLocation(_text(source["file"]), int(source["line"])) if source else None,
        precondition=Precondition(before["last_updated_at"], before["fingerprint"]),
        blocked_by=tuple(_text(code) for code in item["blocked_by"]),
    )


def _change(item: dict[str, Any]) -> Change:
    return Change(
        path=_text(item["path"]),
        op=ChangeKind(item["op"]),
        risk=Risk(item["risk"]),
        before=item["before"],
        after=item["after"],
        sensitive=bool(item["sensitive"]),
        origin=ChangeOrigin(item["origin"]),
        reference=item.get("reference"),
        before_reference=item.get("before_reference"),
        unknown_field=item.get("unknown_field", False) is True,
    )


def _diagnostic(item: dict[str, Any]) -> Diagnostic:
    place = SourceLocation(item["file"], item["line"], item["column"]) if item["file"] else None
    severity = Severity(item["severity"])
    return Diagnostic(severity, _text(item["code"]), _text(item["summary"]), item["hint"], place)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _moment(value: Any) -> str:
    """Insist on a time with its zone, or a plan could never expire."""
    if datetime.fromisoformat(_text(value)).tzinfo is None:
        raise ValueError
    return str(value)


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document
