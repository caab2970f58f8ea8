"""Write one integration: look again, call in order, look whether it took.

What is looked at: `reconciler.execution.verification`. How calls are sent and accounted for:
`sending`. How a POST without an answer is resolved: `creation`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from reconciler.domain.calls import Call
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.errors import ReconcilerError
from reconciler.execution.call_sender import CallSender
from reconciler.execution.cancellation import (
    CancelToken,
    ChangedSincePlan,
    Interrupted,
    NotConfirmed,
)
from reconciler.execution.create import create
from reconciler.execution.events import Emit
from reconciler.execution.result import ActionFailure, Outcome, Status
from reconciler.execution.secret_values import carries_secret
from reconciler.execution.verification import ExistenceCheck, ResourceVerifier
from reconciler.planning.actions import Action, ActionKind
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.clock import Clock
from reconciler.remote.errors import (
    DeadlineExceeded,
    Forbidden,
    NotFound,
    RemoteError,
    Unauthorised,
)

_AGAIN = "run apply again: it reads first and does only what is left"

_ENDS: Sequence[tuple[type[ReconcilerError], str]] = (
    (Unauthorised, "the API no longer accepts our credential"),
    (DeadlineExceeded, "the run's deadline passed"),
)
"""What one action meets and every later one would meet, too."""


@dataclass(frozen=True)
class RunDependencies:
    """What every attempt needs.

    `planned` are the slugs of all actions, so that no attempt takes another's work for a stray.
    """

    api: IntegrationsAPI
    existence: ExistenceCheck
    planned: frozenset[str]
    values: Mapping[SecretRef, Redacted]
    timing: Clock

    def attempt(self, action: Action, *, emit: Emit, stop: CancelToken) -> "ActionRunner":
        """Prepare to carry out one action."""
        sender = CallSender(self.api, self.values, action, emit, stop)
        view = ResourceVerifier(action, self.existence, self.timing, stop, self.values)
        return ActionRunner(self, action, sender, view)


@dataclass
class ActionRunner:
    """One action being carried out, and what is known about how it went.

    `doubt` says what would be left open if the action ended now; `made` that the integration under
    our slug is certainly of our making; `written` that every call was made and only looking is
    left. `ends_the_run` is why no other action can do better, empty where one may.
    """

    writer: RunDependencies
    action: Action
    sender: CallSender
    view: ResourceVerifier
    status: Status = Status.APPLIED
    error: ActionFailure | None = None
    warnings: list[str] = field(default_factory=list)
    doubt: str = ""
    made: bool = False
    written: bool = False
    ends_the_run: str = ""

    async def run(self) -> None:
        """Carry the action out; how that went is known afterwards, also when it was cut off."""
        try:
            await self._carry_out()
        except ReconcilerError as problem:
            self._fail(problem)
            await self._look_once()

    async def _carry_out(self) -> None:
        match self.action.kind:
            case ActionKind.CREATE:
                await self.view.confirm_absent()
                await self._create(self.action.calls)
            case ActionKind.UPDATE:
                self.view.confirm_unchanged(await self.view.read())
                await self._write(self.action.calls)
            case ActionKind.REPLACE:
                await self.view.read_whole()
                self.view.confirm_unchanged(await self.view.read())
                await self._replace()
            case ActionKind.DELETE:
                await self.view.read_whole()
                await self._delete_unless_gone()
                return
        self.written = True
        await self.view.read_back()

    # -- writing -------------------------------------------------------------------------

    async def _create(self, calls: Sequence[Call]) -> None:
        await create(self, calls[0])
        await self._write(calls[1:])

    async def _replace(self) -> None:
        delete_call, *rest = self.action.calls
        self.view.identity = None
        if await self._delete(delete_call):
            await self.view.prove_gone()
        try:
            await self._create(rest)
        except ReconcilerError as problem:
            problem.hint = (
                "it was deleted and could not be created anew; run apply again: "
                "its file is complete and a create needs no approval of a replace"
            )
            raise

    async def _delete_unless_gone(self) -> None:
        now = await self.view.read()
        if now is None:
            await self._confirm_unlisted()
        if now is None or now.is_archived:
            self.warnings.append("it was gone already")
            return
        self.view.confirm_unchanged(now)
        if await self._delete(self.action.calls[0]):
            self.written = True
            await self.view.confirm_gone()

    async def _confirm_unlisted(self) -> None:
        """Raise if the list still shows what a read says is missing: then neither is proven."""
        if self.action.slug in await self.writer.existence.list_again():
            raise ChangedSincePlan(
                "the list shows it, and reading it was answered with 404",
                code="listed-not-found",
                hint="look at it in the console, then plan again; nothing was deleted",
            )

    async def _delete(self, call: Call) -> bool:
        """Delete, and tell whether its absence is still to be seen.

        A refusal or a lost answer is followed by a look of its own; absence means it is gone.
        """
        try:
            await self.sender.send(call, last_seen=self.view.last_seen)
        except (NotFound, Forbidden):
            if await self.writer.existence.exists(self.action.slug, certain=True):
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
            gone = False
        if not gone:
            _not_confirmed(problem)
        self.sender.settle()

    async def _is_gone(self) -> bool:
        """Return whether a read and the list agree that it is gone; one read may be a stale one."""
        existence, slug = self.writer.existence, self.action.slug
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
        """Find out what became of a write without an answer, as far as reading can tell."""
        alone = len(self.action.calls) == 1 and not carries_secret(call)
        try:
            now = await self.view.read() if alone else None
        except RemoteError:
            now = None
        if self.view.missing(now):
            _not_confirmed(problem)
        self.sender.settle()
        self.warnings.append("the answer was lost; reading shows that it was carried out")

    # -- the end -------------------------------------------------------------------------

    async def _look_once(self) -> None:
        """See what a create that went no further has left: later, its mask would prove nothing."""
        if self.made and not self.ends_the_run:
            with suppress(RemoteError):
                now = await self.writer.existence.read(self.action.slug)
                self.view.seen_after = None if self.view.is_namesake(now) else now

    def _fail(self, problem: ReconcilerError) -> None:
        """Record why the action was not carried out, or why that is not known."""
        doubt = self.doubt or self.sender.doubt
        self.status = Status.FAILED
        if doubt or isinstance(problem, NotConfirmed):
            self.status = Status.UNKNOWN
        elif isinstance(problem, Interrupted | DeadlineExceeded) and not self.sender.done:
            self.status = Status.SKIPPED
        self.ends_the_run = next((why for kind, why in _ENDS if isinstance(problem, kind)), "")
        said = "" if isinstance(problem, NotConfirmed) or not doubt else f"; {doubt}"
        self.error = ActionFailure(
            code=problem.code,
            message=problem.summary + said + self._done_before(),
            hint=problem.hint,
            http_status=problem.http_status if isinstance(problem, RemoteError) else None,
        )

    def interrupt(self) -> None:
        """Record that the run ended in the middle of this action."""
        if self.error is not None:
            return  # it had ended before
        if self.written and not self.doubt:
            self.warnings.append("the run ended before it could be read back")
            return
        reason = self.sender.stop.reason or "the run was stopped"
        self._fail(Interrupted(reason, code="interrupted", hint=_AGAIN))

    def _done_before(self) -> str:
        if not self.sender.done or self.action.kind is ActionKind.DELETE:
            return ""
        return f" (already done: {self.sender.progress})"

    def outcome(self, *, duration_ms: int) -> Outcome:
        """Give what became of the action."""
        return Outcome(
            slug=self.action.slug,
            kind=self.action.kind,
            status=self.status,
            attempts=self.sender.attempts,
            duration_ms=duration_ms,
            request_ids=tuple(self.sender.request_ids),
            error=self.error,
            warnings=(*self.warnings, *self.view.warnings),
            seen_after=self.view.seen_after,
            accepted=frozenset(call.operation for call in self.sender.done if self.made),
            identity=self._identity(),
        )

    def _identity(self) -> str | None:
        """Return the id of what was updated or created; None where that is not certain."""
        if self.action.kind is not ActionKind.UPDATE and not self.made:
            return None
        seen = self.view.seen_after
        return self.view.identity or (seen.id if seen is not None else None)


def _not_confirmed(problem: RemoteError) -> NoReturn:
    raise NotConfirmed(
        f"{problem.summary}; it may or may not have been carried out",
        code=problem.code,
        hint=_AGAIN,
    ) from None
