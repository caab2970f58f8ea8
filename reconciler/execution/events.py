"""Events of a run, for progress, the ledger and logs.

A listener that keeps records can return an awaitable. At `RunStarted`, the run waits for it before
it starts; at `CallStarted`, before the call is sent. A listener cannot change what a run does, but
its failure ends the run.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from reconciler.domain.calls import Call
from reconciler.domain.state import Observed
from reconciler.execution.result import ApplyResult, Outcome
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run starts; no call has been sent yet.

    `break_freeze` is the reason for which it runs outside the windows or the freeze of its target.
    """

    run: str
    plan: Plan
    break_freeze: str | None = None
    allow_unsoaked: str | None = None

    @property
    def overrides(self) -> dict[str, str]:
        """Return the reasons by the name of the rule."""
        given = {"break_freeze": self.break_freeze, "allow_unsoaked": self.allow_unsoaked}
        return {rule: reason for rule, reason in given.items() if reason is not None}


@dataclass(frozen=True, slots=True)
class ActionStarted:
    """An action begins."""

    action: Action


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A write will be sent once it is recorded.

    `last_seen` is the whole integration as read immediately before its delete, None for other
    writes. `of_shadow` marks a write to the shadow of a staged rotation: its action is in no plan.
    """

    action: Action
    call: Call
    last_seen: Observed | None = None
    of_shadow: bool = False


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A write was answered or failed; `error` is the code of the failure, None on success.

    `refused` is True for a write that was certainly not carried out; `made` is the id of the
    created integration.
    """

    action: Action
    call: Call
    request_id: str | None = None
    error: str | None = None
    refused: bool = False
    made: str | None = None


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """An action has ended, with any outcome."""

    action: Action
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over."""

    result: ApplyResult


Event: TypeAlias = RunStarted | ActionStarted | CallStarted | CallEnded | ActionEnded | RunEnded
Emit: TypeAlias = Callable[[Event], Awaitable[None] | None]


def to_all(*listeners: Emit) -> Emit:
    """Combine listeners into one; each gets an event only if those before it accepted it.

    At `RunStarted`, each listener waits for the previous one, so that a run that cannot be recorded
    is not shown.
    """

    def emit(event: Event) -> Awaitable[None] | None:
        if isinstance(event, RunStarted):
            # One by one: progress must not show a run that the ledger refuses.
            return _in_turn(event, listeners)
        pending = []
        for listener in listeners:
            wait = listener(event)
            if wait is not None:
                pending.append(wait)
        return _all_of(pending) if pending else None

    return emit


async def _all_of(pending: Sequence[Awaitable[None]]) -> None:
    for wait in pending:
        await wait


async def _in_turn(event: Event, listeners: Sequence[Emit]) -> None:
    for listener in listeners:
        wait = listener(event)
        if wait is not None:
            await wait
