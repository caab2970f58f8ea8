"""Simulator for tests: the same requests in the process and over a loopback socket."""

import asyncio
import itertools
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.asgi import SimulatorApp
from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import Wire
from reconciler.simulator.http_server import serve
from reconciler.simulator.switches import Switches

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of http URLs: by default, each loads all certificate authorities in 20 to 30 ms."""
KEY = {"x-portkey-api-key": "test-key"}


@dataclass(frozen=True)
class Answer:
    """Response to a request; `body` is None for an empty one."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["data"]["errorCode"])


class Api(Protocol):
    """Access to a simulated API."""

    remote: SimulatedAPI

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer: ...


class ManualClock:
    """Clock that tests set; each reading is one millisecond later."""

    def __init__(self) -> None:
        self.milliseconds = 0

    def now(self) -> str:
        self.milliseconds += 1
        seconds, rest = divmod(self.milliseconds, 1000)
        minutes, seconds = divmod(seconds, 60)
        return f"2026-01-01T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{rest:03}Z"


def make_remote(switches: Switches | None = None, clock: ManualClock | None = None) -> SimulatedAPI:
    """Build a simulated API whose ids count up and whose clock advances with each reading."""
    count = itertools.count(1)
    return SimulatedAPI(
        switches or Switches(),
        (clock or ManualClock()).now,
        lambda: f"00000000-0000-4000-8000-{next(count):012x}",
    )


class InProcess:
    def __init__(self, remote: SimulatedAPI) -> None:
        self.remote = remote
        self._service = ApiService(Wire(remote))

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        target = f"/v1{path}" + (f"?{urlencode(query)}" if query else "")
        delivery = self._service.respond(
            method, target, KEY if headers is None else headers, content
        )
        parsed = json.loads(delivery.content) if delivery.content else None
        return Answer(delivery.status, parsed, delivery.headers)


class OverHttp:
    def __init__(self, remote: SimulatedAPI, client: httpx.Client) -> None:
        self.remote = remote
        self._client = client

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        response = self._client.request(
            method,
            f"/v1{path}",
            json=body,
            params=query,
            headers=KEY if headers is None else headers,
        )
        parsed = response.json() if response.content else None
        return Answer(response.status_code, parsed, response.headers)


@contextmanager
def served(service: ApiService) -> Iterator[str]:
    """Serve on a loopback port in a thread; yield the URL without a path."""
    ready: list[int] = []
    started = threading.Event()
    ends: list[Any] = []

    async def run() -> None:
        stop = asyncio.Event()
        ends.extend((asyncio.get_running_loop(), stop))

        def on_ready(port: int) -> None:
            ready.append(port)
            started.set()

        await serve(SimulatorApp(service), host="127.0.0.1", port=0, ready=on_ready, stop=stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert started.wait(10)
    try:
        yield f"http://127.0.0.1:{ready[0]}"
    finally:
        loop, stop = ends
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
    assert not thread.is_alive()


@contextmanager
def reach(way: str, switches: Switches | None = None) -> Iterator[Api]:
    """Build an empty simulated API, and yield access to it."""
    remote = make_remote(switches)
    if way == "in process":
        yield InProcess(remote)
        return
    with (
        served(ApiService(Wire(remote))) as url,
        httpx.Client(base_url=url, trust_env=False, verify=NO_TLS) as client,
    ):
        yield OverHttp(remote, client)


def openai(slug: Any = "openai-main", /, **fields: Any) -> dict[str, Any]:
    """Build the body of a create; a field set to `...` is omitted."""
    body = {
        "slug": slug,
        "name": "OpenAI",
        "ai_provider_id": "openai",
        "key": "sk-canary-9f8e7d6c5b4a",
        **fields,
    }
    return {name: value for name, value in body.items() if value is not ...}


def azure(slug: str = "azure-main", /, **configurations: Any) -> dict[str, Any]:
    """Build the body of a create with Entra credentials."""
    deployment = {
        "azure_api_version": "2025-04-01",
        "azure_deployment_name": "main",
        "azure_model_slug": "gpt-5",
    }
    fields = {
        "azure_auth_mode": "entra",
        "azure_resource_name": "resource",
        "azure_deployment_config": [deployment],
        "azure_entra_tenant_id": "tenant",
        "azure_entra_client_id": "client",
        "azure_entra_client_secret": "entra-canary-1234567890",
        **configurations,
    }
    kept = {name: value for name, value in fields.items() if value is not ...}
    return {
        "slug": slug,
        "name": "Azure",
        "ai_provider_id": "azure-openai",
        "configurations": kept,
    }
