"""What a browser is told when a page of an allowed origin calls: the answers of CORS.

Which origins are allowed: `reconciler.adapter.allowed_hosts`, which has checked before anything
here runs.
"""

from typing import Final

from reconciler.adapter.auth import Headers
from reconciler.adapter.request_context import Header, Scope, Send, answer

_SENT: Final = (
    b"authorization, content-type, x-portkey-api-key, mcp-protocol-version, mcp-method, mcp-name"
)
_PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (b"access-control-allow-headers", _SENT),
    (b"access-control-max-age", b"600"),
)
_EXPOSED: Final = (
    b"x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset"
)


def of_origin(headers: Headers) -> list[Header]:
    """Give the headers that let a page of the request's origin read the answer."""
    found = next((value for name, value in headers if name == b"origin"), None)
    if found is None:
        return []
    return [
        (b"access-control-allow-origin", found),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"origin"),
    ]


def is_preflight(scope: Scope) -> bool:
    """Tell whether a browser only asks what a page may do; it sends no credential then."""
    names = {name for name, _ in scope["headers"]}
    asked = {b"origin", b"access-control-request-method"}
    return scope["method"] == "OPTIONS" and asked <= names


async def answer_preflight(send: Send) -> None:
    """Say what a page of an allowed origin may do."""
    await answer(send, 204, b"", headers=_PREFLIGHT)
