"""Look at the API with GET alone: does it answer, is the key accepted, what may it read?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from reconciler.diagnostics import counted
from reconciler.doctor.checks import Check, fail, ok, warn
from reconciler.domain.calls import Call, OperationName
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import (
    Answered,
    Forbidden,
    IncompleteRead,
    NotFound,
    RemoteError,
    Unauthorised,
)
from reconciler.remote.pagination import PAGE_SIZE, CompleteList, list_all

TOLERABLE_SKEW = 30.0
"""Seconds between two clocks that nobody needs to know about."""

GREATEST_SKEW = 120.0
"""Seconds from which on a create of ours is not recognised by its time any more."""

_LARGE_PAGE = 1000
_ROWS_TRIED = 5
_READS = {
    OperationName.GET: "the integration",
    OperationName.GET_MODELS: "its models",
    OperationName.GET_WORKSPACES: "its workspaces",
}


class ReadPermission(Enum):
    """What an attempt to read one integration shows about the key."""

    ALLOWED = "allowed"
    DENIED = "denied"
    MISSING = "missing"


@dataclass
class Examination:
    """The checks that reading makes, in order; `listing` is there if the list could be read."""

    api: IntegrationsAPI
    checks: list[Check] = field(default_factory=list)
    listing: CompleteList | None = None

    async def run(self) -> None:
        """Look at everything; what a failure leaves without meaning is left out."""
        try:
            self.listing = await list_all(self.api)
        except (Unauthorised, Forbidden) as refusal:
            self.checks += _refused(refusal)
            return
        except IncompleteRead as problem:
            self.checks += [ok("api", "it answers"), ok("key", "it is accepted")]
            self.checks.append(fail("paging", problem.summary, problem.hint))
            return
        except RemoteError as problem:
            self.checks.append(fail("api", problem.summary, problem.hint))
            return
        self.checks += [ok("api", "it answers"), ok("key", "it is accepted")]
        self.checks.append(await self._scopes(self.listing))
        self.checks.append(await self._paging(self.listing))
        self.checks += _records(self.listing)

    async def _scopes(self, listing: CompleteList) -> Check:
        live = sorted(slug for slug, row in listing.rows.items() if not row.is_archived)
        if not live:
            return warn(
                "scopes",
                "the key may list; whether it may read details cannot be seen, for nothing exists",
                "`doctor --probe` tries every scope on an integration of its own",
            )
        slug, answers = await self._first_found(live)
        denied = [what for name, what in _READS.items() if answers[name] is ReadPermission.DENIED]
        if denied:
            return fail(
                "scopes",
                f"the key lists {slug} and may not read {' and '.join(denied)}",
                "give it the scope `.read` beside `.list`: the one does not imply the other",
            )
        missing = [what for name, what in _READS.items() if answers[name] is ReadPermission.MISSING]
        if missing:
            return warn(
                "scopes",
                f"the list shows {slug}, and reading {' and '.join(missing)} is answered with 404",
                "repair or delete it in the console; a 404 says nothing about scopes",
            )
        return ok("scopes", f"the key may list and read; seen with {slug}")

    async def _first_found(
        self, slugs: list[str]
    ) -> tuple[str, Mapping[OperationName, ReadPermission]]:
        """Read the first of some rows, or the next where one is listed and not found."""
        answers: Mapping[OperationName, ReadPermission] = {}
        for slug in slugs[:_ROWS_TRIED]:
            answers = {name: await self._reading(name, slug) for name in _READS}
            if ReadPermission.MISSING not in answers.values():
                return slug, answers
        return slugs[0], answers

    async def _reading(self, name: OperationName, slug: str) -> ReadPermission:
        try:
            await self.api.call(Call(name, slug))
        except Forbidden:
            return ReadPermission.DENIED
        except NotFound:
            return ReadPermission.MISSING
        return ReadPermission.ALLOWED

    async def _paging(self, listing: CompleteList) -> Check:
        total = len(listing.slugs) + listing.nameless
        if total < 2:
            return ok("paging", f"the list is complete: {total} of {total}; too few to turn a page")
        try:
            first, second = [await self._page(number, 1) for number in (0, 1)]
            largest = len(await self._page(0, _LARGE_PAGE))
        except RemoteError as problem:
            return warn("paging", f"the list is complete, but {problem.summary}", problem.hint)
        if first == second:
            return fail(
                "paging",
                "the first and the second page are the same",
                "the API, or a proxy before it, does not pass current_page on",
            )
        said = f"the list is complete: {total} of {total}"
        if len(first) > 1:
            return ok("paging", f"{said}; the API chooses the page size, {len(first)} rows")
        if total > PAGE_SIZE:
            said += f"; up to {largest} rows come on one page"
        return ok("paging", said)

    async def _page(self, number: int, size: int) -> list[str]:
        query = {"current_page": number, "page_size": size}
        reply = await self.api.call(Call(OperationName.LIST, query=query))
        rows = reply.body.get("data") if isinstance(reply.body, Mapping) else None
        return [_slug_of(row) for row in rows] if isinstance(rows, list) else []


def _records(listing: CompleteList) -> list[Check]:
    """Name the rows of the list that cannot be read; nothing where all can."""
    told = [f"{slug}: {record.reason}" for slug, record in sorted(listing.unreadable.items())]
    if listing.nameless:
        told.append(f"{counted(listing.nameless, 'row')} without a readable slug")
    if not told:
        return []
    more = f"; and {len(told) - _ROWS_TRIED} more" if len(told) > _ROWS_TRIED else ""
    hint = "repair them in the console; what cannot be read is neither changed nor deleted"
    return [warn("records", f"cannot be read: {'; '.join(told[:_ROWS_TRIED])}{more}", hint)]


def clock_check(date: str | None, *, now: datetime) -> Check:
    """Compare our clock with the `Date` that the API's last answer carried."""
    theirs = _parsed(date)
    if theirs is None:
        return ok("clock", "the API tells no time to compare with")
    skew = abs((theirs - now).total_seconds())
    if skew <= TOLERABLE_SKEW:
        return ok("clock", "it agrees with the API's")
    said = f"it differs from the API's by {skew:.0f} s"
    hint = "set this machine's clock, for example by NTP; creates are recognised by their time"
    if skew <= GREATEST_SKEW:
        return warn("clock", said, hint)
    return fail("clock", said, hint)


def _parsed(date: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _refused(refusal: Answered) -> list[Check]:
    if isinstance(refusal, Unauthorised):
        return [ok("api", "it answers"), fail("key", refusal.summary, refusal.hint)]
    return [
        ok("api", "it answers"),
        ok("key", "it is accepted"),
        fail(
            "scopes",
            f"the key may not list integrations: {refusal.summary}",
            "give it organisation_integrations.list, or workspace_integrations.list for a "
            "workspace key",
        ),
    ]


def _slug_of(row: Any) -> str:
    return str(row.get("slug")) if isinstance(row, Mapping) else ""
