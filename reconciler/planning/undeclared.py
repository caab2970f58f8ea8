"""Remote values that no file declares, and whether they grant access or redirect credentials.

A file without models leaves them unmanaged, so a plan does not read them. However, a custom model
may send a credential to a separate host. An audit also reads such parts. It adds findings and never
an action: the plan, its digest and its preconditions do not depend on it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType

from reconciler.domain.facts import SubResource
from reconciler.domain.integration import allows_all_models
from reconciler.domain.schema import FieldSchema, show_path
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path, Tree, Value, as_mapping, is_empty, is_enabled, is_mapping
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.comparison import Comparison, redirects
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Undeclared


def undeclared_values(
    slug: str, schema: FieldSchema, comparison: Comparison
) -> tuple[Undeclared, ...]:
    """Return the values of one integration that no file declares, in the order of their paths."""
    enabled = frozenset(comparison.undeclared_access)
    return tuple(
        Undeclared(
            slug,
            show_path(path),
            is_access=path in enabled or _grants_access(schema, path),
            is_host=redirects(schema, path),
        )
        for path in comparison.undeclared
    )


def _grants_access(schema: FieldSchema, path: Path) -> bool:
    """Return whether a path names a whole workspace, or a switch for unlisted workspaces."""
    # A whole workspace has access; deeper paths only limit it.
    is_workspace = path[0] == "workspaces" and len(path) == 2
    return is_workspace or (path[1:] == ("enabled",) and schema.child(path[0]).has_switch)


def workspaces_are_left_out(declared: Declared, observed: Observed) -> bool:
    """Return whether workspaces can have access that the file neither lists nor ignores."""
    if "workspaces" in declared.fields or observed.is_workspace_scoped:
        return False
    return all(entry.path != ("workspaces",) for entry in declared.lifecycle.ignore)


def unlisted_workspaces(declared: Declared, observed: Observed) -> int:
    """Return how many workspaces have access if the file lists none; 0 if that is unknown.

    Workspaces that the ledger records as applied are also counted: without a list, nothing revokes
    them.
    """
    if not workspaces_are_left_out(declared, observed):
        return 0
    count = observed.workspace_count or 0
    # Each row of the list has the count; the names need a separate call.
    if not observed.workspaces_read:
        return count
    listed = as_mapping(normalize(observed.fields).get("workspaces"))
    # A listed entry may have no access, and a workspace that is counted but not listed may have
    # access.
    return count if count > len(listed) else sum(is_enabled(entry) for entry in listed.values())


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """Part of an integration that an audit could not read, with a short reason."""

    slug: str
    part: SubResource
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Records that an audit completed, by slug, and the parts that could not be read."""

    seen: Mapping[str, Observed] = field(default_factory=lambda: MappingProxyType({}))
    unread: Sequence[Unread] = ()


NO_AUDIT = Audit()


def audited_parts(declared: Declared, observed: Observed) -> frozenset[SubResource]:
    """Return the parts that no file declares, that were not read, and that may matter."""
    parts = set()
    if not observed.models_read and _models_are_left_out(declared):
        parts.add(SubResource.MODELS)
    if not observed.workspaces_read and _may_have_access(declared, observed):
        parts.add(SubResource.WORKSPACES)
    return frozenset(parts)


def _models_are_left_out(declared: Declared) -> bool:
    ignored = {entry.path for entry in declared.lifecycle.ignore}
    return "models" not in declared.fields and ("models",) not in ignored


def _may_have_access(declared: Declared, observed: Observed) -> bool:
    if unlisted_workspaces(declared, observed):
        return True
    # Without a count, it is unknown whether a workspace has access.
    return observed.workspace_count is None and workspaces_are_left_out(declared, observed)


def with_audited_parts(observed: Observed, parts: Mapping[SubResource, Observed]) -> Observed:
    """Return a record with the parts that an audit read, but only the notable models."""
    joined = observed
    for part, read in parts.items():
        joined = replace(joined, fields={**joined.fields, **read.fields})
        if part is SubResource.MODELS:
            models = _notable(joined.fields)
            joined = replace(joined, fields={**joined.fields, "models": models}, models_read=True)
        else:
            joined = replace(joined, workspaces_read=True)
    return joined


def adds_entries(observed: Observed, audited: Observed) -> bool:
    """Return whether an audit found models or workspaces that the plan's own record lacks."""
    return any(
        not is_empty(audited.fields.get(part)) and is_empty(observed.fields.get(part))
        for part in SubResource
    )


def _notable(fields: Tree) -> list[Mapping[str, Value]]:
    """Return the models that differ from the catalogue of the provider.

    If all models are allowed, each base model is enabled by default and needs no declaration.
    """
    listed = fields.get("models")
    entries = listed if isinstance(listed, list | tuple) else ()
    by_default = {"slug", "enabled"} if allows_all_models(fields) else {"slug"}
    return [e for e in entries if is_mapping(e) and _is_notable(e, by_default)]


def _is_notable(model: Tree, by_default: Collection[str]) -> bool:
    return any(
        not is_empty(value) and value is not False
        for name, value in model.items()
        if name not in by_default
    )
