"""Differences between two environments, and what a promotion edited.

Secrets are shown as references, and hidden values as `[redacted]`.
"""

import json as standard_json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.diagnostics import SourceLocation, counted
from reconciler.domain.policy import Target
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.planning.parity import Absent, Difference, Side
from reconciler.pull.parity import Located, Parity
from reconciler.pull.promote import PromotionEdits
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.text_layout import table_lines

_HIDDEN = "[redacted]"
_NOT_DECLARED = "(not declared)"
_DECLARED = "(declared)"
_WHOLE = "(whole integration)"
_NEXT = "Review the files with `git diff`, then commit and apply them like any other change."
_LONGEST = 60


def parity_text(value: Parity, *, verbose: bool = False) -> str:
    """Return a table of the differences; with `verbose`, also of the expected ones."""
    lines = [_title(value), ""]
    if value.found:
        lines += [*_table(value.found, value), ""]
    if verbose and value.expected:
        lines += ["Expected (`differs` in reconcile.yaml):", *_table(value.expected, value), ""]
    return "\n".join([*lines, parity_summary(value)]) + "\n"


def parity_markdown(value: Parity) -> str:
    """Return the differences as a table for a comment or a job summary."""
    lines = [f"### Parity of {_code(value.source.name)} and {_code(value.target.name)}", ""]
    if value.found:
        names = (value.source.name, value.target.name)
        lines += [
            "| integration | field | " + " | ".join(map(_code, names)) + " |",
            "|---|---|---|---|",
        ]
        for item in value.found:
            cells = (item.difference.slug, *_cells(item.difference))
            lines.append("| " + " | ".join(map(_code, cells)) + " |")
        lines.append("")
    return "\n".join([*lines, parity_summary(value)]) + "\n"


def parity_json(value: Parity) -> str:
    """Return the differences, the expected ones included, as one JSON document."""
    return json.document(
        {
            "format_version": "1",
            "kind": "parity",
            "from": _target(value.source),
            "to": _target(value.target),
            "in_parity": value.in_parity,
            "differences": [_as_json(item) for item in value.found],
            "expected": [_as_json(item) for item in value.expected],
            "diagnostics": [item.as_json() for item in value.diagnostics],
        }
    )


def parity_summary(value: Parity) -> str:
    """Count the differences, and those that are expected."""
    slugs = {item.difference.slug for item in value.found}
    line = counted(len(value.found), "difference")
    if slugs:
        line += f" in {counted(len(slugs), 'integration')}"
    return f"{line}, {len(value.expected)} expected"


def promotion_text(value: PromotionEdits, *, folder: str, checked: bool) -> str:
    """Return what a promotion changed, in which files; with `checked`, what it would change."""
    lines = [f"promote {visible(value.source.name)} → {visible(value.target.name)}", ""]
    lines += [_change(item) for item in value.changes]
    if value.changes:
        lines.append("")
    for name in value.changed:
        verb = _verb(is_new=name in value.new, checked=checked)
        lines.append(f"{verb}  {visible(f'{folder}/{name}', limit=None)}")
    if value.changed:
        lines += ["", "Nothing was written." if checked else _NEXT]
    else:
        lines.append("No file needs a change.")
    if value.left:
        lines += ["", "To do manually:"]
        lines += [f"  {visible(item.slug)}: {_path(item)}" for item in value.left]
    return "\n".join(lines) + "\n"


def _verb(*, is_new: bool, checked: bool) -> str:
    """Return the verb before the name of a file, padded so that the names form a column."""
    if checked:
        return "create" if is_new else "change"
    return "new    " if is_new else "changed"


def promotion_json(value: PromotionEdits, *, checked: bool) -> str:
    """Return what a promotion changed as one JSON document."""
    return json.document(
        {
            "format_version": "1",
            "kind": "promotion",
            "from": _target(value.source),
            "to": _target(value.target),
            "written": bool(value.changed) and not checked,
            "changed": [name for name in value.changed if name not in value.new],
            "new": sorted(value.new),
            "created": list(value.created),
            "changes": [_as_json(Located(item)) for item in value.changes],
            "left": [_as_json(Located(item)) for item in value.left],
            "diagnostics": [item.as_json() for item in value.diagnostics],
        }
    )


def _title(value: Parity) -> str:
    names = (_named(value.source), _named(value.target))
    return f"parity {names[0]} → {names[1]}"


def _named(target: Target) -> str:
    # A target is usually named like its environment, which is then not repeated.
    if target.environment in {None, target.name}:
        return visible(target.name)
    return f"{visible(target.name)} (environment {visible(str(target.environment))})"


def _table(found: Sequence[Located], value: Parity) -> Iterator[str]:
    rows = [("INTEGRATION", "FIELD", value.source.name, value.target.name)]
    # The whole row is escaped below, so that no cell is missed.
    rows += [(item.difference.slug, *_cells(item.difference)) for item in found]
    yield from table_lines([[visible(cell) for cell in row] for row in rows])


def _cells(item: Difference) -> tuple[str, str, str]:
    if not item.path:
        present = [
            _NOT_DECLARED if isinstance(side, Absent) else _DECLARED
            for side in (item.source, item.target)
        ]
        return _WHOLE, present[0], present[1]
    return show_path(item.path), _shown(item.source), _shown(item.target)


def _change(item: Difference) -> str:
    slug = visible(item.slug)
    if not item.path:
        return f"+ {slug}: {_WHOLE}"
    path = visible(show_path(item.path), limit=None)
    if isinstance(item.target, Absent):
        return f"+ {slug}: {path}: {visible(_shown(item.source))}"
    if isinstance(item.source, Absent):
        return f"- {slug}: {path}: {visible(_shown(item.target))}"
    return f"~ {slug}: {path}: {visible(_shown(item.target))} → {visible(_shown(item.source))}"


def _path(item: Difference) -> str:
    return visible(show_path(item.path), limit=None) if item.path else _WHOLE


def _shown(side: Side) -> str:
    if isinstance(side, Absent):
        return _NOT_DECLARED
    text = standard_json.dumps(_plain(side), ensure_ascii=False, sort_keys=True)
    if isinstance(side, SecretRef):
        text = side.as_written
    elif isinstance(side, Redacted):
        text = _HIDDEN
    return text


def _plain(value: Any) -> Any:
    match value:
        case SecretRef():
            return value.as_written
        case Redacted():
            return _HIDDEN
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _target(target: Target) -> dict[str, object]:
    return {"target": target.name, "environment": target.environment}


def _as_json(item: Located) -> dict[str, object]:
    difference = item.difference
    return {
        "slug": difference.slug,
        "path": show_path(difference.path),
        "from": _side(difference.source, difference.path, item.source),
        "to": _side(difference.target, difference.path, item.target),
    }


def _side(side: Side, path: Sequence[str], at: SourceLocation | None) -> dict[str, object]:
    found: dict[str, object] = {"declared": not isinstance(side, Absent)}
    # The fields of an integration that only one side declares are not listed.
    if not isinstance(side, Absent) and path:
        found |= {"value": _plain(side), "sensitive": _hides(side)}
    if at is not None:
        found |= {"file": at.file, "line": at.line}
    return found


def _hides(value: Any) -> bool:
    if isinstance(value, SecretRef | Redacted):
        return True
    members: Iterable[Any] = ()
    if isinstance(value, Mapping):
        members = value.values()
    elif isinstance(value, list | tuple):
        members = value
    return any(_hides(item) for item in members)


def _code(text: str) -> str:
    """Return a text as a code span in a cell of a table."""
    # A backslash does not escape a backtick within a code span, so that one is replaced.
    plain = visible(text).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"
