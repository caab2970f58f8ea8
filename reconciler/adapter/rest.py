"""REST port: the raw operations below `/v1`, and probes, metrics and the web page.

Paths are matched as they were sent, before any decoding, so that an encoded slash or dot has no
effect. Every request first passes `reconciler.adapter.middleware`.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router

from reconciler.adapter import openapi, telemetry
from reconciler.adapter.middleware import PROBES, AllowedHosts, GatewayMiddleware, MiddlewareConfig
from reconciler.adapter.problems import in_sentences, refuse
from reconciler.adapter.request_context import (
    Application,
    Receive,
    Scope,
    Send,
    check_media_type,
    context_of,
    send_answer,
)
from reconciler.adapter.routing import Endpoint, IsReady, get_route, probe_routes, unknown_path
from reconciler.adapter.schemas import bounded
from reconciler.adapter.service import RAW_OPERATIONS, REST_PREFIX, UpstreamService, slug_in
from reconciler.adapter.telemetry import Metrics
from reconciler.adapter.ui.routes import PageRoutes, is_page_path
from reconciler.adapter.validation import SchemaValidator
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.tree import Value
from reconciler.remote.errors import InvalidCall
from reconciler.remote.exchange import parse_json
from reconciler.remote.operations import (
    OPERATIONS,
    Operation,
    Parameter,
    allowed_methods,
    match,
)

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOM: Final = b"\xef\xbb\xbf"


def rest_application(
    service: UpstreamService,
    *,
    config: MiddlewareConfig,
    allowed: AllowedHosts,
    metrics: Metrics,
    is_ready: IsReady,
    page: PageRoutes,
) -> Application:
    """Build the ASGI application of the REST port."""
    routes: list[BaseRoute] = [
        *probe_routes(is_ready),
        Mount(REST_PREFIX, app=RestOperations(service)),
        get_route("/metrics", _metrics_endpoint(metrics)),
        get_route("/openapi.json", _openapi_endpoint()),
        *page.routes(),
    ]
    # A Starlette application would respond to exceptions itself, before the middleware can.
    router = Router(routes, redirect_slashes=False, default=unknown_path)
    return GatewayMiddleware(
        router,
        protocol="rest",
        allowed=allowed,
        config=config,
        is_open=lambda path: path in PROBES or is_page_path(path),
        visitor=page.sessions.find,
    )


def _metrics_endpoint(metrics: Metrics) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return Response(metrics.text(), headers={"content-type": telemetry.METRICS_MEDIA_TYPE})

    return endpoint


def _openapi_endpoint() -> Endpoint:
    # Once for all requests: the document does not depend on the caller.
    content = json.dumps(openapi.document()).encode()

    async def endpoint(_request: Request) -> Response:
        return Response(content, media_type="application/json")

    return endpoint


class RestOperations:
    """The ASGI application of the raw operations: from a request to a call and its response."""

    def __init__(self, service: UpstreamService) -> None:
        self._service = service
        self._bodies = {
            row.name: SchemaValidator(row.body) for row in RAW_OPERATIONS if row.body is not None
        }
        self._queries = {
            row.name: SchemaValidator(bounded(_query_schema(row))) for row in RAW_OPERATIONS
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; every failure is a `Refusal`, to which the middleware responds."""
        context = context_of(scope)
        operation, slug = _route(scope)
        context.operation, context.slug = operation.name, slug
        # First, because a caller without write permission gets a 403 regardless of the request.
        self._service.check_permission(operation, context.caller)
        query = self._query(operation, scope["query_string"])
        body = None
        if operation.body is not None:
            # One message contains the whole body, because the middleware has already read it.
            body = self._body(operation, scope, (await receive())["body"])
            # For the access log: a create names its integration only in the body.
            context.slug = slug or slug_in(body)
        call = Call(operation.name, slug, query, body)
        reply = await self._service.perform(call, context.caller)
        await _send_reply(send, reply)

    def _query(self, operation: Operation, raw: bytes) -> dict[str, str | int]:
        """Parse the query: known parameters, each at most once and of the right type."""
        if not raw:
            return {}
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
            )
        except (ValueError, UnicodeDecodeError):
            raise refuse("invalid-request", 400, "The query cannot be read.") from None
        names = [name for name, _ in pairs]
        # The API could use another one of the values than the one that was checked.
        if len(set(names)) < len(names):
            raise refuse("invalid-request", 400, "A query parameter was given more than once.")
        parameters = {row.name: row for row in operation.query}
        query: dict[str, str | int] = {}
        for name, text in pairs:
            parameter = parameters.get(name)
            # Clients that fill every parameter send null for those that are not set.
            if text == "null" and _is_typed(parameter):
                continue
            is_integer = parameter is not None and parameter.type == "integer"
            query[name] = _parse_integer(text) if is_integer else text
        self._queries[operation.name].check(query, what="query")
        return query

    def _body(self, operation: Operation, scope: Scope, content: bytes) -> Mapping[str, Value]:
        check_media_type(scope)
        try:
            document = parse_json(content)
        except (ValueError, RecursionError):
            # The library's error contains the whole body.
            raise refuse("invalid-request", 400, "The body is not JSON.") from None
        self._bodies[operation.name].check(document, what="body")
        return cast("Mapping[str, Value]", document)


def _query_schema(operation: Operation) -> dict[str, object]:
    """Return the parameters of an operation's query as one closed object."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {row.name: row.schema for row in operation.query},
        "required": [row.name for row in operation.query if row.required],
    }


def _route(scope: Scope) -> tuple[Operation, str | None]:
    """Return the operation and slug of a request, or raise the refusal (400, 404, 405)."""
    # h11 lets only ASCII pass in a request target.
    path = scope["raw_path"].decode("ascii").removeprefix(REST_PREFIX)
    # A path with operations of other methods is answered with 405, any other with 404.
    rows = [row for row in RAW_OPERATIONS if row.method in allowed_methods(path)]
    try:
        found = match(scope["method"], path)
    except InvalidCall as error:
        raise refuse("bad-slug", 400, in_sentences(error)) from None
    # The table also contains operations that REST does not provide; their paths do not exist here.
    if found is not None and found[0].raw:
        return found
    # A third slash starts a sub-resource, which REST does not provide; neither does it provide the
    # audit log.
    is_offered = path.count("/") <= 2 and path.startswith(OPERATIONS[OperationName.LIST].path)
    if found is not None or not rows or not is_offered:
        raise refuse("not-found", 404, "There is no operation at this path.")
    allow = ", ".join(allowed_methods(path))
    detail = f"This path accepts {allow}."
    raise refuse("method-not-allowed", 405, detail, allow=allow)


def _is_typed(parameter: Parameter | None) -> bool:
    """Return whether `null` cannot be a value; browsers send it for an unset parameter."""
    return parameter is not None and (parameter.type != "string" or parameter.enum is not None)


def _parse_integer(text: str) -> str | int:
    """Parse a decimal integer; other text is returned unchanged, and the schema refuses it."""
    return int(text) if _INTEGER.fullmatch(text) else text


async def _send_reply(send: Send, reply: Reply) -> None:
    request_id = reply.request_id
    # RFC 8259 forbids a byte order mark in JSON that is sent; the rest is forwarded byte for byte.
    headers = [(b"x-upstream-request-id", request_id.encode("ascii"))] if request_id else []
    await send_answer(send, reply.status, reply.content.removeprefix(_BOM), headers=headers)
