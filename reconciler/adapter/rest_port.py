"""The REST port: the operations below `/v1`, and what surrounds them."""

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router

from reconciler.adapter import metrics, openapi
from reconciler.adapter.allowed_hosts import AllowedHosts
from reconciler.adapter.health import Endpoint, IsReady, get, nothing, probes
from reconciler.adapter.metrics import Metrics
from reconciler.adapter.middleware import PROBES, GatewayMiddleware, MiddlewareConfig
from reconciler.adapter.request_context import Application
from reconciler.adapter.rest import VERSION, RestOperations
from reconciler.adapter.service import UpstreamService
from reconciler.adapter.ui.routes import PageRoutes, is_of_page


def rest_application(
    relay: UpstreamService,
    *,
    rules: MiddlewareConfig,
    allowed: AllowedHosts,
    counted: Metrics,
    is_ready: IsReady,
    page: PageRoutes,
) -> Application:
    """Put the REST port together."""
    routes: list[BaseRoute] = [
        *probes(is_ready),
        Mount(VERSION, app=RestOperations(relay)),
        get("/metrics", _metrics(counted)),
        get("/openapi.json", _description()),
        *page.routes(),
    ]
    # A whole Starlette would answer exceptions itself, before the door can.
    router = Router(routes, redirect_slashes=False, default=nothing)
    return GatewayMiddleware(
        router,
        protocol="rest",
        allowed=allowed,
        rules=rules,
        is_open=lambda path: path in PROBES or is_of_page(path),
        visitor=page.sessions.find,
    )


def _metrics(counted: Metrics) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return Response(counted.text(), headers={"content-type": metrics.MEDIA_TYPE})

    return endpoint


def _description() -> Endpoint:
    content = json.dumps(openapi.document()).encode()

    async def endpoint(_request: Request) -> Response:
        return Response(content, media_type="application/json")

    return endpoint
