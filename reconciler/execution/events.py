"""What the executor says while it works. Progress, ledger and logs listen; nobody answers.

A listener that keeps records may ask for a moment: what it gives at `RunStarted` is awaited before
the run begins, and at `CallStarted` before the call is sent.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.domain.calls import Call
from reconciler.domain.state import Observed
from reconciler.execution.result import ApplyResult, Outcome
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; no call was made yet."""

    run: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class ActionStarted:
    """An action's turn has come."""

    action: Action


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A write is about to be sent, once the records of it are kept.

    `last_seen` is everything there was, as read right before a delete; None for other writes.
    """

    action: Action
    call: Call
    last_seen: Observed | None = None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A write was answered; `error` is the failure's code, None on success.

    `refused` says that it was certainly not carried out, `made` is the id of what it created.
    """

    action: Action
    call: Call
    request_id: str | None = None
    error: str | None = None
    refused: bool = False
    made: str | None = None


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """An action is over, whatever became of it."""

    action: Action
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over."""

    result: ApplyResult


Event: TypeAlias = RunStarted | ActionStarted | CallStarted | CallEnded | ActionEnded | RunEnded
Emit: TypeAlias = Callable[[Event], Awaitable[None] | None]


def to_all(*listeners: Emit) -> Emit:
    """Make one listener of several; each hears an event only if those before it took it.

    A run has begun only when its record has: until then the later listeners hear nothing.
    """

    def emit(event: Event) -> Awaitable[None] | None:
        if isinstance(event, RunStarted):
            return _in_turn(event, listeners)
        waits = [wait for listen in listeners if (wait := listen(event)) is not None]
        return _all_of(waits) if waits else None

    return emit


async def _all_of(waits: list[Awaitable[None]]) -> None:
    for wait in waits:
        await wait


async def _in_turn(event: Event, listeners: Sequence[Emit]) -> None:
    for listen in listeners:
        wait = listen(event)
        if wait is not None:
            await wait
