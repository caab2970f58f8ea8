"""Ask the API its open questions on an integration of our own, and leave nothing behind.

The questions are those of remote/API.md §9 that decide how a write has to look. The credential is
made up, so nothing of value is stored; whatever was created is deleted, also when a step fails.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.diagnostics import Place
from reconciler.doctor.health import Check, fail, ok
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Tree
from reconciler.planning.writes import create_calls
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import Answered, Forbidden, NotFound, RemoteError
from reconciler.remote.listing import list_all
from reconciler.remote.observe import read_one

NAME = "reconcile doctor --probe, to be deleted"
_BEFORE = {"openai_organization": "org-probe", "openai_project": "project-one"}
_AFTER = {"openai_project": "project-two"}
_MASKED = re.compile(r"([^*•…]*)([*•…]+)([^*•…]*)")


@dataclass
class Probe:
    """One throw-away integration. `answers` grows with every question the API has answered."""

    api: IntegrationsAPI
    slug: str
    key: Redacted
    workspace: str | None = None
    answers: dict[str, str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)

    async def run(self) -> Check:
        """Ask everything, clean up, and say whether both worked."""
        problem: RemoteError | None = None
        try:
            await self._ask_everything()
        except RemoteError as stopped:
            problem = stopped
        finally:
            left = await self._clean_up()
        if left:
            return fail(
                "probe",
                f"still there: {', '.join(left)}",
                "delete what is named in the console; it holds no real credential",
            )
        if isinstance(problem, Forbidden):
            return fail(
                "probe",
                f"the key may not write: {problem.summary}",
                "an apply needs the scopes .create, .update and .delete",
            )
        if problem is not None:
            return fail("probe", f"it ended early: {problem.summary}", problem.hint)
        kept = f"this API keeps what it deletes, archived: {', '.join(self.archived)}"
        what_is_left = kept if self.archived else f"{self.slug} is gone again"
        return ok("probe", f"{len(self.answers)} questions answered, {what_is_left}")

    async def _ask_everything(self) -> None:
        await self._create(self.slug)
        honoured = self.created[0] == self.slug
        self.answers["chosen_slug"] = "honoured" if honoured else "replaced"
        self.slug = self.created[0]
        questions: Mapping[str, Callable[[], Awaitable[str]]] = {
            "masked_key": self._mask,
            "duplicate_slug": self._duplicate,
            "configurations_put": self._configurations,
            "description_null": lambda: self._description(None),
            "description_empty": lambda: self._description(""),
            "empty_put": self._empty_put,
        }
        for name, question in questions.items():
            self.answers[name] = await question()
        await self.api.call(Call(OperationName.DELETE, self.slug))
        self.answers["get_after_delete"] = await self._look_after_delete()
        self.answers["listed_after_delete"] = await self._listed()
        self.answers["slug_reuse"] = await self._reuse()

    # -- questions -----------------------------------------------------------------------

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
            await self._create(self.slug)
        except Answered as refusal:
            return _said(refusal)
        return "accepted" if len(self.created) == 1 else f"created {self.created[-1]} instead"

    async def _configurations(self) -> str:
        await self._update({"configurations": _AFTER})
        stored = (await self._seen()).fields.get("configurations")
        kept = isinstance(stored, Mapping) and "openai_organization" in stored
        return "merge" if kept else "replace"

    async def _description(self, value: str | None) -> str:
        await self._update({"description": "something"})
        try:
            await self._update({"description": value})
        except Answered as refusal:
            return _said(refusal)
        return "keeps" if (await self._seen()).fields.get("description") else "clears"

    async def _empty_put(self) -> str:
        try:
            await self._update({})
        except Answered as refusal:
            return _said(refusal)
        return "accepted"

    async def _look_after_delete(self) -> str:
        try:
            reply = await self.api.call(Call(OperationName.GET, self.slug))
        except Answered as refusal:
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
            await self._create(self.slug)
        except Answered as refusal:
            return _said(refusal)
        return "allowed"

    # -- calls ---------------------------------------------------------------------------

    async def _create(self, slug: str) -> None:
        fields: dict[str, Any] = {
            "name": NAME,
            "ai_provider_id": "openai",
            "key": self.key,
            "configurations": _BEFORE,
        }
        if self.workspace is not None:
            fields["workspace_id"] = self.workspace
        (create,) = create_calls(Declared(slug, fields, Place("(probe)")))
        try:
            reply = await self.api.call(create)
        except RemoteError as problem:
            if problem.outcome_unknown:
                self._note(slug)
            raise
        echoed = reply.body.get("slug") if isinstance(reply.body, Mapping) else None
        self._note(str(echoed or slug))

    def _note(self, slug: str) -> None:
        if slug not in self.created:
            self.created.append(slug)

    async def _update(self, body: Tree) -> None:
        await self.api.call(Call(OperationName.UPDATE, self.slug, body=body))

    async def _seen(self) -> Observed:
        found = await read_one(self.api, self.slug)
        return found if found is not None else Observed(self.slug, {})

    async def _clean_up(self) -> list[str]:
        """Delete what was created, and give what is still there or may be."""
        return [slug for slug in self.created if not await self._removed(slug)]

    async def _removed(self, slug: str) -> bool:
        try:
            found = await read_one(self.api, slug)
            if not self._is_gone(slug, found):
                await self.api.call(Call(OperationName.DELETE, slug))
                found = await read_one(self.api, slug)
        except NotFound:
            return True
        except RemoteError:
            return await self._is_unlisted(slug)
        return self._is_gone(slug, found)

    def _is_gone(self, slug: str, found: Observed | None) -> bool:
        if found is not None and found.is_archived and slug not in self.archived:
            self.archived.append(slug)
        return found is None or found.is_archived

    async def _is_unlisted(self, slug: str) -> bool:
        try:
            listing = await list_all(self.api)
        except RemoteError:
            return False
        if listing.nameless or slug in listing.unreadable:
            return False
        return self._is_gone(slug, listing.rows.get(slug))


def _said(refusal: Answered) -> str:
    return f"{refusal.http_status} {refusal.code}"
