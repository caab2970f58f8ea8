"""Simulator on a loopback port of this process, which records every request."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.asgi import SimulatorApp
from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import Fault, FaultScript, Wire
from reconciler.simulator.http_server import serve
from reconciler.simulator.messages import Request
from tests.runs import World


@dataclass
class Upstream:
    """Served simulator: its address, its state and its requests."""

    world: World = field(default_factory=World)
    faults: tuple[Fault, ...] = ()
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    written_to: threading.Event = field(default_factory=threading.Event)
    on_write: Callable[[Request], None] | None = None

    @property
    def remote(self) -> SimulatedAPI:
        return self.world.remote

    def note(self, request: Request) -> None:
        """Record a request, and notify waiters of the first write."""
        self.requests.append(request)
        if request.method != "GET":
            self.written_to.set()
            if self.on_write is not None:
                self.on_write(request)

    @property
    def methods(self) -> set[str]:
        return {request.method for request in self.requests}

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]

    def record(self, slug: str) -> dict[str, Any]:
        return dict(self.remote.integrations[slug])


@contextmanager
def serving(*faults: Fault, world: World | None = None) -> Iterator[Upstream]:
    """Serve a simulator until the block ends."""
    upstream = Upstream(world or World(), faults)
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def announce(port: int) -> None:
        upstream.url = f"http://127.0.0.1:{port}/v1"
        ready.set()

    wire = Wire(upstream.remote, faults=FaultScript(faults), before=upstream.note)
    app = SimulatorApp(ApiService(wire))
    work = serve(app, host="127.0.0.1", port=0, ready=announce, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(work,), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
