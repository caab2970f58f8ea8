"""Read `lifecycle`: protection, and paths that are left alone."""

import re
from datetime import date
from typing import Any

from reconciler.domain.state import Ignored, Lifecycle
from reconciler.domain.tree import Path

_STEP = re.compile(r"([A-Za-z0-9_-]+)(?:\[([^\[\]]+)\])?")


def parse_path(text: str) -> Path | None:
    """Read `configurations.openai_project` or `models[gpt-5].enabled`; None for anything else."""
    path: list[str] = []
    position = 0
    while True:
        step = _STEP.match(text, position)
        if step is None:
            return None
        path += [part for part in step.groups() if part is not None]
        position = step.end()
        if position == len(text):
            return tuple(path)
        if text[position] != ".":
            return None
        position += 1


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
