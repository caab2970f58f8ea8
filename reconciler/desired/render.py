"""Render merged integrations, with the file and line of each field.

References are shown as they are written, hidden values as `[redacted]`. The output is for reading
and comparing; it cannot be loaded again.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.yaml_values import apply_types
from reconciler.diagnostics import SourceLocation
from reconciler.domain.integration import LifecycleRules
from reconciler.domain.schema import FieldSchema, any_provider_schema, compiled, show_path
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared
from reconciler.domain.tree import Path, Tree, Value
from reconciler.frozen_dataclass import dataclass

_REDACTED = "[redacted]"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@-]*")
_GUESSED = frozenset({"true", "false", "null"})
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class RenderedIntegration:
    """One integration after merging: plain data, and the source location of every leaf."""

    slug: str
    fields: Tree
    origins: Mapping[Steps, SourceLocation]


def render(
    integration: Declared, document: Sourced, problems: ProblemCollector
) -> RenderedIntegration:
    """Return an integration as plain data, with the locations of its leaves."""
    tree: dict[str, Value] = {"slug": integration.slug, **integration.fields}
    # `integration.lifecycle` is already parsed; the output shows it as it is written.
    if "lifecycle" in document.value:
        tree["lifecycle"] = apply_types(document.value["lifecycle"], compiled(LifecycleRules))
    fields = {name: _shown(value) for name, value in tree.items()}
    origins = {
        # An entry of a list has no name to point at, only a value.
        steps: problems.location_of(document.origin_of(steps), key=isinstance(steps[-1], str))
        for steps in _leaf_steps(fields, ())
    }
    return RenderedIntegration(integration.slug, fields, origins)


def as_yaml(documents: Iterable[RenderedIntegration]) -> str:
    """Return YAML: one document per integration, the location of each leaf in a comment."""
    texts = []
    for document in documents:
        lines = list(_lines(document.fields, (), 0, document.origins))
        # Limited to 60 columns, because one long value would otherwise push the comments of all
        # lines out of view.
        width = min(60, max((len(text) for text, _ in lines), default=0))
        texts.append("".join(_with_comment(text, place, width) for text, place in lines))
    return "---\n".join(texts)


def as_json(documents: Iterable[RenderedIntegration]) -> str:
    """Return JSON: the fields of each integration, and their locations by path."""
    integrations = [
        {
            "slug": document.slug,
            "fields": document.fields,
            "origins": {
                show_path(_key_path(document.fields, steps)): f"{place.file}:{place.line}"
                for steps, place in document.origins.items()
            },
        }
        for document in documents
    ]
    whole = {"format_version": "1", "kind": "render", "integrations": integrations}
    return json.dumps(whole, indent=2) + "\n"


def _shown(value: Value) -> Value:
    match value:
        case SecretRef():
            return value.as_written
        case Redacted():
            return _REDACTED
        case dict():
            return {key: _shown(item) for key, item in value.items()}
        case list():
            return [_shown(item) for item in value]
        case _:
            return value


def _leaf_steps(value: Value, steps: Steps) -> Iterator[Steps]:
    inside: Iterable[tuple[str | int, Value]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    empty = True
    for step, item in inside:
        empty = False
        yield from _leaf_steps(item, (*steps, step))
    # An empty container is a leaf: it declares that there are no entries.
    if empty and steps:
        yield steps


def _key_path(tree: Tree, steps: Steps) -> Path:
    """Return a path with the identity of each entry in place of its number."""
    names: list[str] = []
    node: Any = tree
    field: FieldSchema = any_provider_schema()
    for step in steps:
        node = node[step]
        identity = field.key if isinstance(step, int) else None
        names.append(str(node[identity]) if identity else str(step))
        field = field.child(names[-1])
    return tuple(names)


def _lines(
    value: Tree | Sequence[Value], steps: Steps, depth: int, origins: Mapping[Steps, SourceLocation]
) -> Iterator[tuple[str, SourceLocation | None]]:
    """Write block YAML; the dash of a list entry replaces two characters of its indent."""
    pad = _INDENT * depth
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for step, item in pairs:
        head = f"{pad}- " if isinstance(step, int) else f"{pad}{_scalar(step)}:"
        here = (*steps, step)
        if not isinstance(item, dict | list) or not item:
            gap = "" if isinstance(step, int) else " "
            yield f"{head}{gap}{_scalar(item)}", origins.get(here)
        elif isinstance(step, int):
            first, *rest = _lines(item, here, depth + 1, origins)
            yield head + first[0][len(head) :], first[1]
            yield from rest
        else:
            yield head, None
            yield from _lines(item, here, depth + 1, origins)


def _with_comment(text: str, place: SourceLocation | None, width: int) -> str:
    if place is None:
        return text + "\n"
    return f"{text:<{width}}  # {_escape_invisible(place.file)}:{place.line}\n"


def _scalar(value: Value) -> str:
    """Write a scalar so that YAML 1.2 reads it back; JSON is YAML."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _GUESSED:
        return value
    return _escape_invisible(json.dumps(value, ensure_ascii=False))


def _escape_invisible(text: str) -> str:
    """Escape invisible characters as YAML does within double quotes."""
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
