"""Read the whole list, and prove that it is complete.

A list is complete if and only if every page has the same integer `total` and that many different
records of one organisation were read (remote/API.md §1.2), and the last page announces no more.
Nothing may be created or deleted because a list was incomplete, so a list that cannot be proven
complete is read again, at most three times, and is then an error. Concurrent reads, here and in
`reconciler.remote.observe`, fail together: `gather_or_raise`.

A row that cannot be read counts as a record, but neither as data nor as absence. It belongs to the
slug that it names. If that is not valid, it belongs to the slug without the invalid characters; if
nothing remains, it may belong to any slug.
"""

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from reconciler.diagnostics import named
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.identifiers import SLUG
from reconciler.domain.state import Observed, UnreadableIntegration
from reconciler.domain.surrogates import repaired
from reconciler.frozen_dataclass import dataclass
from reconciler.remote import decode, decode_values, exchange
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import (
    DeadlineExceeded,
    IncompleteRead,
    RemoteError,
    UnreadableRecords,
    WrongShape,
)

# The documented default (remote/API.md §1.2); it is unknown whether more is refused (§9).
PAGE_SIZE = 100
RELISTS = 3
MOST_RECORDS = 10_000_000
"""Largest `total` that is believed: a hundred times the largest list that this program is for."""

USUAL_SIZES = frozenset({10, 20, 25, 30, 50, 100})
"""Page sizes that servers use; a page of such a size may be full."""

Kind: TypeAlias = Literal["all", "organisation", "workspace"]


@dataclass(frozen=True, slots=True)
class CompleteList:
    """Complete list: its rows by slug, their organisation (None when empty), the calls it took.

    `unreadable` are rows that exist but cannot be read, `unidentified` counts those without a valid
    slug, and `nameless` those of them whose slug cannot even be guessed.
    """

    rows: Mapping[str, Observed]
    organisation_id: str | None
    calls: int
    unreadable: Mapping[str, UnreadableIntegration] = field(
        default_factory=lambda: MappingProxyType({})
    )
    unidentified: int = 0
    nameless: int = 0

    @property
    def slugs(self) -> frozenset[str]:
        """Slugs in the list, readable or not."""
        return frozenset(self.rows) | frozenset(self.unreadable)


CODE = "unreadable-record"

_SHOWN = 5
_NO_SLUG = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_SLUG = 255


def damaged(*records: UnreadableIntegration) -> UnreadableRecords:
    """Build the error for one or more relevant integrations that cannot be read."""
    first = min(records, key=_by_slug)
    reasons = [f"{record.slug}: {record.reason}" for record in sorted(records, key=_by_slug)]
    shown = named(reasons, limit=_SHOWN, separator="; ")
    return UnreadableRecords(
        f"an integration exists but cannot be read: {shown}",
        code=first.code,
        hint="repair it in the console; `--exclude SLUG` plans the others without it",
    )


def nameless_rows(count: int) -> UnreadableRecords:
    """Build the error for rows whose slug cannot be read."""
    rows = "a row" if count == 1 else f"{count} rows"
    return UnreadableRecords(
        f"the list has {rows} without a readable slug, so nothing is known to be absent",
        code=CODE,
        hint="`reconcile list` shows the others; repair these in the console",
    )


def _by_slug(record: UnreadableIntegration) -> str:
    return record.slug


@dataclass(slots=True)
class Damage:
    """Unreadable rows of one read, each under a unique name."""

    records: dict[str, UnreadableIntegration] = field(default_factory=dict)

    @property
    def slugs(self) -> frozenset[str]:
        """Return the well-formed slugs that damaged rows name."""
        return frozenset(name for name in self.records if SLUG.fullmatch(name))

    @property
    def unidentified(self) -> int:
        """Return the number of rows without a well-formed slug; the slug of those is a guess."""
        return len(self.records) - len(self.slugs)

    @property
    def nameless(self) -> int:
        """Return the number of rows whose slug cannot be read."""
        return sum(not record.slug for record in self.records.values())

    def by_slug(self, readable: Collection[str]) -> Mapping[str, UnreadableIntegration]:
        """Return the records by the slug they belong to.

        A record whose slug was guessed keeps its own name if a readable row has that slug.
        """
        found: dict[str, UnreadableIntegration] = {}
        for name, record in self.records.items():
            if record.slug:
                # Two records under one name would be merged, and the other one would count as
                # absent.
                taken = record.slug in readable or record.slug in found
                found[name if taken else record.slug] = record
        return found

    def page(self) -> "DamagedPage":
        """Return the collector of the damaged rows of the next page."""
        return DamagedPage(self)


