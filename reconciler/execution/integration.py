"""Write one integration: look again, call in order, look whether it took.

Every write is preceded by a fresh read that must still show what the plan was made from, and
followed by one that must show what was sent. How a POST without an answer is resolved:
`reconciler.execution.creation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.fields import MODELS_FIELDS, WORKSPACES_FIELDS
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.bodies import carries_secret, with_values
from reconciler.execution.creation import create
from reconciler.execution.events import CallEnded, CallStarted, Emit
from reconciler.execution.outcome import Failure, Outcome, Status
from reconciler.execution.presence import Presence
from reconciler.execution.stopping import ChangedSincePlan, Interrupted, NotConfirmed, Stop
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.canonical import fingerprint
from reconciler.planning.comparison import compare
from reconciler.planning.diff import changed_fields
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import Forbidden, NotFound, RemoteError, Unauthorised
from reconciler.remote.timing import Timing

READ_BACK_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each look after a write; then a difference is a warning (product.md §6)."""


@dataclass(frozen=True)
class Writer:
    """What every attempt needs.

    `planned` are the slugs of all actions, so that no attempt takes another's work for a stray.
    """

    api: IntegrationsAPI
    presence: Presence
    planned: frozenset[str]
    values: Mapping[SecretRef, Redacted]
    timing: Timing

    def attempt(self, action: Action, *, emit: Emit, stop: Stop) -> "Attempt":
        """Prepare to carry out one action."""
        return Attempt(self, action, emit, stop)


