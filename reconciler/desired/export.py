"""Say in the words of a file what the API reports of one integration.

Defaults and bookkeeping are left out, masks become references. How it is written as YAML:
`desired.export_yaml`; what the references are called: `desired.export_secrets`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.desired.export_secrets import SecretNames
from reconciler.domain.access import allows_all_models
from reconciler.domain.facts import SECRET_NAME, SubResource
from reconciler.domain.providers import Configuration
from reconciler.domain.schema import FieldSchema, fields_of, integration_schema
from reconciler.domain.secret_mappings import MAPPINGS, mapped_fields, target_path
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Path, Value, is_empty

_WIRE_BOOLEANS: Mapping[Any, bool] = {
    1: True,
    0: False,
    "1": True,
    "0": False,
    "true": True,
    "false": False,
}


def exported(
    observed: Observed, naming: SecretNames, *, keep_mappings: bool = False
) -> dict[str, Any]:
    """Give the document of an integration, in the order of the schema.

    A stored secret that also has a secret mapping is written as a reference, and as the mapping
    with `keep_mappings`; a file may not hold both.
    """
    fields = dict(observed.fields)
    if keep_mappings:
        mapped = set(mapped_fields(fields))
        fields = {name: _without(value, (name,), mapped) for name, value in fields.items()}
    else:
        fields[MAPPINGS] = _unfilled(fields)
    if fields.get("workspace_id"):
        fields = {name: value for name, value in fields.items() if name != "workspaces"}
    schema = integration_schema(str(fields.get("ai_provider_id")))
    tree: dict[str, Any] = {"slug": observed.slug}
    for name in ordered(fields, schema.fields):
        field = schema.child(name)
        written = _value(_reduced(field, fields), (name,), field, naming)
        if not is_empty(written):
            tree[name] = written
    if "configurations" in tree:
        tree["configurations"] = _configurations(
            tree["configurations"], schema.child("configurations")
        )
    return tree


def grants_no_access(observed: Observed) -> bool:
    """Return whether the whole list of workspaces was read and none has or will get access."""
    if not observed.workspaces_read or observed.is_workspace_scoped:
        return False
    schema = integration_schema(str(observed.fields.get("ai_provider_id")))
    for name in fields_of(SubResource.WORKSPACES):
        value = observed.fields.get(name)
        if schema.child(name).has_switch and isinstance(value, Mapping) and value.get("enabled"):
            return False  # each new workspace gets access, and an empty list would take it back
    entries = _entries(observed.fields.get("workspaces"))
    is_whole = (observed.workspace_count or 0) <= len(entries)
    return is_whole and not any(entry.get("enabled") for entry in entries)


def ordered(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Sort names as a model has them, unknown ones behind by name."""
    rank = {name: index for index, name in enumerate(known)}
    return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))


def _without(value: Value, path: Path, dropped: set[Path]) -> Value:
    if path in dropped:
        return None
    if isinstance(value, Mapping) and len(path) == 1:
        return {name: item for name, item in value.items() if (*path, name) not in dropped}
    return value


def _unfilled(fields: Mapping[str, Value]) -> Value:
    """Give the mappings of fields in which nothing is stored."""
    mappings = fields.get(MAPPINGS)
    stored: set[Path] = {(name,) for name, value in fields.items() if not is_empty(value)}
    configurations = fields.get("configurations")
    if isinstance(configurations, Mapping):
        stored |= {
            ("configurations", name) for name, v in configurations.items() if not is_empty(v)
        }
    return [
        entry
        for entry in (mappings if isinstance(mappings, list | tuple) else ())
        if isinstance(entry, Mapping) and target_path(str(entry.get("target_field"))) not in stored
    ]


def _reduced(field: FieldSchema, fields: Mapping[str, Value]) -> Value:
    """Leave out what means no more than its absence."""
    value = fields.get(field.name)
    if field.is_flag:
        return None if value is field.facts.default else value
    if field.has_switch:
        return value if isinstance(value, Mapping) and value.get("enabled") else None
    match field.name:
        case "workspaces":
            return [entry for entry in _entries(value) if entry.get("enabled")]
        case "models":
            everything = allows_all_models(fields)
            return [entry for entry in _entries(value) if _matters(entry, everything=everything)]
        case _:
            return value


def _entries(value: Value) -> list[Mapping[str, Value]]:
    entries = value if isinstance(value, list | tuple) else ()
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _matters(model: Mapping[str, Value], *, everything: bool) -> bool:
    """Tell whether a model's entry says more than that a base model is off where all are off."""
    told = {n for n, v in model.items() if not is_empty(v) and v is not False} - {"slug"}
    return everything or bool(told)


def _value(value: Value, path: Path, field: FieldSchema, naming: SecretNames) -> Any:
    if isinstance(value, Mask) or (field.facts.secret and not is_empty(value)):
        return naming.reference(path)
    if isinstance(value, Redacted):
        # Of a header or a field that we do not know the name alone tells what Git should not hold.
        is_by_name = not field.name and SECRET_NAME.search(path[-1])
        return naming.reference(path) if is_by_name else value
    if isinstance(value, Mapping):
        return _mapping(value, path, field, naming)
    if isinstance(value, list | tuple):
        return _list(value, path, field, naming)
    return value


def _mapping(
    tree: Mapping[str, Value], path: Path, field: FieldSchema, naming: SecretNames
) -> dict[str, Any]:
    written = {}
    for name in ordered(tree, field.fields):
        inner = field.child(name)
        item = _value(tree[name], (*path, name), inner, naming)
        if not is_empty(item) and not (item is False and inner.false_is_absent):
            written[name] = item
    return _without_moving_time(written, field)


def _list(items: Iterable[Value], path: Path, field: FieldSchema, naming: SecretNames) -> list[Any]:
    key = field.key
    inner = field.entries or field
    written = []
    for index, item in enumerate(items):
        name = str(item.get(key)) if key and isinstance(item, Mapping) else str(index)
        written.append(_value(item, (*path, name), inner, naming))
    if key:
        written.sort(key=lambda entry: str(entry.get(key)))
    return written


def _without_moving_time(tree: dict[str, Any], field: FieldSchema) -> dict[str, Any]:
    """Drop the time of the next reset, which the server moves on at each periodic reset."""
    if not tree.keys() & {"periodic_reset", "periodic_reset_days"}:
        return tree
    return {name: v for name, v in tree.items() if not field.child(name).facts.instant}


def _configurations(tree: Mapping[str, Any], schema: FieldSchema) -> dict[str, Any]:
    """Write the fields of the provider before those of every provider, flags as such."""
    own = [name for name in schema.fields if name not in Configuration.model_fields]
    written = {}
    for name in ordered(tree, [*own, *Configuration.model_fields]):
        field, value = schema.child(name), tree[name]
        # What the server adds (remote/API.md §1.4) is written only where something needs it.
        if field.facts.server_added and field.facts.required_by not in tree:
            continue
        is_wire_form = isinstance(value, int | str) and not isinstance(value, bool)
        written[name] = (
            _WIRE_BOOLEANS.get(value, value) if field.is_flag and is_wire_form else value
        )
    return written
