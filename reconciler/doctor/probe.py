"""Ask the API its open questions on integrations of our own, and leave nothing behind.

The questions are those of remote/API.md §9 that decide how a write has to look. The credential is
made up, so nothing of value is stored; whatever was created is deleted, also when a step fails.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.doctor.checks import Check, fail, ok, warn
from reconciler.doctor.paging import largest_page, sort_order
from reconciler.doctor.throwaways import CONFIGURATIONS, HOW_TO_DELETE, Throwaway, Throwaways
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.schema import integration_schema
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Tree
from reconciler.planning.access_lists import NO_ACCESS, NO_MODELS
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import (
    Answered,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    RemoteError,
)
from reconciler.remote.observe import read_one
from reconciler.remote.pagination import list_all

NOT_ASKED = "not asked: "
"""How the answer of a question begins that cannot be asked here."""

_AFTER = {"openai_project": "project-two"}
_CUSTOM_HOST = "https://example.com/v1"
_UNKNOWN_FIELD = "reconcile_probe"
_OTHER_PROVIDER = "anthropic"
_MASKED = re.compile(r"([^*•…]*)([*•…]+)([^*•…]*)")
_REFUSALS = (Rejected, Conflict, Forbidden, NotFound)
"""Answers to the request itself; a fault of the server says nothing about the question."""


@dataclass
class Probe:
    """Throw-away integrations. `answers` grows with every question the API has answered."""

    api: IntegrationsAPI
    slug: str
    key: Redacted
    workspace: str | None = None
    announce: Callable[[str], None] = lambda _text: None
    answers: dict[str, str] = field(default_factory=dict)
    throwaways: Throwaways = field(init=False)

    def __post_init__(self) -> None:
        self.throwaways = Throwaways(
            self.api,
            f"reconcile doctor --probe, to be deleted ({self.slug})",
            self.key,
            workspace=self.workspace,
            announce=self.announce,
        )

    async def run(self) -> Check:
        """Ask everything, clean up, and report whether both worked."""
        problem: RemoteError | None = None
        try:
            await self._ask_everything()
        except RemoteError as stopped:
            problem = stopped
        finally:
            left = await self._clean_up()
        if left:
            names = ", ".join(map(str, left))
            return fail("probe", f"still there, or perhaps: {names}", HOW_TO_DELETE)
        if isinstance(problem, Forbidden):
            return fail(
                "probe",
                f"the key may not write: {problem.summary}",
                "an apply needs the scopes .create, .update and .delete",
            )
        if problem is not None:
            return fail("probe", f"it ended early: {problem.summary}", problem.hint)
        asked = [said for said in self.answers.values() if not said.startswith(NOT_ASKED)]
        archived = ", ".join(self.throwaways.archived)
        kept = f"this API keeps what it deletes, archived: {archived}"
        what_is_left = kept if archived else f"{self.slug} is gone again"
        summary = f"{len(asked)} questions answered, {what_is_left}"
        if self.throwaways.providers:
            providers = ", ".join(self.throwaways.providers)
            hint = f"look in workspace {self.workspace}, and delete it there in the console"
            return warn("probe", f"{summary}; {providers} may be left", hint)
        return ok("probe", summary)

    async def _clean_up(self) -> list[Throwaway]:
        """Remove everything to the end, also where the probe is cancelled meanwhile."""
        removing = asyncio.ensure_future(self.throwaways.remove_all())
        try:
            return await asyncio.shield(removing)
        except asyncio.CancelledError:
            await asyncio.wait({removing})
            raise

    async def _ask_everything(self) -> None:
        created = await self.throwaways.create(self.slug)
        honoured = created.slug == self.slug
        self.answers["chosen_slug"] = "honoured" if honoured else "replaced"
        self.slug = created.slug
        questions: Mapping[str, Callable[[], Awaitable[str]]] = {
            "access_touches_integration": self._access_touches,
            "masked_key": self._mask,
            "duplicate_slug": self._duplicate,
            "configurations_put": self._configurations,
            "description_null": lambda: self._description(None),
            "description_empty": lambda: self._description(""),
            "empty_put": self._empty_put,
            "unknown_field_put": self._unknown_field,
            "provider_auth_type": self._provider_auth_type,
            "immutable_field_put": self._immutable_field,
        }
        for name, question in questions.items():
            self.answers[name] = await question()
        await self.api.call(Call(OperationName.DELETE, self.slug))
        self.answers["get_after_delete"] = await self._look_after_delete()
        self.answers["listed_after_delete"] = await self._listed()
        self.answers["slug_reuse"] = await self._reuse()
        await self.throwaways.create(f"{self.slug}-z")
        last = await self.throwaways.create(f"{self.slug}-y")
        self.answers["sort_order"] = await sort_order(self.api)
        self.answers["models_touch_integration"] = await self._models_touch(last.slug)
        self.answers["largest_page"] = await largest_page(self.api)
        self.answers["delete_with_provider"] = await self._delete_with_provider()

    # -- questions -----------------------------------------------------------------------

    async def _access_touches(self) -> str:
        """Write the access that the integration has already: none."""
        if self.workspace is not None:
            return NOT_ASKED + "an integration of a workspace grants access to no other"
        write = Call(OperationName.UPDATE_WORKSPACES, self.slug, body=NO_ACCESS)
        return await self._touches(write)

    async def _models_touch(self, slug: str) -> str:
        return await self._touches(Call(OperationName.UPDATE_MODELS, slug, body=NO_MODELS))

    async def _touches(self, write: Call) -> str:
        """Write to an integration that was never updated, so that its time of update is not set.

        A time that is set already may stay the same because clocks are coarse.
        """
        before = await self._last_updated_at(write.slug)
        try:
            await self.api.call(write)
        except _REFUSALS as refusal:
            return _said(refusal)
        if await self._last_updated_at(write.slug) != before:
            return "yes"
        return "no" if before is None else "not seen, last_updated_at is set from the start"

    async def _last_updated_at(self, slug: str | None) -> str | None:
        found = await read_one(self.api, slug or "")
        return found.last_updated_at if found is not None else None

    async def _mask(self) -> str:
        shown = (await self._seen()).fields.get("key")
        if not isinstance(shown, Mask):
            return "not shown"
        form = _MASKED.fullmatch(shown.text)
        if form is None:
            return "of an unknown form"
        before, stars, after = form.groups()
        fits = self.key.judged_by(shown) is not MaskVerdict.CONTRADICTS
        agrees = "as sent" if fits else "not as sent"
        return f"{len(before)} + {stars} + {len(after)} characters, {agrees}"

    async def _duplicate(self) -> str:
        try:
            other = await self.throwaways.create(self.slug)
        except _REFUSALS as refusal:
            return _said(refusal)
        return "accepted" if other.slug == self.slug else f"created {other.slug} instead"

    async def _configurations(self) -> str:
        await self._update({"configurations": _AFTER})
        stored = (await self._seen()).fields.get("configurations")
        kept = isinstance(stored, Mapping) and "openai_organization" in stored
        return "merge" if kept else "replace"

    async def _description(self, value: str | None) -> str:
        await self._update({"description": "something"})
        try:
            await self._update({"description": value})
        except _REFUSALS as refusal:
            return _said(refusal)
        return "keeps" if (await self._seen()).fields.get("description") else "clears"

    async def _empty_put(self) -> str:
        try:
            await self._update({})
        except _REFUSALS as refusal:
            return _said(refusal)
        return "accepted"

    async def _unknown_field(self) -> str:
        """Send an unknown field beside a known one, so that the body is not empty without it."""
        try:
            await self._update({"description": "something else", _UNKNOWN_FIELD: "probe"})
        except _REFUSALS as refusal:
            return _said(refusal)
        return "kept" if _UNKNOWN_FIELD in await self._record() else "ignored"

    async def _immutable_field(self) -> str:
        before = (await self._record()).get("ai_provider_id")
        try:
            await self._update({"description": "other", "ai_provider_id": _OTHER_PROVIDER})
        except _REFUSALS as refusal:
            return _said(refusal)
        after = (await self._record()).get("ai_provider_id")
        return "ignored" if after == before else "changed"

    async def _provider_auth_type(self) -> str:
        """Set a `custom_host` without `provider_auth_type` beside it, then with it."""
        auth_type, host = _auth_type_and_host()
        configurations = {**CONFIGURATIONS, host: _CUSTOM_HOST}
        try:
            await self._update({"configurations": configurations})
        except _REFUSALS as refusal:
            refused = _said(refusal)
        else:
            return "not needed with custom_host"
        try:
            await self._update({"configurations": {**configurations, auth_type: "apiKey"}})
        except _REFUSALS as refusal:
            return f"custom_host is refused with it ({_said(refusal)}) and without it ({refused})"
        return f"needed with custom_host, {refused} without it"

    async def _look_after_delete(self) -> str:
        try:
            reply = await self.api.call(Call(OperationName.GET, self.slug))
        except _REFUSALS as refusal:
            return _said(refusal)
        status = reply.body.get("status") if isinstance(reply.body, Mapping) else None
        return f"{reply.status} {status}" if status == "archived" else str(reply.status)

    async def _listed(self) -> str:
        listing = await list_all(self.api)
        row = listing.rows.get(self.slug)
        if row is not None:
            return row.status
        return "unreadable" if listing.nameless or self.slug in listing.slugs else "no"

    async def _reuse(self) -> str:
        try:
            await self.throwaways.create(self.slug)
        except _REFUSALS as refusal:
            return _said(refusal)
        return "allowed"

    async def _delete_with_provider(self) -> str:
        if self.workspace is None:
            return NOT_ASKED + "a provider needs a workspace, and the target's scope names none"
        try:
            attached = await self.throwaways.create(f"{self.slug}-x", with_provider=True)
        except _REFUSALS as refusal:
            return f"{NOT_ASKED}creating one was refused with {_said(refusal)}"
        if attached.provider_id is None:
            return NOT_ASKED + "the API named no provider that it has created"
        return await self._delete(attached)

    async def _delete(self, attached: Throwaway) -> str:
        try:
            await self.api.call(Call(OperationName.DELETE, attached.slug))
        except _REFUSALS as refusal:
            return _said(refusal)
        return "allowed"

    # -- calls ---------------------------------------------------------------------------

    async def _update(self, body: Tree) -> None:
        await self.api.call(Call(OperationName.UPDATE, self.slug, body=body))

    async def _seen(self) -> Observed:
        found = await read_one(self.api, self.slug)
        return found if found is not None else Observed(self.slug, {})

    async def _record(self) -> Mapping[str, Any]:
        """Read the integration as the API writes it."""
        reply = await self.api.call(Call(OperationName.GET, self.slug))
        return reply.body if isinstance(reply.body, Mapping) else {}


def _auth_type_and_host() -> tuple[str, str]:
    """Return the configuration field that another one may need beside it, and that other one."""
    members = integration_schema("openai").child("configurations").fields
    for name, member in members.items():
        if member.facts.required_by is not None:
            return name, member.facts.required_by
    raise LookupError("the schema knows no field that another one needs")


def _said(refusal: Answered) -> str:
    return f"{refusal.http_status} {refusal.code}"
