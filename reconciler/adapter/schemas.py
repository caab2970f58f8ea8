"""JSON Schemas that REST, MCP and the OpenAPI document share: results, and limits of size."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.domain.calls import OperationName
from reconciler.remote.request_schemas import record_properties

Schema = Mapping[str, Any]

MAX_LENGTH: Final = 1024 * 1024
MAX_INTEGER: Final = 2**31 - 1

_OPTIONAL_TEXT: Final[Schema] = {"type": ["string", "null"]}

_ROW: Final[Schema] = {
    "id": {"type": "string", "description": "UUID, chosen by the API."},
    "slug": {"type": "string", "description": "Identity, chosen on creation."},
    "name": {"type": "string"},
    "ai_provider_id": {"type": "string"},
    # Without a type: a failed tool call carries the members of a problem, whose status is a number.
    "status": {"description": "active or archived; in an error, the HTTP status."},
    "description": _OPTIONAL_TEXT,
    "workspace_id": _OPTIONAL_TEXT,
    "organisation_id": _OPTIONAL_TEXT,
    "created_at": {"type": "string", "description": "ISO 8601, UTC."},
    "last_updated_at": {"type": ["string", "null"], "description": "Null until the first update."},
}

_INTEGRATION: Final[Schema] = {
    "type": "object",
    "description": "An integration. Secrets appear as masks only.",
    "properties": {
        **_ROW,
        "masked_key": {"type": ["string", "null"], "description": "The key, as a mask."},
        **record_properties(),
    },
}

_LISTING: Final[Schema] = {
    "type": "object",
    "description": "One page of integrations, and the total on all pages.",
    "properties": {
        "object": {"type": "string"},
        "total": {"type": "integer"},
        "data": {"type": "array", "items": {"type": "object", "properties": _ROW}},
    },
}

_RECEIPT: Final[Schema] = {
    "type": "object",
    "description": "Id and slug of the created integration.",
    "properties": {"id": _ROW["id"], "slug": _ROW["slug"]},
}

_ANYTHING: Final[Schema] = {
    "type": "object",
    "description": "Empty, or data that the API returned.",
}

RESULTS: Final[Mapping[OperationName, Schema]] = {
    OperationName.LIST: _LISTING,
    OperationName.CREATE: _RECEIPT,
    OperationName.GET: _INTEGRATION,
    OperationName.UPDATE: _ANYTHING,
    OperationName.DELETE: _ANYTHING,
}
"""The result of each raw operation. The upstream decides what it sends, so nothing is closed and
few fields are required."""

_LIMITS: Final[Mapping[str, Schema]] = {
    "string": {"maxLength": MAX_LENGTH},
    "array": {"maxItems": MAX_LENGTH},
    "object": {"maxProperties": MAX_LENGTH},
    "integer": {"minimum": -MAX_INTEGER, "maximum": MAX_INTEGER, "format": "int32"},
}


def bounded(schema: Any) -> Any:
    """Return a copy of a schema with limits wherever it names a type and sets none.

    A request's body is one mebibyte at most, so nothing in it can be longer. Linters and generated
    clients require the limit everywhere.
    """
    if isinstance(schema, list | tuple):
        return [bounded(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    copy = {key: bounded(value) for key, value in schema.items()}
    for name in _type_names(schema):
        # The defaults come first, so that a limit of the schema itself wins.
        copy = {**_LIMITS.get(name, {}), **copy}
    if _is_free_text(copy):
        copy["format"] = "text"
    return copy


def _type_names(schema: Schema) -> list[str]:
    named = schema.get("type")
    if isinstance(named, str):
        return [named]
    # A property may be called `type`; its schema is not a list of names.
    return named if isinstance(named, list) else []


def _is_free_text(schema: Schema) -> bool:
    has_other_form = schema.keys() & {"format", "pattern", "enum", "const"}
    return "string" in _type_names(schema) and not has_other_form
