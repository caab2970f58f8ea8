"""Both ports of an adapter in this process, with a fake upstream that records and answers requests.

The real client uses a transport of the tests, and the real applications are called as a server
calls them. `tests.adapter.test_serve_command` uses sockets.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import unquote

import httpx

from reconciler.adapter.auth import Token, Tokens, TokenScope
from reconciler.adapter.declared_files import DeclaredFiles
from reconciler.adapter.mcp_server import mcp_application
from reconciler.adapter.middleware import AllowedHosts, CallerRateLimiter, MiddlewareConfig
from reconciler.adapter.request_context import Application, RequestContext
from reconciler.adapter.rest import rest_application
from reconciler.adapter.service import DeclaredIn, UpstreamService
from reconciler.adapter.telemetry import Metrics
from reconciler.adapter.tools import ToolDefinition, raw_tools
from reconciler.adapter.ui.routes import PageRoutes, Sessions
from reconciler.adapter.ui.snapshot import StateCache
from reconciler.desired.source import MemorySource
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted
from reconciler.remote.api import Clock
from reconciler.remote.client import AuthHeader, make_client
from reconciler.remote.errors import NotSent
from tests.remote.over_httpx import OverHttpx

WRITER = "writer-token-0123456789abcdef0123"
READER = "reader-token-0123456789abcdef0123"
KEY = "pk-adapter-own-key-canary"
UPSTREAM = "http://upstream.test/v1"

TOKENS = Tokens(
    (Token.of(WRITER, name="ci"), Token.of(READER, name="watcher", scope=TokenScope.READ))
)

Answer = Callable[[httpx.Request], httpx.Response]


def says(status: int = 200, body: Any = None, **headers: str) -> Answer:
    """Answer every request with JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps({} if body is None else body).encode()
    kind = {"content-type": "application/json", **named}
    return lambda _request: httpx.Response(status, headers=kind, content=content)


def refuses(status: int, code: str = "AB01", message: str = "no", **headers: str) -> Answer:
    """Refuse every request with the documented error body."""
    body = {"success": False, "data": {"message": message, "errorCode": code}}
    return says(status, body, **headers)


class Wire(httpx.AsyncBaseTransport):
    """Upstream that records and answers every request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return self.answer(request)


class Stuck(Wire):
    """Upstream that never answers."""

    def __init__(self) -> None:
        super().__init__(says())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


@dataclass
class ManualClock:
    """Clock that tests advance."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def _secrets() -> Callable[[], str]:
    numbers = iter(range(1, 10**9))
    return lambda: f"session-{next(numbers)}"


@asynccontextmanager
async def _closed(*_: Any) -> AsyncIterator[Any]:
    raise NotSent("there is nothing behind this page", code="unreachable")
    yield


async def _no_runs() -> list[dict[str, Any]]:
    return []


NOWHERE = StateCache(
    target=Target(name="nowhere", base_url="http://upstream.test/v1"),
    files=DeclaredFiles(lambda: MemorySource({}), None, lambda: date(2026, 11, 23)),
    open_session=_closed,
    open_api=_closed,
    runs=_no_runs,
    clock=ManualClock(),
    now=lambda: "2026-11-23T12:00:00.000Z",
)


