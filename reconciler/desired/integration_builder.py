"""Make one merged document an integration: scalars by type, secrets by name, every rule checked."""

from datetime import date
from typing import Any

from reconciler.desired.lifecycle import lifecycle_of
from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.references import bind
from reconciler.desired.rules import CrossFieldRules, check_configurations
from reconciler.desired.scalars import typed
from reconciler.desired.validate import check_model, is_hidden
from reconciler.diagnostics import SourceLocation
from reconciler.domain.integration import Integration
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.schema import integration_schema
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared

_NOT_FIELDS = frozenset({"slug", "lifecycle"})


def declare(
    document: Sourced,
    findings: ProblemCollector,
    today: date,
    known_fields: KnownFields = NO_KNOWN_FIELDS,
) -> Declared | None:
    """Check a document and build what it declares; None when something is wrong with it."""
    before = findings.errors
    provider = document.value.get("ai_provider_id")
    provider = provider if isinstance(provider, str) else ""
    schema = integration_schema(provider, vouched=known_fields.get(provider, ()))
    tree = typed(document.value, schema)
    bad: set[Steps] = set()

    def say(code: str, summary: str, hint: str, steps: Steps) -> None:
        bad.add(steps)
        hide = code != "reference-forbidden" and is_hidden(schema, steps)
        findings.error(code, summary, document.origin_of(steps), hint=hint, hide=hide)

    bind(tree, schema, say)
    check_model(
        Integration, tree, schema=schema, document=document, findings=findings, known_bad=bad
    )
    check_configurations(tree, schema, document, findings, bad)
    CrossFieldRules(tree, schema, document, findings, today).check()
    if findings.judge is not None:
        _judge_references(tree, (), document, findings)
    if findings.errors > before:
        return None
    return Declared(
        slug=tree["slug"],
        fields={name: value for name, value in tree.items() if name not in _NOT_FIELDS},
        source=SourceLocation(findings.shown(document.origin.file), document.line),
        lifecycle=lifecycle_of(tree.get("lifecycle")),
        vouched=known_fields.get(provider, ()),
    )


def _judge_references(
    node: Any, steps: Steps, document: Sourced, findings: ProblemCollector
) -> None:
    """Ask of every reference in a mapping or a list whether it may be used, and report objections.

    Most values are neither, so none of them costs a call of its own.
    """
    for key, value in node.items() if type(node) is dict else enumerate(node):
        kind = type(value)
        if kind is dict or kind is list:
            _judge_references(value, (*steps, key), document, findings)
        elif isinstance(value, SecretRef) and findings.judge:
            objection = findings.judge(value)
            if objection is not None:
                findings.add(
                    objection.severity,
                    objection.code,
                    objection.summary,
                    document.origin_of((*steps, key)),
                    hint=objection.hint,
                )
