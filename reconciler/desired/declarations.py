"""Declarations of each environment, as canonical trees with the origin of every value.

The trees are those of merged documents that have been checked. Unlike a `DesiredState`, they
contain `lifecycle`, because two environments can differ in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.desired.config import Config
from reconciler.desired.documents import Documents
from reconciler.desired.problem_collector import ProblemCollector, Sourced
from reconciler.desired.references import bind_references
from reconciler.desired.source import FileSource
from reconciler.desired.suggestions import did_you_mean, one_of
from reconciler.desired.yaml_values import apply_types
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.policy import KnownFields, Target
from reconciler.domain.schema import integration_schema
from reconciler.domain.tree import Value


def merged_documents(source: FileSource, environment: str | None) -> dict[str, Sourced]:
    """Return the merged documents by slug, of an environment or of the base."""
    documents = Documents(source, ProblemCollector(source)).merged(environment)
    return {str(document.value["slug"]): document for document in documents}


def bound_tree(value: Mapping[str, Any], known_fields: KnownFields) -> dict[str, Value]:
    """Return the declared fields of a document, with `SecretRef` and `Redacted` for secrets.

    Nothing is reported: the files have been checked.
    """
    provider = value.get("ai_provider_id")
    provider = provider if isinstance(provider, str) else ""
    schema = integration_schema(provider, vouched=known_fields.get(provider, ()))
    tree: dict[str, Value] = apply_types(value, schema)
    bind_references(tree, schema, _ignore)
    tree.pop("slug", None)
    lifecycle = tree.get("lifecycle")
    # False is the default, and means the same.
    if isinstance(lifecycle, dict) and lifecycle.get("protected") is False:
        del lifecycle["protected"]
    if not lifecycle:
        tree.pop("lifecycle", None)
    return tree


def find_target(config: Config, name: str) -> tuple[Target | None, tuple[Diagnostic, ...]]:
    """Return the target of a name, which can also be the environment of a target."""
    if name in config.targets:
        return config.targets[name], ()
    for target in config.targets.values():
        if target.environment == name:
            return target, ()
    known = sorted({*config.targets, *_environments(config)})
    hint = did_you_mean(name, known) or one_of(known)
    summary = f"reconcile.yaml has no target `{name}`, and no target has this environment"
    return None, (error("unknown-target", summary, hint=hint),)


def _environments(config: Config) -> Iterator[str]:
    for target in config.targets.values():
        if target.environment is not None:
            yield target.environment


def _ignore(_code: str, _summary: str, _hint: str, _steps: object) -> None:
    """Drop a problem that the check of the files has reported."""
