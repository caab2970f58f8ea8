"""The temporary integrations of a probe, and their removal, even after failures.

Only integrations created here are changed or deleted. After a create whose response was lost, a
record counts as created here only if it has the name that was sent: no other probe sends that name.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from reconciler.diagnostics import SourceLocation
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import Declared, Observed
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.creates import create_calls
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
class TemporaryIntegration:
    """A temporary integration; `is_certain` once the API has confirmed the create."""

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
class TemporaryIntegrations:
    """The temporary integrations that a probe has created and not yet removed.

    `archived` are the slugs that the API keeps after their delete. `providers` are the default
    providers of removed integrations: the API may keep them, and has no call to remove them.

    `announce` is called whenever the set changes, with a sentence that lists what may be left, or
    an empty string: a command that is interrupted can then report it.
    """

    api: IntegrationsAPI
    name: str
    key: Redacted
    workspace: str | None = None
    announce: Callable[[str], None] = lambda _text: None
    created: dict[str, TemporaryIntegration] = field(default_factory=dict)
    archived: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)
    has_lost_answer: bool = False

    async def create(self, slug: str, *, with_provider: bool = False) -> TemporaryIntegration:
        """Create an integration, and return it with the slug that the API chose.

        A cancelled create is still awaited, because only its response shows what must be removed.
        """
        # Before the call, because an interruption from here on may leave the integration.
        self._announce(TemporaryIntegration(slug))
        sending = asyncio.ensure_future(
            self.api.call(self._create_call(slug, with_provider=with_provider))
        )
        try:
            # Shielded, because a create that was sent cannot be revoked.
            reply = await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending})
            self._record_failed_create(slug, sending)
            raise
        except RemoteError:
            self._record_failed_create(slug, sending)
            raise
        return self._record_created(slug, reply)

    async def remove_all(self) -> list[TemporaryIntegration]:
        """Delete the integrations; return those that still exist, or may exist."""
        await self._find_lost()
        # A copy, because the loop removes entries.
        for integration in list(self.created.values()):
            if await self._remove(integration):
                del self.created[integration.slug]
                if integration.provider_id is not None:
                    self.providers.append(f"provider {integration.provider_id}")
                self._announce()
        return list(self.created.values())

    async def _find_lost(self) -> None:
        """Find a create without a response that got another slug than the one sent."""
        if not self.has_lost_answer:
            return
        try:
            listing = await list_all(self.api)
        except RemoteError:
            return  # remove_all reads the slug that was sent in any case
        for slug, row in listing.rows.items():
            if row.fields.get("name") == self.name and slug not in self.created:
                self._add(TemporaryIntegration(slug, id=row.id, is_certain=True))

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
        # One call, because neither models nor workspaces are declared, which would need separate
        # calls.
        (create,) = create_calls(Declared(slug, fields, SourceLocation("(probe)")))
        return create

    def _record_failed_create(self, slug: str, sending: "asyncio.Future[Reply]") -> None:
        """Record what a create without a usable response may have left."""
        problem = None if sending.cancelled() else sending.exception()
        if problem is None and not sending.cancelled():
            self._record_created(slug, sending.result())
        # Cancelled or without an answer, the create may have arrived.
        elif not isinstance(problem, RemoteError) or problem.outcome_unknown:
            self.has_lost_answer = True
            self._add(TemporaryIntegration(slug))
        else:
            self._announce()

    def _record_created(self, slug: str, reply: Reply) -> TemporaryIntegration:
        receipt = reply.body if isinstance(reply.body, Mapping) else {}
        integration = TemporaryIntegration(
            str(receipt.get("slug") or slug),
            id=_text(receipt.get("id")),
            provider_id=_text(receipt.get("provider_id")),
            is_certain=True,
        )
        self._add(integration)
        return integration

    def _add(self, integration: TemporaryIntegration) -> None:
        known = self.created.get(integration.slug)
        if known is None or integration.is_certain:
            self.created[integration.slug] = integration
        self._announce()

    def _announce(self, *in_flight: TemporaryIntegration) -> None:
        left = [*self.created.values(), *in_flight, *self.providers]
        names = ", ".join(map(str, left))
        self.announce(f"the probe may have left {names}; {HOW_TO_DELETE}" if names else "")

    async def _remove(self, integration: TemporaryIntegration) -> bool:
        """Delete an integration if it was created here; return whether it is certainly gone."""
        try:
            found = await self._read(integration.slug)
        except RemoteError:
            if not integration.is_certain:
                return False
            # It was certainly created here, so it is deleted although it cannot be read.
            found = Observed(integration.slug, {"name": self.name})
        if self._is_gone(integration.slug, found):
            return True
        if (
            not integration.is_certain
            and found is not None
            and found.fields.get("name") != self.name
        ):
            return True  # of another creator: the create of this probe was not carried out
        try:
            await self.api.call(Call(OperationName.DELETE, integration.slug))
        except NotFound:
            pass  # the read that follows decides
        except RemoteError as problem:
            if not problem.outcome_unknown:
                return False
        try:
            return self._is_gone(integration.slug, await self._read(integration.slug))
        except RemoteError:
            return False

    async def _read(self, slug: str) -> Observed | None:
        """Read an integration, or its row in the list if the read itself fails."""
        try:
            return await read_one(self.api, slug)
        except RemoteError as unread:
            listing = await list_all(self.api)
            if listing.nameless or slug in listing.unreadable:
                raise unread from None
            return listing.rows.get(slug)

    def _is_gone(self, slug: str, found: Observed | None) -> bool:
        """Return whether an integration does not exist, and record one that is archived."""
        if found is None:
            return True
        if found.is_archived and slug not in self.archived:
            self.archived.append(slug)
        return found.is_archived


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