@dataclass
class Attempt:
    """One action being carried out, and what is known about how it went."""

    writer: Writer
    action: Action
    emit: Emit
    stop: Stop
    status: Status = Status.APPLIED
    error: Failure | None = None
    attempts: int = 0
    request_ids: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    done: list[Call] = field(default_factory=list)
    in_flight: Call | None = None
    stops_the_run: bool = False

    async def run(self) -> None:
        """Carry the action out; a failure is raised and then told to `fail`."""
        match self.action.kind:
            case ActionKind.CREATE:
                await self._confirm_absent()
                await self._create()
            case ActionKind.UPDATE:
                await self._confirm_unchanged()
                await self._calls(self.action.calls)
                await self._read_back()
            case ActionKind.REPLACE:
                await self._confirm_unchanged()
                await self._replace()
            case ActionKind.DELETE:
                if await self._confirm_unchanged(or_gone=True):
                    await self._delete(self.action.calls[0])

    # -- looking -------------------------------------------------------------------------

    async def _look(self) -> Observed | None:
        models, workspaces = self._parts()
        return await self.writer.presence.read(
            self.action.slug, models=models, workspaces=workspaces
        )

    def _parts(self) -> tuple[bool, bool]:
        """Tell whether models and workspaces belong to what this action is about."""
        seen, declared = self.action.subject.observed, self.action.subject.declared
        if seen is not None:
            return seen.models_read, seen.workspaces_read
        fields = declared.fields.keys() if declared is not None else frozenset()
        return bool(fields & MODELS_FIELDS), bool(fields & WORKSPACES_FIELDS)

    async def _confirm_absent(self) -> None:
        if await self.writer.presence.exists(self.action.slug):
            raise ChangedSincePlan(
                "it exists now, although the list did not have it",
                code="changed-since-plan",
                hint="plan again",
            )

    async def _confirm_unchanged(self, *, or_gone: bool = False) -> bool:
        """Compare with the plan's precondition; tell whether it is still there."""
        now = await self._look()
        if now is None:
            if or_gone:
                self.warnings.append("it was gone already")
                return False
            raise ChangedSincePlan(
                "it no longer exists", code="changed-since-plan", hint="plan again"
            )
        before = self.action.precondition
        same_print = before.fingerprint in {None, fingerprint(now)}
        if not same_print or before.last_updated_at != now.last_updated_at:
            raise ChangedSincePlan(
                "somebody changed it after the plan was made",
                code="changed-since-plan",
                hint="plan again to see what moved; nothing was written to it",
            )
        return True

    async def _read_back(self) -> None:
        """Look until the API shows what was sent; what it does not show is a warning."""
        missing: list[str] = []
        for pause in READ_BACK_PAUSES:
            if pause:
                await self.writer.timing.sleep(pause)
            now = await self._look()
            missing = ["everything"] if now is None else self._differences(now)
            if not missing:
                return
        self.warnings.append(f"the API does not show yet: {', '.join(missing)}")

    def _differences(self, now: Observed) -> list[str]:
        subject = self.action.subject
        if subject.declared is None:
            return []
        comparison = compare(subject.declared, now, subject.remembered)
        return [
            ".".join(change.path) for change in changed_fields(comparison.found, comparison.wanted)
        ]

    # -- writing -------------------------------------------------------------------------

    async def _create(self) -> None:
        first, *rest = self.action.calls
        await create(self, first)
        await self._calls(rest)
        await self._read_back()

    async def _replace(self) -> None:
        delete_call, *rest = self.action.calls
        await self._delete(delete_call)
        try:
            await create(self, rest[0])
            await self._calls(rest[1:])
        except ReconcilerError as problem:
            problem.hint = (
                "it was deleted and could not be created anew; run apply again: "
                "its file is complete and a create needs no approval of a replace"
            )
            raise
        await self._read_back()

    async def _delete(self, call: Call) -> None:
        """Delete and prove the absence; a 404 or an absence from the list means it is gone."""
        try:
            await self.send(call)
        except (NotFound, Forbidden) as refusal:
            if await self.writer.presence.exists(self.action.slug, certain=True):
                raise refusal from None
        except RemoteError as problem:
            if not problem.outcome_unknown:
                raise
            if await self.writer.presence.exists(self.action.slug, certain=True):
                raise self._unconfirmed(problem) from None
        else:
            await self._confirm_gone()

    async def _confirm_gone(self) -> None:
        for pause in READ_BACK_PAUSES:
            if pause:
                await self.writer.timing.sleep(pause)
            if not await self.writer.presence.exists(self.action.slug, certain=True):
                return
        if self.action.kind is ActionKind.REPLACE:
            raise NotConfirmed(
                "it was deleted and is still shown, so it was not created anew",
                code="not-confirmed",
                hint="wait a moment and run apply again",
            )
        self.warnings.append("the API still shows it")

    async def _calls(self, calls: tuple[Call, ...] | list[Call]) -> None:
        for call in calls:
            try:
                await self.send(call)
            except RemoteError as problem:
                if not problem.outcome_unknown:
                    raise
                await self._settle(call, problem)

    async def _settle(self, call: Call, problem: RemoteError) -> None:
        """Find out what became of a write without an answer, as far as reading can tell."""
        now = await self._look()
        only_call = len(self.action.calls) == 1
        if (
            now is not None
            and only_call
            and not carries_secret(call)
            and not self._differences(now)
        ):
            self.warnings.append("the answer was lost; reading shows that it was carried out")
            return
        raise self._unconfirmed(problem)

    def _unconfirmed(self, problem: RemoteError) -> NotConfirmed:
        return NotConfirmed(
            f"{problem.summary}; it may or may not have been carried out",
            code=problem.code,
            hint="run apply again: it reads first and does only what is left",
        )

    async def send(self, call: Call) -> Reply:
        """Announce a call, make it, and keep account of it."""
        if self.stop.requested:
            raise Interrupted(self.stop.reason, code="interrupted", hint="run apply again")
        self.emit(CallStarted(self.action, call))
        self.in_flight = call
        try:
            reply = await self.writer.api.call(with_values(call, self.writer.values))
        except RemoteError as problem:
            self.attempts += problem.attempts
            if problem.request_id:
                self.request_ids.append(problem.request_id)
            self.in_flight = None
            self.emit(CallEnded(self.action, call, problem.request_id, error=problem.code))
            raise
        self.in_flight = None
        self.attempts += reply.attempts
        if reply.request_id:
            self.request_ids.append(reply.request_id)
        self.done.append(call)
        self.emit(CallEnded(self.action, call, reply.request_id))
        return reply

    # -- the end -------------------------------------------------------------------------

    def fail(self, problem: ReconcilerError) -> None:
        """Record why the action was not carried out."""
        unknown = isinstance(problem, NotConfirmed)
        self.status = Status.UNKNOWN if unknown else Status.FAILED
        self.stops_the_run = isinstance(problem, Unauthorised)
        if isinstance(problem, Interrupted) and not self.done:
            self.status = Status.SKIPPED
        self.error = Failure(
            code=problem.code,
            message=problem.summary + self._done_before(),
            hint=problem.hint,
            http_status=problem.http_status if isinstance(problem, RemoteError) else None,
        )

    def interrupt(self) -> None:
        """Record that the run ended in the middle of this action."""
        self.status = Status.UNKNOWN if self.in_flight else Status.FAILED
        if not self.in_flight and not self.done:
            self.status = Status.SKIPPED
        self.error = Failure(
            code="interrupted",
            message=(self.stop.reason or "the run was stopped") + self._done_before(),
            hint="run apply again: it reads first and does only what is left",
        )

    def _done_before(self) -> str:
        if not self.done or self.action.kind is ActionKind.DELETE:
            return ""
        names = ", ".join(_NAMES[call.operation] for call in self.done)
        return f" (already done: {names})"

    def outcome(self, *, duration_ms: int) -> Outcome:
        """Give what became of the action."""
        return Outcome(
            slug=self.action.slug,
            kind=self.action.kind,
            status=self.status,
            attempts=self.attempts,
            duration_ms=duration_ms,
            request_ids=tuple(self.request_ids),
            error=self.error,
            warnings=tuple(self.warnings),
        )


_NAMES = {
    OperationName.CREATE: "created",
    OperationName.UPDATE: "fields",
    OperationName.DELETE: "deleted",
    OperationName.UPDATE_MODELS: "models",
    OperationName.DELETE_MODELS: "custom models deleted",
    OperationName.UPDATE_WORKSPACES: "workspaces",
}
