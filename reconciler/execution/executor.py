"""Carry out a plan in an order in which a failure loses nothing.

Creates and updates run first, in parallel; then replaces, then deletes, each only if all earlier
actions succeeded. One action: `reconciler.execution.action_runner`.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from reconciler.execution.apply_times import TimeCheck
    from reconciler.planning.costs import Costs

# Actions that remove something run only after all actions that can fail without a loss have
# succeeded.
_PHASES: tuple[Collection[ActionKind], ...] = (
    (ActionKind.CREATE, ActionKind.UPDATE),
    (ActionKind.REPLACE,),
    (ActionKind.DELETE,),
)
GRACE_SECONDS = 5.0
"""Time for calls in flight after a request to stop; GitHub kills a job after 10 s."""


async def execute(
    plan: Plan,
    *,
    run: str,
    dependencies: RunDependencies,
    emit: Emit,
    concurrency: int = 10,
    abort_on_error: bool = False,
    cancel: CancelToken | None = None,
    shard: str | None = None,
    break_freeze: str | None = None,
    allow_unsoaked: str | None = None,
    check_time: "TimeCheck | None" = None,
) -> ApplyResult:
    """Carry out every action of a plan and return the outcomes.

    `concurrency` is the maximum number of calls in flight; the client enforces it. `break_freeze`
    is only recorded. `check_time` can skip an action before it begins.

    Raises only what a listener raises at `RunStarted`, before anything is written.
    """
    # The only event that is awaited here: no call may be sent while the ledger does not know the
    # run.
    recorded = emit(RunStarted(run, plan, break_freeze, allow_unsoaked))
    if recorded is not None:
        await recorded
    execution = _Execution(
        dependencies, emit, concurrency, abort_on_error, cancel or CancelToken(), check_time
    )
    for phase in _PHASES:
        await execution.carry_out([a for a in plan.actions if a.kind in phase])
    # Every action gets an outcome: a phase marks actions that no worker took as skipped.
    outcomes = tuple(execution.outcomes[action.address] for action in plan.actions)
    result = ApplyResult(
        run=run,
        target=plan.target,
        plan_digest=plan.digest,
        outcomes=outcomes,
        shard=shard,
        break_freeze=break_freeze,
        allow_unsoaked=allow_unsoaked,
        policies=plan.policies,
        costs=_applied_costs(plan, outcomes),
    )
    execution.announce(RunEnded(result))
    return result


def _applied_costs(plan: Plan, outcomes: Sequence[Outcome]) -> "Costs | None":
    """Return the changes of budgets and prices that were applied, None if there are none."""
    applied = {outcome.slug for outcome in outcomes if outcome.status is Status.APPLIED}
    if plan.costs is None or len(applied) == len(outcomes):
        return plan.costs
    costs = plan.costs.of_slugs(applied)
    return costs if costs.budgets or costs.prices else None


@dataclass
class _Execution:
    dependencies: RunDependencies
    emit: Emit
    concurrency: int
    abort_on_error: bool
    cancel: CancelToken
    check_time: "TimeCheck | None" = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    async def carry_out(self, actions: list[Action]) -> None:
        """Run the actions of one phase on a few workers."""
        if self._anything_failed():
            self._skip(actions, "an earlier action did not succeed")
            return
        # One iterator serves as the queue of all workers: they share a thread and switch only at an
        # await.
        waiting = iter(actions)
        # More workers than calls in flight: some wait for the ledger while others use the API.
        workers = [
            asyncio.create_task(self._work(waiting))
            for _ in range(min(self.concurrency * 3 // 2, len(actions)))
        ]
        if workers:
            await self._wait(workers)
        self._skip(
            (a for a in actions if a.address not in self.outcomes),
            self.cancel.reason or "the run was stopped",
        )

    async def _wait(self, workers: list[asyncio.Task[None]]) -> None:
        """Wait for the workers; after a request to stop, wait at most GRACE_SECONDS longer."""
        # A request to stop must end this wait: workers check it only between two actions, and the
        # retries of an action can take long.
        stopped = asyncio.create_task(self.cancel.wait())
        finished = asyncio.create_task(asyncio.wait(workers))
        try:
            await asyncio.wait((stopped, finished), return_when=asyncio.FIRST_COMPLETED)
            if not finished.done():
                await asyncio.wait((finished,), timeout=GRACE_SECONDS)
        finally:
            stopped.cancel()
            for worker in workers:
                worker.cancel()
            # A cancelled worker still emits how its action ended.
            await finished
        # An action's failure is part of its outcome, so a worker raises only for a defect.
        for worker in workers:
            defect = worker.exception()
            if defect is not None:
                raise defect

    async def _work(self, waiting: Iterable[Action]) -> None:
        for action in waiting:
            if self.cancel.requested:
                return
            # Not between the calls of an action: they belong together, and a part is useless.
            failure = self.check_time(action) if self.check_time is not None else None
            if failure is None:
                await self._run(action)
            else:
                outcome = Outcome(action.slug, action.kind, Status.SKIPPED, error=failure)
                self._end(action, outcome)
                self._abort_after(outcome)

    async def _run(self, action: Action) -> None:
        self.announce(ActionStarted(action))
        clock = self.dependencies.clock.clock
        started = clock()
        runner = self.dependencies.runner(action, emit=self.emit, cancel=self.cancel)
        try:
            await runner.run()
        # Not raised again: the outcome must be recorded, and the stop request ends the worker.
        except asyncio.CancelledError:
            self.cancel.request("the run was cancelled")
            runner.interrupt()
        outcome = runner.outcome(duration_ms=round((clock() - started) * 1000))
        self._end(action, outcome)
        if runner.ends_the_run:
            self.cancel.request(runner.ends_the_run)
        self._abort_after(outcome)

    def _abort_after(self, outcome: Outcome) -> None:
        """Stop a run with --on-error abort unless the action was applied."""
        # A skipped action also counts, because it was not carried out although it was due.
        if outcome.status is not Status.APPLIED and self.abort_on_error:
            self.cancel.request("stopped at the first failure, because of --on-error abort")

    def _end(self, action: Action, outcome: Outcome) -> None:
        self.outcomes[action.address] = outcome
        self.announce(ActionEnded(action, outcome))

    def announce(self, event: Event) -> None:
        """Emit an event; a listener that fails stops the run, and the result is still returned."""
        try:
            self.emit(event)
        except ReconcilerError as problem:
            self.cancel.request(problem.summary)

    def _skip(self, actions: Iterable[Action], reason: str) -> None:
        for action in actions:
            failure = ActionFailure("skipped", reason, hint="run apply again")
            self._end(action, Outcome(action.slug, action.kind, Status.SKIPPED, error=failure))

    def _anything_failed(self) -> bool:
        return any(outcome.status is not Status.APPLIED for outcome in self.outcomes.values())
