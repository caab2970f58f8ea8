"""Read the whole list, and prove that it is complete.

A list is complete if and only if every page has the same integer `total` and that many different
records were read (remote/API.md §1.2). Nothing may be created or deleted because a list was
incomplete, so a list that cannot be proven complete is read again, at most three times, and is then
an error. A row that cannot be read also counts as a record: `reconciler.remote.decode_values`.
Concurrent reads, here and in `reconciler.remote.observe`, fail as one: `gather_or_raise`.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.state import Observed, UnreadableIntegration
from reconciler.frozen_dataclass import dataclass
from reconciler.remote import decode, decode_values
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.decode_values import Damage
from reconciler.remote.errors import DeadlineExceeded, IncompleteRead, RemoteError, WrongShape

# The documented default (remote/API.md §1.2); it is unknown whether more is refused (§9).
PAGE_SIZE = 100
RELISTS = 3

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

    @property
    def is_complete(self) -> bool:
        """Return whether every record was read, as the rule of this module defines it."""
        return not self.problem and self.count == self.total

    @property
    def count(self) -> int:
        """Return the number of different records that were read."""
        return len(self.rows) + len(self.damage.records)

    @property
    def is_over(self) -> bool:
        """Return whether more pages cannot change anything."""
        return bool(self.problem) or self.exhausted or self.count >= (self.total or 0)

    def record_total(self, total: object) -> None:
        """Record the `total` of a page, which must be a number, and the same on all pages."""
        # In Python, True is an int.
        if not isinstance(total, int) or isinstance(total, bool):
            self.problem = "a page has no total"
        elif self.total is None:
            self.total = total
        elif total != self.total:
            self.problem = f"total changed from {self.total} to {total} meanwhile"

    @property
    def explanation(self) -> str:
        """Return why the list is not complete."""
        return self.problem or f"total is {self.total}, but {self.count} were listed"


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
        hint="Nothing was planned or written. Run again; if the problem persists, run "
        "`reconcile doctor` to check the pagination.",
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
        """Read the first page, those that `total` promises, and more until one adds nothing."""
        reading = _Pass()
        pages = itertools.count()
        await self._page(reading, next(pages))
        if not reading.is_over:
            # Rounded up, less the first page; the server may grant fewer rows than requested, but
            # not 0 here: a first page without rows has ended the reading.
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
        query = {"current_page": number, **self._query}
        reply = await self._api.call(Call(OperationName.LIST, query=query))
        answer = decode_values.mapping(reply.body, "the list")
        reading.record_total(answer.get("total"))
        if "data" not in answer:
            raise decode_values.wrong_shape("data", "there")
        self._take(reading, decode_values.rows(answer["data"], "data"))

    def _take(self, reading: _Pass, rows: list[object]) -> None:
        before = reading.count
        page = reading.damage.page()
        for row in rows:
            try:
                record = decode_values.mapping(row, "a row")
                observed = decode.from_row(record)
            except WrongShape as problem:
                page.note(row, problem)
                continue
            if reading.organisation_id is None:
                reading.organisation_id = decode_values.identifier(
                    record.get("organisation_id"), "owner"
                )
            reading.rows[observed.slug] = observed
            if self._on_row is not None and observed.slug not in self._seen:
                self._seen.add(observed.slug)
                self._on_row(observed)
        for slug in reading.damage.slugs & reading.rows.keys():
            del reading.rows[slug]  # of two rows with one slug the damaged one counts
        # The first page decides: the last one is shorter, and pages arrive in any order.
        reading.granted = reading.granted or len(rows)
        # Otherwise a server that ignores `current_page` would be queried forever.
        reading.exhausted = reading.exhausted or reading.count == before


async def gather_or_raise(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first failure cancels the others and is raised without a group."""
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
    """Prefer a defect of ours over a refusal, and a refusal over the deadline that it caused."""
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
