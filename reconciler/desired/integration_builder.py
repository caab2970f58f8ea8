"""Build an integration from one merged document, and report all its problems.

Scalars become typed values, secrets become references, and every rule of the schema, of the
provider and between fields is checked: duplicates, credentials, scope, ignored paths. Types,
unknown fields and choices: `desired.validate`; the rules of one provider: `desired.integration_rules`.
"""

from datetime import date
from typing import Any

from reconciler.desired.integration_rules import ProviderRules
from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.references import bind_references
from reconciler.desired.validate import is_hidden, report_errors
from reconciler.desired.yaml_values import apply_types
from reconciler.diagnostics import SourceLocation
from reconciler.domain.integration import MAPPINGS, Integration, mapped_fields
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.providers import configuration_of
from reconciler.domain.schema import FieldKind, FieldSchema, integration_schema, parse_path
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, Ignored, Lifecycle
from reconciler.domain.tree import Tree, Value, lookup
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
    CrossFieldRules(tree, schema, document, problems, today).check()
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


class CrossFieldRules:
    """The rules of one integration; each reports the problems that it finds."""

    def __init__(
        self,
        tree: Tree,
        schema: FieldSchema,
        document: Sourced,
        problems: ProblemCollector,
        today: date,
    ) -> None:
        self.tree = tree
        self.schema = schema
        self.document = document
        self.problems = problems
        self.today = today

    def check(self) -> None:
        """Apply all rules."""
        self._duplicates(self.tree, self.schema, ())
        self._credentials()
        self._scope()
        ProviderRules(self.tree, self.schema, self.document, self.problems, self.today).check()
        self._ignored()

    def _error(
        self, code: str, summary: str, steps: Steps, *, hint: str = "", key: bool = False
    ) -> None:
        self.problems.error(code, summary, self.document.origin_of(steps), hint=hint, key=key)

    def _duplicates(self, node: Tree, schema: FieldSchema, at: Steps) -> None:
        for name, value in node.items():
            # Most values are scalars; they are skipped before anything is looked up.
            if type(value) is dict:
                field = schema.child(name)
                if field.kind is FieldKind.OBJECT:
                    self._duplicates(value, field, (*at, name))
            elif type(value) is list:
                identity = schema.child(name).key
                if identity is not None:
                    self._duplicates_in(value, name, identity, (*at, name))

    def _duplicates_in(self, entries: list[Value], name: str, identity: str, at: Steps) -> None:
        first: dict[str, int] = {}
        for index, item in enumerate(entries):
            key = item.get(identity) if isinstance(item, dict) else None
            if not isinstance(key, str):
                continue
            if key not in first:
                first[key] = index
                continue
            origin = self.document.origin_of((*at, first[key], identity))
            location = self.problems.location_of(origin)
            self._error(
                "duplicate-entry",
                f"`{key}` is listed twice in `{name}`; first at {location.file}:{location.line}",
                (*at, index, identity),
                hint="keep one of the two",
            )

    def _credentials(self) -> None:
        for target, index in mapped_fields(self.tree).items():
            given = lookup(self.tree, target)
            if isinstance(given, SecretRef | Redacted):
                shown = ".".join(target)
                self._error(
                    "duplicate-credential",
                    f"`{shown}` has both a value and a secret mapping",
                    (MAPPINGS, index, "target_field"),
                    hint=f"remove `{shown}` or the mapping",
                )

    def _scope(self) -> None:
        if self.tree.get("workspace_id") is not None and "workspaces" in self.tree:
            self._error(
                "workspaces-not-allowed",
                "an integration that belongs to a workspace cannot have `workspaces`",
                ("workspaces",),
                hint="remove `workspaces`, or remove `workspace_id` to share the integration",
                key=True,
            )

    def _ignored(self) -> None:
        lifecycle = self.tree.get("lifecycle")
        entries = lifecycle.get("ignore") if type(lifecycle) is dict else None
        for index, entry in enumerate(entries if type(entries) is list else ()):
            steps: Steps = ("lifecycle", "ignore", index)
            text = entry.get("path") if type(entry) is dict else entry
            if isinstance(text, str) and text:
                at = (*steps, "path") if type(entry) is dict else steps
                self._ignored_path(text, at)
            until = entry.get("until") if type(entry) is dict else None
            if isinstance(until, str):
                self._ignored_until(until, (*steps, "until"))

    def _ignored_path(self, text: str, steps: Steps) -> None:
        path = parse_path(text)
        if path is None:
            summary = f"`{text[:60]}` is not a field path"
            hint = "write a path such as `description` or `models[gpt-5].enabled`"
            self._error("invalid-value", summary, steps, hint=hint)
            return
        known = [f for f in Integration.model_fields if f not in {"slug", "lifecycle"}]
        if path[0] not in known:
            summary = f"`{path[0]}` is not a field of an integration that can be ignored"
            hint = self.problems.did_you_mean(path[0], known)
            self._error("unknown-field", summary, steps, hint=hint)

    def _ignored_until(self, until: str, steps: Steps) -> None:
        try:
            end = date.fromisoformat(until)
        except ValueError:
            return  # the model reports it
        # `until` is the last day on which the exception is valid.
        if end < self.today:
            self._error(
                "expired-ignore",
                f"the exception expired on {until}",
                steps,
                hint="remove the entry, or set a later date",
            )


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
