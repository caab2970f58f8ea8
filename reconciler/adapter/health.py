"""What both ports answer besides their purpose: the two probes, and that there is nothing else."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reconciler.adapter.problems import not_found, refuse
from reconciler.adapter.request_context import Application, Receive, Scope, Send, exchange_of

Endpoint = Callable[[Request], Awaitable[Response]]


IsReady = Callable[[], bool]
"""Tells whether new requests should come here; false once the end was asked for."""


class Raw:
    """An ASGI application as a route's endpoint; a function would be given a request instead."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        await self._application(scope, receive, send)


def probes(is_ready: IsReady) -> list[BaseRoute]:
    """Make the two paths that anybody may ask."""

    async def healthz(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        if is_ready():
            return json_response({"status": "ready"})
        return json_response({"status": "stopping"}, status=503)

    return [get("/healthz", healthz), get("/readyz", readyz)]


def get(path: str, endpoint: Endpoint) -> Route:
    """Make a route that takes GET only, and refuses the rest in our form."""

    async def only_get(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            raise refuse("method-not-allowed", 405, "This path takes GET.", allow="GET, HEAD")
        exchange_of(scope).operation = path.strip("/") or "page"
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)

    return Route(path, Raw(only_get))


def json_response(document: object, *, status: int = 200) -> Response:
    """Make an answer of JSON."""
    return Response(json.dumps(document), status_code=status, media_type="application/json")


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Refuse a path that leads nowhere."""
    raise not_found()
