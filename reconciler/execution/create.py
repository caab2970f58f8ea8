"""Create an integration exactly once.

The API has no idempotency key (remote/API.md §7), so a POST is repeated only after a read shows
that the previous one was not carried out. After a lost response, the chosen slug is read. An
integration that the response names under another slug is a stray.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import field

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.identifiers import SLUG
from reconciler.domain.integration import Integration
from reconciler.domain.schema import compiled
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.call_sender import CallSender, created_id
from reconciler.execution.cancellation import ChangedSincePlan, NotConfirmed
from reconciler.execution.verification import (
    SETTLE_PAUSES,
    ExistenceCheck,
    created_between,
    equals_declared,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action
from reconciler.remote.api import Clock
from reconciler.remote.errors import Conflict, NotSent, Rejected, RemoteError

_MAY_ARRIVE = "a create without a response may have been carried out, or may still be"


class SlugNotHonoured(ReconcilerError):
    """The API created the integration under another slug than the requested one."""


class Foreign(ReconcilerError):
    """An integration that this run certainly did not create has the slug."""


@dataclass(frozen=True, slots=True)
class Created:
    """An integration that this run certainly created under the declared slug.

    `identity` is its id, None if no response contained it; `warnings` are sentences for users.
    """

    identity: str | None
    warnings: tuple[str, ...] = ()


@dataclass
class Creation:
    """Create of one action, from its first POST until its outcome is certain.

    `planned` are the slugs of all actions, so that the integration of another action is not treated
    as a stray. `doubt` describes what would be uncertain if the run ended now. `created` is set as
    soon as the integration exists; the steps after that only rule out a duplicate.
    """

    action: Action
    call: Call
    sender: CallSender
    existence: ExistenceCheck
    planned: Collection[str]
    clock: Clock
    doubt: str = ""
    created: Created | None = None
    _lost: list[RemoteError] = field(default_factory=list)
    """Failures after which it is unknown whether a POST was carried out."""
    _removed: set[str] = field(default_factory=set)
    """Strays that were deleted; the list may still show them."""
    _began: float = 0.0

    @property
    def slug(self) -> str:
        return self.action.slug

    async def run(self) -> Created:
        """Make the integration exist exactly once, under our slug and with our credential."""
        # Uses the wall clock, because the time is compared with the API's `created_at`.
        self._began = self.clock.wall_clock()
        created = await self._post()
        self._settle()
        return created

    def _settle(self) -> None:
        """Record that the outcome of every POST is known, so nothing is in doubt."""
        self.doubt = ""
        self.sender.settle()

    async def _post(self) -> Created:
        """Send the POST until it is answered, or until a read shows its effect."""
        problem: RemoteError | None = None
        for pause in SETTLE_PAUSES:
            try:
                reply = await self.sender.send(self.call)
            # The status for a taken slug may be 409 or 400 (remote/API.md §9).
            except (Conflict, Rejected) as refusal:
                return await self._after_refusal(refusal)
            except RemoteError as error:
                # A request that was not sent can be repeated: nothing has reached the API.
                if not (error.outcome_unknown or isinstance(error, NotSent)):
                    raise
                problem = error
                self._note_lost(error)
                # The request may still be on its way, so a read right now would prove nothing.
                await self.clock.sleep(pause)
                created = await self._found_after_loss()
                if created is not None:
                    return created
            else:
                return await self._after_answer(reply)
        assert problem is not None  # noqa: S101 - there is at least one pause
        if not self._lost:
            raise problem
        raise _unknown(f"{problem.summary}; {_MAY_ARRIVE}", code=problem.code)

    def _note_lost(self, error: RemoteError) -> None:
        if error.outcome_unknown:
            self._lost.append(error)
            self.doubt = _MAY_ARRIVE

    async def _found_after_loss(self) -> Created | None:
        """Complete what a lost POST created; return None if nothing exists under the slug.

        Raises if another client created the integration with the slug.
        """
        found = await self.existence.read_live(self.slug)
        if found is None:
            return None
        if not self._lost:
            # None of our POSTs has reached the API, so another client created it.
            raise ChangedSincePlan(
                "the integration was created after the plan was made",
                code="changed-since-plan",
                hint="plan again; this run did not write to the integration",
            )
        return await self._adopt(found)

    async def _after_refusal(self, refusal: RemoteError) -> Created:
        """Complete a duplicate that one of our earlier POSTs created; raise for any other."""
        found = await self.existence.read_live(self.slug)
        if found is None:
            raise refusal
        if self._lost:
            return await self._adopt(found)
        refusal.hint = "plan again: the integration was created after the plan was made"
        raise refusal

    async def _adopt(self, found: Observed) -> Created:
        """Adopt the integration that a lost POST created, and write it again with the key."""
        if not self._equals_declared(found):
            await self._rule_out_twins()
            self._settle()
            raise Foreign(
                "another client created an integration with this slug during our create",
                code="foreign-integration",
                hint="plan again to compare it; it was not changed",
            )
        # An equal integration may be older than our POST; and the update below would replace its
        # key.
        if not self._in_window(found):
            raise NotConfirmed(
                "an equal integration exists, but this run did not create it",
                code="foreign-integration",
                hint="check it in the console, then plan again; it was not changed",
            )
        # A second POST would be refused; an update certainly stores the key and everything else.
        fields = compiled(Integration).fields
        body = {
            name: value
            for name, value in (self.call.body or {}).items()
            # Whether an update refuses other fields is unknown (remote/API.md §2).
            if name in fields and fields[name].is_updatable
        }
        try:
            await self.sender.send(Call(OperationName.UPDATE, self.slug, body=body))
        except RemoteError as problem:
            # The failed update is reported; a failed search for duplicates must not replace it.
            with suppress(RemoteError):
                await self._rule_out_twins()
            raise _unknown(
                f"the integration was created, but completing it failed: {problem.summary}",
                code=problem.code,
            ) from None
        warning = "the response to the create was lost; the integration was found and completed"
        # Set before the list is read: the integration is ours even if that fails.
        self.created = Created(found.id, warnings=(warning,))
        await self._rule_out_twins()
        return self.created

    # -- the answer ----------------------------------------------------------------------

    async def _after_answer(self, reply: Reply) -> Created:
        """Compare the slug in the response with the requested one; remove a stray."""
        echoed = reply.body.get("slug") if isinstance(reply.body, Mapping) else None
        # Equal slugs are sufficient proof, because a response names what this request created.
        if echoed == self.slug:
            self.created = Created(created_id(reply, self.slug))
            await self._rule_out_twins()
            return self.created
        # A slug from a response becomes part of a URL, so its form is checked first (remote/API.md
        # §1.1).
        if not isinstance(echoed, str) or not SLUG.fullmatch(echoed):
            raise NotConfirmed(
                "the API created the integration, but did not return its slug",
                code="slug-not-honoured",
                hint="run apply again: it checks whether the slug was honoured",
            )
        # Until the stray is gone, an interruption must leave its slug in the result.
        self.doubt = f"the API created {echoed} instead of {self.slug}"
        if not await self._is_removed(echoed):
            raise NotConfirmed(
                f"the API returned {echoed} instead of {self.slug}, and {echoed} may belong to "
                "another client",
                code="slug-not-honoured",
                hint="compare both in the console and delete the duplicate",
            )
        # The stray is gone; only earlier POSTs without a response are still in doubt.
        self.doubt = _MAY_ARRIVE if self._lost else ""
        created = await self._found_after_loss()
        if created is not None:
            return created  # an earlier POST had already created the slug
        await self._rule_out_twins()
        self._settle()
        raise SlugNotHonoured(
            f"the API created {echoed} instead of {self.slug}; {echoed} was deleted",
            code="slug-not-honoured",
            hint="use another slug: the API reserves this one, or does not honour chosen slugs",
        )

    async def _is_removed(self, stray: str) -> bool:
        """Delete the integration that this create made under another slug, if that is certain."""
        # An integration that existed before, or that another action creates, was not created by
        # this POST.
        if stray in self.existence.listed or stray in self.planned:
            return False
        found = await self.existence.appearing(stray, self.clock)
        if found is None or not self._is_ours(found):
            return False
        await self.sender.send(Call(OperationName.DELETE, stray))
        self._removed.add(stray)
        return True

    async def _rule_out_twins(self) -> None:
        """Raise `NotConfirmed` if a lost POST may have created a duplicate under another slug.

        A new integration may not be listed yet, hence the pause before the list is read. Without a
        response that names it, its origin is not certain, so it is reported and not deleted.
        """
        if not self._lost:
            return
        await self.clock.sleep(SETTLE_PAUSES[-1])
        twins = await self._twins()
        if twins:
            raise NotConfirmed(
                f"{', '.join(twins)} may be a duplicate of {self.slug}, made by a create whose "
                "response was lost",
                code="possible-duplicate",
                hint="compare both in the console and delete the duplicate",
            )

    async def _twins(self) -> list[str]:
        """Return the new slugs in the list whose integrations this run may have created."""
        known = {*self.existence.listed, *self.planned, *self._removed, self.slug}
        twins = []
        # Sorted, because messages show the order, and that of the list is unknown (remote/API.md
        # §9).
        for slug in sorted(set(await self.existence.list_again()) - known):
            found = await self.existence.read_live(slug)
            if found is not None and self._is_ours(found):
                twins.append(slug)
        return twins

    # -- evidence of origin --------------------------------------------------------------

    def _is_ours(self, found: Observed) -> bool:
        return self._equals_declared(found) and self._in_window(found)

    def _equals_declared(self, found: Observed) -> bool:
        declared = self.action.subject.declared
        return declared is not None and equals_declared(declared, found)

    def _in_window(self, found: Observed) -> bool:
        """Whether the integration was created while our POSTs were in progress."""
        return created_between(found, self._began, self.clock.wall_clock())


def _unknown(summary: str, *, code: str) -> NotConfirmed:
    return NotConfirmed(
        summary,
        code=code,
        hint="wait a moment and run apply again: it checks first whether the integration exists",
    )
