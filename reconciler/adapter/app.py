"""The two applications, put together: REST with its surroundings, and MCP.

What is served where: `/v1` the operations, `/healthz` and `/readyz` two words for whoever watches,
`/metrics`, `/openapi.json`. The MCP port has `/mcp` and the probes.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from reconciler.adapter import metrics
from reconciler.adapter.door import PROBES, Door, Rules
from reconciler.adapter.exchanges import Application, Receive, Scope, Send, exchange_of
from reconciler.adapter.hosts import AllowedHosts
from reconciler.adapter.metrics import Metrics
from reconciler.adapter.problems import refuse
from reconciler.adapter.relay import Relay
from reconciler.adapter.rest import VERSION, RestOperations

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Readiness:
    """Whether new requests should come here; cleared when the end was asked for."""

    ready: bool = True


def rest_application(
    relay: Relay,
    *,
    rules: Rules,
    allowed: AllowedHosts,
    counted: Metrics,
    readiness: Readiness,
) -> Application:
    """Put the REST port together."""
    routes: list[BaseRoute] = [
        *probes(readiness),
        Mount(VERSION, app=RestOperations(relay)),
        get("/metrics", _metrics(counted)),
    ]
    # A whole Starlette would answer exceptions itself, before the door can.
    application = Router(routes, redirect_slashes=False, default=_nothing)
    return Door(
        application,
        protocol="rest",
        allowed=allowed,
        rules=rules,
        is_open=PROBES.__contains__,
    )


def probes(readiness: Readiness) -> list[BaseRoute]:
    """Make the two paths that anybody may ask."""

    async def healthz(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        if readiness.ready:
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

    return Route(path, _Raw(only_get))


def json_response(document: object, *, status: int = 200) -> Response:
    """Make an answer of JSON."""
    return Response(json.dumps(document), status_code=status, media_type="application/json")


def _metrics(counted: Metrics) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return Response(counted.text(), headers={"content-type": metrics.MEDIA_TYPE})

    return endpoint


class _Raw:
    """An ASGI application as a route's endpoint; a function would be given a request instead."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise refuse("not-found", 404, "There is nothing at this path.")
