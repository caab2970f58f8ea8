"""Plans as JSON text, and back.

A plan that was read from a file is not trusted: its shape is checked and its digest computed again.
What a fresh plan has beyond its public form (calls, subjects) is not stored.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn, cast

from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.domain.surrogates import escaped
from reconciler.domain.tree import Json, canonical_json
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
)
from reconciler.planning.plan import Plan, PlanTarget, Undeclared, Unverified
from reconciler.planning.risk import Risk

MAX_PLAN_BYTES = 64 * 1024 * 1024


class UnreadablePlan(ReconcilerError):
    """The text is not a plan that this version understands."""

    exit_code = 3


class TamperedPlan(ReconcilerError):
    """The plan's content does not have the digest that the plan claims."""

    exit_code = 4


def encode(plan: Plan) -> str:
    """Return the plan as one line of canonical JSON."""
    return escaped(canonical_json(plan.as_json())) + "\n"


def decode(text: str, *, name: str) -> Plan:
    """Return the plan that a text holds; `name` says in errors where it came from.

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
    """Return why a document could not be read, without repeating its content."""
    if isinstance(problem, json.JSONDecodeError):
        return f"it is not JSON, as line {problem.lineno}, column {problem.colno} shows"
    return "a part of it is missing or of another kind than expected"


def _unreadable(name: str, why: str) -> UnreadablePlan:
    return UnreadablePlan(
        f"{name}: {why}", code="unreadable-plan", hint="make one with `reconcile plan --out FILE`"
    )


def plan_from(document: Mapping[str, object]) -> Plan:
    """Return a plan from its public form; the caller checks kind, version and digest.

    Raises what Python raises for a wrong shape: `KeyError`, `TypeError`, `ValueError`.
    """
    target = _object(document["target"])
    return Plan(
        target=PlanTarget(
            _text(target["name"]),
            _text(target["base_url"]),
            _text_or_none(target["organisation_id"]),
        ),
        created_at=_moment(document["created_at"]),
        desired_digest=_text(document["desired_digest"]),
        commit=_text_or_none(document["commit"]),
        actions=tuple(_action(item) for item in _objects(document["actions"])),
        no_op=_number(_object(document["summary"])["no_op"]),
        unverified=tuple(
            Unverified(_text(item["slug"]), _text(item["path"]), _text(item["reference"]))
            for item in _objects(document["unverified"])
        ),
        undeclared=tuple(
            Undeclared(_text(item["slug"]), _text(item["path"]))
            for item in _objects(document["undeclared"])
        ),
        unmanaged=tuple(_text(slug) for slug in _list(document["unmanaged"])),
        forgotten=tuple(_text(slug) for slug in _list(document["forgotten"])),
        diagnostics=tuple(_diagnostic(item) for item in _objects(document["diagnostics"])),
        run=_text_or_none(_object(document["source"])["run"]) if "source" in document else None,
        approved_at=_moment(document["approved_at"]) if "approved_at" in document else None,
    )


def _action(item: Mapping[str, object]) -> Action:
    before = _object(item["precondition"])
    return Action(
        slug=_text(item["slug"]),
        kind=ActionKind(_text(item["action"])),
        reason=_text(item["reason"]),
        risk=Risk(item["risk"]),
        changes=tuple(_change(change) for change in _objects(item["changes"])),
        source=_source(item["source"]),
        precondition=Precondition(
            _text_or_none(before["last_updated_at"]), _text_or_none(before["fingerprint"])
        ),
        blocked_by=tuple(_text(code) for code in _list(item["blocked_by"])),
    )


def _source(value: object) -> SourceLocation | None:
    if value is None:
        return None
    source = _object(value)
    return SourceLocation(_text(source["file"]), _number(source["line"]))


def _change(item: Mapping[str, object]) -> Change:
    return Change(
        path=_text(item["path"]),
        op=ChangeKind(_text(item["op"])),
        risk=Risk(item["risk"]),
        before=cast("Json", item["before"]),
        after=cast("Json", item["after"]),
        sensitive=bool(item["sensitive"]),
        origin=ChangeOrigin(_text(item["origin"])),
        reference=_text_or_none(item.get("reference")),
        before_reference=_text_or_none(item.get("before_reference")),
        unknown_field=item.get("unknown_field", False) is True,
    )


def _diagnostic(item: Mapping[str, object]) -> Diagnostic:
    place = None
    if item["file"] is not None:
        position = _number(item["line"]), _number(item["column"])
        place = SourceLocation(_text(item["file"]), *position)
    return Diagnostic(
        Severity(_text(item["severity"])),
        _text(item["code"]),
        _text(item["summary"]),
        _text(item["hint"]),
        place,
    )


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _objects(value: object) -> list[Mapping[str, object]]:
    return [_object(item) for item in _list(value)]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _moment(value: object) -> str:
    """Return a time that names its zone; without one a plan could never expire."""
    if datetime.fromisoformat(_text(value)).tzinfo is None:
        raise ValueError
    return str(value)


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document
