"""Hints for values in the wrong place or of the wrong shape, from the schema of the file.

A field that belongs one level deeper, the name of a model where an entry is required, a mapping in
place of a list. Values are repeated only if they can be names: a value may be a secret.
"""

import re
from collections.abc import Iterable, Mapping

from reconciler.desired.problem_collector import Steps
from reconciler.desired.suggestions import nearest
from reconciler.domain.schema import FieldKind, FieldSchema, any_provider_schema
from reconciler.domain.secrets import LOOKS_SECRET

_SHOWABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@*-]{0,59}")
_CONFIGURATIONS = "configurations"
_LISTS = frozenset({FieldKind.KEYED_LIST, FieldKind.LIST, FieldKind.SINGLE})
_SHORTEST_GUESSED = 6
"""Minimum length of a name that is compared with all fields; a shorter one resembles too many."""
_PARENTS_NAMED = 3
_IDENTITIES = frozenset(
    {"id", "model", "model_id", "model_slug", "name", "slug"}
    | {"workspace", "workspace_id", "workspace_name", "workspace_slug"}
)
"""Names that other tools use for the identity of a model or a workspace."""


def field_elsewhere(name: str, at: Steps, schema: FieldSchema) -> str:
    """Return a hint to where a field belongs that is not one of the mapping at `at`; "" if unknown.

    `schema` is that of the whole document.
    """
    parents = _parents_of(name, schema)
    if not parents:
        return other_provider(name) if _CONFIGURATIONS in schema.fields and not at else ""
    here = tuple(step for step in at if isinstance(step, str))
    below = [parent for parent in parents if parent and _is_below(parent, here)]
    if len(below) == 1:
        return f"it is a field of {_named(below, schema)}: {_indent(below[0], schema)}"
    if below:
        return f"it is a field of {_named(below, schema)}: indent it there"
    if () in parents:
        return "it is a field of the top level: move it to the start of a line"
    return f"it is a field of {_named(parents, schema)}: move it there"


def near_field_elsewhere(name: str, schema: FieldSchema) -> str:
    """Return a hint with the nearest name of a field anywhere in the document; "" if none is."""
    if len(name) < _SHORTEST_GUESSED:
        return ""
    near = nearest(name, {path[-1] for path, _ in schema.walk()}, strict=True)
    if near is None:
        return ""
    return f"did you mean `{near}`, a field of {_named(_parents_of(near, schema), schema)}?"


def entry_hint(entries: FieldSchema, value: object, *, hidden: bool = False) -> str:
    """Return the form of an entry of a list, with `value` as its identity if it can be shown."""
    example = _entry_example(entries, value, hidden=hidden)
    return f"write the entry as `- {example}`" if example else ""


def list_hint(field: FieldSchema, name: str, value: object, *, hidden: bool = False) -> str:
    """Return how to write the list of a field that has another value; "" if that is unknown."""
    entry = field.entries
    if entry is None:
        return ""
    if isinstance(value, Mapping):
        # Does not suggest `[]` for `{}`, because an empty list revokes every model or workspace.
        if not value:
            return ""
        if entry.fields and set(value) <= set(entry.fields):
            return "put `- ` before the first field, and indent the others by the same amount"
        value = next(iter(value))
    is_text = isinstance(value, str) and entry.is_text
    if entry.fields and not is_text:
        example = _entry_example(field, value, hidden=hidden)
        return f"write `{name}: [{example}]`, or each entry on a line that begins with `- `"
    shown = value if isinstance(value, str) and _is_showable(value) and not hidden else "…"
    return f"write `{name}: [{shown}]`, or each entry on a line that begins with `- `"


def map_hint(field: FieldSchema) -> str:
    """Return how to write a mapping of names, such as `targets`; "" for other fields."""
    if field.kind is not FieldKind.MAP or field.entries is None or not field.entries.fields:
        return ""
    return "write each name with a colon on a line of its own, and its fields indented below it"