@dataclass(slots=True)
class DamagedPage:
    """The unreadable rows of one page."""

    damage: Damage
    _alike: dict[str, int] = field(default_factory=dict)

    def note(self, row: object, problem: WrongShape) -> None:
        """Count a row once, even if several pages show it."""
        slug = row.get("slug") if isinstance(row, dict) else None
        name = _name(slug)
        if not name:
            name = self._identity(row)
        self.damage.records[name] = UnreadableIntegration(_slug_in(slug), CODE, problem.reason)

    def _identity(self, row: object) -> str:
        """Identify a row without a slug by its id, else by its content and its position.

        Pages that shift during the read can show a row twice; a single page cannot.
        """
        identity = row.get("id") if isinstance(row, dict) else None
        if isinstance(identity, str) and identity:
            return f"id:{identity}"
        try:
            # An `UnreadableValue` has no JSON form, hence the default.
            content = json.dumps(row, sort_keys=True, default=lambda _value: "unreadable")
        except RecursionError:
            content = "nested too deep"
        number = self._alike[content] = self._alike.get(content, 0) + 1
        return f"row {number}:{content}"


def _name(slug: object) -> str:
    """Return the slug of a row, "" if it is not valid."""
    if isinstance(slug, int) and not isinstance(slug, bool):
        return f"{slug} (a number)"
    return repaired(slug) if isinstance(slug, str) and _slug_in(slug) else ""


def _slug_in(slug: object) -> str:
    """Return the slug that a row most likely has, "" if none can be recognised."""
    text = str(slug) if isinstance(slug, str | int) and not isinstance(slug, bool) else ""
    return _NO_SLUG.sub("", text)[:_LONGEST_SLUG]


@dataclass(slots=True)
class _Pass:
    """One read of all pages. `granted` is the number of rows in a page."""

    rows: dict[str, Observed] = field(default_factory=dict)
    damage: Damage = field(default_factory=Damage)
    organisation_id: str | None = None
    total: int | None = None
    granted: int = 0
    problem: str = ""
    exhausted: bool = False
    calls: int = 0
    last_page: int = 0
    has_more: bool = False

    @property
    def is_complete(self) -> bool:
        """Return whether every record was read, as the rule of this module defines it."""
        return not self.problem and not self.has_more and self.count == self.total

    @property
    def count(self) -> int:
        """Return the number of different records that were read."""
        return len(self.rows) + len(self.damage.records)

    @property
    def is_over(self) -> bool:
        """Return whether further pages cannot change the result."""
        is_whole = self.count >= (self.total or 0) and not self.has_more
        return bool(self.problem) or self.exhausted or is_whole

    def record_envelope(self, number: int, page: Mapping[str, object]) -> None:
        """Record the `total` of a page, which must be a number, and the same on all pages."""
        total = page.get("total")
        # In Python, True is an int.
        if not isinstance(total, int) or isinstance(total, bool):
            self.problem = "a page has no total"
        elif total > MOST_RECORDS:
            self.problem = f"total is larger than {MOST_RECORDS:,}"
        elif self.total is None:
            self.total = total
        # Rows were added or removed between two pages, so another row may have been skipped.
        elif total != self.total:
            self.problem = f"total changed from {self.total} to {total} during the read"
        if number >= self.last_page:
            self.last_page = number
            # Not documented here, but a sibling has it (remote/API.md §1.2). `total` may then be
            # the number of rows in one page, so another page is read. A server that announces more
            # after every full page denies it there.
            self.has_more = page.get("has_more") not in (None, False)

    def record_organisation(self, organisation_id: str | None) -> None:
        """Record the organisation of a row; all rows that name one must name the same."""
        if self.organisation_id is None:
            self.organisation_id = organisation_id
        elif organisation_id not in (None, self.organisation_id):
            self.problem = "its rows belong to more than one organisation"

    @property
    def explanation(self) -> str:
        """Return why the list is not complete."""
        if self.problem:
            return self.problem
        if self.has_more:
            return f"the last of {self.count} records is on a page that announces more"
        return f"total is {self.total}, but {self.count} were listed"


def first_page(page_size: int = PAGE_SIZE) -> Call:
    """Return the call with which a read of the whole list begins."""
    return Call(OperationName.LIST, query={"current_page": 0, "page_size": page_size})


