"""Export what the API reports as documents that the loader accepts.

`export_integration` omits defaults and fields of the server, and replaces masks with references.
`write_loadable` writes the result and removes values that no file can contain: the API accepts more
than a file does (a `${…}` in a description, a lone surrogate, an unknown shape of a field). Removed
values are reported and stay unmanaged.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from reconciler.desired.integration_builder import build_integration
from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.references import SecretNames
from reconciler.desired.source import MAX_FILE, MemorySource
from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_writer import NO_COMMENTS, document
from reconciler.diagnostics import Severity
from reconciler.domain.facts import SECRET_NAME, SubResource
from reconciler.domain.integration import MAPPINGS, allows_all_models, mapped_fields, target_path
from reconciler.domain.providers import Configuration
from reconciler.domain.schema import FieldSchema, fields_of, integration_schema
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Path, Tree, Value, is_empty
from reconciler.frozen_dataclass import dataclass

# Flags of models can be `1`, `"false"` or `true` (remote/API.md §5.1); so can other flags.
_WIRE_BOOLEANS: Mapping[int | str, bool] = {
    1: True,
    0: False,
    "1": True,
    "0": False,
    "true": True,
    "false": False,
}


def export_integration(
    observed: Observed, names: SecretNames, *, keep_mappings: bool = False
) -> dict[str, Value]:
    """Return the document of an integration, in the order of the schema.

    A stored secret that also has a secret mapping is written as a reference, or as the mapping with
    `keep_mappings`; a file may not contain both.
    """
    fields = dict(observed.fields)
    if keep_mappings:
        mapped = set(mapped_fields(fields))
        fields = {name: _without(value, (name,), mapped) for name, value in fields.items()}
    else:
        fields[MAPPINGS] = _mappings_without_value(fields)
    # The loader refuses `workspaces` together with `workspace_id`.
    if fields.get("workspace_id"):
        fields = {name: value for name, value in fields.items() if name != "workspaces"}
    schema = integration_schema(str(fields.get("ai_provider_id")))
    tree: dict[str, Value] = {"slug": observed.slug}
    for name in sort_names(fields, schema.fields):
        field = schema.child(name)
        written = _value(_without_defaults(field, fields), (name,), field, names)
        # An empty field is omitted: in a file, it would declare that the field must be empty.
        if not is_empty(written):
            tree[name] = written
    configurations = tree.get("configurations")
    if isinstance(configurations, Mapping):
        tree["configurations"] = _configurations(configurations, schema.child("configurations"))
    return tree


def grants_no_access(observed: Observed) -> bool:
    """Return whether the whole list was read and no workspace has or will get access."""
    if not observed.workspaces_read or observed.is_workspace_scoped:
        return False
    schema = integration_schema(str(observed.fields.get("ai_provider_id")))
    for name in fields_of(SubResource.WORKSPACES):
        value = observed.fields.get(name)
        if schema.child(name).has_switch and isinstance(value, Mapping) and value.get("enabled"):
            return False  # each new workspace gets access, and an empty list would take it back
    entries = _entries(observed.fields.get("workspaces"))
    # If fewer entries were read than the integration counts, a missing workspace may have access.
    is_whole = (observed.workspace_count or 0) <= len(entries)
    # An empty list in the file revokes all access, so it is written only if there is no access.
    return is_whole and not any(entry.get("enabled") for entry in entries)


def sort_names(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Sort names in the order of a model, followed by unknown ones in alphabetical order."""
    rank = {name: index for index, name in enumerate(known)}
    return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))


@dataclass(frozen=True, slots=True)
class CheckedExport:
    """A document that loads without an error, and the paths that were removed for that."""

    text: str
    left_out: tuple[Steps, ...] = ()


