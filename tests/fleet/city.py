"""Many organisations behind one port, each with a simulator, a key and a log of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.app import Message, Receive, Send, SimulatorApp
from reconciler.simulator.delivery import Wire
from reconciler.simulator.messages import Request
from reconciler.simulator.server import serve
from reconciler.simulator.service import Service, exactly
from tests.runs import World


@dataclass
class House:
    """One organisation: what it holds, and every request that got past its door."""

    key: str
    requests: list[Request] = field(default_factory=list)
    world: World = field(default_factory=World)
    shut: bool = False
    app: SimulatorApp = field(init=False)

    def __post_init__(self) -> None:
        wire = Wire(self.world.remote, before=self.requests.append)
        self.app = SimulatorApp(Service(wire, accepts=exactly(self.key)))

    @property
    def slugs(self) -> set[str]:
        return set(self.world.remote.integrations)

    @property
    def posts(self) -> int:
        return sum(request.method == "POST" for request in self.requests)

    @property
    def writes(self) -> int:
        return sum(request.method != "GET" for request in self.requests)


class City:
    """Sends a request to the house its path begins with; a house that is shut never answers."""

    def __init__(self, names: list[str]) -> None:
        self.houses = {name: House(f"pk-{name}") for name in names}
        self.port = 0

    def __getitem__(self, name: str) -> House:
        return self.houses[name]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        name, _, rest = scope["raw_path"].decode("ascii").lstrip("/").partition("/")
        house = self.houses[name]
        if house.shut:
            await asyncio.Event().wait()
        inside: dict[str, Any] = {**scope, "raw_path": f"/{rest}".encode()}
        await house.app(inside, receive, send)


@contextmanager
def city(*names: str) -> Iterator[City]:
    """Serve a city on a loopback port until the block ends."""
    there = City(list(names))
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def announce(port: int) -> None:
        there.port = port
        ready.set()

    work = serve(there, host="127.0.0.1", port=0, ready=announce, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(work,), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield there
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
