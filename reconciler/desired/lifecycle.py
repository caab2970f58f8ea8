"""Read `lifecycle`: protection, and paths that are left alone."""

from datetime import date
from typing import Any

from reconciler.domain.field_paths import parse_path
from reconciler.domain.state import Ignored, Lifecycle


def lifecycle_of(tree: Any) -> Lifecycle:
    """Build the lifecycle of a checked integration."""
    if not isinstance(tree, dict):
        return Lifecycle()
    entries = [{"path": e} if isinstance(e, str) else e for e in tree.get("ignore") or ()]
    return Lifecycle(
        protected=tree.get("protected", False),
        ignore=tuple(
            Ignored(
                path=parse_path(entry["path"]) or (),
                reason=entry.get("reason"),
                until=date.fromisoformat(entry["until"]) if entry.get("until") else None,
            )
            for entry in entries
        ),
    )
