"""Create without ever creating twice.

The API has no idempotency key (remote/API.md §7), so a POST is never blindly repeated. A lost
answer is resolved by reading the slug that we chose ourselves; an echoed slug that is not ours is a
stray.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.identifiers import SLUG
from reconciler.domain.integration import Integration
from reconciler.domain.schema import compiled
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.call_sender import created_id
from reconciler.execution.cancellation import ChangedSincePlan, NotConfirmed
from reconciler.execution.verification import created_between, equals_declared
from reconciler.remote.errors import Conflict, Forbidden, NotSent, Rejected, RemoteError

if TYPE_CHECKING:
    from reconciler.execution.action_runner import ActionRunner

SETTLE_PAUSES = (0.5, 1.0, 2.0)
"""Seconds to wait after each POST without an answer before looking; also bounds the POSTs."""

_MAY_ARRIVE = "a create without an answer may have been carried out, or may yet be"


class SlugNotHonoured(ReconcilerError):
    """The API created the integration under another slug than the one we sent."""


class Foreign(ReconcilerError):
    """The slug is taken by something that is plainly not ours."""


async def create(attempt: "ActionRunner", call: Call) -> None:
    """Make the integration exist exactly once, under our slug, with our credential."""
    await _Creation(attempt, call, attempt.writer.timing.wall_clock()).run()
    attempt.doubt = ""
    attempt.sender.settle()


@dataclass
class _Creation:
    """A create under way.

    `lost` are the failures that leave open what became of a POST, `removed` the strays that are
    gone, however long the list still shows them.
    """

    attempt: "ActionRunner"
    call: Call
    began: float
    lost: list[RemoteError] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)

    @property
    def slug(self) -> str:
        return self.attempt.action.slug

    async def run(self) -> None:
        """Send the POST until it is answered, or until reading shows what became of it."""
        problem: RemoteError | None = None
        for pause in SETTLE_PAUSES:
            try:
                reply = await self.attempt.sender.send(self.call)
            except (Conflict, Rejected) as refusal:
                await self._refused(refusal)
                return
            except RemoteError as error:
                if not (error.outcome_unknown or isinstance(error, NotSent)):
                    raise
                problem = error
                self._note_lost(error)
                await self.attempt.writer.timing.sleep(pause)
                if await self._is_resolved():
                    return
            else:
                await self._answered(reply)
                return
        assert problem is not None  # noqa: S101 - there is at least one pause
        if not self.lost:
            raise problem
        raise _unknown(f"{problem.summary}; {_MAY_ARRIVE}", code=problem.code)

    def _note_lost(self, error: RemoteError) -> None:
        if error.outcome_unknown:
            self.lost.append(error)
            self.attempt.doubt = _MAY_ARRIVE

    async def _is_resolved(self) -> bool:
        """Look under our slug; what is there is ours to complete, or somebody else's."""
        found = await self._look(self.slug)
        if found is None:
            return False
        if not self.lost:
            raise ChangedSincePlan(
                "somebody created it after the plan was made",
                code="changed-since-plan",
                hint="plan again; nothing was written to it",
            )
        await self._adopt(found)
        return True

    async def _look(self, slug: str) -> Observed | None:
        """Read what serves under a slug; an archived one is what a delete has left behind."""
        found = await self.attempt.writer.existence.read(slug, certain=True)
        return None if found is None or found.is_archived else found

    async def _refused(self, refusal: RemoteError) -> None:
        """Tell a duplicate that we made ourselves from one that somebody else made."""
        found = await self._look(self.slug)
        if found is None:
            raise refusal
        if self.lost:
            await self._adopt(found)
            return
        refusal.hint = "somebody created it after the plan was made; plan again"
        raise refusal

    async def _adopt(self, found: Observed) -> None:
        """Take over what our own lost POST created, and write it again with the key."""
        if not self._equals_ours(found):
            await self._rule_out_twins()
            self.attempt.doubt = ""
            self.attempt.sender.settle()
            raise Foreign(
                "the slug was taken while our create was under way, by something else",
                code="foreign-integration",
                hint="plan again to see what it is; nothing of it was touched",
            )
        if not self._in_window(found):
            raise NotConfirmed(
                "it equals what we sent, but was not created in the time of our call",
                code="foreign-integration",
                hint="look at it in the console, then plan again; nothing of it was touched",
            )
        fields = compiled(Integration).fields
        body = {
            name: value
            for name, value in (self.call.body or {}).items()
            if name in fields and fields[name].is_updatable
        }
        try:
            await self.attempt.sender.send(Call(OperationName.UPDATE, self.slug, body=body))
        except RemoteError as problem:
            with suppress(RemoteError):
                await self._rule_out_twins()
            raise _unknown(
                f"it was created, and completing it failed: {problem.summary}", code=problem.code
            ) from None
        self.attempt.made = True
        self.attempt.view.identity = found.id
        await self._rule_out_twins()
        self.attempt.warnings.append("the answer to the create was lost; found it and completed it")

    # -- the answer ----------------------------------------------------------------------

    async def _answered(self, reply: Reply) -> None:
        """Compare the slug that the API names with ours."""
        echoed = reply.body.get("slug") if isinstance(reply.body, Mapping) else None
        if echoed == self.slug:
            self.attempt.made = True
            self.attempt.view.identity = created_id(reply, self.slug)
            await self._rule_out_twins()
            return
        if not isinstance(echoed, str) or not SLUG.fullmatch(echoed):
            raise NotConfirmed(
                "the API created it and did not say under which slug",
                code="slug-not-honoured",
                hint="run apply again: it looks whether the slug was honoured",
            )
        self.attempt.doubt = f"the API created {echoed} instead of {self.slug}"
        if not await self._is_removed(echoed):
            raise NotConfirmed(
                f"the API created {echoed} instead of {self.slug}, and it is not certain that it "
                "is ours",
                code="slug-not-honoured",
                hint="compare both in the console and delete the one that is not wanted",
            )
        self.attempt.doubt = _MAY_ARRIVE if self.lost else ""
        await self._taken_or_not_honoured(echoed)

    async def _taken_or_not_honoured(self, echoed: str) -> None:
        """Find out why another slug was given: was ours taken, or does the API choose itself?"""
        if await self._is_resolved():
            return
        await self._rule_out_twins()
        self.attempt.doubt = ""
        self.attempt.sender.settle()
        raise SlugNotHonoured(
            f"the API created {echoed} instead of {self.slug}; it was removed again",
            code="slug-not-honoured",
            hint="this server does not honour chosen slugs, or the slug is reserved; use another",
        )

    async def _is_removed(self, stray: str) -> bool:
        """Remove what was made of our create under another slug, if it is certainly that."""
        writer = self.attempt.writer
        if stray in writer.existence.listed or stray in writer.planned:
            return False
        found = await self._appearing(stray)
        if found is None or not (self._equals_ours(found) and self._in_window(found)):
            return False
        await self.attempt.sender.send(Call(OperationName.DELETE, stray))
        self.removed.add(stray)
        return True

    async def _appearing(self, slug: str) -> Observed | None:
        """Look for what was certainly made and may not be shown yet, or be denied until then."""
        denied: Forbidden | None = None
        for pause in (0.0, *SETTLE_PAUSES):
            if pause:
                await self.attempt.writer.timing.sleep(pause)
            try:
                found = await self._look(slug)
            except Forbidden as problem:
                denied = problem
                continue
            if found is not None:
                return found
        if denied is not None:
            raise denied
        return None

    async def _rule_out_twins(self) -> None:
        """After a lost answer, make sure that no second one was made under another slug.

        What was just made may not be listed yet, so there is a pause before looking. Without an
        echo nobody can be certain whose it is, so it is named and not removed.
        """
        if not self.lost:
            return
        await self.attempt.writer.timing.sleep(SETTLE_PAUSES[-1])
        twins = await self._twins()
        if twins:
            raise NotConfirmed(
                f"{', '.join(twins)} may be a second one of {self.slug}, made of a create whose "
                "answer was lost",
                code="possible-duplicate",
                hint="compare both in the console and delete the one that is not wanted",
            )

    async def _twins(self) -> list[str]:
        """Give what is new in the list and passes for ours under another slug."""
        writer = self.attempt.writer
        known = {*writer.existence.listed, *writer.planned, *self.removed, self.slug}
        twins = []
        for slug in sorted(set(await writer.existence.list_again()) - known):
            found = await self._look(slug)
            if found is not None and self._equals_ours(found) and self._in_window(found):
                twins.append(slug)
        return twins

    # -- the test for adopting and removing ----------------------------------------------

    def _equals_ours(self, found: Observed) -> bool:
        """Compare name, provider and declared configurations with what we sent."""
        declared = self.attempt.action.subject.declared
        return declared is not None and equals_declared(declared, found)

    def _in_window(self, found: Observed) -> bool:
        return created_between(found, self.began, self.attempt.writer.timing.wall_clock())


def _unknown(what: str, *, code: str) -> NotConfirmed:
    return NotConfirmed(
        what, code=code, hint="wait a moment and run apply again: it looks for it first"
    )
