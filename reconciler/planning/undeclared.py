"""What the API has beyond the files, and which of it grants access or redirects credentials."""

from reconciler.domain.fields import HEADERS_FIELD, is_host, show_path
from reconciler.domain.tree import Path
from reconciler.planning.comparison import Comparison
from reconciler.planning.plan import Undeclared


def undeclared_values(slug: str, comparison: Comparison) -> tuple[Undeclared, ...]:
    """Return the values of one integration that no file declares, in the order of their paths."""
    enabled = {*comparison.undeclared_access, ("global_workspace_access", "enabled")}
    return tuple(
        Undeclared(
            slug,
            show_path(path),
            # A workspace that is named as a whole has access; deeper paths only limit it.
            is_access=path in enabled or (path[0] == "workspaces" and len(path) == 2),
            is_host=redirects(path),
        )
        for path in comparison.undeclared
    )


def redirects(path: Path) -> bool:
    """Return whether the value at a path decides where a credential is sent, and with what."""
    return is_host(path) or HEADERS_FIELD in path
