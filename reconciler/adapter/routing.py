"""Routes of both ports: two probes, endpoints that accept only GET, and the 404 for the rest."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reconciler.adapter.problems import not_found, refuse
from reconciler.adapter.request_context import Application, Receive, Scope, Send, context_of

Endpoint = Callable[[Request], Awaitable[Response]]

IsReady = Callable[[], bool]
"""Returns whether the adapter accepts new requests; false once a stop was requested."""


class ASGIEndpoint:
    """An ASGI application as the endpoint of a route; Starlette passes a function a request."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application."""
        await self._application(scope, receive, send)


def probe_routes(is_ready: IsReady) -> list[BaseRoute]:
    """Return the routes `/healthz` and `/readyz`, which need no credential."""

    async def healthz(_request: Request) -> Response:
        return _json_response({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        if is_ready():
            return _json_response({"status": "ready"})
        return _json_response({"status": "stopping"}, status=503)

    return [get_route("/healthz", healthz), get_route("/readyz", readyz)]


def get_route(path: str, endpoint: Endpoint) -> Route:
    """Return a route that accepts GET and HEAD, and refuses other methods with a problem."""

    async def get_only(scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn omits the body of a response to HEAD.
        if scope["method"] not in {"GET", "HEAD"}:
            raise refuse("method-not-allowed", 405, "This path accepts GET.", allow="GET, HEAD")
        context_of(scope).operation = path.strip("/")
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)

    return Route(path, ASGIEndpoint(get_only))


async def unknown_path(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Raise the refusal (404) of a path without a route."""
    raise not_found()


def _json_response(document: object, *, status: int = 200) -> Response:
    return Response(json.dumps(document), status_code=status, media_type="application/json")
