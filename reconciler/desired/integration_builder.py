"""Build an integration from one merged document, and report everything that is wrong with it.

Scalars become typed values, secrets become references, and every rule of the schema, of the
provider and between fields is checked.
"""

from datetime import date
from typing import Any

from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.references import bind_references
from reconciler.desired.rules import CrossFieldRules, check_configurations
from reconciler.desired.validate import check_model, is_hidden
from reconciler.desired.yaml_reader import apply_types
from reconciler.diagnostics import SourceLocation
from reconciler.domain.integration import Integration
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.schema import integration_schema, parse_path
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared, Ignored, Lifecycle

_NOT_FIELDS = frozenset({"slug", "lifecycle"})


def build_integration(
    document: Sourced,
    problems: ProblemCollector,
    today: date,
    known_fields: KnownFields = NO_KNOWN_FIELDS,
) -> Declared | None:
    """Return the integration that a document declares, or None if the document has an error."""
    # Not the number of diagnostics: beyond the limit of a file, errors are counted but not added.
    errors_before = problems.errors
    provider = document.value.get("ai_provider_id")
    provider = provider if isinstance(provider, str) else ""
    schema = integration_schema(provider, vouched=known_fields.get(provider, ()))
    tree = apply_types(document.value, schema)
    reported: set[Steps] = set()

    def report(code: str, summary: str, hint: str, steps: Steps) -> None:
        reported.add(steps)
        hide = code != "reference-forbidden" and is_hidden(schema, steps)
        problems.error(code, summary, document.origin_of(steps), hint=hint, hide=hide)

    # First, because the model expects references in secret fields and must not see a literal.
    bind_references(tree, schema, report)
    check_model(
        Integration, tree, schema=schema, document=document, problems=problems, known_bad=reported
    )
    check_configurations(tree, schema, document, problems, reported)
    CrossFieldRules(tree, schema, document, problems, today).check()
    if problems.check_reference is not None:
        _check_references(tree, (), document, problems)
    if problems.errors > errors_before:
        return None
    return Declared(
        slug=tree["slug"],
        fields={name: value for name, value in tree.items() if name not in _NOT_FIELDS},
        source=SourceLocation(problems.display_path(document.origin.file), document.line),
        lifecycle=_build_lifecycle(tree.get("lifecycle")),
        vouched=known_fields.get(provider, ()),
    )


def _check_references(
    node: Any, steps: Steps, document: Sourced, problems: ProblemCollector
) -> None:
    """Report the references in a mapping or a list that the caller objects to.

    Most values are scalars; the loop skips them without a call, because it visits every value.
    """
    for key, value in node.items() if type(node) is dict else enumerate(node):
        kind = type(value)
        if kind is dict or kind is list:
            _check_references(value, (*steps, key), document, problems)
        elif isinstance(value, SecretRef) and problems.check_reference:
            objection = problems.check_reference(value)
            if objection is not None:
                problems.add(
                    objection.severity,
                    objection.code,
                    objection.summary,
                    document.origin_of((*steps, key)),
                    hint=objection.hint,
                )


def _build_lifecycle(tree: Any) -> Lifecycle:
    """Build the lifecycle of an integration whose tree has been checked."""
    if not isinstance(tree, dict):
        return Lifecycle()
    ignored = []
    for item in tree.get("ignore") or ():
        entry = {"path": item} if isinstance(item, str) else item
        until = entry.get("until")
        # Both can be parsed: with an invalid path or date the document has an error and is not
        # built.
        ignored.append(
            Ignored(
                path=parse_path(entry["path"]) or (),
                reason=entry.get("reason"),
                until=date.fromisoformat(until) if until else None,
            )
        )
    return Lifecycle(protected=tree.get("protected", False), ignore=tuple(ignored))
