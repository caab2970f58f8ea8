"""One HTTP request: its record, its body and its response.

The record becomes a line of the access log, so it has no field for a body, a header or a
credential.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import field
from typing import Any, Final

from reconciler.adapter.auth import Principal
from reconciler.adapter.problems import MEDIA_TYPE, Problem, Refusal, refuse
from reconciler.frozen_dataclass import dataclass

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_SCOPE_KEY: Final = "reconcile.request"
REFUSED: Final = "reconcile.refused"
"""Scope key of the problem with which the server would have refused a request itself."""


class ClientGoneError(Exception):
    """The client disconnected before its request was complete, so no response is needed."""


@dataclass(slots=True)
class RequestContext:
    """Facts about a request; `principal` is None until the caller is authenticated.

    `failed` receives a defect whose response is sent before the middleware is reached.
    """

    id: str
    protocol: str
    started: float
    failed: Callable[[str, BaseException], None] = field(repr=False)
    client: str | None = None
    principal: Principal | None = None
    operation: str | None = None
    slug: str | None = None
    status: int | None = None

    @property
    def caller(self) -> Principal:
        """The authenticated caller; raises the refusal (401) if there is none."""
        if self.principal is None:
            raise refuse("unauthorised", 401, "No token was sent.")
        return self.principal

    def attach(self, scope: Scope) -> None:
        """Store the record in the scope, where `context_of` finds it."""
        scope[_SCOPE_KEY] = self


def context_of(scope: Scope) -> RequestContext:
    """Return the record of the request with this scope."""
    context: RequestContext = scope[_SCOPE_KEY]
    return context


def check_media_type(scope: Scope) -> None:
    """Raise the refusal (415) of a body that is not plain JSON in UTF-8."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    kind, _, rest = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    charset = rest.replace('"', "").replace(" ", "")
    # A browser sends the other usual types to any origin without a preflight request, so a page of
    # another site could write with them.
    if kind.strip() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise _unsupported("The body must be application/json in UTF-8.")
    # A small compressed body can expand far beyond the limit.
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _unsupported("A compressed body is not accepted.")


def _unsupported(detail: str) -> Refusal:
    return refuse("unsupported-media-type", 415, detail, accept_post="application/json")


async def read_body(receive: Receive, *, limit: int, seconds: float) -> bytes:
    """Read a request's body; raises the refusal of a large (413) or late (408) one."""
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                content += message.get("body", b"")
                if len(content) > limit:
                    raise too_large(limit)
                if not message.get("more_body", False):
                    return bytes(content)
    except TimeoutError:
        pass  # refused below, so that the refusal has no TimeoutError as its context
    detail = f"The body was not complete after {seconds:g} seconds."
    raise refuse("too-slow", 408, detail, connection="close")


def too_large(limit: int) -> Refusal:
    """Return the refusal (413) of a body over the limit; the connection ends with it."""
    return refuse("too-large", 413, f"The body is larger than {limit} bytes.", connection="close")


def replayed(content: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first yields a body that was already read."""
    is_consumed = False

    async def replay() -> Message:
        nonlocal is_consumed
        if is_consumed:
            return await receive()
        is_consumed = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay


async def send_answer(
    send: Send,
    status: int,
    content: bytes,
    *,
    media_type: str = "application/json",
    headers: Sequence[Header] = (),
) -> None:
    """Send a complete response; a 204 has neither a body nor headers that describe one."""
    entity_headers = [] if status == 204 else _entity_headers(content, media_type)
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [*entity_headers, *headers],
    }
    await send(start)
    await send({"type": "http.response.body", "body": b"" if status == 204 else content})


async def send_problem(send: Send, problem: Problem, request_id: str) -> None:
    """Send a problem in the form of RFC 9457."""
    content = json.dumps(problem.as_json(request_id)).encode()
    headers = [(name.encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    await send_answer(send, problem.status, content, media_type=MEDIA_TYPE, headers=headers)


def _entity_headers(content: bytes, media_type: str) -> list[Header]:
    length = (b"content-length", str(len(content)).encode())
    return [(b"content-type", media_type.encode()), length] if content else [length]
