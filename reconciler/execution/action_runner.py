"""Carry out one action: check that nothing changed, send the calls in order, verify the result.

Only the runner changes its state. Its collaborators keep their own: `CallSender` tracks which calls
were answered, `ResourceVerifier` what was read, and `Creation` what was created.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.policy import Probe, Target
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import ObservedState
from reconciler.errors import ReconcilerError
from reconciler.execution.call_sender import CallSender
from reconciler.execution.cancellation import (
    CancelToken,
    ChangedSincePlan,
    Interrupted,
    NotConfirmed,
)
from reconciler.execution.create import Created, Creation
from reconciler.execution.credential_probe import CredentialProbe, Prober, writes_credential
from reconciler.execution.events import Emit
from reconciler.execution.result import ActionFailure, Outcome, Status
from reconciler.execution.secret_values import carries_secret
from reconciler.execution.verification import ExistenceCheck, ResourceVerifier
from reconciler.planning.actions import Action, ActionKind, Staging
from reconciler.planning.plan import Plan
from reconciler.remote.api import Clock, IntegrationsAPI
from reconciler.remote.errors import (
    DeadlineExceeded,
    Forbidden,
    NotFound,
    RemoteError,
    Unauthorised,
)

if TYPE_CHECKING:
    from reconciler.execution.staging import ActionShadow

_AGAIN = "run apply again: it reads first and makes only the remaining changes"

_RUN_ENDERS: Sequence[tuple[type[ReconcilerError], str]] = (
    (Unauthorised, "the API no longer accepts the API key"),
    (DeadlineExceeded, "the run's deadline passed"),
)
"""Failures that would also affect every later action."""


@dataclass(frozen=True)
class RunDependencies:
    """Dependencies that the actions of a run share.

    `planned` are the slugs of all actions, so that no action treats the integration of another
    action as a stray. `probe` is set if written credentials are probed.
    """

    api: IntegrationsAPI
    existence: ExistenceCheck
    planned: frozenset[str]
    values: Mapping[SecretRef, Redacted]
    clock: Clock
    run: str = ""
    probe: CredentialProbe | None = None

    def runner(self, action: Action, *, emit: Emit, cancel: CancelToken) -> "ActionRunner":
        """Return the runner of one action."""
        sender = CallSender(self.api, self.values, action, emit, cancel)
        verifier = ResourceVerifier(action, self.existence, self.clock, cancel, self.values)
        runner = ActionRunner(self, action, sender, verifier)
        if action.staging is not None:
            runner.shadow = self._shadow(action, action.staging, emit=emit, cancel=cancel)
        return runner

    def _shadow(
        self, action: Action, staging: Staging, *, emit: Emit, cancel: CancelToken
    ) -> "ActionShadow":
        from reconciler.execution.staging import ActionShadow, shadow_action  # for few targets

        of_shadow = shadow_action(action, staging)
        sender = CallSender(self.api, self.values, of_shadow, emit, cancel, of_shadow=True)
        return ActionShadow(action, staging, self.run, sender, self.existence, self.clock)


def dependencies_of(
    planned: Plan,
    observed: ObservedState,
    *,
    api: IntegrationsAPI,
    target: Target,
    values: Mapping[SecretRef, Redacted],
    clock: Clock,
    run: str,
    prober: Prober | None,
    probes_writes: bool,
    list_again: Callable[[], Awaitable[Collection[str]]],
) -> RunDependencies:
    """Return the dependencies of a run; `list_again` returns the slugs of a new complete list.

    Without `probes_writes`, only shadows are probed.
    """
    settings = target.probe or Probe()
    probe = None
    if prober is not None:
        probe = CredentialProbe(prober, settings, after_writes=probes_writes)
    slugs = {action.slug for action in planned.actions}
    shadows = {action.staged_by for action in planned.actions if action.staged_by is not None}
    return RunDependencies(
        api=api,
        existence=ExistenceCheck(
            api,
            # A listed slug exists, whether it is readable or not.
            observed.listed,
            list_again=list_again,
            known_fields=target.known_fields,
        ),
        planned=frozenset(slugs | shadows),
        values=values,
        clock=clock,
        run=run,
        probe=probe,
    )


@dataclass
class ActionRunner:
    """Execution of one action, and its outcome.

    `creation` is the create of a new integration, once it has started. `written` is True when every
    call was answered and only verification is left. `is_probed` is True once the written credential
    is proven to work. `shadow` is set if the credential is tested in a shadow first. `ends_the_run`
    is the reason why no later action can succeed, else empty.
    """

    dependencies: RunDependencies
    action: Action
    sender: CallSender
    verifier: ResourceVerifier
    status: Status = Status.APPLIED
    error: ActionFailure | None = None
    warnings: list[str] = field(default_factory=list)
    creation: Creation | None = None
    written: bool = False
    is_probed: bool = False
    shadow: "ActionShadow | None" = None
    ends_the_run: str = ""

    async def run(self) -> None:
        """Carry out the action; `outcome` returns how it ended, even after a cancellation."""
        try:
            if self._probe is None:
                await self._carry_out()
            else:
                # Before the first read, because the integration can change during this wait.
                async with self._probe.turn():
                    await self._carry_out()
        except ReconcilerError as problem:
            self._fail(problem)
            await self._read_partial_create()

    async def _carry_out(self) -> None:
        if self.action.kind is ActionKind.DELETE:
            await self.verifier.read_whole()
            await self._delete_unless_gone()
            return  # `_delete` has confirmed its absence
        await self._confirm_planned()
        if self.shadow is None:
            await self._write_all()
        else:
            await self._write_staged(self.shadow)
        after = self._probe if self._probe is not None and self._probe.after_writes else None
        # An unproven credential must not count as an applied action if the run ends now.
        self.written = after is None
        await self.verifier.read_back()
        if after is not None:
            await after.require_alive(self.action, stale=self.verifier.stale_secrets)
            self.is_probed = True

    @property
    def _probe(self) -> CredentialProbe | None:
        """Return the probe of an action that writes a credential, None if it is not probed."""
        return self.dependencies.probe if writes_credential(self.action) else None

    async def _confirm_planned(self) -> None:
        """Raise `ChangedSincePlan` unless the integration is what the plan was made from."""
        if self.action.kind is ActionKind.CREATE:
            # A POST for a slug that was taken in the meantime may be answered with another slug
            # instead of a refusal (remote/API.md §9).
            await self.verifier.confirm_absent()
            return
        if self.action.kind is ActionKind.REPLACE:
            await self.verifier.read_whole()
        self.verifier.confirm_unchanged(await self.verifier.read())

    # -- writing -------------------------------------------------------------------------

    async def _write_all(self) -> None:
        match self.action.kind:
            case ActionKind.CREATE:
                await self._create(self.action.calls)
            case ActionKind.REPLACE:
                await self._replace()
            case _:
                await self._write(self.action.calls)

    async def _write_staged(self, shadow: "ActionShadow") -> None:
        """Write what was planned once its credential is proven in a shadow."""
        assert self._probe is not None  # noqa: S101 - preflight refuses a staged plan without it
        try:
            await shadow.free_name()
            await self._probe.require_free_name(self.action, in_shadow=shadow.slug)
            await shadow.create()
            await self._probe.require_alive(self.action, in_shadow=shadow.slug)
            self.is_probed = True
            # Again: the integration can have changed while its shadow was probed.
            await self._confirm_planned()
            await self._write_all()
        except ReconcilerError:
            if shadow.may_exist:
                # The failure is reported; the next apply removes what cannot be removed now.
                with suppress(ReconcilerError):
                    await shadow.remove()
            raise
        await shadow.remove()

    async def _create(self, calls: Sequence[Call]) -> None:
        shared = self.dependencies
        self.creation = Creation(
            self.action,
            calls[0],
            self.sender,
            shared.existence,
            planned=shared.planned,
            clock=shared.clock,
        )
        created = await self.creation.run()
        self.warnings += created.warnings
        self.verifier.expect(created.identity)
        await self._write(calls[1:])

    async def _replace(self) -> None:
        delete_call, *rest = self.action.calls
        # The new integration has a new id, so it would not match the old one.
        self.verifier.expect(None)
        if await self._delete(delete_call):
            await self.verifier.prove_gone()
        try:
            await self._create(rest)
        except ReconcilerError as problem:
            problem.hint = (
                "run apply again: the integration was deleted and could not be re-created; "
                "the next plan creates it from its file, which needs no approval of a replace"
            )
            raise

    async def _delete_unless_gone(self) -> None:
        found = await self.verifier.read()
        if found is None:
            # The API can answer 404 permanently for a listed record (remote/API.md §6), so a 404
            # alone is no proof.
            await self._confirm_unlisted()
        if found is None or found.is_archived:
            self.warnings.append("the integration no longer existed")
            return
        self.verifier.confirm_unchanged(found)
        if await self._delete(self.action.calls[0]):
            self.written = True
            await self.verifier.confirm_gone()

    async def _confirm_unlisted(self) -> None:
        """Raise if the list shows an integration that a read reports missing: neither is proven."""
        if self.action.slug in await self.dependencies.existence.list_again():
            raise ChangedSincePlan(
                "the list contains it, but reading it returned 404",
                code="listed-not-found",
                hint="check it in the console, then plan again; nothing was deleted",
            )

    async def _delete(self, call: Call) -> bool:
        """Send a delete; return whether the absence still has to be confirmed.

        After a refusal or a lost response, this method confirms it or raises the failure.
        """
        try:
            await self.sender.send(call, last_seen=self.verifier.last_seen)
        except (NotFound, Forbidden):
            # The API also answers 403 for an integration that does not exist.
            if await self.dependencies.existence.exists(self.action.slug, certain=True):
                raise
        except RemoteError as problem:
            if not problem.outcome_unknown:
                raise
            await self._settle_delete(problem)
        else:
            return True
        return False

    async def _settle_delete(self, problem: RemoteError) -> None:
        try:
            gone = await self._is_gone()
        except RemoteError:
            # The failure of the delete is reported; after a failed read, it is only not proven.
            gone = False
        if not gone:
            _not_confirmed(problem)
        self.sender.settle()

    async def _is_gone(self) -> bool:
        """Whether both a read and the list show that it was deleted; a read alone may be stale."""
        existence, slug = self.dependencies.existence, self.action.slug
        found = await existence.read(slug, certain=True)
        if found is not None:
            return found.is_archived
        return slug not in await existence.list_again()

    async def _write(self, calls: Sequence[Call]) -> None:
        for call in calls:
            try:
                await self.sender.send(call)
            except RemoteError as problem:
                if not problem.outcome_unknown:
                    raise
                await self._settle_write(call, problem)

    async def _settle_write(self, call: Call, problem: RemoteError) -> None:
        """Check whether a write without a response was carried out, if a read can prove it."""
        # With several calls or a secret, a read does not prove that this call took effect.
        is_provable = len(self.action.calls) == 1 and not carries_secret(call)
        try:
            found = await self.verifier.read() if is_provable else None
        except RemoteError:
            found = None
        if self.verifier.missing(found):
            _not_confirmed(problem)
        self.sender.settle()
        self.warnings.append(
            "the response was lost, but a read shows that the call was carried out"
        )

    # -- the end -------------------------------------------------------------------------

    @property
    def _created(self) -> Created | None:
        return self.creation.created if self.creation is not None else None

    @property
    def _doubt(self) -> str:
        """Return what would be unknown if the action ended now, else an empty string."""
        doubts = [part.doubt for part in (self.creation, self.shadow, self.sender) if part]
        return next(filter(None, doubts), "")

    async def _read_partial_create(self) -> None:
        """Read the result of a partly failed create; a mask from a later read proves nothing."""
        # After a rejected key or a passed deadline, this read would also fail.
        if self._created is None or self.ends_the_run:
            return
        self.verifier.expect(self._created.identity)
        # The failure of the create is reported and must not be replaced by that of the read.
        with suppress(RemoteError):
            await self.verifier.read_once()

    def _fail(self, problem: ReconcilerError) -> None:
        """Record why the action was not carried out, or why the outcome is unknown."""
        doubt = self._doubt
        self.status = Status.FAILED
        if doubt or isinstance(problem, NotConfirmed):
            self.status = Status.UNKNOWN
        # A stop before the first write skips the action; after it, the action is incomplete.
        elif isinstance(problem, Interrupted | DeadlineExceeded) and not self._is_begun:
            self.status = Status.SKIPPED
        reasons = (reason for kind, reason in _RUN_ENDERS if isinstance(problem, kind))
        self.ends_the_run = next(reasons, "")
        # The message of NotConfirmed already describes the doubt.
        left_open = "" if isinstance(problem, NotConfirmed) or not doubt else f"; {doubt}"
        if self.shadow is not None:
            left_open += self.shadow.remains(problem)
        self.error = ActionFailure(
            code=problem.code,
            message=problem.summary + left_open + self._done_before(),
            hint=problem.hint,
            http_status=problem.http_status if isinstance(problem, RemoteError) else None,
        )

    @property
    def _is_begun(self) -> bool:
        """Whether a write was sent, including writes to the shadow."""
        return bool(self.sender.done) or (self.shadow is not None and self.shadow.is_begun)

    def interrupt(self) -> None:
        """Record that the run ended during this action."""
        if self.error is not None:
            return  # the action had failed before
        # Every call was answered, so the action is applied, although it was not verified.
        if self.written and not self._doubt:
            self.warnings.append("the run ended before the result could be read back")
            return
        reason = self.sender.cancel.reason or "the run was stopped"
        self._fail(Interrupted(reason, code="interrupted", hint=_AGAIN))

    def _done_before(self) -> str:
        if not self.sender.done or self.action.kind is ActionKind.DELETE:
            return ""
        return f" (already done: {self.sender.progress})"

    def outcome(self, *, duration_ms: int) -> Outcome:
        """Return how the action ended."""
        return Outcome(
            slug=self.action.slug,
            kind=self.action.kind,
            status=self.status,
            attempts=self.sender.attempts,
            duration_ms=duration_ms,
            request_ids=tuple(self.sender.request_ids),
            error=self.error,
            warnings=(*self.warnings, *self.verifier.warnings),
            half_done="" if self.status is Status.APPLIED else self.sender.half_done,
            seen_after=self.verifier.seen_after,
            accepted=self._accepted(),
            identity=self._identity(),
            is_unconfirmed=self.verifier.is_unconfirmed,
            is_probed=self.is_probed,
        )

    def _accepted(self) -> frozenset[OperationName]:
        """Return the kinds of writes that were certainly carried out on the created integration."""
        if self._created is None:
            return frozenset()
        return frozenset(call.operation for call in self.sender.done)

    def _identity(self) -> str | None:
        """Return the id of the updated or created integration, None if it is not certain."""
        created, seen = self._created, self.verifier.seen_after
        if created is not None:
            known = created.identity
        elif self.action.kind is ActionKind.UPDATE:
            known = self.verifier.identity
        else:
            return None
        return known or (seen.id if seen is not None else None)


def _not_confirmed(problem: RemoteError) -> NoReturn:
    raise NotConfirmed(
        f"{problem.summary}; the call may or may not have been carried out",
        code=problem.code,
        hint=_AGAIN,
    ) from None
