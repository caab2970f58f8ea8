"""Probe of the API: answers to open questions, found with temporary integrations.

The questions are those of remote/API.md §9 that determine the form of a write. The credential is
made up, so nothing of value is stored. Every integration is deleted, even after a failure.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from reconciler.doctor.checks import Check, CheckStatus, fail, ok, warn
from reconciler.doctor.temporary_integrations import (
    CONFIGURATIONS,
    HOW_TO_DELETE,
    TemporaryIntegration,
    TemporaryIntegrations,
)
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.schema import integration_schema
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Tree
from reconciler.planning.normalize import NO_ACCESS, NO_MODELS
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
from reconciler.remote.pagination import PAGE_SIZE, list_all

NOT_ASKED = "not asked: "
"""Prefix of the answer to a question that cannot be asked with this target."""

_AFTER = {"openai_project": "project-two"}
_CUSTOM_HOST = "https://example.com/v1"
_UNKNOWN_FIELD = "reconcile_probe"
_OTHER_PROVIDER = "anthropic"
_MASKED = re.compile(r"([^*•…]*)([*•…]+)([^*•…]*)")
_PAGE_SIZES = (1000, 500, 200, PAGE_SIZE)
"""Page sizes to request, largest first, until one is not refused."""

_ORDERS = ("created_at", "last_updated_at", "name", "slug")
_REFUSALS = (Rejected, Conflict, Forbidden, NotFound)
"""Errors that answer a question; a fault of the server does not."""


@dataclass
class BehaviourProbe:
    """One probe; `answers` has the questions that the API has answered so far."""

    api: IntegrationsAPI
    slug: str
    key: Redacted
    workspace: str | None = None
    announce: Callable[[str], None] = lambda _text: None
    answers: dict[str, str] = field(default_factory=dict)
    integrations: TemporaryIntegrations = field(init=False)

    def __post_init__(self) -> None:
        self.integrations = TemporaryIntegrations(
            self.api,
            f"reconcile doctor --probe, to be deleted ({self.slug})",
            self.key,
            workspace=self.workspace,
            announce=self.announce,
        )

    async def run(self) -> Check:
        """Ask all questions, remove what was created, and return the result of both."""
        problem: RemoteError | None = None
        try:
            await self._ask_all()
        except RemoteError as failure:
            problem = failure
        # Also done after a cancellation, so that nothing is left behind.
        finally:
            left = await self._clean_up()
        return self._name_providers(self._result(problem, left))

    def _result(self, problem: RemoteError | None, left: list[TemporaryIntegration]) -> Check:
        if left:
            names = ", ".join(map(str, left))
            return fail("probe", f"may not have been removed: {names}", HOW_TO_DELETE)
        if isinstance(problem, Forbidden):
            return fail(
                "probe",
                f"the key cannot write: {problem.summary}",
                "grant it the scopes .create, .update and .delete, which an apply needs",
            )
        if problem is not None:
            return fail("probe", f"the probe ended early: {problem.summary}", problem.hint)
        answered = [text for text in self.answers.values() if not text.startswith(NOT_ASKED)]
        summary = f"{len(answered)} questions answered, "
        if self.integrations.archived:
            archived = ", ".join(self.integrations.archived)
            summary += f"this API archives deleted integrations: {archived}"
        else:
            summary += f"{self.slug} is removed"
        return ok("probe", summary)

    def _name_providers(self, check: Check) -> Check:
        """Add the default providers that may be left in the workspace to a result."""
        if not self.integrations.providers:
            return check
        summary = f"{check.summary}; {', '.join(self.integrations.providers)} may be left"
        hint = f"look in workspace {self.workspace}, and delete it there in the console"
        if check.status is CheckStatus.FAIL:
            return fail(check.name, summary, f"{check.hint}; {hint}" if check.hint else hint)
        return warn(check.name, summary, hint)

    async def _clean_up(self) -> list[TemporaryIntegration]:
        """Remove everything, even if the probe is cancelled in the meantime."""
        removing = asyncio.ensure_future(self.integrations.remove_all())
        try:
            return await asyncio.shield(removing)
        except asyncio.CancelledError:
            # A second cancellation would end the wait but not the removal, which runs in a separate
            # task.
            await asyncio.wait({removing})
            raise

    async def _ask_all(self) -> None:
        created = await self.integrations.create(self.slug)
        is_honoured = created.slug == self.slug
        self.answers["chosen_slug"] = "honoured" if is_honoured else "replaced"
        self.slug = created.slug
        # All questions use one integration, in sequence: each one starts from the state that the
        # previous one left.
        questions: Mapping[str, Callable[[], Awaitable[str]]] = {
            # First, while `last_updated_at` is null (remote/API.md §1.1); the updates below set it.
            "access_touches_integration": self._access_touches,
            "masked_key": self._mask,
            "duplicate_slug": self._duplicate,
            "configurations_put": self._configurations,
            "description_null": lambda: self._description(None),
            "description_empty": lambda: self._description(""),
            "empty_put": self._empty_put,
            "unknown_field_put": self._unknown_field,
            "provider_auth_type": self._provider_auth_type,
            # Last, because it may change the provider that the other questions were made for.
            "immutable_field_put": self._immutable_field,
        }
        for name, question in questions.items():
            self.answers[name] = await question()
        await self.api.call(Call(OperationName.DELETE, self.slug))
        self.answers["get_after_delete"] = await self._get_after_delete()
        self.answers["listed_after_delete"] = await self._listed()
        self.answers["slug_reuse"] = await self._reuse()
        # In reverse order, so that the order of slugs differs from that of creates.
        await self.integrations.create(f"{self.slug}-z")
        last = await self.integrations.create(f"{self.slug}-y")
        self.answers["sort_order"] = await _sort_order(self.api)
        # Tested on a new integration, whose `last_updated_at` is still null.
        self.answers["models_touch_integration"] = await self._models_touch(last.slug)
        self.answers["largest_page"] = await _largest_page(self.api)
        # Last, because the delete may be refused (remote/API.md §9) and leave an integration.
        self.answers["delete_with_provider"] = await self._delete_with_provider()

    # -- questions -----------------------------------------------------------------------

    async def _access_touches(self) -> str:
        """Write the access that the integration already has: none."""
        if self.workspace is not None:
            return NOT_ASKED + "an integration of a workspace grants access to no other"
        write = Call(OperationName.UPDATE_WORKSPACES, self.slug, body=NO_ACCESS)
        return await self._touches(write)

    async def _models_touch(self, slug: str) -> str:
        return await self._touches(Call(OperationName.UPDATE_MODELS, slug, body=NO_MODELS))

    async def _touches(self, write: Call) -> str:
        """Write to an integration without an update time, and return whether it has one afterwards.

        A time that is already set proves nothing: it may stay the same because clocks are coarse.
        """
        before = await self._last_updated_at(write.slug)
        try:
            await self.api.call(write)
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        if await self._last_updated_at(write.slug) != before:
            return "yes"
        return "no" if before is None else "not seen, last_updated_at is set from the start"

    async def _last_updated_at(self, slug: str | None) -> str | None:
        found = await read_one(self.api, slug or "")
        return found.last_updated_at if found is not None else None

    async def _mask(self) -> str:
        shown = (await self._read_observed()).fields.get("key")
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
            other = await self.integrations.create(self.slug)
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        # `create` records what it created, so that a duplicate is also removed.
        return "accepted" if other.slug == self.slug else f"created {other.slug} instead"

    async def _configurations(self) -> str:
        await self._update({"configurations": _AFTER})
        stored = (await self._read_observed()).fields.get("configurations")
        # The create sent this field and the update did not, so only a merge keeps it.
        kept = isinstance(stored, Mapping) and "openai_organization" in stored
        return "merge" if kept else "replace"

    async def _description(self, value: str | None) -> str:
        # Set first, because clearing an empty description would not show any effect.
        await self._update({"description": "something"})
        try:
            await self._update({"description": value})
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        return "keeps" if (await self._read_observed()).fields.get("description") else "clears"

    async def _empty_put(self) -> str:
        try:
            await self._update({})
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        return "accepted"

    async def _unknown_field(self) -> str:
        """Send an unknown field with a known one, so that the body is not empty without it."""
        try:
            await self._update({"description": "something else", _UNKNOWN_FIELD: "probe"})
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        return "kept" if _UNKNOWN_FIELD in await self._read_record() else "ignored"

    async def _immutable_field(self) -> str:
        before = (await self._read_record()).get("ai_provider_id")
        try:
            await self._update({"description": "other", "ai_provider_id": _OTHER_PROVIDER})
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        after = (await self._read_record()).get("ai_provider_id")
        return "ignored" if after == before else "changed"

    async def _provider_auth_type(self) -> str:
        """Set `custom_host` without `provider_auth_type`, then with it."""
        auth_type, host = _auth_type_and_host()
        configurations = {**CONFIGURATIONS, host: _CUSTOM_HOST}
        try:
            await self._update({"configurations": configurations})
        except _REFUSALS as refusal:
            refused = _refusal_text(refusal)
        else:
            return "not needed with custom_host"
        try:
            await self._update({"configurations": {**configurations, auth_type: "apiKey"}})
        except _REFUSALS as refusal:
            with_it = _refusal_text(refusal)
            return f"custom_host is refused with it ({with_it}) and without it ({refused})"
        return f"needed with custom_host, {refused} without it"

    async def _get_after_delete(self) -> str:
        try:
            reply = await self.api.call(Call(OperationName.GET, self.slug))
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
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
            await self.integrations.create(self.slug)
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        return "allowed"

    async def _delete_with_provider(self) -> str:
        if self.workspace is None:
            return NOT_ASKED + "a provider needs a workspace, and the target's scope names none"
        try:
            attached = await self.integrations.create(f"{self.slug}-x", with_provider=True)
        except _REFUSALS as refusal:
            return f"{NOT_ASKED}creating one was refused with {_refusal_text(refusal)}"
        if attached.provider_id is None:
            return NOT_ASKED + "the API returned no id of the created provider"
        return await self._delete(attached)

    async def _delete(self, attached: TemporaryIntegration) -> str:
        try:
            await self.api.call(Call(OperationName.DELETE, attached.slug))
        except _REFUSALS as refusal:
            return _refusal_text(refusal)
        return "allowed"

    # -- calls ---------------------------------------------------------------------------

    async def _update(self, body: Tree) -> None:
        await self.api.call(Call(OperationName.UPDATE, self.slug, body=body))

    async def _read_observed(self) -> Observed:
        found = await read_one(self.api, self.slug)
        return found if found is not None else Observed(self.slug, {})

    async def _read_record(self) -> Mapping[str, object]:
        """Read the integration as raw JSON."""
        # Not decoded, because the decoder omits unknown fields.
        reply = await self.api.call(Call(OperationName.GET, self.slug))
        return reply.body if isinstance(reply.body, Mapping) else {}


async def _largest_page(api: IntegrationsAPI) -> str:
    """Return the largest page, as far as the number of integrations can show it."""
    refused = ""
    # A refused size proves nothing about smaller sizes. Starts with the largest, because the first
    # accepted size answers the question.
    for size in _PAGE_SIZES:
        try:
            rows, total = await _read_page(api, size)
        except Rejected as refusal:
            refused = f"; {size} is refused with {refusal.http_status} {refusal.code}"
            continue
        if len(rows) < total:
            return f"{len(rows)} rows{refused}"
        return f"at least {len(rows)} rows, all that exist{refused}"
    return f"unknown{refused}"


async def _sort_order(api: IntegrationsAPI) -> str:
    """Return the orders that explain the sequence of rows on the first page."""
    rows, _ = await _read_page(api, PAGE_SIZE)
    found = []
    for name in _ORDERS:
        values = [str(row[name]) for row in rows if isinstance(row.get(name), str)]
        # Equal values fit any order.
        if len(values) < len(rows) or len(set(values)) < 2:
            continue
        if values == sorted(values):
            found.append(f"{name} ascending")
        elif values == sorted(values, reverse=True):
            found.append(f"{name} descending")
    return " or ".join(found) or "by none of " + ", ".join(_ORDERS)


async def _read_page(api: IntegrationsAPI, size: int) -> tuple[list[Mapping[str, object]], int]:
    query: dict[str, str | int] = {"current_page": 0, "page_size": size}
    reply = await api.call(Call(OperationName.LIST, query=query))
    body = reply.body if isinstance(reply.body, Mapping) else {}
    data, total = body.get("data"), body.get("total")
    rows = [row for row in data if isinstance(row, Mapping)] if isinstance(data, list) else []
    # Without a total, the page may contain all rows, so the answer is only "at least".
    return rows, total if isinstance(total, int) else len(rows)


def _auth_type_and_host() -> tuple[str, str]:
    """Return the configuration field that another one may require, and that other one."""
    members = integration_schema("openai").child("configurations").fields
    for name, member in members.items():
        if member.facts.required_by is not None:
            return name, member.facts.required_by
    raise LookupError("no field of the schema is required by another one")


def _refusal_text(refusal: Answered) -> str:
    return f"{refusal.http_status} {refusal.code}"
