"""Build an integration from one merged document, and report all its problems.

Scalars become typed values, secrets become references, and everything is checked: types, unknown
fields and choices are reported by `desired.validate`, all other rules are in
`desired.integration_rules`.
"""

from datetime import date
from typing import Any

from reconciler.desired.integration_rules import IntegrationRules
from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.references import bind_references
from reconciler.desired.validate import is_hidden, report_errors
from reconciler.desired.yaml_values import apply_types
from reconciler.diagnostics import SourceLocation
from reconciler.domain.integration import Integration
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.providers import configuration_of
from reconciler.domain.schema import FieldSchema, integration_schema, parse_path
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared, Ignored, Lifecycle
from reconciler.domain.tree import Tree
from reconciler.domain.valid_values import errors_in

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

    # Done first, because the model expects references in secret fields and must not receive a
    # literal.
    references = bind_references(tree, schema, report)
    errors = errors_in(Integration, tree)
    if errors:
        report_errors(
            errors, tree, schema=schema, document=document, problems=problems, known_bad=reported
        )
    check_configurations(tree, schema, document, problems, reported)
    IntegrationRules(tree, schema, document, problems, today).check()
    _check_references(references, document, problems)
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
    references: list[tuple[SecretRef, Steps]], document: Sourced, problems: ProblemCollector
) -> None:
    """Report the references to which the caller objects."""
    if problems.check_reference is None:
        return
    for reference, steps in references:
        objection = problems.check_reference(reference)
        if objection is not None:
            problems.add(
                objection.severity,
                objection.code,
                objection.summary,
                document.origin_of(steps),
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


def check_configurations(
    tree: Tree,
    schema: FieldSchema,
    document: Sourced,
    problems: ProblemCollector,
    known_bad: set[Steps],
) -> None:
    """Check types and choices of the configurations against the provider's model."""
    provider, given = tree.get("ai_provider_id"), tree.get("configurations")
    if not isinstance(provider, str) or type(given) is not dict:
        return
    errors = errors_in(configuration_of(provider), given)
    if errors:
        report_errors(
            errors,
            given,
            schema=schema.child("configurations"),
            document=document,
            problems=problems,
            prefix=("configurations",),
            known_bad=known_bad,
            what="`configurations`",
        )