async def list_all(
    api: IntegrationsAPI,
    *,
    page_size: int = PAGE_SIZE,
    concurrency: int = 10,
    workspace_id: str | None = None,
    kind: Kind = "all",
    on_row: Callable[[Observed], None] | None = None,
) -> CompleteList:
    """Read every integration, or raise `IncompleteRead`.

    `on_row` is called for each row as it arrives, once per slug, even if the read is abandoned
    later.
    """
    query: dict[str, str | int] = {"page_size": page_size}
    if workspace_id is not None:
        query["workspace_id"] = workspace_id
    # `all` is the documented default (remote/API.md §1.2).
    if kind != "all":
        query["type"] = kind
    lister = _Lister(api, query, concurrency, on_row)
    calls = 0
    for _ in range(1 + RELISTS):
        # Rows of an abandoned pass are dropped, because a row that was deleted since then must not
        # reappear.
        reading = await lister.read()
        calls += reading.calls
        if reading.is_complete:
            return CompleteList(
                reading.rows,
                reading.organisation_id,
                calls,
                unreadable=reading.damage.by_slug(reading.rows),
                unidentified=reading.damage.unidentified,
                nameless=reading.damage.nameless,
            )
    raise IncompleteRead(
        f"the list of integrations could not be proven complete: {reading.explanation}",
        code="incomplete-read",
        hint="run again: nothing was planned or written; if the problem persists, run "
        "`reconcile doctor` to check the pagination",
        attempts=calls,
    )


class _Lister:
    """Reader of all pages of one query, which can be repeated."""

    def __init__(
        self,
        api: IntegrationsAPI,
        query: Mapping[str, str | int],
        concurrency: int,
        on_row: Callable[[Observed], None] | None,
    ) -> None:
        self._api = api
        self._query = query
        self._concurrency = concurrency
        self._on_row = on_row
        # Shared by all passes: a list that is read again must not queue a detail twice.
        self._seen: set[str] = set()

    async def read(self) -> _Pass:
        """Read the first page, those that `total` announces, and more until one adds nothing."""
        reading = _Pass()
        pages = itertools.count()
        await self._page(reading, next(pages))
        if not reading.is_over:
            # Rounded up, without the first page. The server may return fewer rows than requested,
            # but not 0 here, because a first page without rows has ended the read.
            promised = -(-(reading.total or 0) // reading.granted) - 1
            await self._wave(reading, itertools.islice(pages, promised), promised)
        while not reading.is_over:
            await self._page(reading, next(pages))
        return reading

    async def _wave(self, reading: _Pass, pages: Iterator[int], promised: int) -> None:
        """Read pages concurrently; a wrong `total` ends with the first page that adds nothing."""

        async def work() -> None:
            for number in pages:
                await self._page(reading, number)
                if reading.problem or reading.exhausted:
                    return

        await gather_or_raise(work() for _ in range(min(self._concurrency, promised)))

    async def _page(self, reading: _Pass, number: int) -> None:
        reading.calls += 1
        # Pages count from zero (remote/API.md §1.2).
        query = {"current_page": number, **self._query}
        reply = await self._api.call(Call(OperationName.LIST, query=query))
        answer = exchange.mapping(reply.body, "the list")
        reading.record_envelope(number, answer)
        # An absent list is not an empty one.
        if "data" not in answer:
            raise WrongShape("data", "there")
        self._take(reading, exchange.rows(answer["data"], "data"))

    def _take(self, reading: _Pass, rows: list[object]) -> None:
        before = reading.count
        page = reading.damage.page()
        for row in rows:
            try:
                record = exchange.mapping(row, "a row")
                observed = decode.from_row(record)
            except WrongShape as problem:
                page.note(row, problem)
                continue
            # The envelope of the list does not contain it, but every row does (remote/API.md §1.2).
            reading.record_organisation(
                decode_values.identifier(record.get("organisation_id"), "organisation_id")
            )
            reading.rows[observed.slug] = observed
            if self._on_row is not None and observed.slug not in self._seen:
                self._seen.add(observed.slug)
                self._on_row(observed)
        for slug in reading.damage.slugs & reading.rows.keys():
            del reading.rows[slug]  # of two rows with one slug the damaged one counts
        # The first page decides: the last one is shorter, and pages arrive in any order.
        reading.granted = reading.granted or len(rows)
        # Otherwise, a server that ignores `current_page` would be queried forever.
        reading.exhausted = reading.exhausted or reading.count == before


async def gather_or_raise(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first failure cancels the others and is raised alone."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as many:
        failure = _most_telling(many)
    # Raised outside the handler, so that the group does not become its context.
    if failure is not None:
        raise failure


def _most_telling(many: BaseExceptionGroup[BaseException]) -> BaseException:
    """Prefer an internal error over a refusal, and a refusal over the deadline that it caused."""
    found: list[BaseException] = []
    stack: list[BaseException] = [many]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            # Reversed, so that among equal ranks the first error is returned.
            stack.extend(reversed(error.exceptions))
        else:
            found.append(error)
    return min(found, key=_rank)


def _rank(error: BaseException) -> int:
    if not isinstance(error, RemoteError):
        return 0
    return 2 if isinstance(error, DeadlineExceeded) else 1
