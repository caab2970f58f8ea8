"""Create without ever creating twice.

The API has no idempotency key, so a POST is never blindly repeated. A lost answer is resolved by
reading the slug that we chose ourselves; an echoed slug that is not ours is a stray. The rules and
the figures behind them: reliability.md §1, "No duplicate".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.fields import SLUG
from reconciler.domain.memory import Remembered
from reconciler.domain.state import Declared, Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.stopping import NotConfirmed
from reconciler.planning.comparison import compare
from reconciler.planning.diff import changed_fields
from reconciler.remote.errors import Conflict, NotSent, Rejected, RemoteError

if TYPE_CHECKING:
    from reconciler.execution.integration import Attempt

SETTLE_PAUSES = (0.5, 1.0, 2.0)
"""Seconds to wait after each POST without an answer before looking; also bounds the POSTs."""

CLOCK_SKEW = 120.0
"""Seconds by which the API's clock may differ from ours when a creation time is judged."""

_IDENTIFYING = frozenset({"name", "ai_provider_id", "configurations", "workspace_id"})
_UPDATABLE = frozenset(
    {"name", "key", "description", "configurations", "secret_mappings", "tags"}
    | {"pricing_adjustments"}
)


class SlugNotHonoured(ReconcilerError):
    """The API created the integration under another slug than the one we sent."""


class Foreign(ReconcilerError):
    """The slug is taken by something that is plainly not ours."""


async def create(attempt: "Attempt", call: Call) -> None:
    """Make the integration exist exactly once, under our slug, with our credential."""
    await _Creation(attempt, call, attempt.writer.timing.wall_clock()).run()


@dataclass
class _Creation:
    attempt: "Attempt"
    call: Call
    began: float
    lost: list[RemoteError] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return self.attempt.action.slug

    async def run(self) -> None:
        """Send the POST until it is answered, or until reading shows what became of it."""
        for pause in SETTLE_PAUSES:
            try:
                reply = await self.attempt.send(self.call)
            except (Conflict, Rejected) as refusal:
                await self._refused(refusal)
                return
            except RemoteError as problem:
                if not (problem.outcome_unknown or isinstance(problem, NotSent)):
                    raise
                self.lost.append(problem)
                await self.attempt.writer.timing.sleep(pause)
                found = await self._look(self.slug)
                if found is not None:
                    await self._adopt(found)
                    return
            else:
                await self._check_slug(reply)
                return
        last = self.lost[-1]
        if all(isinstance(problem, NotSent) for problem in self.lost):
            raise last
        raise NotConfirmed(
            f"{last.summary}; it does not exist so far, and may yet arrive",
            code=last.code,
            hint="wait a moment and run apply again: it looks for it first",
        )

    async def _look(self, slug: str) -> Observed | None:
        return await self.attempt.writer.presence.read(slug, models=False, workspaces=False)

    async def _refused(self, refusal: RemoteError) -> None:
        """Tell a duplicate that we made ourselves from one that somebody else made."""
        found = await self._look(self.slug) if self.lost or isinstance(refusal, Conflict) else None
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
        body = {k: v for k, v in (self.call.body or {}).items() if k in _UPDATABLE}
        await self.attempt.send(Call(OperationName.UPDATE, self.slug, body=body))
        self.attempt.warnings.append("the answer to the create was lost; found it and completed it")

    async def _check_slug(self, reply: Reply) -> None:
        echoed = reply.body.get("slug") if isinstance(reply.body, Mapping) else None
        if echoed is None or echoed == self.slug:
            return
        if not isinstance(echoed, str) or not SLUG.fullmatch(echoed):
            raise NotConfirmed(
                "the API answered with a slug that cannot be one",
                code="slug-not-honoured",
                hint="look for it in the console by its name",
            )
        kept = [slug for slug in await self._strays(echoed) if not await self._removed(slug)]
        if kept:
            raise NotConfirmed(
                f"the API created {', '.join(kept)} instead of {self.slug}, and it is not certain "
                "that it is ours",
                code="slug-not-honoured",
                hint="compare both in the console and delete the one that is not wanted",
            )
        raise SlugNotHonoured(
            f"the API created {echoed} instead of {self.slug}; it was removed again",
            code="slug-not-honoured",
            hint="this server does not honour chosen slugs, or the slug is reserved; use another",
        )

    async def _strays(self, echoed: str) -> list[str]:
        """Give the slugs that our POSTs may have created; more than one if an answer was lost."""
        if not self.lost:
            return [echoed]
        writer = self.attempt.writer
        rows = await writer.presence.list_again()
        name = self.call.body.get("name") if self.call.body else None
        others = [
            slug
            for slug, row in rows.items()
            if slug not in writer.presence.listed
            and slug not in writer.planned
            and row.fields.get("name") == name
        ]
        return sorted({echoed, *others})

    async def _removed(self, slug: str) -> bool:
        writer = self.attempt.writer
        if slug in writer.presence.listed or slug in writer.planned:
            return False
        found = await self._look(slug)
        if found is None:
            return True
        if not (self._equals_ours(found) and self._in_window(found)):
            return False
        await self.attempt.send(Call(OperationName.DELETE, slug))
        return True

    def _equals_ours(self, found: Observed) -> bool:
        """Compare name, provider and declared configurations with what we sent."""
        declared = self.attempt.action.subject.declared
        return declared is not None and equals_declared(declared, found)

    def _in_window(self, found: Observed) -> bool:
        if found.created_at is None:
            return False
        try:
            created = datetime.fromisoformat(found.created_at).timestamp()
        except ValueError:
            return False
        now = self.attempt.writer.timing.wall_clock()
        return self.began - CLOCK_SKEW <= created <= now + CLOCK_SKEW


def equals_declared(declared: Declared, found: Observed) -> bool:
    """Tell whether an integration has the name, provider and configurations that we declare."""
    comparison = compare(declared, found, Remembered())
    return not any(
        change.path[0] in _IDENTIFYING
        for change in changed_fields(comparison.found, comparison.wanted)
    )
