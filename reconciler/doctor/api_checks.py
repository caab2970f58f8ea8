"""Checks of the API with only GET: it responds, the key can list and read, the list is complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from reconciler.diagnostics import counted, named
from reconciler.doctor.checks import Check, fail, ok, warn
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.instants import parse_http_date
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

API_ANSWERS = ok("api", "the API answers")
_KEY_ACCEPTED = ok("key", "the key is accepted")

_TOLERATED_SKEW_SECONDS = 30.0
_MAX_SKEW_SECONDS = 120.0
"""With a greater skew, a create whose response was lost is not recognized by its time."""

# The maximum of the API is unknown (remote/API.md §9).
_LARGE_PAGE = 1000
_MAX_ROWS_TRIED = 5
_MAX_ROWS_LISTED = 5
_READS = {
    OperationName.GET: "the integration",
    OperationName.GET_MODELS: "its models",
    OperationName.GET_WORKSPACES: "its workspaces",
}


class ReadPermission(Enum):
    """Result of an attempt to read one integration."""

    ALLOWED = "allowed"
    DENIED = "denied"
    MISSING = "missing"


@dataclass
class ApiChecks:
    """Checks that only read; `listing` is None if the list could not be read."""

    api: IntegrationsAPI
    results: list[Check] = field(default_factory=list)
    listing: CompleteList | None = None

    async def run(self) -> None:
        """Run the checks, and leave out those that a failure makes meaningless."""
        try:
            self.listing = await list_all(self.api)
        except (Unauthorised, Forbidden) as refusal:
            self.results += _refused(refusal)
            return
        # Pages were read, so the API and the key work; only the list is incomplete.
        except IncompleteRead as problem:
            self.results += [API_ANSWERS, _KEY_ACCEPTED]
            self.results.append(fail("paging", problem.summary, problem.hint))
            return
        except RemoteError as problem:
            self.results.append(fail("api", problem.summary, problem.hint))
            return
        self.results += [API_ANSWERS, _KEY_ACCEPTED]
        self.results.append(await self._scopes(self.listing))
        self.results.append(await self._paging(self.listing))
        self.results += _records(self.listing)

    async def _scopes(self, listing: CompleteList) -> Check:
        # An archived one counts as deleted (remote/API.md §1.6): a failed read of it shows nothing.
        live = sorted(slug for slug, row in listing.rows.items() if not row.is_archived)
        if not live:
            return warn(
                "scopes",
                "the key can list; read permission was not tested because there are no "
                "integrations",
                "run `reconcile doctor --probe`, which tests every scope on temporary integrations",
            )
        slug, answers = await self._read_first_found(live)
        denied = _parts_with(ReadPermission.DENIED, answers)
        if denied:
            return fail(
                "scopes",
                f"the key can list {slug} but cannot read {' and '.join(denied)}",
                "grant it the scope `.read` as well: `.list` does not imply it",
            )
        missing = _parts_with(ReadPermission.MISSING, answers)
        if missing:
            return warn(
                "scopes",
                f"the list has {slug}, but a read of {' and '.join(missing)} returns 404",
                "repair or delete it in the console; a 404 shows nothing about scopes",
            )
        return ok("scopes", f"the key can list and read, tested with {slug}")

    async def _read_first_found(
        self, slugs: list[str]
    ) -> tuple[str, Mapping[OperationName, ReadPermission]]:
        """Read the first of some integrations, or the next if one is listed and not found."""
        slug, answers = slugs[0], dict.fromkeys(_READS, ReadPermission.MISSING)
        # A listed record can permanently return 404 (remote/API.md §6), which shows nothing about
        # permissions.
        for slug in slugs[:_MAX_ROWS_TRIED]:
            answers = {name: await self._try_read(name, slug) for name in _READS}
            if ReadPermission.MISSING not in answers.values():
                break
        return slug, answers

    async def _try_read(self, name: OperationName, slug: str) -> ReadPermission:
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
            return ok(
                "paging", f"the list is complete: {total} of {total}; too few for a second page"
            )
        try:
            # One row per page, so that two rows are enough for a second page.
            first, second = [await self._page(number, 1) for number in (0, 1)]
            largest = len(await self._page(0, _LARGE_PAGE))
        except RemoteError as problem:
            return warn("paging", f"the list is complete, but {problem.summary}", problem.hint)
        if first == second:
            return fail(
                "paging",
                "the first and the second page are the same",
                "check that no proxy in front of the API drops current_page from the query",
            )
        summary = f"the list is complete: {total} of {total}"
        if len(first) > 1:
            return ok("paging", f"{summary}; the API chooses the page size, {len(first)} rows")
        if total > PAGE_SIZE:
            summary += f"; a page has up to {largest} rows"
        return ok("paging", summary)

    async def _page(self, number: int, size: int) -> list[str]:
        query = {"current_page": number, "page_size": size}
        reply = await self.api.call(Call(OperationName.LIST, query=query))
        rows = reply.body.get("data") if isinstance(reply.body, Mapping) else None
        return [_slug_of(row) for row in rows] if isinstance(rows, list) else []


def _records(listing: CompleteList) -> list[Check]:
    """List the rows that cannot be parsed; no check if all can."""
    unreadable = [f"{slug}: {record.reason}" for slug, record in sorted(listing.unreadable.items())]
    if listing.nameless:
        unreadable.append(f"{counted(listing.nameless, 'row')} without a readable slug")
    if not unreadable:
        return []
    rows = named(unreadable, limit=_MAX_ROWS_LISTED, separator="; ")
    hint = "repair them in the console; until then they are neither changed nor deleted"
    return [warn("records", f"cannot be read: {rows}", hint)]


def _parts_with(
    permission: ReadPermission, answers: Mapping[OperationName, ReadPermission]
) -> list[str]:
    return [part for name, part in _READS.items() if answers[name] is permission]


def clock_check(date: str | None, *, now: datetime) -> Check:
    """Compare the clock of this machine with the `Date` of the API's last response."""
    api_time = parse_http_date(date)
    if api_time is None:
        return ok("clock", "not compared: the API sends no Date header")
    skew = abs((api_time - now).total_seconds())
    if skew <= _TOLERATED_SKEW_SECONDS:
        return ok("clock", "this machine's clock agrees with the API's")
    summary = f"this machine's clock differs from the API's by {skew:.0f} s"
    hint = "synchronise it, for example with NTP: creates are identified by their time"
    if skew <= _MAX_SKEW_SECONDS:
        return warn("clock", summary, hint)
    return fail("clock", summary, hint)


def _refused(refusal: Answered) -> list[Check]:
    if isinstance(refusal, Unauthorised):
        return [API_ANSWERS, fail("key", refusal.summary, refusal.hint)]
    return [
        API_ANSWERS,
        _KEY_ACCEPTED,
        fail(
            "scopes",
            f"the key cannot list integrations: {refusal.summary}",
            "grant it organisation_integrations.list, or workspace_integrations.list for a "
            "workspace key",
        ),
    ]


def _slug_of(row: object) -> str:
    return str(row.get("slug")) if isinstance(row, Mapping) else ""
