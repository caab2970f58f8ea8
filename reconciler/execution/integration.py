"""Write one integration: look again, call in order, look whether it took.

Every write is preceded by a fresh read that must still show what the plan was made from, and
followed by one that must show what was sent. How a POST without an answer is resolved:
`reconciler.execution.creation`. How calls are sent and accounted for: `sending`, beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from reconciler.domain.calls import Call
from reconciler.domain.fields import MODELS_FIELDS, WORKSPACES_FIELDS
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.execution import likeness
from reconciler.execution.bodies import carries_secret
from reconciler.execution.creation import create
from reconciler.execution.events import Emit
from reconciler.execution.outcome import Failure, Outcome, Status
from reconciler.execution.presence import Presence
from reconciler.execution.sending import Sender
from reconciler.execution.stopping import ChangedSincePlan, Interrupted, NotConfirmed, Stop
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.canonical import fingerprint
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import Forbidden, NotFound, RemoteError, Unauthorised
from reconciler.remote.timing import Timing

READ_BACK_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each look after a write; then a difference is a warning (product.md §6)."""

_AGAIN = "run apply again: it reads first and does only what is left"


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
        return Attempt(self, action, Sender(self.api, self.values, action, emit, stop))


@dataclass
class Attempt:
    """One action being carried out, and what is known about how it went.

    `doubt` says what would be left open if the action ended now; `written` that every call was
    made and only looking is left.
    """

    writer: Writer
    action: Action
    sender: Sender
    status: Status = Status.APPLIED
    error: Failure | None = None
    warnings: list[str] = field(default_factory=list)
    doubt: str = ""
    written: bool = False
    stops_the_run: bool = False
    last_seen: Observed | None = None
    seen_after: Observed | None = None

    async def run(self) -> None:
        """Carry the action out; a failure is raised and then told to `fail`."""
        match self.action.kind:
            case ActionKind.CREATE:
                await self._confirm_absent()
                await self._create(self.action.calls)
            case ActionKind.UPDATE:
                await self._confirm_unchanged(await self._look())
                await self._write(self.action.calls)
            case ActionKind.REPLACE:
                await self._keep_whole()
                await self._confirm_unchanged(await self._look())
                await self._replace()
            case ActionKind.DELETE:
                await self._keep_whole()
                await self._delete_unless_gone()
                return
        self.written = True
        await self._read_back()

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
        if await self.writer.presence.serves(self.action.slug):
            raise _changed("it exists now, although the list did not have it")

    async def _confirm_unchanged(self, now: Observed | None) -> None:
        """Compare with what the plan was made from; a later namesake is not the same thing."""
        if now is None:
            raise _changed("it no longer exists")
        before, seen = self.action.precondition, self.action.subject.observed
        self.last_seen = self.last_seen or now
        if seen is not None and None not in (seen.id, now.id) and seen.id != now.id:
            raise _changed("somebody deleted it after the plan was made and created it anew")
        same_print = before.fingerprint in {None, fingerprint(now)}
        if not same_print or before.last_updated_at != now.last_updated_at:
            raise _changed("somebody changed it after the plan was made")

    async def _keep_whole(self) -> None:
        """Read all of what is about to be deleted, so that it can be asked for again."""
        try:
            self.last_seen = await self.writer.presence.read(
                self.action.slug, models=True, workspaces=True
            )
        except RemoteError:
            self.warnings.append("its access could not be read; undo will not bring that back")

    async def _read_back(self) -> None:
        """Look until the API shows what was sent; what it does not show is a warning."""
        left = ["everything"]
        for pause in READ_BACK_PAUSES:
            if pause and not await self._wait(pause):
                break
            try:
                self.seen_after = now = await self._look()
            except Forbidden:
                now = None  # some servers deny what they do not show yet
            except RemoteError as problem:
                self.warnings.append(f"it could not be read back: {problem.summary}")
                return
            left = self._missing(now)
            if not left:
                return
        self.warnings.append(f"the API does not show yet: {', '.join(left)}")

    def _missing(self, now: Observed | None) -> list[str]:
        subject = self.action.subject
        if now is None or now.is_archived or subject.declared is None:
            return ["everything"]
        return likeness.missing(subject.declared, now, subject.remembered)

    async def _wait(self, seconds: float) -> bool:
        """Pause between two looks; a run that was asked to stop does not wait any more."""
        if self.sender.stop.requested:
            return False
        await self.writer.timing.sleep(seconds)
        return True

    # -- writing -------------------------------------------------------------------------

    async def _create(self, calls: Sequence[Call]) -> None:
        await create(self, calls[0])
        await self._write(calls[1:])

    async def _replace(self) -> None:
        delete_call, *rest = self.action.calls
        await self._delete(delete_call)
        try:
            await self._create(rest)
        except ReconcilerError as problem:
            problem.hint = (
                "it was deleted and could not be created anew; run apply again: "
                "its file is complete and a create needs no approval of a replace"
            )
            raise

    async def _delete_unless_gone(self) -> None:
        now = await self._look()
        if now is None or now.is_archived:
            self.warnings.append("it was gone already")
            return
        await self._confirm_unchanged(now)
        await self._delete(self.action.calls[0])

    async def _delete(self, call: Call) -> None:
        """Delete and prove the absence; a 404 or an absence from the list means it is gone."""
        try:
            await self.sender.send(call, last_seen=self.last_seen)
        except (NotFound, Forbidden):
            if await self.writer.presence.serves(self.action.slug, certain=True):
                raise
        except RemoteError as problem:
            if not problem.outcome_unknown:
                raise
            await self._settle_delete(problem)
        else:
            await self._confirm_gone()

    async def _settle_delete(self, problem: RemoteError) -> None:
        try:
            serves = await self.writer.presence.serves(self.action.slug, certain=True)
        except RemoteError:
            serves = True
        if serves:
            _not_confirmed(problem)
        self.sender.settle()

    async def _confirm_gone(self) -> None:
        """Look until it is gone; only what is to be created anew has to be proven absent."""
        must_be_proven = self.action.kind is ActionKind.REPLACE
        self.written = not must_be_proven
        for pause in READ_BACK_PAUSES:
            if pause and not await self._wait(pause):
                break
            try:
                if not await self.writer.presence.serves(self.action.slug, certain=True):
                    return
            except RemoteError as problem:
                if must_be_proven:
                    raise
                self.warnings.append(f"its absence could not be read: {problem.summary}")
                return
        if must_be_proven:
            raise NotConfirmed(
                "it was deleted and is still shown, so it was not created anew",
                code="not-confirmed",
                hint="wait a moment and run apply again",
            )
        self.warnings.append("the API still shows it")

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
            now = await self._look() if alone else None
        except RemoteError:
            now = None
        if self._missing(now):
            _not_confirmed(problem)
        self.sender.settle()
        self.warnings.append("the answer was lost; reading shows that it was carried out")

    # -- the end -------------------------------------------------------------------------

    def fail(self, problem: ReconcilerError) -> None:
        """Record why the action was not carried out, or why that is not known."""
        doubt = self.doubt or self.sender.doubt
        self.status = Status.FAILED
        if doubt or isinstance(problem, NotConfirmed):
            self.status = Status.UNKNOWN
        elif isinstance(problem, Interrupted) and not self.sender.done:
            self.status = Status.SKIPPED
        self.stops_the_run = isinstance(problem, Unauthorised)
        said = "" if isinstance(problem, NotConfirmed) or not doubt else f"; {doubt}"
        self.error = Failure(
            code=problem.code,
            message=problem.summary + said + self._done_before(),
            hint=problem.hint,
            http_status=problem.http_status if isinstance(problem, RemoteError) else None,
        )

    def interrupt(self) -> None:
        """Record that the run ended in the middle of this action."""
        if self.written and not self.doubt:
            self.warnings.append("the run ended before it could be read back")
            return
        reason = self.sender.stop.reason or "the run was stopped"
        self.fail(Interrupted(reason, code="interrupted", hint=_AGAIN))

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
            warnings=tuple(self.warnings),
            seen_after=self.seen_after,
        )


def _changed(what: str) -> ChangedSincePlan:
    return ChangedSincePlan(
        what,
        code="changed-since-plan",
        hint="plan again to see what moved; nothing was written to it",
    )


def _not_confirmed(problem: RemoteError) -> NoReturn:
    raise NotConfirmed(
        f"{problem.summary}; it may or may not have been carried out",
        code=problem.code,
        hint=_AGAIN,
    ) from None