@dataclass
class Ports:
    """Adapter under test; `contexts` are the logged requests, `defects` the reported failures."""

    wire: Wire = field(default_factory=lambda: Wire(says()))
    tokens: Tokens = TOKENS
    rate: float = 1_000_000
    read_only: bool = False
    confirms: bool = False
    declared_in: DeclaredIn | None = None
    timeout: float = 30
    auth_header: AuthHeader = "x-portkey-api-key"
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    body_seconds: float = 15
    more: tuple[ToolDefinition, ...] = ()
    page: PageRoutes | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    contexts: list[RequestContext] = field(default_factory=list)
    defects: list[BaseException] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def config(self) -> MiddlewareConfig:
        ids = (f"00000000-0000-4000-8000-{n:012d}" for n in range(1, 10**9))
        return MiddlewareConfig(
            tokens=self.tokens,
            rates=CallerRateLimiter(self.rate, self.clock),
            clock=self.clock,
            new_id=lambda: next(ids),
            log=self.contexts.append,
            failed=lambda _id, error: self.defects.append(error),
            body_seconds=self.body_seconds,
        )

    @property
    def service(self) -> UpstreamService:
        clock = Clock(self.clock, lambda: 0.0, asyncio.sleep, lambda: 0.5)
        client = make_client(
            base_url=UPSTREAM,
            api_key=Redacted(KEY),
            clock=clock,
            auth_header=self.auth_header,
            transport=OverHttpx(self.wire),
            deadline=None,
        )
        return UpstreamService(
            client,
            timeout=self.timeout,
            read_only=self.read_only,
            declared_in=self.declared_in,
            count=self.metrics.count_upstream,
        )

    def allowed(self, port: int) -> AllowedHosts:
        return AllowedHosts.for_port(port, hosts=self.hosts, origins=self.origins)

    @property
    def rest(self) -> Application:
        return rest_application(
            self.service,
            config=self.config,
            allowed=self.allowed(8080),
            metrics=self.metrics,
            is_ready=lambda: True,
            page=self.page or PageRoutes(NOWHERE, Sessions(_secrets(), self.clock), self.tokens),
        )

    @property
    def mcp(self) -> Application:
        definitions = [*raw_tools(self.service, confirms=self.confirms), *self.more]
        return mcp_application(
            definitions, config=self.config, allowed=self.allowed(9090), is_ready=lambda: True
        )

    def ask(self, method: str, target: str, **options: Any) -> httpx.Response:
        """Send one request to the REST port, with a writer's token unless `headers` are passed."""
        return self.ask_all([(method, target, options)])[0]

    def ask_all(self, asked: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Send requests to the same REST port, one after the other."""

        async def run() -> list[httpx.Response]:
            wire = _Verbatim(self.rest)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(wire)) as client:
                return [await wire.ask(client, *one) for one in asked]

        return asyncio.run(run())


class _Verbatim:
    """Passes the request target to an application unchanged, because httpx normalizes dots."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._target = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path, _, query = self._target.partition("?")
        target = {"raw_path": path.encode(), "path": unquote(path), "query_string": query.encode()}
        await self._application({**scope, **target}, receive, send)

    async def ask(
        self, client: httpx.AsyncClient, method: str, target: str, options: dict[str, Any]
    ) -> httpx.Response:
        self._target = target
        return await client.request(
            method, "http://127.0.0.1:8080/", **{"headers": bearer(), **options}
        )


def bearer(token: str = WRITER, **more: str) -> dict[str, str]:
    """Return the headers of a caller with this token."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"authorization": f"Bearer {token}", **named}


@asynccontextmanager
async def living(application: Application) -> AsyncIterator[None]:
    """Run the lifespan of an application around a block, like a server."""
    text: asyncio.Queue[str] = asyncio.Queue()
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> Any:
        return {"type": await text.get()}

    async def send(message: Any) -> None:
        await heard.put(message["type"])

    task = asyncio.create_task(application({"type": "lifespan", "state": {}}, receive, send))
    await text.put("lifespan.startup")
    assert await heard.get() == "lifespan.startup.complete"
    try:
        yield
    finally:
        await text.put("lifespan.shutdown")
        assert await heard.get() == "lifespan.shutdown.complete"
        await task


def is_problem(response: httpx.Response) -> bool:
    """Return whether a response is complete problem details (RFC 9457)."""
    members = ["type", "title", "status", "detail", "instance", "upstream_code"]
    document = response.json()
    return (
        response.headers["content-type"] == "application/problem+json"
        and list(document) == members
        and document["status"] == response.status_code
        and re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["instance"]) is not None
    )


def texts(value: Any) -> Iterator[str]:
    """Yield every string in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
