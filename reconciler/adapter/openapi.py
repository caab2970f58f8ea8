"""OpenAPI 3.1 document of the REST port, derived from the table of operations.

Only the sentences about statuses and headers are written here; paths, parameters and schemas come
from the table.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from reconciler import __version__
from reconciler.adapter.problems import MEDIA_TYPE
from reconciler.adapter.schemas import RESULTS, bounded
from reconciler.adapter.service import RAW_OPERATIONS, REST_PREFIX
from reconciler.domain.calls import OperationName
from reconciler.remote.operations import Operation
from reconciler.remote.request_schemas import SLUG_PATTERN

Document = dict[str, Any]

_DESCRIPTION: Final = (
    "The five integration operations of a Portkey AI gateway. Callers authenticate with a token "
    "of the adapter and never see the gateway's key. A successful response is the gateway's JSON. "
    "Every failure is a problem document as defined by RFC 9457."
)

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "The adapter or the gateway rejected the request as invalid.",
    401: "The credential is missing or unknown, or two different credentials were sent.",
    402: "The gateway's subscription is exhausted.",
    403: "The caller's scope, the adapter or the gateway does not allow the operation.",
    404: "The gateway has no such integration.",
    405: "The path does not accept this method.",
    408: "The request did not arrive in time.",
    409: "The integration already exists, another resource depends on it, or files manage it.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not JSON in UTF-8.",
    421: "The Host header is not a host of this adapter.",
    422: "The gateway cannot process the fields.",
    429: "The rate limit of the token or of the gateway is exceeded.",
    500: "The adapter failed.",
    502: "The gateway sent no usable response, or refused the adapter's credential.",
    503: "The adapter has too many connections, or is stopping.",
    504: "The gateway did not respond in time.",
}
_BODY_ONLY: Final = frozenset({415})
"""Statuses of operations that read a body; one that is too large is refused everywhere."""

_SUCCESSES: Final[Mapping[OperationName, tuple[int, ...]]] = {
    OperationName.CREATE: (200, 201),
    OperationName.UPDATE: (200, 204),
    OperationName.DELETE: (200, 204),
}

_PROBLEM: Final[Document] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "upstream_code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "maxLength": 100},
        "title": {"type": "string", "maxLength": 100},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri", "maxLength": 100},
        "upstream_code": {
            "type": ["string", "null"],
            "maxLength": 64,
            "description": "The gateway's own code, such as AB08.",
        },
    },
}

_COUNT: Final[Document] = {"type": "integer", "minimum": 0}
_HEADERS: Final[Mapping[str, Document]] = {
    "Access-Control-Allow-Origin": {
        "description": "Origin of the request, if it is allowed.",
        "schema": {"type": "string", "format": "uri", "maxLength": 300},
    },
    "RateLimit-Limit": {"description": "Maximum number of requests in a burst.", "schema": _COUNT},
    "RateLimit-Remaining": {"description": "Requests left in the burst.", "schema": _COUNT},
    "RateLimit-Reset": {
        "description": "Seconds until a full burst is available.",
        "schema": _COUNT,
    },
    "X-Request-Id": {
        "description": "Id of this request in the access log.",
        "schema": {"type": "string", "format": "uuid", "maxLength": 36},
    },
}
_RETRY: Final[Document] = {"description": "Seconds to wait.", "schema": _COUNT}


@cache
def document() -> Document:
    """Return the document, which is the same for every adapter. Callers must not change it."""
    paths: Document = {}
    for row in RAW_OPERATIONS:
        # Several operations share one path, such as GET and PUT of an integration.
        paths.setdefault(f"{REST_PREFIX}{row.path}", {})[row.method.lower()] = _operation(row)
    unbounded = {
        "openapi": "3.1.0",
        "info": {
            "title": "Portkey integrations through the adapter",
            "version": __version__,
            "description": _DESCRIPTION,
            "contact": {"name": "portkey-reconciler"},
        },
        "servers": [
            {
                "url": "/",
                "description": "This adapter, with the target that it was started with.",
                "x-internal": True,
            }
        ],
        "security": [{"token": []}, {"key": []}],
        "tags": [{"name": "integrations", "description": "Provider accounts of the gateway."}],
        "paths": paths,
        "components": _components(),
    }
    # Every list and text gets a limit, which linters of such documents require.
    bound: Document = bounded(unbounded)
    return bound


def _operation(row: Operation) -> Document:
    described: Document = {
        "operationId": row.name.value,
        "summary": row.title,
        "description": row.description,
        "tags": ["integrations"],
        "responses": _responses(row),
    }
    if parameters := _parameters(row):
        described["parameters"] = parameters
    if row.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": row.body}},
        }
    return described


def _parameters(row: Operation) -> list[Document]:
    path = [{"$ref": "#/components/parameters/slug"}] if row.takes_slug else []
    query = [
        {
            "name": p.name,
            "in": "query",
            "required": p.required,
            "description": p.description,
            # The parameter itself has the description.
            "schema": {key: value for key, value in p.schema.items() if key != "description"},
        }
        for p in row.query
    ]
    return [*path, *query]


def _responses(row: Operation) -> Document:
    good = {str(status): _success(row, status) for status in _SUCCESSES.get(row.name, (200,))}
    bad = {
        str(status): {"$ref": f"#/components/responses/problem-{status}"}
        # Every status at every operation: a proxy or the gateway can answer any of them with each.
        for status in _PROBLEMS
        if row.body is not None or status not in _BODY_ONLY
    }
    return {**good, **bad}


def _success(row: Operation, status: int) -> Document:
    described: Document = {
        "description": "Response of the gateway.",
        "headers": _references(_HEADERS),
    }
    if status != 204:
        schema = {"$ref": f"#/components/schemas/{row.name.value}"}
        described["content"] = {"application/json": {"schema": schema}}
    return described


def _components() -> Document:
    results: Document = {name.value: schema for name, schema in RESULTS.items()}
    return {
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "A token of the adapter."},
            "key": {
                "type": "apiKey",
                "in": "header",
                "name": "x-portkey-api-key",
                "description": "The same token, in the header in which the SDKs send their key.",
            },
        },
        "parameters": {
            "slug": {
                "name": "slug",
                "in": "path",
                "required": True,
                "description": "The integration's slug.",
                "schema": {"type": "string", "pattern": SLUG_PATTERN, "maxLength": 255},
            }
        },
        "headers": {**_HEADERS, "Retry-After": _RETRY},
        "schemas": {**results, "problem": _PROBLEM},
        "responses": {f"problem-{s}": _problem(s, text) for s, text in _PROBLEMS.items()},
    }


def _problem(status: int, description: str) -> Document:
    names = [*_HEADERS, "Retry-After"] if status == 429 else list(_HEADERS)
    return {
        "description": description,
        "headers": _references(names),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/problem"}}},
    }


def _references(names: Iterable[str]) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
