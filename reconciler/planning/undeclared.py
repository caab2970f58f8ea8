"""What the API has beyond the files, and which of it grants access or redirects credentials."""

from reconciler.domain.paths import show_path
from reconciler.domain.schema import FieldSchema
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path
from reconciler.planning.comparison import Comparison
from reconciler.planning.plan import Undeclared


def undeclared_values(
    slug: str, schema: FieldSchema, comparison: Comparison
) -> tuple[Undeclared, ...]:
    """Return the values of one integration that no file declares, in the order of their paths."""
    enabled = {*comparison.undeclared_access, *_switches(schema)}
    return tuple(
        Undeclared(
            slug,
            show_path(path),
            # A workspace that is named as a whole has access; deeper paths only limit it.
            is_access=path in enabled or (path[0] == "workspaces" and len(path) == 2),
            is_host=redirects(schema, path),
        )
        for path in comparison.undeclared
    )


def _switches(schema: FieldSchema) -> list[Path]:
    """Return the switches that let in workspaces that no list names."""
    return [(name, "enabled") for name, field in schema.fields.items() if field.has_switch]


def redirects(schema: FieldSchema, path: Path) -> bool:
    """Return whether the value at a path decides where a credential is sent, and with what."""
    return schema.at(path).facts.host or any(
        schema.at(path[:end]).facts.headers for end in range(1, len(path) + 1)
    )


def unlisted_workspaces(declared: Declared, observed: Observed) -> int:
    """Return how many workspaces the API counts where the file lists none; 0 if it does not tell.

    What the ledger knows as applied counts as well: without a list nothing takes it back.
    """
    if "workspaces" in declared.fields or observed.is_workspace_scoped:
        return 0
    if any(entry.path == ("workspaces",) for entry in declared.lifecycle.ignore):
        return 0
    return observed.workspace_count or 0
