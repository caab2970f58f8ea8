"""Read which providers and gateway configs use some integrations (remote/API.md §11).

Three lists are read: the workspaces, the providers of each workspace, and the configs. The content
of a config is read only in a workspace with a provider of these integrations. The number of calls
therefore depends on the workspaces and configs, not on the number of integrations.

A list must be complete by the rule of `reconciler.remote.pagination`. Otherwise, the usage is
incomplete, and nothing counts as unused. Rows and configs can contain secrets, so only slugs and
identifiers are decoded.
"""

import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import Generic, TypeVar

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.usage import Usage, UsageReading, UsingConfig, UsingProvider
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.config_references import UNCLEAR, ConfigReferences, references_in
from reconciler.remote.errors import (
    Answered,
    DeadlineExceeded,
    Forbidden,
    NoAnswer,
    NotFound,
    NotSent,
    Rejected,
    RemoteError,
    Unauthorised,
    WrongShape,
)
from reconciler.remote.exchange import mapping, rows
from reconciler.remote.pagination import PAGE_SIZE, USUAL_SIZES, gather_or_raise
from reconciler.remote.usage_rows import (
    ConfigRow,
    ProviderRow,
    WorkspaceRow,
    config_row,
    provider_row_of,
    workspace_row,
)

Row = TypeVar("Row")

_DENIALS = (Unauthorised, Forbidden, NotFound)
"""Responses to a key without the scope, or from an API without the list."""

_FAULTS = (Answered, NoAnswer, NotSent, DeadlineExceeded)
"""Failures after which a list is incomplete; others are defects of this client."""

_PASSES = 2  # reads of an incomplete list
_DENIALS_TRIED = 2
_NO_QUERY: Mapping[str, str | int] = MappingProxyType({})


class _Denied(Exception):
    """The key is not allowed to read a list of `noun`, of one workspace or of all."""

    def __init__(self, noun: str, place: str, answer: str) -> None:
        self.refusal = f"the key is not allowed to list {noun}: {answer}"
        super().__init__(f"the key is not allowed to list {noun}{place}: {answer}")


async def read_usage(
    api: IntegrationsAPI, wanted: Mapping[str, str | None], *, concurrency: int = 10
) -> UsageReading:
    """Return the usage of integrations, given by slug with their ids.

    A missing scope is returned as a `refusal`, any other failure of a call as a gap; neither is
    raised.
    """
    reader = _Reader(api, concurrency)
    try:
        return await reader.read(wanted)
    except _Denied as denied:
        return UsageReading(refusal=denied.refusal, calls=reader.calls)


@dataclass(slots=True)
class _Pass(Generic[Row]):
    """One read of all pages of a list."""

    rows: dict[str, Row] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    total: int | None = None
    problem: str = ""
    has_answered: bool = False
    is_unpaged: bool = False
    is_last_empty: bool = False
    has_more: bool = False

    @property
    def count(self) -> int:
        """Return the number of different rows, readable or not."""
        return len(self.rows) + len(self.damaged)

    def take(self, page: dict[str, object], decode: Callable[[dict[str, object]], Row]) -> None:
        """Decode the rows of a page and compare its total."""
        self.has_answered = True
        total = page.get("total")
        # Documented for configs: an envelope without paging (remote/API.md §11.2).
        is_plain = page.get("success") is True and "total" not in page
        self.is_unpaged = is_plain and self.total is None
        if not self.is_unpaged and (not isinstance(total, int) or isinstance(total, bool)):
            self.problem = "a page has no total"
        elif self.total is not None and total != self.total:
            self.problem = f"total changed from {self.total} to {total} during the read"
        elif isinstance(total, int):
            self.total = total
        self.has_more = page.get("has_more") not in (None, False)
        if "data" not in page:
            raise WrongShape("data", "there")
        listed = rows(page["data"], "data")
        self.is_last_empty = not listed
        for row in listed:
            try:
                record = mapping(row, "a row")
                self.rows[_identity(row)] = decode(record)
            except WrongShape as problem:
                # Counted like any other row, so that the list can still be proven complete.
                self.damaged[_identity(row)] = problem.reason

    @property
    def explanation(self) -> str:
        """Return why the list is not complete, "" if it is."""
        if self.problem:
            return self.problem
        if self.total is None:
            return "a page has no total"
        if self.has_more:
            return "its last page announces more"
        if self.count != self.total:
            return f"total is {self.total}, but {self.count} were listed"
        return next(iter(self.damaged.values()), "")


