"""Staged rotation of one integration: create its shadow, and remove it again.

Until the new credential is proven, only the shadow has it, so if a run ends at any call, the old
credential stays in use. Nothing is deleted or reused unless it is a shadow that this run or, by the
ledger, an earlier one has created. `reconciler.planning.staging` decides what is staged.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.domain.calls import Call, Reply
from reconciler.domain.identifiers import SLUG
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.call_sender import CallSender
from reconciler.execution.cancellation import ChangedSincePlan, NotConfirmed
from reconciler.execution.verification import READ_BACK_PAUSES, SETTLE_PAUSES, ExistenceCheck
from reconciler.planning.actions import Action, ActionKind, Risk, Staging
from reconciler.planning.removals import delete_calls
from reconciler.planning.staging import mark_of, marked_run
from reconciler.remote.api import Clock
from reconciler.remote.errors import Forbidden, NotFound, RemoteError


def shadow_action(action: Action, staging: Staging) -> Action:
    """Return the action under which the calls of a shadow are announced and recorded."""
    return Action(
        staging.slug,
        ActionKind.CREATE,
        reason=f"the credential of {action.slug} is rotated",
        risk=Risk.CREDENTIAL,
        calls=staging.calls,
    )


@dataclass
class ActionShadow:
    """Shadow of one action; `may_exist` is True once it may have been created.

    `is_edited` is True if another client has changed it so that it is not recognized any more.
    `doubt` is what would be unknown if the run ended now, else an empty string.
    """

    action: Action
    staging: Staging
    run: str
    sender: CallSender
    existence: ExistenceCheck
    clock: Clock
    may_exist: bool = False
    is_edited: bool = False
    doubt: str = ""

    @property
    def slug(self) -> str:
        return self.staging.slug

    def remains(self, problem: ReconcilerError) -> str:
        """Return what a problem leaves behind, as the end of its message; empty for nothing."""
        if not self.may_exist:
            return ""
        if not self.is_edited:
            return f"; its shadow {self.slug} may be left, and the next apply removes it"
        # The problem may be that the shadow could not be removed.
        is_named = problem.code == "shadow-conflict"
        return "" if is_named else f"; {self._edited().summary}"

    @property
    def is_begun(self) -> bool:
        """Whether a call was sent."""
        return bool(self.sender.done or self.sender.unanswered)

    async def free_name(self) -> None:
        """Remove a leftover of an earlier run.

        Raises `ChangedSincePlan` for a foreign integration with the name of the shadow.
        """
        if self.staging.leftover is not None:
            # If the removal fails, the leftover is what the message names.
            self.may_exist = True
            await self._remove(marked_run(self.staging.leftover) or "", is_certain=False)
            self.may_exist = False
        elif await self.existence.exists(self.slug):
            raise self._conflict()

    async def create(self) -> None:
        """Create the shadow with the new credential, and confirm that it is the one that exists.

        Otherwise the credential of another integration could be probed in its place.
        """
        first, *rest = self.staging.calls
        body = {**(first.body or {}), "description": mark_of(self.action.slug, self.run)}
        await self._post(replace(first, body=body))
        for call in rest:
            await self.sender.send(call)
        found = await self._appearing()
        if found is None:
            raise self._not_confirmed("the API does not show it yet, so it was not probed")
        self._require_mark(found, self.run)

    async def remove(self) -> None:
        """Remove the shadow that this run has created, and confirm that it is gone."""
        await self._remove(self.run, is_certain=True)
        self.may_exist = False

    # -- creating ------------------------------------------------------------------------

    async def _post(self, call: Call) -> None:
        # Before the call, because an interruption during it leaves the shadow as well.
        self.may_exist = True
        try:
            reply = await self.sender.send(call)
        except RemoteError as problem:
            if not problem.outcome_unknown:
                self.may_exist = False
                raise
            await self._find_after_loss(problem)
            return
        echoed = reply.body.get("slug") if isinstance(reply.body, Mapping) else None
        if echoed != self.slug:
            await self._remove_stray(echoed, reply)

    async def _find_after_loss(self, problem: RemoteError) -> None:
        """Read the result of a create without a response; raise its problem if that is unknown."""
        # The request may still be on its way, so a read right now would prove nothing.
        await self.clock.sleep(SETTLE_PAUSES[0])
        found = None
        with suppress(RemoteError):  # the failure of the create is reported
            found = await self.existence.appearing(self.slug, self.clock)
        # The mark in the description is the only evidence that this run created it.
        if found is None or marked_run(found) != self.run:
            raise NotConfirmed(
                f"creating the shadow {self.slug} may have been carried out: {problem.summary}",
                code=problem.code,
                hint=f"look for {self.slug} in the console, also with a suffix; run apply again",
            ) from None
        # A create stores all or nothing, so the credential is also stored.
        self.sender.settle()

    async def _remove_stray(self, echoed: object, reply: Reply) -> None:
        """Remove what the API created under another slug, if its id shows that it is ours."""
        # What exists has another slug; the doubt below names it, so that it is not reported twice.
        self.may_exist = False
        identity = reply.body.get("id") if isinstance(reply.body, Mapping) else None
        hint = f"check whether {self.slug} is taken or reserved; set `rotation: {{staged: false}}`"
        message = f"the API created {echoed} instead of {self.slug}"
        # Until it is deleted, the result of an interrupted run must contain its slug.
        self.doubt = message
        if isinstance(echoed, str) and SLUG.fullmatch(echoed):
            found = await self.existence.appearing(echoed, self.clock)
            description = found.fields.get("description") if found is not None else None
            is_ours = description == mark_of(self.action.slug, self.run)
            if found is not None and is_ours and identity in (None, found.id):
                await self.sender.send(delete_calls(echoed)[0])
                self.doubt = ""
                message += f"; {echoed} was deleted"
                raise ChangedSincePlan(message, code="slug-not-honoured", hint=hint)
        message += ", and it may belong to another client"
        raise NotConfirmed(message, code="slug-not-honoured", hint=hint)

    # -- removing ------------------------------------------------------------------------

    async def _remove(self, run: str, *, is_certain: bool) -> None:
        """Delete the shadow of a run; `is_certain` if this run has certainly created it."""
        found = await self._find(is_certain=is_certain)
        if found is None:
            return
        self._require_mark(found, run)
        try:
            await self.sender.send(delete_calls(self.slug)[0])
        except (NotFound, Forbidden):
            if await self.existence.exists(self.slug, certain=True):
                raise
        except RemoteError as problem:
            if not problem.outcome_unknown or not await self._is_gone():
                raise
        else:
            if not await self._is_gone():
                raise self._not_confirmed("the API still returns it")
        self.sender.settle()

    async def _find(self, *, is_certain: bool) -> Observed | None:
        """Return the shadow, None if there is none; raise `NotConfirmed` if it must exist."""
        if not is_certain:
            return await self.existence.read_live(self.slug)
        found = await self._appearing()
        if found is None:
            raise self._not_confirmed("the API does not show it yet, so it was not removed")
        return found

    async def _appearing(self) -> Observed | None:
        """Return the integration with the slug of the shadow, once the API shows it.

        A read of this run's shadow may still show the leftover that was removed before.
        """
        found = await self.existence.appearing(self.slug, self.clock)
        for pause in SETTLE_PAUSES:
            if found is None or marked_run(found) in {None, self.run}:
                break
            await self.clock.sleep(pause)
            found = await self.existence.read_live(self.slug)
        return found

    def _require_mark(self, found: Observed, run: str) -> None:
        """Raise `ChangedSincePlan` unless an integration is the shadow that a run has created."""
        mark = marked_run(found)
        if mark != run:
            # A mark of another run is that of a leftover, which is still recognized.
            self.is_edited = mark is None
            raise self._edited() if self.is_edited else self._conflict()

    async def _is_gone(self) -> bool:
        for pause in READ_BACK_PAUSES:
            if pause:
                await self.clock.sleep(pause)
            if not await self.existence.exists(self.slug, certain=True):
                return True
        return False

    def _conflict(self) -> ChangedSincePlan:
        return ChangedSincePlan(
            f"{self.slug} is now another integration; it was not changed",
            code="shadow-conflict",
            hint=f"check {self.slug} in the console, then plan again",
        )

    def _edited(self) -> ChangedSincePlan:
        return ChangedSincePlan(
            f"another client has edited the shadow {self.slug}, so it was not removed",
            code="shadow-conflict",
            hint=f"check {self.slug} in the console, and delete it if it is left over: it may hold "
            "the new credential",
        )

    def _not_confirmed(self, why: str) -> NotConfirmed:
        return NotConfirmed(
            f"the shadow {self.slug}: {why}",
            code="not-confirmed",
            hint="run apply again: it removes the shadow",
        )
