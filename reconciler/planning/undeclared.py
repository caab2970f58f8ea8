"""What the API has beyond the files, and which of it grants access or redirects credentials."""

from reconciler.domain.field_paths import show_path
from reconciler.domain.schema import FieldSchema
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path
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
            # A workspace that is named as a whole has access; deeper paths only limit it.
            is_access=path in enabled
            or _is_switch(schema, path)
            or (path[0] == "workspaces" and len(path) == 2),
            is_host=redirects(schema, path),
        )
        for path in comparison.undeclared
    )


def _is_switch(schema: FieldSchema, path: Path) -> bool:
    """Return whether this is a switch that lets in workspaces that no list names."""
    return path[1:] == ("enabled",) and schema.child(path[0]).has_switch


def workspaces_are_left_out(declared: Declared, observed: Observed) -> bool:
    """Return whether workspaces can have access that the file neither lists nor ignores."""
    if "workspaces" in declared.fields or observed.is_workspace_scoped:
        return False
    return all(entry.path != ("workspaces",) for entry in declared.lifecycle.ignore)


def unlisted_workspaces(declared: Declared, observed: Observed) -> int:
    """Return how many workspaces have access where the file lists none; 0 if the API says nothing.

    What the ledger knows as applied counts as well: without a list nothing takes it back.
    """
    if not workspaces_are_left_out(declared, observed):
        return 0
    count = observed.workspace_count or 0
    if not observed.workspaces_read:
        return count
    listed = normalize(observed.fields).get("workspaces") or {}
    # An entry may be there without access; one that is counted and not shown may have it.
    return count if count > len(listed) else sum(bool(e.get("enabled")) for e in listed.values())
