"""Which files an undo has changed, for people and for scripts."""

from collections.abc import Iterable

from reconciler.diagnostics import Diagnostic
from reconciler.pull.undo_edits import Restored
from reconciler.views import json
from reconciler.views.escape import visible

NEXT = "Look at it with `git diff`, then commit and apply it as any other change."
NOTHING = "No file has to change."


def as_json(restored: Restored, *, run: str, diagnostics: Iterable[Diagnostic]) -> str:
    """Write the names of the files as one JSON document."""
    return json.document(
        {
            "format_version": "1",
            "kind": "edit",
            "run": run,
            "changed": [name for name in restored.changed if name not in restored.new],
            "new": sorted(restored.new),
            "removed": list(restored.removed),
            "diagnostics": [item.as_json() for item in diagnostics],
        }
    )


def as_text(restored: Restored, *, header: str, folder: str) -> str:
    """Write a line for each file, and what to do next."""
    lines = [
        f"{'new    ' if name in restored.new else 'changed'}  {visible(f'{folder}/{name}')}"
        for name in restored.changed
    ]
    lines += [f"removed  {visible(f'{folder}/{name}')}" for name in restored.removed]
    lines += ["", NEXT] if lines else [NOTHING]
    return "\n".join([header, "", *lines]) + "\n"