def write_loadable(
    tree: Tree, *, today: date, comments: Mapping[str, str] = NO_COMMENTS
) -> CheckedExport | None:
    """Write a document without what the loader refuses; return None if too little is left.

    `comments` are written behind the fields that they are keyed by.
    """
    remaining = {name: _copy(item) for name, item in tree.items()}
    left_out: list[Steps] = []
    # The loop ends, because each round removes a value or gives up. The rest is loaded again,
    # because one problem can hide another.
    while True:
        text = document(remaining, comments=comments)
        objections = _refused_places(text, remaining, today)
        if not objections:
            return CheckedExport(text, tuple(left_out)) if len(text.encode()) <= MAX_FILE else None
        for steps in objections:
            dropped = _drop(remaining, steps)
            if dropped is None:
                return None
            left_out.append(dropped)


def _without(value: Value, path: Path, dropped: set[Path]) -> Value:
    if path in dropped:
        return None
    if isinstance(value, Mapping) and len(path) == 1:
        return {name: item for name, item in value.items() if (*path, name) not in dropped}
    return value


def _mappings_without_value(fields: Mapping[str, Value]) -> Value:
    """Return the mappings of fields that store no value."""
    mappings = fields.get(MAPPINGS)
    stored: set[Path] = {(name,) for name, value in fields.items() if not is_empty(value)}
    configurations = fields.get("configurations")
    if isinstance(configurations, Mapping):
        for name, value in configurations.items():
            if not is_empty(value):
                stored.add(("configurations", name))
    return [
        entry
        for entry in _entries(mappings)
        if target_path(str(entry.get("target_field"))) not in stored
    ]


def _without_defaults(field: FieldSchema, fields: Mapping[str, Value]) -> Value:
    """Return the value of a field without what equals its default."""
    value = fields.get(field.name)
    if field.is_flag:
        return None if value is field.facts.default else value
    if field.has_switch:
        return value if isinstance(value, Mapping) and value.get("enabled") else None
    match field.name:
        case "workspaces":
            # A revoked workspace stays listed in the API (remote/API.md §5.2).
            return [entry for entry in _entries(value) if entry.get("enabled")]
        case "models":
            # While the switch is on, absent models count as enabled (remote/API.md §5.1), so
            # entries that are off must stay.
            if allows_all_models(fields):
                return value
            return [entry for entry in _entries(value) if _differs_from_base_model(entry)]
        case _:
            return value


def _entries(value: Value) -> list[Mapping[str, Value]]:
    entries = value if isinstance(value, list | tuple) else ()
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _differs_from_base_model(model: Mapping[str, Value]) -> bool:
    """Return whether an entry declares more than a disabled base model."""
    return any(
        name != "slug" and value is not False and not is_empty(value)
        for name, value in model.items()
    )


def _value(value: Value, path: Path, field: FieldSchema, names: SecretNames) -> Value:
    # A mask represents a secret at every path, including a field that no model describes.
    if isinstance(value, Mask) or (field.facts.secret and not is_empty(value)):
        return names.reference(path)
    if isinstance(value, Redacted):
        # Only the name of a header or an unknown field shows whether it contains a secret.
        is_by_name = not field.name and SECRET_NAME.search(path[-1])
        return names.reference(path) if is_by_name else value
    if isinstance(value, Mapping):
        return _mapping(value, path, field, names)
    if isinstance(value, list | tuple):
        return _list(value, path, field, names)
    return value


def _mapping(
    tree: Mapping[str, Value], path: Path, field: FieldSchema, names: SecretNames
) -> dict[str, Value]:
    written = {}
    for name in sort_names(tree, field.fields):
        inner = field.child(name)
        item = _value(tree[name], (*path, name), inner, names)
        if not is_empty(item) and not (item is False and inner.false_is_absent):
            written[name] = item
    return _without_next_reset(written, field)


def _list(
    items: Iterable[Value], path: Path, field: FieldSchema, names: SecretNames
) -> list[Value]:
    """Write the entries of a list; those of a keyed list are sorted by their key."""
    key = field.key
    inner = field.entries or field
    written = []
    for index, item in enumerate(items):
        name = str(item.get(key)) if key and isinstance(item, Mapping) else str(index)
        written.append((name, _value(item, (*path, name), inner, names)))
    if key:
        # Sorted, because the order of the API can change from read to read (remote/API.md §9).
        written.sort(key=lambda pair: pair[0])
    return [value for _, value in written]


