"""The bodies of create and update as JSON Schema (2020-12), for tools and API descriptions.

They are derived from the schema of an integration. The top level is closed: a misspelt field is
refused before it is sent. `configurations` and other maps are open, because their fields depend on
the provider and change faster than any list. Files are checked by the stricter models themselves.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

from reconciler.domain.facts import Clearing
from reconciler.domain.integration import Integration
from reconciler.domain.schema import FieldKind, FieldSchema, compiled

Schema: TypeAlias = Mapping[str, Any]

# Anchored explicitly, because JSON Schema searches for a pattern anywhere in the text.
SLUG_PATTERN = "^[A-Za-z0-9_-]{1,255}$"

_ANY_SCALAR = ("string", "number", "boolean", "null")
"""Types that the API accepts as the value of a label; files write strings only."""


@cache
def update_body() -> Schema:
    """Return the body of PUT: only the fields that are sent change."""
    fields = {field.name: _property(field) for field in _record_fields() if field.is_updatable}
    return MappingProxyType(_closed(fields))


@cache
def create_body() -> Schema:
    """Return the body of POST; without a slug the API assigns one."""
    required = [
        field.name
        for field in _record_fields()
        if field.info is not None and field.info.is_required() and not field.facts.identity
    ]
    fields = {field.name: _property(field) for field in _record_fields()}
    return MappingProxyType({**_closed(fields), "required": required})


@cache
def record_properties() -> Schema:
    """Return the fields of a record in a response; the upstream determines which ones it sends."""
    kinds = {
        FieldKind.KEYED_LIST: {"type": ["array", "null"], "items": {"type": "object"}},
        FieldKind.OBJECT: {"type": ["object", "null"]},
        FieldKind.MAP: {"type": ["object", "null"]},
    }
    shown = (f for f in _record_fields() if not f.facts.secret and not f.facts.write_only)
    return MappingProxyType({f.name: kinds[f.kind] for f in shown if f.kind in kinds})


def _record_fields() -> Iterator[FieldSchema]:
    """Yield the fields that calls for the integration itself contain."""
    for field in compiled(Integration).fields.values():
        if field.facts.sub_resource is None and not field.facts.local:
            yield field


def _closed(fields: Mapping[str, Schema]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(fields)}


def _property(field: FieldSchema) -> Schema:
    description = field.info.description if field.info is not None else None
    return {**_form(field), "description": description}


def _form(field: FieldSchema) -> dict[str, Any]:
    if field.facts.secret:
        # Never empty: the effect of an empty key in an update is unknown (remote/API.md §2).
        return {"type": "string", "minLength": 1}
    if field.kind is FieldKind.MAP:
        form: dict[str, Any] = {"type": ["object", "null"], "additionalProperties": True}
        if field.entries is not None and field.entries.is_known:
            form["additionalProperties"] = {"type": list(_ANY_SCALAR)}
    else:
        document = _described_by_pydantic()
        form = _inlined(document["properties"][field.name], document["$defs"])
    # For other fields, it is unknown how the API treats null, so null is not offered.
    if isinstance(form["type"], list) and field.facts.clearing is not Clearing.NULL:
        form["type"] = form["type"][0]
    return form


@cache
def _described_by_pydantic() -> dict[str, Any]:
    return Integration.as_pydantic().model_json_schema()


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Replace references by their definitions, and `anyOf` with null by a list of types."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return {**_inlined(definitions[name], definitions), **_rest(node, "$ref", definitions)}
    choices = node.get("anyOf", [])
    if len(choices) == 2 and choices[1] == {"type": "null"}:
        inner = _inlined(choices[0], definitions)
        return {**_nullable(inner), **_rest(node, "anyOf", definitions)}
    return _rest(node, "title", definitions)


def _rest(node: Mapping[str, Any], without: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {}
    for name, item in node.items():
        if name == "properties":  # a property may itself be called `default` or `title`
            rest[name] = {inner: _inlined(form, definitions) for inner, form in item.items()}
        elif name not in {without, "title", "default"}:
            rest[name] = _inlined(item, definitions)
    return rest


def _nullable(form: Mapping[str, Any]) -> dict[str, Any]:
    nullable = {**form, "type": [form["type"], "null"]}
    if "enum" in form:
        nullable["enum"] = [*form["enum"], None]
    return nullable
