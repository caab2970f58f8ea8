"""Algorithm under test, and broken ones that the oracles must catch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler import apply_workflow, workflows
from reconciler.apply_workflow import fresh_list
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.state import Lifecycle, Observed
from reconciler.execution.action_runner import ActionRunner, RunDependencies
from reconciler.execution.call_sender import CallSender
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Emit, Event, RunStarted
from reconciler.execution.executor import execute
from reconciler.execution.preflight import Approval, refuse_blocked
from reconciler.execution.result import ApplyResult, Outcome
from reconciler.execution.verification import ExistenceCheck, ResourceVerifier
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.remote.errors import RemoteError
from reconciler.simulator.validation import UPDATABLE


class Recipe:
    """The real algorithm: `apply_workflow.apply`.

    `draws_rules` if its stories have ignored fields and times in which nothing may be applied.
    """

    draws_rules = True

    async def apply(
        self, session: workflows.Session, options: PlanOptions, *, emit: Emit, run: str
    ) -> apply_workflow.Applied:
        """Plan again and execute the plan."""
        return await apply_workflow.apply(
            session,
            options,
            approval=Approval(assumed=True),
            confirm=lambda _plan: True,
            emit=emit,
            run=run,
            cancel=CancelToken(),
        )


REAL = Recipe()


@dataclass(frozen=True)
class _Dependencies(RunDependencies):
    runners: type[ActionRunner] = ActionRunner

    verifiers: type[ResourceVerifier] = ResourceVerifier

    def runner(self, action: Action, *, emit: Emit, cancel: CancelToken) -> ActionRunner:
        sender = CallSender(self.api, self.values, action, emit, cancel)
        verifier = self.verifiers(action, self.existence, self.clock, cancel)
        return self.runners(self, action, sender, verifier)


class Overwriting(Recipe):
    """Does not know `lifecycle.ignore`."""

    async def apply(
        self, session: workflows.Session, options: PlanOptions, *, emit: Emit, run: str
    ) -> apply_workflow.Applied:
        """Apply files that ignore nothing."""
        files = session.desired.integrations.items()
        integrations = {slug: replace(item, lifecycle=Lifecycle()) for slug, item in files}
        desired = replace(session.desired, integrations=integrations)
        return await super().apply(replace(session, desired=desired), options, emit=emit, run=run)


class Impatient(Recipe):
    """Applies at any time."""

    async def apply(
        self, session: workflows.Session, options: PlanOptions, *, emit: Emit, run: str
    ) -> apply_workflow.Applied:
        """Apply to a target without windows and without a freeze."""
        update = {"windows": (), "freeze": None}
        target = session.desired.target.model_copy(update=update)
        desired = replace(session.desired, target=target)
        return await super().apply(replace(session, desired=desired), options, emit=emit, run=run)


class _Rewritten(Recipe):
    """Recipe that plans like the real algorithm but executes the plan differently."""

    draws_rules = False

    async def apply(
        self, session: workflows.Session, options: PlanOptions, *, emit: Emit, run: str
    ) -> apply_workflow.Applied:
        """Plan again and execute the plan."""
        planned, observed = await workflows.fresh_plan(session, options)
        refuse_blocked(planned)
        dependencies = self.dependencies(
            api=session.api,
            existence=ExistenceCheck(session.api, observed.integrations, fresh_list(session.api)),
            planned=frozenset(action.slug for action in planned.actions),
            values=session.secrets,
            clock=session.clock,
        )
        result = await self.carry_out(planned, dependencies=dependencies, emit=emit, run=run)
        return apply_workflow.Applied(planned, observed, result)

    def dependencies(self, **parts: Any) -> RunDependencies:
        """Return the dependencies that the actions share."""
        return _Dependencies(runners=self.runners, verifiers=self.verifiers, **parts)

    runners: type[ActionRunner] = ActionRunner
    verifiers: type[ResourceVerifier] = ResourceVerifier

    async def carry_out(
        self, planned: Plan, *, dependencies: RunDependencies, emit: Emit, run: str
    ) -> ApplyResult:
        """Execute a plan."""
        return await execute(planned, run=run, dependencies=dependencies, emit=emit, concurrency=3)


class _Blind(ActionRunner):
    async def _create(self, calls: Sequence[Call]) -> None:
        for _ in range(3):
            try:
                await self.sender.send(calls[0])
                break
            except RemoteError as problem:
                if not problem.outcome_unknown:
                    raise
        self.sender.settle()
        await self._write(calls[1:])


class BlindRetry(_Rewritten):
    """Recipe that repeats a POST without a response and trusts the response, like most clients."""

    runners = _Blind


class _Careless(ResourceVerifier):
    async def confirm_absent(self) -> None:
        pass

    async def read(self) -> Observed | None:
        return self.action.subject.observed


class Unguarded(_Rewritten):
    """Recipe that writes without a read right before."""

    verifiers = _Careless


class _NotComparing(ResourceVerifier):
    def confirm_unchanged(self, now: Observed | None) -> None:
        pass


class Forgetful(_Rewritten):
    """Recipe that reads before a write but does not compare the result with the plan."""

    verifiers = _NotComparing


class _Taker(ActionRunner):
    async def _create(self, calls: Sequence[Call]) -> None:
        try:
            await self.sender.send(calls[0])
        except RemoteError:
            body = {k: v for k, v in (calls[0].body or {}).items() if k in UPDATABLE}
            await self.sender.send(Call(OperationName.UPDATE, self.action.slug, body=body))
        self.sender.settle()
        await self._write(calls[1:])


class Gullible(_Rewritten):
    """Recipe that adopts any integration with its slug after a failed create."""

    runners = _Taker


class DeletesFirst(_Rewritten):
    """Recipe that deletes before it creates."""

    async def carry_out(
        self, planned: Plan, *, dependencies: RunDependencies, emit: Emit, run: str
    ) -> ApplyResult:
        """Execute the deletes first, then the rest."""
        emit(RunStarted(run, planned))

        def emit_rest(event: Event) -> None:
            if not isinstance(event, RunStarted):
                emit(event)

        deletes = [a for a in planned.actions if a.kind is ActionKind.DELETE]
        others = [a for a in planned.actions if a.kind is not ActionKind.DELETE]
        outcomes: list[Outcome] = []
        for actions in (deletes, others):
            part = replace(planned, actions=tuple(actions))
            result = await execute(
                part, run=run, dependencies=dependencies, emit=emit_rest, concurrency=3
            )
            outcomes += result.outcomes
        return replace(result, outcomes=tuple(outcomes))


class _Optimist(ActionRunner):
    def _fail(self, problem: Exception) -> None:
        pass


class Optimistic(_Rewritten):
    """Recipe that reports everything as applied."""

    runners = _Optimist
