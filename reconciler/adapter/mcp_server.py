"""The MCP port: a low-level server of the library, stateless, answering in JSON.

It speaks the revisions with a handshake and the one without on the same endpoint. Its own check of
Host and Origin is off: the door does that, exactly and on every bind address.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from starlette.routing import Route, Router

from reconciler import __version__
from reconciler.adapter.allowed_hosts import AllowedHosts
from reconciler.adapter.health import IsReady, Raw, nothing, probes
from reconciler.adapter.mcp_errors import RedactingResponder
from reconciler.adapter.middleware import BODY_LIMIT, PROBES, GatewayMiddleware, MiddlewareConfig
from reconciler.adapter.problems import refuse
from reconciler.adapter.request_context import (
    Application,
    Receive,
    RequestContext,
    Scope,
    Send,
    exchange_of,
)
from reconciler.adapter.rest import check_media_type
from reconciler.adapter.tools import ToolDefinition, call

PATH: Final = "/mcp"
_INSTRUCTIONS: Final = (
    "The integrations of a Portkey AI gateway: list, read, create, change and delete them. "
    "An integration is one provider account with its stored credential. Reads show secrets as "
    "masks; never send a mask back. Deleting cannot be undone."
)

_METHODS: Final = frozenset(
    {
        "initialize",
        "notifications/cancelled",
        "notifications/initialized",
        "ping",
        "server/discover",
        "tools/call",
        "tools/list",
    }
)
"""What may stand in the access log and in a counter's label; a caller can invent any other."""

Context = ServerRequestContext[Any, Any]


def mcp_application(
    offers: Sequence[ToolDefinition],
    *,
    rules: MiddlewareConfig,
    allowed: AllowedHosts,
    is_ready: IsReady,
) -> Application:
    """Put the MCP port together."""
    server = _server(offers)
    application = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=BODY_LIMIT,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    async def post_only(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            # There are no sessions to end, and no stream for messages that nobody asked for.
            raise refuse("method-not-allowed", 405, "This path takes POST.", allow="POST")
        check_media_type(scope)
        await application({**scope, "path": PATH}, receive, RedactingResponder(send))

    lifespan: Any = application.router.lifespan_context
    router = Router(
        [*probes(is_ready), *(Route(path, Raw(post_only)) for path in (PATH, f"{PATH}/"))],
        redirect_slashes=False,
        default=nothing,
        lifespan=lambda _app: lifespan(application),
    )
    return GatewayMiddleware(
        router, protocol="mcp", allowed=allowed, rules=rules, is_open=PROBES.__contains__
    )


def _server(offers: Sequence[ToolDefinition]) -> Server[Any]:
    by_name = {offer.tool.name: offer for offer in offers}

    async def list_tools(
        context: Context, _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        caller = _exchange(context).caller
        return ListToolsResult(tools=[o.tool for o in offers if o.is_for(caller)])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        offer = by_name.get(params.name)
        if offer is None:
            raise MCPError(INVALID_PARAMS, "There is no tool of this name.")
        exchange = _exchange(context)
        exchange.operation = offer.tool.name
        return await call(offer, params.arguments or {}, exchange)

    def schema_of(name: str) -> Mapping[str, Any] | None:
        return by_name[name].tool.input_schema if name in by_name else None

    server: Server[Any] = Server(
        "portkey-reconciler",
        version=__version__,
        title="Portkey integrations",
        instructions=_INSTRUCTIONS,
        get_tool_input_schema=schema_of,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.middleware = [_note]
    return server


async def _note(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Write the method into the access log; a tool's name replaces it."""
    _exchange(ctx).operation = ctx.method if ctx.method in _METHODS else "other"
    return await call_next(ctx)


def _exchange(context: Context) -> RequestContext:
    request: Any = context.request
    return exchange_of(request.scope)
