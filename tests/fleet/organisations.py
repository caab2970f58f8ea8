"""Many organisations on one port, each with its own simulator, key and request log."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.asgi import Message, Receive, Send, SimulatorApp
from reconciler.simulator.auth import ApiService, accept_only
from reconciler.simulator.faults import Wire
from reconciler.simulator.http_server import serve
from reconciler.simulator.messages import Request
from tests.runs import World


@dataclass
class Organisation:
    """Organisation with its simulator, and every authenticated request."""

    key: str
    requests: list[Request] = field(default_factory=list)
    world: World = field(default_factory=World)
    hangs: bool = False
    app: SimulatorApp = field(init=False)

    def __post_init__(self) -> None:
        wire = Wire(self.world.remote, before=self.requests.append)
        self.app = SimulatorApp(ApiService(wire, accepts=accept_only(self.key)))

    @property
    def slugs(self) -> set[str]:
        return set(self.world.remote.integrations)

    @property
    def posts(self) -> int:
        return sum(request.method == "POST" for request in self.requests)

    @property
    def writes(self) -> int:
        return sum(request.method != "GET" for request in self.requests)


class Gate:
    """Gate that answers some creates and holds back the responses of later ones.

    `full` is set once so many wait that no other work is possible.
    """

    def __init__(self) -> None:
        self.free: int | None = None
        self.room = 0
        self.full = threading.Event()
        self._waiting = 0
        self._open = asyncio.Event()

    def close_after(self, free: int, *, room: int) -> None:
        self.free, self.room = free, room

    def holds(self) -> bool:
        """Count a create and return whether its response is held back."""
        if self.free is None or self._open.is_set():
            return False
        self.free -= 1
        return self.free < 0

    async def opened(self) -> None:
        if not self._open.is_set():
            self._waiting += 1
            if self._waiting >= self.room:
                self.full.set()
        await self._open.wait()

    def open(self) -> None:
        self._open.set()


class Organisations:
    """Application that selects the organisation by the first part of the path."""

    def __init__(self, names: list[str], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.organisations = {name: Organisation(f"pk-{name}") for name in names}
        self.port = 0
        self.gate = Gate()

    def __getitem__(self, name: str) -> Organisation:
        return self.organisations[name]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def open(self) -> None:
        """Release all responses."""
        self._loop.call_soon_threadsafe(self.gate.open)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        name, _, rest = scope["raw_path"].decode("ascii").lstrip("/").partition("/")
        organisation = self.organisations[name]
        if organisation.hangs:
            await asyncio.Event().wait()
        inside: dict[str, Any] = {**scope, "raw_path": f"/{rest}".encode()}
        held = scope["method"] == "POST" and self.gate.holds()

        async def answer(message: Message) -> None:
            if held:
                await self.gate.opened()
            await send(message)

        await organisation.app(inside, receive, answer)


@contextmanager
def serving(*names: str) -> Iterator[Organisations]:
    """Serve organisations on a loopback port until the block ends."""
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    served = Organisations(list(names), loop)

    def announce(port: int) -> None:
        served.port = port
        ready.set()

    work = serve(served, host="127.0.0.1", port=0, ready=announce, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(work,), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield served
    finally:
        served.open()
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
