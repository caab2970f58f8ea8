"""One HTTP exchange with a caller: what is known of it, its body in, its answer out.

The record of an exchange becomes a line of the access log; there is no place in it for a body, a
header or a credential.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.adapter.auth import Principal
from reconciler.adapter.problems import MEDIA_TYPE, Problem, refuse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_KEY: Final = "reconcile.exchange"
REFUSED: Final = "reconcile.refused"
"""Where a server leaves the problem of a request that it would have refused itself."""


class ClientGoneError(Exception):
    """The client left before its request was complete; nobody is there to be answered."""


@dataclass(slots=True)
class RequestContext:
    """What is known of a request; `principal` is None until somebody was recognised.

    `failed` is told a defect that is answered before the door sees it.
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
        """Give who calls; only asked for where nobody gets without having been recognised."""
        if self.principal is None:
            raise refuse("unauthorised", 401, "No token was sent.")
        return self.principal

    def attach(self, scope: Scope) -> None:
        """Let the application find this record."""
        scope[_KEY] = self


def exchange_of(scope: Scope) -> RequestContext:
    """Give the record of a request that is being answered."""
    exchange: RequestContext = scope[_KEY]
    return exchange


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
        pass
    detail = f"The body was not complete after {seconds:g} seconds."
    raise refuse("too-slow", 408, detail, connection="close")


def too_large(limit: int) -> Exception:
    """Refuse a body over the limit, and the rest of it with the connection."""
    return refuse("too-large", 413, f"The body is larger than {limit} bytes.", connection="close")


def replayed(content: bytes, receive: Receive) -> Receive:
    """Give an application a body that was read already."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay


async def answer(
    send: Send,
    status: int,
    content: bytes,
    *,
    media_type: str = "application/json",
    headers: Sequence[Header] = (),
) -> None:
    """Send a whole answer; a 204 has no body and says nothing about one."""
    about = [] if status == 204 else _about(content, media_type)
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    await send({"type": "http.response.body", "body": b"" if status == 204 else content})


async def answer_problem(send: Send, problem: Problem, request_id: str) -> None:
    """Send a problem in the form of RFC 9457."""
    content = json.dumps(problem.as_json(request_id)).encode()
    headers = [(name.encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    await answer(send, problem.status, content, media_type=MEDIA_TYPE, headers=headers)


def _about(content: bytes, media_type: str) -> list[Header]:
    length = (b"content-length", str(len(content)).encode())
    return [(b"content-type", media_type.encode()), length] if content else [length]