def _without_next_reset(tree: dict[str, Value], field: FieldSchema) -> dict[str, Value]:
    """Remove the time of the next reset, which the server changes at each periodic reset."""
    if not tree.keys() & {"periodic_reset", "periodic_reset_days"}:
        return tree
    return {name: v for name, v in tree.items() if not field.child(name).facts.instant}


def _configurations(tree: Tree, schema: FieldSchema) -> dict[str, Value]:
    """Order the provider's own fields before the common ones, and write flags as booleans."""
    own = [name for name in schema.fields if name not in Configuration.model_fields]
    written: dict[str, Value] = {}
    for name in sort_names(tree, [*own, *Configuration.model_fields]):
        field, value = schema.child(name), tree[name]
        # What the server adds (remote/API.md §1.4) is written only if another field needs it.
        if field.facts.server_added and field.facts.required_by not in tree:
            continue
        if field.is_flag and isinstance(value, int | str) and not isinstance(value, bool):
            value = _WIRE_BOOLEANS.get(value, value)
        written[name] = value
    return written


class _ErrorPlaces(ProblemCollector):
    """Collector that keeps only the paths of errors."""

    def __init__(self) -> None:
        super().__init__(MemorySource({}))
        self.steps: list[Steps] = []

    def add(
        self,
        severity: Severity,
        code: str,
        summary: str,
        origin: SourceOrigin,
        *,
        hint: str = "",
        key: bool = False,
        hide: bool = False,
    ) -> None:
        """Keep the path of an error."""
        del code, summary, hint, key, hide
        if severity is Severity.ERROR:
            self.errors += 1
            self.steps.append(origin.path)


def _refused_places(text: str, tree: Tree, today: date) -> list[Steps]:
    """Return the paths of a document that the loader refuses or reads as another value."""
    parsed = read_yaml(text.encode())
    if parsed.faults:
        # A syntax error has a position but no path, so each field is parsed alone.
        broken = [(n,) for n in tree if read_yaml(document({n: tree[n]}).encode()).faults]
        # The empty path makes `_drop` give up, because no single field is wrong.
        return list(broken) or [()]
    problems = _ErrorPlaces()
    source = Sourced(parsed.documents[0].value, SourceOrigin(""))
    declared = build_integration(source, problems, today)
    if declared is not None:
        meant = {name: value for name, value in tree.items() if name not in {"slug", "lifecycle"}}
        return list(_misread(declared.fields, meant, ()))
    # Each path only once: for a path that was already removed, `_drop` would remove its parent.
    return list(dict.fromkeys(problems.steps))


def _misread(loaded: Value, meant: Value, steps: Steps) -> Iterator[Steps]:
    """Find values that are read as another value, such as a number in a text field."""
    # Hidden values cannot be compared: each is equal only to itself.
    if isinstance(meant, Redacted):
        return
    if isinstance(meant, dict) and isinstance(loaded, dict):
        for name, item in meant.items():
            yield from _misread(loaded.get(name), item, (*steps, name))
    elif isinstance(meant, list) and isinstance(loaded, list):
        for index, (one, other) in enumerate(zip(loaded, meant, strict=True)):
            yield from _misread(one, other, (*steps, index))
    elif loaded != meant:
        yield steps


def _drop(tree: dict[str, Value], steps: Steps) -> Steps | None:
    """Remove the innermost value that exists at a path; return None if there is nothing.

    Containers that become empty are removed too: an empty list or map declares that there are no
    entries.
    """
    node: Any = tree
    holders: list[Any] = []
    dropped: list[int | str] = []
    for step in steps:
        if not _has_member(node, step):
            break
        holders.append(node)
        node = node[step]
        dropped.append(step)
    if not holders:
        return None
    place = tuple(dropped)
    del holders[-1][dropped[-1]]
    while len(dropped) > 1 and not holders[-1]:
        holders.pop()
        dropped.pop()
        del holders[-1][dropped[-1]]
    return place


def _has_member(node: object, step: int | str) -> bool:
    if isinstance(node, dict):
        return step in node
    return isinstance(node, list) and isinstance(step, int) and step < len(node)


def _copy(value: Value) -> Value:
    """Copy containers; secret values cannot be copied."""
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value
