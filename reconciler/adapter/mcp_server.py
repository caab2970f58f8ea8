"""MCP port: the library's low-level server, stateless, with JSON responses.

One endpoint serves the protocol revisions with and without a handshake. The library's own
check of Host and Origin is off, because `GatewayMiddleware` checks both exactly on every bind
address. The tools themselves: `reconciler.adapter.tools` and `reconciler.adapter.gitops_tools`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from starlette.routing import Route, Router

from reconciler import __version__
from reconciler.adapter.middleware import (
    BODY_LIMIT,
    PROBES,
    AllowedHosts,
    GatewayMiddleware,
    MiddlewareConfig,
)
from reconciler.adapter.problems import refuse
from reconciler.adapter.request_context import (
    Application,
    Message,
    Receive,
    RequestContext,
    Scope,
    Send,
    check_media_type,
    context_of,
    replayed,
    send_answer,
)
from reconciler.adapter.routing import ASGIEndpoint, IsReady, probe_routes, unknown_path
from reconciler.adapter.tools import ToolDefinition, call_tool

PATH: Final = "/mcp"
_INSTRUCTIONS: Final = (
    "The integrations of a Portkey AI gateway: list, read, create, change and delete them. "
    "An integration is one provider account with its stored credential. Reads show secrets as "
    "masks; never send a mask back. Deleting cannot be undone."
)

_LOGGED_METHODS: Final = frozenset(
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
"""Methods that appear in the access log and in metric labels; a caller can invent any other."""

_QUOTING_PREFIX: Final = "Validation error: "
_REPLACEMENT: Final = "The message is not a request or notification of JSON-RPC 2.0."

_NOTIFICATIONS: Final = "notifications/"
_WITHOUT_ID: Final = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": INVALID_REQUEST,
            "message": "The id of a request must be a string or an integer.",
        },
    }
).encode()

ServerContext = ServerRequestContext[Any, Any]


def mcp_application(
    definitions: Sequence[ToolDefinition],
    *,
    config: MiddlewareConfig,
    allowed: AllowedHosts,
    is_ready: IsReady,
) -> Application:
    """Build the ASGI application of the MCP port."""
    server = _server(definitions)
    application = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=BODY_LIMIT,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    async def post_only(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            # Stateless: there is no session to end and no stream of server messages.
            raise refuse("method-not-allowed", 405, "This path accepts POST.", allow="POST")
        check_media_type(scope)
        # One message contains the whole body, because the middleware has already read it.
        content = (await receive()).get("body", b"")
        if _is_lost_request(content):
            context_of(scope).operation = "other"
            await send_answer(send, 400, _WITHOUT_ID)
            return
        # The library serves only the path without a trailing slash.
        whole = replayed(content, receive)
        await application({**scope, "path": PATH}, whole, RedactingResponder(send))

    # The library starts its session manager in the lifespan of its own application.
    lifespan: Any = application.router.lifespan_context
    # Both spellings, because not every client follows a redirect of a POST.
    endpoints = [Route(path, ASGIEndpoint(post_only)) for path in (PATH, f"{PATH}/")]
    router = Router(
        [*probe_routes(is_ready), *endpoints],
        redirect_slashes=False,
        default=unknown_path,
        lifespan=lambda _app: lifespan(application),
    )
    return GatewayMiddleware(
        router, protocol="mcp", allowed=allowed, config=config, is_open=PROBES.__contains__
    )


def _is_lost_request(content: bytes) -> bool:
    """Return whether a message is a request without a usable id.

    The library takes it for a notification: it would answer with 202 and do nothing, and the caller
    would believe that the tool was called. The library reports all other mistakes.
    """
    try:
        message = json.loads(content)
    except (ValueError, RecursionError):
        return False
    method = message.get("method") if isinstance(message, dict) else None
    if not isinstance(method, str) or method.startswith(_NOTIFICATIONS):
        return False
    if "id" not in message:
        # A method that is not known here can be a notification that a client has invented.
        return method in _LOGGED_METHODS
    number = message["id"]
    return isinstance(number, bool) or not isinstance(number, str | int)


def _server(definitions: Sequence[ToolDefinition]) -> Server[Any]:
    by_name = {definition.tool.name: definition for definition in definitions}

    async def on_list_tools(
        server_context: ServerContext, _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        caller = _request_context(server_context).caller
        visible = [definition for definition in definitions if definition.is_for(caller)]
        return ListToolsResult(tools=[definition.tool for definition in visible])

    async def on_call_tool(
        server_context: ServerContext, params: CallToolRequestParams
    ) -> CallToolResult:
        definition = by_name.get(params.name)
        if definition is None:
            raise MCPError(INVALID_PARAMS, "There is no tool with this name.")
        context = _request_context(server_context)
        context.operation = definition.tool.name
        return await call_tool(definition, params.arguments or {}, context)

    def input_schema(name: str) -> Mapping[str, Any] | None:
        return by_name[name].tool.input_schema if name in by_name else None

    server: Server[Any] = Server(
        "portkey-reconciler",
        version=__version__,
        title="Portkey integrations",
        instructions=_INSTRUCTIONS,
        get_tool_input_schema=input_schema,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )
    server.middleware = [_record_method]
    return server


async def _record_method(ctx: ServerContext, call_next: CallNext) -> HandlerResult:
    """Record the method for the access log; the name of a called tool replaces it."""
    _request_context(ctx).operation = ctx.method if ctx.method in _LOGGED_METHODS else "other"
    return await call_next(ctx)


def _request_context(server_context: ServerContext) -> RequestContext:
    request: Any = server_context.request
    return context_of(request.scope)


class RedactingResponder:
    """Sender that replaces a message of the library that quotes the caller's request.

    For a message that is not JSON-RPC, the library quotes its values. One of them may be a
    provider's key, and clients log the response.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._content = b""

    async def __call__(self, message: Message) -> None:
        """Buffer a 400 until it is complete; forward every other response."""
        if message["type"] == "http.response.start" and message["status"] == 400:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._content += message.get("body", b"")
            if not message.get("more_body", False):
                await self._flush(self._start)

    async def _flush(self, start: Message) -> None:
        content = _without_quotes(self._content)
        # The announced length is that of the replaced text.
        others = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        length = (b"content-length", str(len(content)).encode())
        await self._send({**start, "headers": [*others, length]})
        await self._send({"type": "http.response.body", "body": content})


def _without_quotes(content: bytes) -> bytes:
    try:
        document = json.loads(content)
        has_quotes = document["error"]["message"].startswith(_QUOTING_PREFIX)
    except (ValueError, KeyError, TypeError, AttributeError):
        return content
    if not has_quotes:
        return content
    document["error"]["message"] = _REPLACEMENT
    return json.dumps(document).encode()
