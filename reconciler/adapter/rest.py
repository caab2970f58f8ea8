"""The five operations over REST: from a request to a call, and the upstream's JSON back.

Paths are judged as they stood on the wire, before any decoding, so that no encoded slash or dot
gets anywhere. What every request passes first: `reconciler.adapter.middleware`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from reconciler.adapter.problems import Refusal, refuse
from reconciler.adapter.request_context import Receive, Scope, Send, answer, exchange_of
from reconciler.adapter.schema_bounds import bounded
from reconciler.adapter.service import RAW, UpstreamService, slug_in
from reconciler.adapter.validation import Checker
from reconciler.domain.calls import Call, Reply
from reconciler.remote.errors import InvalidCall
from reconciler.remote.operations import Operation, Parameter, allowed_methods, match
from reconciler.remote.responses import parse_json

VERSION: Final = "/v1"
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOM: Final = b"\xef\xbb\xbf"


class RestOperations:
    """The ASGI application below `/v1`."""

    def __init__(self, relay: UpstreamService) -> None:
        self._relay = relay
        self._bodies = {row.name: Checker(row.body) for row in RAW if row.body is not None}
        self._queries = {row.name: Checker(bounded(query_schema(row))) for row in RAW}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure is a `Refusal`, which the door answers."""
        exchange = exchange_of(scope)
        operation, slug = _route(scope)
        exchange.operation, exchange.slug = operation.name, slug
        self._relay.check_permission(operation, exchange.caller)
        query = self._query(operation, scope["query_string"])
        body = None
        if operation.body is not None:
            body = self._body(operation, scope, (await receive())["body"])
            exchange.slug = slug or slug_in(body)
        call = Call(operation.name, slug, query, body)
        reply = await self._relay.perform(call, exchange.caller)
        await _relay_answer(send, reply)

    def _query(self, operation: Operation, raw: bytes) -> dict[str, str | int]:
        """Read the query: parameters the operation knows, each at most once, of the right type."""
        if not raw:
            return {}
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
            )
        except (ValueError, UnicodeDecodeError):
            raise refuse("invalid-request", 400, "The query cannot be read.") from None
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise refuse("invalid-request", 400, "A query parameter was given more than once.")
        known = {row.name: row for row in operation.query}
        unset = {name for name, text in pairs if text == "null" and _is_typed(known.get(name))}
        integers = {row.name for row in operation.query if row.type == "integer"}
        query = {n: _number(v) if n in integers else v for n, v in pairs if n not in unset}
        self._queries[operation.name].check(query, what="query")
        return query

    def _body(self, operation: Operation, scope: Scope, content: bytes) -> dict[str, Any]:
        check_media_type(scope)
        try:
            document = parse_json(content)
        except (ValueError, RecursionError):
            # The library's error holds the whole body.
            raise refuse("invalid-request", 400, "The body is not JSON.") from None
        self._bodies[operation.name].check(document, what="body")
        body: dict[str, Any] = document
        return body


def query_schema(operation: Operation) -> dict[str, Any]:
    """Give the parameters of an operation's query as one closed object."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {row.name: row.schema for row in operation.query},
        "required": [row.name for row in operation.query if row.required],
    }


def _route(scope: Scope) -> tuple[Operation, str | None]:
    """Find the operation of a request, or raise the refusal (400, 404, 405)."""
    path = scope["raw_path"].decode("ascii").removeprefix(VERSION)
    rows = [row for row in RAW if row.method in allowed_methods(path)]
    try:
        found = match(scope["method"], path)
    except InvalidCall as error:
        raise refuse("bad-slug", 400, f"{error.summary}. {error.hint}") from None
    if found is not None and found[0].raw:
        return found
    if found is not None or not rows or path.count("/") > 2:
        raise refuse("not-found", 404, "There is no operation at this path.")
    allow = ", ".join(allowed_methods(path))
    detail = f"This path takes {allow}."
    raise refuse("method-not-allowed", 405, detail, allow=allow)


def _is_typed(parameter: Parameter | None) -> bool:
    """Return whether `null` is no value of a parameter; browsers write it for an unset one."""
    return parameter is not None and (parameter.type != "string" or parameter.enum is not None)


def _number(text: str) -> str | int:
    """Read a decimal integer; anything else stays text, which the schema then refuses."""
    return int(text) if _INTEGER.fullmatch(text) else text


def check_media_type(scope: Scope) -> None:
    """Raise the refusal (415) of a body that is not plain JSON in UTF-8."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    kind, _, rest = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    charset = rest.replace('"', "").replace(" ", "")
    if kind.strip() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise _unsupported("The body has to be application/json in UTF-8.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _unsupported("A compressed body is not read.")


def _unsupported(detail: str) -> Refusal:
    return refuse("unsupported-media-type", 415, detail, accept_post="application/json")


async def _relay_answer(send: Send, reply: Reply) -> None:
    known = reply.request_id
    headers = [(b"x-upstream-request-id", known.encode("ascii"))] if known else []
    await answer(send, reply.status, reply.content.removeprefix(_BOM), headers=headers)
