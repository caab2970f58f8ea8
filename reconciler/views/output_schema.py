"""JSON Schemas of what `--format json` prints: plan, result, drift report.

The shapes are written by `as_json` of each value; the closed sets of words come from the
enumerations themselves. The schemas of files: `desired.schema`.
"""

from collections.abc import Iterable
from enum import StrEnum

from reconciler.diagnostics import Severity
from reconciler.execution.result import Status
from reconciler.planning.actions import ActionKind, ChangeKind, ChangeOrigin
from reconciler.planning.risk import Risk

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, object]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}


def plan() -> Schema:
    """Return the schema of a plan."""
    shape = _object(
        {**_head("plan"), **_planned(), "digest": DIGEST, "actions": _list("Action")},
        optional={"source": _object({"run": TEXT}), "approved_at": TIME},
    )
    return _finished("Plan", shape, _DEFINITIONS)


def result() -> Schema:
    """Return the schema of the result of an apply."""
    summary = _object({status.value: COUNT for status in Status})
    failure = _object(
        {
            "code": TEXT,
            "http_status": {"type": ["integer", "null"]},
            "message": TEXT,
            "hint": TEXT,
        }
    )
    outcome = _object(
        {
            "address": TEXT,
            "slug": TEXT,
            "action": _one_of(ActionKind),
            "status": _one_of(Status),
            "attempts": COUNT,
            "duration_ms": COUNT,
            "request_ids": {"type": "array", "items": TEXT},
            "error": {"anyOf": [failure, {"type": "null"}]},
        },
        optional={"warnings": {"type": "array", "items": TEXT}},
    )
    shape = _object(
        {
            **_head("apply_result"),
            "run": TEXT,
            "target": {"$ref": "#/$defs/Target"},
            "plan_digest": DIGEST,
            "summary": summary,
            "outcomes": {"type": "array", "items": outcome},
        },
        optional={
            "shard": {"type": "string", "pattern": "^[1-9][0-9]*/[1-9][0-9]*$"},
            "ledger": {"type": "object"},
        },
    )
    return _finished("Result of an apply", shape, {"Target": _DEFINITIONS["Target"]})


def drift() -> Schema:
    """Return the schema of a drift report."""
    shape = _object(
        {
            **_head("drift_report"),
            **_planned(),
            "in_sync": FLAG,
            "fingerprint": DIGEST,
            "items": _list("Action"),
            "not_read": COUNT,
            "origins": {"type": "object", "additionalProperties": _one_of(ChangeOrigin)},
        }
    )
    return _finished("Drift report", shape, _DEFINITIONS)


def _object(required: Schema, *, optional: Schema | None = None) -> Schema:
    """Return the schema of an object; other keys are allowed, since later versions may add some."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _one_of(words: Iterable[StrEnum]) -> Schema:
    return {"enum": [word.value for word in words]}


def _list(name: str) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


def _head(kind: str) -> Schema:
    return {"format_version": {"const": "1"}, "kind": {"const": kind}}


def _planned() -> Schema:
    """Return the keys that a plan and a drift report have in common."""
    counts = [*ActionKind, *("no_op", "blocked", "unmanaged", "undeclared", "unverified_secrets")]
    return {
        "tool": TEXT,
        "created_at": TIME,
        "commit": TEXT_OR_NULL,
        "target": {"$ref": "#/$defs/Target"},
        "desired_digest": DIGEST,
        "max_risk": {"enum": [*(risk.value for risk in Risk), None]},
        "summary": _object({str(name): COUNT for name in counts}),
        "unverified": {"type": "array", "items": _object(_UNVERIFIED)},
        "undeclared": {"type": "array", "items": _object({"slug": TEXT, "path": TEXT})},
        "unmanaged": {"type": "array", "items": TEXT},
        "forgotten": {"type": "array", "items": TEXT},
        "diagnostics": _list("Diagnostic"),
    }


_UNVERIFIED: Schema = {"slug": TEXT, "path": TEXT, "reference": TEXT}
_LINE: Schema = {"type": ["integer", "null"], "minimum": 1}
_DEFINITIONS: Schema = {
    "Target": _object({"name": TEXT, "base_url": TEXT, "organisation_id": TEXT_OR_NULL}),
    "Action": _object(
        {
            "address": {"type": "string", "pattern": "^integration/"},
            "slug": TEXT,
            "action": _one_of(ActionKind),
            "reason": TEXT,
            "risk": _one_of(Risk),
            "source": {"anyOf": [_object({"file": TEXT, "line": _LINE}), {"type": "null"}]},
            "precondition": _object({"last_updated_at": TEXT_OR_NULL, "fingerprint": TEXT_OR_NULL}),
            "changes": _list("Change"),
            "blocked_by": {"type": "array", "items": TEXT},
        }
    ),
    "Change": {
        **_object(
            {
                "path": TEXT,
                "op": _one_of(ChangeKind),
                # Any JSON value: the value of a field.
                "before": {},
                "after": {},
                "sensitive": FLAG,
                "origin": _one_of(ChangeOrigin),
                "risk": _one_of(Risk),
            },
            optional={
                "reference": TEXT_OR_NULL,
                "before_reference": TEXT_OR_NULL,
                "unknown_field": FLAG,
            },
        ),
        # No document may show the value of a secret.
        "if": {"properties": {"sensitive": {"const": True}}},
        "then": {"properties": {"before": {"type": "null"}, "after": {"type": "null"}}},
    },
    "Diagnostic": _object(
        {
            "severity": _one_of(Severity),
            "code": TEXT,
            "summary": TEXT,
            "hint": TEXT,
            "file": TEXT_OR_NULL,
            "line": _LINE,
            "column": _LINE,
        }
    ),
}


def _finished(title: str, shape: Schema, definitions: Schema) -> Schema:
    return {"$schema": DIALECT, "title": title, **shape, "$defs": definitions}