class _Reader:
    """Reads of one usage; it counts calls and collects gaps."""

    def __init__(self, api: IntegrationsAPI, concurrency: int) -> None:
        self._api = api
        self._concurrency = concurrency
        self.calls = 0
        self.gaps: list[str] = []
        self._labels: dict[str, str] = {}
        self._has_workspaces = False

    async def read(self, wanted: Mapping[str, str | None]) -> UsageReading:
        """Return the usage; raises `_Denied`."""
        providers = [p for p in await self._providers() if p.is_active]
        # Only a known slug is a reference; any other `@…` in a config is text.
        known = frozenset(provider.slug for provider in providers)
        configs = await self._list(
            OperationName.LIST_CONFIGS, "configs", lambda row: config_row(row, known)
        )
        self._check_places([*(p.workspace for p in providers), *(c.workspace for c in configs)])
        is_complete = not self.gaps
        named = _ByIntegration(providers)
        by_slug = {slug: named.of(slug, identity) for slug, identity in wanted.items()}
        places = {self._label(p.workspace) for users in by_slug.values() for p in users}
        # Selected before the contents are read: each takes a call, and most configs belong to other
        # workspaces.
        relevant = [c for c in configs if c.is_active and self._is_near(c, places)]
        by_place: dict[str | None, list[ConfigRow]] = {}
        for config in await self._with_references(relevant, known):
            by_place.setdefault(self._label(config.workspace), []).append(config)
        return UsageReading(
            {
                slug: self._usage(
                    by_slug[slug],
                    by_place,
                    complete=is_complete and _can_be_matched(providers, identity),
                )
                for slug, identity in wanted.items()
            },
            dict(self._labels),
            gaps=tuple(dict.fromkeys(self.gaps)),
            calls=self.calls,
        )

    # -- the lists -------------------------------------------------------------------------

    async def _providers(self) -> list[ProviderRow]:
        """Return the distinct providers of all workspaces."""
        try:
            workspaces = await self._list(
                OperationName.LIST_WORKSPACES, "workspaces", workspace_row
            )
        except _Denied as denied:
            return await self._providers_of_key(denied)
        self._has_workspaces = True
        if not workspaces:
            # An organisation has at least one workspace, so the key cannot see any.
            self.gaps.append("the list of workspaces: it is empty")
        self._name(workspaces)
        # By id, because only that is certain to be unique.
        found: dict[str, list[ProviderRow]] = {}
        denials: list[_Denied] = []
        waiting = iter([workspace for workspace in workspaces if workspace.is_active])

        async def work() -> None:
            for workspace in waiting:
                # A key without the scope is refused everywhere.
                if len(denials) >= _DENIALS_TRIED and not found:
                    return
                try:
                    found[workspace.id] = await self._list(
                        OperationName.LIST_PROVIDERS,
                        "providers",
                        provider_row_of(workspace.slug),
                        place=f" of {workspace.slug}",
                        query={"workspace_id": workspace.id},
                    )
                except _Denied as denied:
                    denials.append(denied)

        await gather_or_raise(work() for _ in range(self._concurrency))
        if denials and not found:
            raise denials[0]
        # A single denied workspace is a gap, because another one proves that the key can list.
        self.gaps += sorted(map(str, denials))
        return self._each_once(found)

    def _name(self, workspaces: Iterable[WorkspaceRow]) -> None:
        """Record both forms of each workspace, and a gap if one form names several of them."""
        owners: dict[str, str] = {}
        for workspace in workspaces:
            for form in (workspace.id, workspace.slug):
                # Users identify a workspace by its slug; the API uses either form (remote/API.md
                # §11.1).
                self._labels[form] = workspace.slug
                if owners.setdefault(form, workspace.id) != workspace.id:
                    self.gaps.append(f"the list of workspaces: several are called {form}")

    async def _providers_of_key(self, denied: _Denied) -> list[ProviderRow]:
        """Return the providers of a key that belongs to one workspace, and cannot list others."""
        try:
            return await self._list(
                OperationName.LIST_PROVIDERS, "providers", provider_row_of(None)
            )
        except _NeedsWorkspace:
            raise denied from None

    def _each_once(self, found: Mapping[str, Iterable[ProviderRow]]) -> list[ProviderRow]:
        """Return each provider once; if it was listed for several workspaces, it can be in any."""
        # A key of one workspace gets its own providers, regardless of the query.
        once: dict[tuple[str | None, ...], ProviderRow] = {}
        for workspace in sorted(found):
            for provider in found[workspace]:
                place = None if provider.identity else provider.workspace
                key = (provider.identity, place, provider.slug, provider.integration)
                known = once.setdefault(key, provider)
                if known.workspace != provider.workspace:
                    # If one of both rows is active, the provider counts: a removal must not
                    # overlook a user.
                    is_active = known.is_active or provider.is_active
                    once[key] = replace(known, workspace=None, is_active=is_active)
        return list(once.values())

    async def _list(
        self,
        operation: OperationName,
        noun: str,
        decode: Callable[[dict[str, object]], Row],
        *,
        place: str = "",
        query: Mapping[str, str | int] = _NO_QUERY,
    ) -> list[Row]:
        """Return all rows of a list, and record a gap if it cannot be proven complete."""
        reading: _Pass[Row] = _Pass()
        try:
            for _ in range(_PASSES):
                reading = _Pass(has_answered=reading.has_answered)
                await self._read_pages(reading, operation, query, decode)
                if not reading.explanation:
                    break
        except _DENIALS as refusal:
            # After a first page, the refusal is not a missing scope: a part of the list was not
            # read.
            if not reading.has_answered:
                raise _Denied(noun, place, _answer(refusal)) from None
            reading.problem = _answer(refusal)
        except Rejected as refusal:
            is_unnamed = operation is OperationName.LIST_PROVIDERS and not query
            if is_unnamed and not reading.has_answered:
                raise _NeedsWorkspace from None
            reading.problem = _answer(refusal)
        except _FAULTS as failure:
            reading.problem = _answer(failure)
        if reading.explanation:
            self.gaps.append(f"the list of {noun}{place}: {reading.explanation}")
        return list(reading.rows.values())

    async def _read_pages(
        self,
        reading: _Pass[Row],
        operation: OperationName,
        query: Mapping[str, str | int],
        decode: Callable[[dict[str, object]], Row],
    ) -> None:
        for number in itertools.count():
            self.calls += 1
            paging = {"current_page": number, "page_size": PAGE_SIZE}
            reply = await self._api.call(Call(operation, query={**paging, **query}))
            before = reading.count
            reading.take(mapping(reply.body, "the list"), decode)
            adds_nothing = reading.count == before
            if reading.is_unpaged and number == 0:
                # Requested once more: the same rows again prove that the list is complete.
                continue
            is_proof = reading.is_last_empty or reading.count not in USUAL_SIZES
            if reading.is_unpaged and adds_nothing and is_proof:
                reading.total = reading.count
            # A page that adds nothing ends the list, regardless of its total.
            is_whole = reading.count >= (reading.total or 0) and not reading.has_more
            if reading.problem or is_whole or adds_nothing:
                return

    def _check_places(self, places: Iterable[str | None]) -> None:
        """Record a gap if a row shows a workspace that is not in the list of workspaces."""
        # Without that list, the key belongs to one workspace, and its rows show no other.
        unknown = {place for place in places if place is not None} - self._labels.keys()
        if self._has_workspaces and unknown:
            self.gaps.append("the list of workspaces: one that it lacks has providers or configs")

    # -- the contents of configs -----------------------------------------------------------

    async def _with_references(
        self, configs: Iterable[ConfigRow], known: Collection[str]
    ) -> list[ConfigRow]:
        """Return configs with their references; one that cannot be read is unclear."""
        done: list[ConfigRow] = []
        unread: dict[str, int] = {}
        waiting = iter(list(configs))

        async def work() -> None:
            for config in waiting:
                references = config.references
                if references is None:
                    references, why = await self._references(config.slug, known)
                    if why:
                        unread[why] = unread.get(why, 0) + 1
                # In the order of the responses; the result sorts them.
                done.append(ConfigRow(config.slug, config.workspace, config.is_active, references))

        await gather_or_raise(work() for _ in range(self._concurrency))
        self.gaps += [f"the content of {n} configs: {why}" for why, n in sorted(unread.items())]
        return done

    async def _references(self, slug: str, known: Collection[str]) -> tuple[ConfigReferences, str]:
        self.calls += 1
        try:
            reply = await self._api.call(Call(OperationName.GET_CONFIG, slug))
            answer = mapping(reply.body, "the config")
        except _FAULTS as failure:
            return UNCLEAR, _answer(failure)
        # Documented below `data`, observed at the top level (remote/API.md §11.2).
        inner = answer.get("data")
        record = inner if isinstance(inner, dict) and "config" not in answer else answer
        return references_in(record.get("config"), known), ""

    # -- the result ------------------------------------------------------------------------

    def _label(self, workspace: str | None) -> str | None:
        return None if workspace is None else self._labels.get(workspace, workspace)

    def _is_near(self, config: ConfigRow, places: Collection[str | None]) -> bool:
        """Return whether a config can refer to a provider in one of these workspaces."""
        if not places:
            return False
        # A config without a workspace belongs to the organisation, and so can name any provider.
        return config.workspace is None or None in places or self._label(config.workspace) in places

    def _usage(
        self,
        providers: Iterable[ProviderRow],
        configs: Mapping[str | None, list[ConfigRow]],
        *,
        complete: bool,
    ) -> Usage:
        users = [UsingProvider(p.slug, self._label(p.workspace)) for p in providers]
        using = []
        # Only the configs in workspaces with a user, because there can be thousands of both.
        places = {user.workspace for user in users}
        beside = configs if None in places else [None, *places]
        for config in (config for place in beside for config in configs.get(place, ())):
            near = {p.slug for p in users if self._is_near(config, {p.workspace})}
            references = config.references or UNCLEAR
            is_certain = bool(near & references.certain)
            if is_certain or near & references.possible or (near and references.unclear):
                place = self._label(config.workspace)
                using.append(UsingConfig(config.slug, place, possible=not is_certain))
        return Usage(tuple(sorted(users, key=_order)), tuple(sorted(using, key=_order)), complete)


