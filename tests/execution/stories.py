"""Builders for the tests of this folder: one integration, and concurrent changes by others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.execution.events import CallStarted
from reconciler.execution.result import Outcome
from reconciler.simulator.faults import Fault, FaultScript
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.builders import KEY, declared, desired
from tests.runs import World

OURS = "sk-value-abc"
THEIRS = "tt-theirs-xyz"
COLLECTION = "^/integrations$"
ITEM = "^/integrations/alpha$"


def post(kind: Any, **more: Any) -> Fault:
    """Return a fault for creates."""
    return Fault(kind=kind, method="POST", path=COLLECTION, **more)


def get(kind: Any, **more: Any) -> Fault:
    """Return a fault for reads of the integration."""
    return Fault(kind=kind, method="GET", path=ITEM, **more)


@dataclass
class At:
    """Action of another client, once, right before the first request with a method and path."""

    method: str
    path: str
    act: Callable[[], None]
    skip: int = 0

    def __call__(self, request: Request) -> None:
        if (request.method, request.path) != (self.method, self.path):
            return
        self.skip -= 1
        if self.skip == -1:
            self.act()


def world(*faults: Fault, **switches: Any) -> World:
    """Return a world with these faults."""
    return World(Switches(**switches), faults=FaultScript(faults))


def before(story: World, method: str, path: str, act: Callable[[], None], *, skip: int = 0) -> None:
    """Run an action of another client right before a request."""
    story.wire._before = At(method, path, act, skip)


def another_client_creates(story: World, slug: str = "alpha", **fields: Any) -> Callable[[], None]:
    """Return an action that creates an integration, by default one that is clearly not ours."""
    body = {"slug": slug, "name": "Theirs", "ai_provider_id": "anthropic", "key": THEIRS}
    return lambda: story.put("POST", "/integrations", body | fields)


def another_client_had_created(
    story: World, slug: str = "alpha", **fields: Any
) -> Callable[[], None]:
    """Return an action that adds an integration which another client created ten minutes ago."""

    def long_ago() -> None:
        story.seconds -= 600
        another_client_creates(story, slug, **fields)()
        story.seconds += 600

    return long_ago


def create(story: World, **fields: Any) -> Outcome:
    """Apply files that declare `alpha`, and return its outcome."""
    result = story.apply(desired(declared("alpha", key=KEY, **fields)))
    (outcome,) = result.outcomes
    return outcome


def sent(story: World) -> list[str]:
    """Return the operations of the writes that were sent."""
    return [
        event.call.operation.value.removesuffix("-integration")
        for event in story.events
        if isinstance(event, CallStarted)
    ]


def ending(outcome: Outcome) -> tuple[str, str | None]:
    """Return the status and the error code."""
    return outcome.status.value, outcome.error.code if outcome.error else None
