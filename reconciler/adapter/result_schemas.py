"""What a successful call gives, as JSON Schema, for tools and for the API description.

The upstream decides what it sends, so nothing is closed and little is demanded. `status` has no
type: a failed tool call carries the members of a problem, whose status is a number.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.domain.calls import OperationName
from reconciler.remote.request_schemas import record_properties

Schema = Mapping[str, Any]

_TEXT: Final[Schema] = {"type": ["string", "null"]}

_ROW: Final[Schema] = {
    "id": {"type": "string", "description": "UUID, chosen by the API."},
    "slug": {"type": "string", "description": "Identity, chosen by whoever created it."},
    "name": {"type": "string"},
    "ai_provider_id": {"type": "string"},
    "status": {"description": "active or archived; of a failure, the HTTP status."},
    "description": _TEXT,
    "workspace_id": _TEXT,
    "organisation_id": _TEXT,
    "created_at": {"type": "string", "description": "ISO 8601, UTC."},
    "last_updated_at": {"type": ["string", "null"], "description": "Null until the first change."},
}

INTEGRATION: Final[Schema] = {
    "type": "object",
    "description": "An integration. Secrets appear as masks only.",
    "properties": {
        **_ROW,
        "masked_key": {"type": ["string", "null"], "description": "The key, as a mask."},
        **record_properties(),
    },
}

LISTING: Final[Schema] = {
    "type": "object",
    "description": "One page of integrations, and how many there are on all pages.",
    "properties": {
        "object": {"type": "string"},
        "total": {"type": "integer"},
        "data": {"type": "array", "items": {"type": "object", "properties": _ROW}},
    },
}

RECEIPT: Final[Schema] = {
    "type": "object",
    "description": "A receipt for what was created.",
    "properties": {"id": _ROW["id"], "slug": _ROW["slug"]},
}

NOTHING: Final[Schema] = {
    "type": "object",
    "description": "Empty, or what the API chose to say.",
}

RESULTS: Final[Mapping[OperationName, Schema]] = {
    OperationName.LIST: LISTING,
    OperationName.CREATE: RECEIPT,
    OperationName.GET: INTEGRATION,
    OperationName.UPDATE: NOTHING,
    OperationName.DELETE: NOTHING,
}
"""The schema of each raw operation's answer."""
