"""Carry a plan out, integration by integration, in the order that loses nothing.

Creates and updates come first, in parallel; replaces and deletes follow only if everything before
succeeded. What happens to one integration: `reconciler.execution.action_runner`.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from reconciler.errors import ReconcilerError
from reconciler.execution.action_runner import RunDependencies
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import (
    ActionEnded,
    ActionStarted,
    Emit,
    Event,
    RunEnded,
    RunStarted,
)
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.plan import Plan

_PHASES: tuple[Collection[ActionKind], ...] = (
    (ActionKind.CREATE, ActionKind.UPDATE),
    (ActionKind.REPLACE,),
    (ActionKind.DELETE,),
)
GRACE_SECONDS = 5.0
"""How long calls in flight may take after a request to stop; GitHub kills a job after ten."""


async def execute(
    plan: Plan,
    *,
    run: str,
    writer: RunDependencies,
    emit: Emit,
    concurrency: int = 10,
    abort_on_error: bool = False,
    stop: CancelToken | None = None,
    shard: str | None = None,
) -> ApplyResult:
    """Carry out every action of a fresh plan and tell what became of each.

    `concurrency` is how many calls may be in flight, which the client sees to. Raises only what a
    listener raises at `RunStarted`, when nothing was written yet.
    """
    kept = emit(RunStarted(run, plan))
    if kept is not None:
        await kept
    execution = _Execution(writer, emit, concurrency, abort_on_error, stop or CancelToken())
    for phase in _PHASES:
        await execution.carry_out([a for a in plan.actions if a.kind in phase])
    result = ApplyResult(
        run=run,
        target=plan.target,
        plan_digest=plan.digest,
        outcomes=tuple(execution.outcomes[action.address] for action in plan.actions),
        shard=shard,
    )
    execution.announce(RunEnded(result))
    return result


@dataclass
class _Execution:
    writer: RunDependencies
    emit: Emit
    concurrency: int
    abort_on_error: bool
    stop: CancelToken
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    async def carry_out(self, actions: list[Action]) -> None:
        """Run one phase, each integration by one of a few workers."""
        if self._anything_failed():
            self._skip(actions, "something before it did not succeed")
            return
        waiting = iter(actions)
        # While some wait for their intent to be on disk, the others keep every connection busy.
        workers = [
            asyncio.create_task(self._work(waiting))
            for _ in range(min(self.concurrency * 3 // 2, len(actions)))
        ]
        if workers:
            await self._wait(workers)
        self._skip(
            (a for a in actions if a.address not in self.outcomes),
            self.stop.reason or "the run was stopped",
        )

    async def _wait(self, workers: list[asyncio.Task[None]]) -> None:
        """Wait for the workers; once asked to stop, give what is in flight a moment to finish."""
        asked = asyncio.create_task(self.stop.wait())
        everyone = asyncio.create_task(asyncio.wait(workers))
        try:
            await asyncio.wait((asked, everyone), return_when=asyncio.FIRST_COMPLETED)
            if not everyone.done():
                await asyncio.wait((everyone,), timeout=GRACE_SECONDS)
        finally:
            asked.cancel()
            for worker in workers:
                worker.cancel()
            await everyone
        defects = [problem for worker in workers if (problem := worker.exception())]
        if defects:
            raise defects[0]

    async def _work(self, waiting: Iterable[Action]) -> None:
        for action in waiting:
            if self.stop.requested:
                return
            await self._one(action)

    async def _one(self, action: Action) -> None:
        self.announce(ActionStarted(action))
        started = self.writer.timing.clock()
        attempt = self.writer.attempt(action, emit=self.emit, stop=self.stop)
        try:
            await attempt.run()
        except asyncio.CancelledError:
            self.stop.request("the run was cancelled")
            attempt.interrupt()
        outcome = attempt.outcome(duration_ms=round((self.writer.timing.clock() - started) * 1000))
        self._note(action, outcome)
        if attempt.ends_the_run:
            self.stop.request(attempt.ends_the_run)
        elif outcome.status is not Status.APPLIED and self.abort_on_error:
            self.stop.request("stopped at the first failure, as --on-error abort asks")

    def _note(self, action: Action, outcome: Outcome) -> None:
        self.outcomes[action.address] = outcome
        self.announce(ActionEnded(action, outcome))

    def announce(self, event: Event) -> None:
        """Tell the listeners; one that cannot keep its record ends the run, not the report."""
        try:
            self.emit(event)
        except ReconcilerError as problem:
            self.stop.request(problem.summary)

    def _skip(self, actions: Iterable[Action], why: str) -> None:
        for action in actions:
            failure = ActionFailure("skipped", why, hint="run apply again")
            self._note(action, Outcome(action.slug, action.kind, Status.SKIPPED, error=failure))

    def _anything_failed(self) -> bool:
        return any(outcome.status is not Status.APPLIED for outcome in self.outcomes.values())