class _NeedsWorkspace(Exception):
    """The list of providers cannot be read without naming a workspace."""


def _order(user: UsingProvider | UsingConfig) -> tuple[str, str]:
    return user.workspace or "", user.slug


class _ByIntegration:
    """Providers by what names their integration: its slug or its id (remote/API.md §11.1)."""

    def __init__(self, providers: Iterable[ProviderRow]) -> None:
        self._named: dict[str, list[ProviderRow]] = {}
        for provider in providers:
            # Ids are case-insensitive, but slugs are not.
            self._named.setdefault(provider.integration.lower(), []).append(provider)

    def of(self, slug: str, identity: str | None) -> list[ProviderRow]:
        """Return the providers of one integration."""
        by_id = [] if identity is None else self._named.get(identity.lower(), [])
        by_slug = [p for p in self._named.get(slug.lower(), ()) if p.integration == slug]
        return [*by_id, *(p for p in by_slug if p not in by_id)]


def _can_be_matched(providers: Iterable[ProviderRow], identity: str | None) -> bool:
    """Return whether no provider can use an integration without being recognised."""
    return identity is not None or not any(is_uuid(p.integration) for p in providers)


def _answer(failure: RemoteError) -> str:
    """Return the status of the response, without the address of the call."""
    if isinstance(failure, Answered):
        return f"HTTP {failure.http_status}, {failure.code}"
    return failure.reason if isinstance(failure, WrongShape) else failure.code


def _identity(row: object) -> str:
    """Return the key that distinguishes a row; its content if it has neither id nor slug."""
    if isinstance(row, dict):
        # Two workspaces can have providers with the same slug.
        for keys in (("id",), ("slug", "workspace_id")):
            values = [row.get(key) for key in keys]
            if isinstance(values[0], str) and values[0]:
                return f"{keys[0]}:{values}"
    try:
        return json.dumps(row, sort_keys=True, default=lambda _value: "unreadable")
    except RecursionError:
        return "nested too deep"
