"""Say in the words of a file what the API reports of one integration.

Defaults and bookkeeping are left out, masks become references. How it is written as YAML:
`desired.export_yaml`; what the references are called: `desired.export_secrets`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from reconciler.desired.export_secrets import Naming
from reconciler.domain.access import (
    GlobalWorkspaceAccess,
    ModelAccess,
    RateLimit,
    UsageLimit,
    WorkspaceAccess,
)
from reconciler.domain.fields import (
    FALSE_BY_DEFAULT,
    KEYED_LISTS,
    SECRET_NAME,
    SERVER_ADDED_FIELDS,
    is_secret,
)
from reconciler.domain.integration import Integration, SecretMapping
from reconciler.domain.providers import Configuration, configuration_of
from reconciler.domain.providers.azure import AzureDeployment
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Path, Value, is_empty

FIELD_ORDERS: Mapping[str, Iterable[str]] = {
    "models": ModelAccess.model_fields,
    "workspaces": WorkspaceAccess.model_fields,
    "secret_mappings": SecretMapping.model_fields,
    "azure_deployment_config": AzureDeployment.model_fields,
    "global_workspace_access": GlobalWorkspaceAccess.model_fields,
    "usage_limits": UsageLimit.model_fields,
    "rate_limits": RateLimit.model_fields,
}
_WIRE_BOOLEANS: Mapping[Any, bool] = {
    1: True,
    0: False,
    "1": True,
    "0": False,
    "true": True,
    "false": False,
}


def exported(observed: Observed, naming: Naming, *, keep_mappings: bool = False) -> dict[str, Any]:
    """Give the document of an integration, in the order of product.md §3.1.

    A stored secret that also has a secret mapping is written as a reference, and as the mapping
    with `keep_mappings`; a file may not hold both.
    """
    fields = dict(observed.fields)
    mapped = _mapped(fields.get("secret_mappings"))
    if keep_mappings:
        fields = {name: _without(value, (name,), mapped) for name, value in fields.items()}
    else:
        fields["secret_mappings"] = _unfilled(fields)
    if fields.get("workspace_id"):
        fields = {name: value for name, value in fields.items() if name != "workspaces"}
    provider = str(fields.get("ai_provider_id"))
    tree: dict[str, Any] = {"slug": observed.slug}
    for name in ordered(fields, Integration.model_fields):
        written = _value(_reduced(name, fields), (name,), naming)
        if not is_empty(written):
            tree[name] = written
    if "configurations" in tree:
        tree["configurations"] = _configurations(tree["configurations"], provider)
    return tree


def ordered(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Sort names as a model has them, unknown ones behind by name."""
    rank = {name: index for index, name in enumerate(known)}
    return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))


def configuration_order(provider: str) -> list[str]:
    """Give the fields of a provider's configurations, its own before those of every provider."""
    shared = Configuration.model_fields
    fields = configuration_of(provider).model_fields
    return [name for name in fields if name not in shared] + list(shared)


def _mapped(mappings: Value) -> set[Path]:
    entries = mappings if isinstance(mappings, list | tuple) else ()
    return {
        tuple(str(entry.get("target_field")).split("."))
        for entry in entries
        if isinstance(entry, Mapping)
    }


def _without(value: Value, path: Path, dropped: set[Path]) -> Value:
    if path in dropped:
        return None
    if isinstance(value, Mapping) and len(path) == 1:
        return {name: item for name, item in value.items() if (*path, name) not in dropped}
    return value


def _unfilled(fields: Mapping[str, Value]) -> Value:
    """Give the mappings of fields in which nothing is stored."""
    mappings = fields.get("secret_mappings")
    stored: set[Path] = {(name,) for name, value in fields.items() if not is_empty(value)}
    configurations = fields.get("configurations")
    if isinstance(configurations, Mapping):
        stored |= {
            ("configurations", name) for name, v in configurations.items() if not is_empty(v)
        }
    return [
        entry
        for entry in (mappings if isinstance(mappings, list | tuple) else ())
        if isinstance(entry, Mapping)
        and tuple(str(entry.get("target_field")).split(".")) not in stored
    ]


def _reduced(name: str, fields: Mapping[str, Value]) -> Value:
    """Leave out what means no more than its absence (product.md §3.2)."""
    value = fields[name]
    match name:
        case "allow_all_models":
            return value if value is False else None
        case "global_workspace_access":
            return value if isinstance(value, Mapping) and value.get("enabled") else None
        case "workspaces":
            return [entry for entry in _entries(value) if entry.get("enabled")]
        case "models":
            everything = fields.get("allow_all_models") is not False
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


def _value(value: Value, path: Path, naming: Naming) -> Any:
    if isinstance(value, Mask) or (is_secret(path) and not is_empty(value)):
        return naming.reference(path)
    if isinstance(value, Redacted):
        # Of a field that we do not know the name alone tells what should not stand in Git.
        return naming.reference(path) if SECRET_NAME.search(path[-1]) else value
    if isinstance(value, Mapping):
        return _mapping(value, path, naming)
    if isinstance(value, list | tuple):
        return _list(value, path, naming)
    return value


def _mapping(tree: Mapping[str, Value], path: Path, naming: Naming) -> dict[str, Any]:
    holder = next((part for part in reversed(path) if part in FIELD_ORDERS), "")
    written = {}
    for name in ordered(tree, FIELD_ORDERS.get(holder, ())):
        item = _value(tree[name], (*path, name), naming)
        if not is_empty(item) and not (item is False and name in FALSE_BY_DEFAULT):
            written[name] = item
    return written


def _list(items: Iterable[Value], path: Path, naming: Naming) -> list[Any]:
    key = KEYED_LISTS.get(path[-1])
    written = []
    for index, item in enumerate(items):
        name = str(item.get(key)) if key and isinstance(item, Mapping) else str(index)
        entry = _value(item, (*path, name), naming)
        if path[-1] == "usage_limits":
            entry = _without_moving_time(entry)
        written.append(entry)
    if key:
        written.sort(key=lambda entry: str(entry.get(key)))
    return written


def _without_moving_time(limit: Any) -> Any:
    """Drop the time of the next reset, which the server moves on at each periodic reset."""
    if isinstance(limit, dict) and (limit.keys() & {"periodic_reset", "periodic_reset_days"}):
        return {name: value for name, value in limit.items() if name != "next_usage_reset_at"}
    return limit


def _configurations(tree: Mapping[str, Any], provider: str) -> dict[str, Any]:
    model = configuration_of(provider)
    # The field that the server adds by itself is a condition for a host of one's own (§1.4).
    extra = SERVER_ADDED_FIELDS if "custom_host" not in tree else frozenset()
    written = {}
    for name in ordered(tree, configuration_order(provider)):
        if name in extra:
            continue
        field = model.model_fields.get(name)
        is_flag = field is not None and bool in _kinds(field.annotation)
        value = tree[name]
        is_wire_form = is_flag and isinstance(value, int | str) and not isinstance(value, bool)
        written[name] = _WIRE_BOOLEANS.get(value, value) if is_wire_form else value
    return written


def _kinds(annotation: Any) -> set[Any]:
    arguments = get_args(annotation)
    return {annotation} if not arguments else {k for a in arguments for k in _kinds(a)}