def named_entry(field: FieldSchema, entry: object) -> str | None:
    """Return the name in `- ws-a: {…}`, an entry whose identity is in place of a field."""
    if field.key is None or field.entries is None or not isinstance(entry, Mapping):
        return None
    if field.key in entry:
        return None
    for name, value in entry.items():
        if name in field.entries.fields:
            continue
        if value is None or isinstance(value, Mapping):
            return str(name)
        # `- gpt-5: true`, but not a misspelt field.
        others = {*field.entries.fields, *_IDENTITIES}
        if len(entry) == 1 and nearest(str(name), others, strict=True) is None:
            return str(name)
    return None


def meant_identity(field: FieldSchema, entry: object, name: str) -> str | None:
    """Return the identity of an entry that `name` most likely means, such as `id` for `name`."""
    if field.key is None or field.entries is None or not isinstance(entry, Mapping):
        return None
    is_free = field.key not in entry and name not in field.entries.fields
    return field.key if is_free and name in _IDENTITIES else None


def _entry_example(field: FieldSchema, value: object, *, hidden: bool) -> str:
    """Return an entry in flow style: its identity, and its other required fields."""
    entry = field.entries
    if entry is None or not entry.fields:
        return ""
    required = [name for name, member in entry.fields.items() if member.is_required]
    names = required or list(entry.fields)[:2]
    parts = []
    for name in names:
        text = "true" if entry.fields[name].is_flag else "…"
        if name == field.key and isinstance(value, str) and _is_showable(value) and not hidden:
            text = value
        parts.append(f"{name}: {text}")
    return "{" + ", ".join(parts) + "}"


def _is_showable(text: str) -> bool:
    return _SHOWABLE.fullmatch(text) is not None and not LOOKS_SECRET.search(text)


def _parents_of(name: str, schema: FieldSchema) -> list[tuple[str, ...]]:
    """Return the paths of the fields that have a member of this name, in the order of the models.

    Fields inside of the prices of a model, four levels deep, are omitted, because they resemble too
    many names.
    """
    found = [path[:-1] for path, _ in schema.walk() if path[-1] == name]
    return [path for path in dict.fromkeys(found) if len(path) <= _PARENTS_NAMED]


def _is_below(parent: tuple[str, ...], here: tuple[str, ...]) -> bool:
    """Return whether a field is a member of the mapping at `here`, with any names of entries.

    The names of targets are part of `here` and not of the path of a field.
    """
    container = parent[:-1]
    if not container:
        return not here
    return bool(here) and here[0] == container[0] and len(here) >= len(container)


def other_provider(name: str) -> str:
    """Return a hint for a configuration field of other providers than that of the file."""
    configurations = any_provider_schema().fields[_CONFIGURATIONS]
    if name not in configurations.fields:
        return ""
    return (
        "it is a field of `configurations` of another provider: "
        f"run `reconcile explain configurations.{name}`"
    )


def _named(parents: Iterable[tuple[str, ...]], schema: FieldSchema) -> str:
    """Return how messages name fields by their paths."""
    names = []
    for path in list(parents)[:_PARENTS_NAMED]:
        field = _field_at(path, schema)
        has_entries = field.kind in _LISTS or field.kind is FieldKind.MAP
        names.append(f"an entry of `{path[-1]}`" if has_entries else f"`{path[-1]}`")
    *first, last = dict.fromkeys(names or ["the top level"])
    return f"{', '.join(first)} or {last}" if first else last


def _indent(parent: tuple[str, ...], schema: FieldSchema) -> str:
    kind = _field_at(parent, schema).kind
    if kind is FieldKind.MAP:
        return f"indent it below a name in `{parent[-1]}`"
    return "move it there" if kind in _LISTS else f"indent it below `{parent[-1]}:`"


def _field_at(path: tuple[str, ...], schema: FieldSchema) -> FieldSchema:
    for name in path:
        inside = schema if name in schema.fields or schema.entries is None else schema.entries
        schema = inside.child(name)
    return schema
