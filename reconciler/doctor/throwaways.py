"""The integrations that a probe creates, and their removal, whatever happens on the way.

Nothing but what was created here is ever changed or deleted. A create whose answer was lost counts
as ours only if the record that is found bears the name that was sent, which no other probe sends.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.diagnostics import SourceLocation
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import Declared, Observed
from reconciler.planning.write_calls import create_calls
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import NotFound, RemoteError
from reconciler.remote.observe import read_one
from reconciler.remote.pagination import list_all

CONFIGURATIONS = {"openai_organization": "org-probe", "openai_project": "project-one"}
HOW_TO_DELETE = (
    "delete each in the console or with `DELETE /integrations/SLUG` of the API, an attached "
    "provider before it; none holds a real credential"
)


@dataclass(slots=True)
class Throwaway:
    """One integration of a probe; `is_certain` once the API has confirmed the create."""

    slug: str
    id: str | None = None
    provider_id: str | None = None
    is_certain: bool = False

    def __str__(self) -> str:
        ids = []
        if self.id:
            ids.append(f"id {self.id}")
        if self.provider_id:
            ids.append(f"provider {self.provider_id}")
        return f"{self.slug} ({', '.join(ids)})" if ids else self.slug


@dataclass
class Throwaways:
    """Everything that a probe has created and not yet removed.

    `providers` are those of removed integrations: whether the API removes them too is not known,
    and no call here can.

    `announce` is called with a sentence whenever that set changes; it is empty when nothing may be
    left, so that a command that is cut short can name what remains.
    """

    api: IntegrationsAPI
    name: str
    key: Redacted
    workspace: str | None = None
    announce: Callable[[str], None] = lambda _text: None
    created: dict[str, Throwaway] = field(default_factory=dict)
    archived: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)
    has_lost_answer: bool = False

    async def create(self, slug: str, *, with_provider: bool = False) -> Throwaway:
        """Create an integration and return it under the slug that the API has given it.

        A cancelled create is waited for: only its answer names what has to be removed.
        """
        self._say(Throwaway(slug))
        sending = asyncio.ensure_future(
            self.api.call(self._create_call(slug, with_provider=with_provider))
        )
        try:
            reply = await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending})
            self._take(slug, sending)
            raise
        except RemoteError:
            self._take(slug, sending)
            raise
        return self._confirmed(slug, reply)

    async def remove_all(self) -> list[Throwaway]:
        """Delete what was created; return what is still there, or may be."""
        await self._find_lost()
        for throwaway in list(self.created.values()):
            if await self._removed(throwaway):
                del self.created[throwaway.slug]
                if throwaway.provider_id is not None:
                    self.providers.append(f"provider {throwaway.provider_id}")
                self._say()
        return list(self.created.values())

    async def _find_lost(self) -> None:
        """Look for a create without an answer under another slug than the one that was sent."""
        if not self.has_lost_answer:
            return
        try:
            listing = await list_all(self.api)
        except RemoteError:
            return  # the slug that was sent is looked at by itself
        for slug, row in listing.rows.items():
            if row.fields.get("name") == self.name and slug not in self.created:
                self._note(Throwaway(slug, id=row.id, is_certain=True))

    def _create_call(self, slug: str, *, with_provider: bool) -> Call:
        fields: dict[str, Any] = {
            "name": self.name,
            "ai_provider_id": "openai",
            "key": self.key,
            "configurations": CONFIGURATIONS,
        }
        if self.workspace is not None:
            fields["workspace_id"] = self.workspace
        if with_provider:
            fields |= {
                name: True
                for name, field in any_provider_schema().fields.items()
                if field.facts.write_only and field.is_flag
            }
        (create,) = create_calls(Declared(slug, fields, SourceLocation("(probe)")))
        return create

    def _take(self, slug: str, sending: "asyncio.Future[Reply]") -> None:
        """Note what a create without a usable answer may have left."""
        problem = None if sending.cancelled() else sending.exception()
        if problem is None and not sending.cancelled():
            self._confirmed(slug, sending.result())
        elif not isinstance(problem, RemoteError) or problem.outcome_unknown:
            self.has_lost_answer = True
            self._note(Throwaway(slug))
        else:
            self._say()

    def _confirmed(self, slug: str, reply: Reply) -> Throwaway:
        receipt = reply.body if isinstance(reply.body, Mapping) else {}
        throwaway = Throwaway(
            str(receipt.get("slug") or slug),
            id=_text(receipt.get("id")),
            provider_id=_text(receipt.get("provider_id")),
            is_certain=True,
        )
        self._note(throwaway)
        return throwaway

    def _note(self, throwaway: Throwaway) -> None:
        known = self.created.get(throwaway.slug)
        if known is None or throwaway.is_certain:
            self.created[throwaway.slug] = throwaway
        self._say()

    def _say(self, *in_flight: Throwaway) -> None:
        left = [*self.created.values(), *in_flight, *self.providers]
        names = ", ".join(map(str, left))
        self.announce(f"the probe may have left {names}; {HOW_TO_DELETE}" if names else "")

    async def _removed(self, throwaway: Throwaway) -> bool:
        """Delete one integration if it is ours; return whether it is certain to be gone."""
        try:
            found = await self._found(throwaway.slug)
        except RemoteError:
            if not throwaway.is_certain:
                return False
            found = Observed(throwaway.slug, {"name": self.name})
        if self._is_gone(throwaway.slug, found):
            return True
        if not throwaway.is_certain and found is not None and found.fields.get("name") != self.name:
            return True  # someone else's: our create was not carried out
        try:
            await self.api.call(Call(OperationName.DELETE, throwaway.slug))
        except NotFound:
            pass  # the look that follows decides
        except RemoteError as problem:
            if not problem.outcome_unknown:
                return False
        try:
            return self._is_gone(throwaway.slug, await self._found(throwaway.slug))
        except RemoteError:
            return False

    async def _found(self, slug: str) -> Observed | None:
        """Read an integration, or its row in the list where reading it proves nothing."""
        try:
            return await read_one(self.api, slug)
        except RemoteError as unread:
            listing = await list_all(self.api)
            if listing.nameless or slug in listing.unreadable:
                raise unread from None
            return listing.rows.get(slug)

    def _is_gone(self, slug: str, found: Observed | None) -> bool:
        if found is not None and found.is_archived and slug not in self.archived:
            self.archived.append(slug)
        return found is None or found.is_archived


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
