"""Read a target: the complete list and the wanted details, or an error.

A fixed number of workers read details while the list is still being paged. A row whose detail is
denied makes the read incomplete, unless a second list proves that it was deleted in the meantime. A
row whose detail is missing or cannot be read is `unreadable`, which concerns only that integration.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from functools import partial

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.facts import SubResource
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.state import Observed, ObservedState, UnreadableIntegration
from reconciler.frozen_dataclass import dataclass
from reconciler.remote import decode
from reconciler.remote.api import IntegrationsAPI, OnProgress, ReadProgress
from reconciler.remote.errors import (
    Answered,
    Forbidden,
    IncompleteRead,
    NoAnswer,
    NotFound,
    Throttled,
    Unauthorised,
    WrongShape,
)
from reconciler.remote.exchange import mapping
from reconciler.remote.pagination import (
    CODE,
    PAGE_SIZE,
    CompleteList,
    Kind,
    damaged,
    gather_or_raise,
    list_all,
)


@dataclass(frozen=True, slots=True)
class WantedDetails:
    """Parts of an integration to read beyond its row in the list."""

    detail: bool = True
    models: bool = False
    workspaces: bool = False


async def observe(
    api: IntegrationsAPI,
    *,
    wants: Callable[[Observed], WantedDetails | None],
    page_size: int = PAGE_SIZE,
    concurrency: int = 10,
    workspace_id: str | None = None,
    kind: Kind = "all",
    expected: Collection[str] = (),
    known_fields: KnownFields = NO_KNOWN_FIELDS,
    on_progress: OnProgress | None = None,
) -> ObservedState:
    """Read the list and, for each row, the parts that `wants` returns (None: the row is enough).

    `expected` are slugs whose absence would matter: if the list has rows without a readable slug,
    each expected slug that it does not show is read separately.

    Raises `IncompleteRead` if the list cannot be proven complete, or if a wanted part is denied.
    """
    list_again = partial(
        list_all,
        api,
        page_size=page_size,
        concurrency=concurrency,
        workspace_id=workspace_id,
        kind=kind,
    )
    reading = _Reading(api, wants, known_fields, _Counter(on_progress))
    listing: list[CompleteList] = []

    async def read_list() -> None:
        listing.append(await list_again(on_row=reading.enqueue))
        reading.close(concurrency)

    # Details are read while further pages are requested, because they need only a row.
    await gather_or_raise([read_list(), *(reading.work() for _ in range(concurrency))])
    listed, calls = listing[0], listing[0].calls + reading.calls
    if reading.refused:
        # A second list decides: a row that it no longer shows was deleted while the first was read.
        proof = await list_again()
        calls += proof.calls
        reading.check(proof)
    hidden: dict[str, UnreadableIntegration] = {}
    # An integration whose row cannot be read could be treated as deleted and be created twice.
    if listed.unidentified:
        missing = [slug for slug in expected if slug not in listed.slugs]
        hidden = await _hidden(api, missing, concurrency=concurrency)
        calls += len(missing)
    return reading.state(listed, hidden=hidden, calls=calls)


async def read_one(
    api: IntegrationsAPI,
    slug: str,
    *,
    models: bool = False,
    workspaces: bool = False,
    known_fields: KnownFields = NO_KNOWN_FIELDS,
) -> Observed | None:
    """Read the current state of an integration; return None only for the API's 404 on its path.

    Raises `Forbidden` for a 403, which proves nothing, and `UnreadableRecords` for a damaged
    record.
    """
    try:
        reply = await api.call(Call(OperationName.GET, slug))
        answer = mapping(reply.body, "the answer")
        observed = decode.from_detail(answer, asked=slug, known_fields=known_fields)
    except NotFound:
        return None
    except NoAnswer as problem:
        raise damaged(unreadable(slug, problem)) from None
    if not models and not workspaces:
        return observed
    reading = _Reading(
        api, lambda _: WantedDetails(detail=False, models=models, workspaces=workspaces)
    )
    reading.enqueue(observed)
    # Two workers, because two parts can be read at the same time.
    reading.close(2)
    await gather_or_raise(reading.work() for _ in range(2))
    refusal = reading.refused.get(slug)
    if refusal is not None:
        # The record itself was just read, so a 404 for a part of it shows no absence.
        if isinstance(refusal, NotFound):
            raise damaged(
                UnreadableIntegration(slug, "listed-not-found", "a part of it answers 404")
            )
        raise _denied(slug, refusal)
    if slug in reading.damaged:
        raise damaged(reading.damaged[slug])
    return reading.joined(observed)


@dataclass(slots=True)
class PartReads:
    """Parts that were read, by slug, and why the others were not."""

    parts: dict[str, dict[SubResource, Observed]] = field(default_factory=dict)
    refused: dict[tuple[str, SubResource], str] = field(default_factory=dict)


async def read_parts(
    api: IntegrationsAPI,
    wanted: Mapping[str, Collection[SubResource]],
    *,
    concurrency: int,
    on_progress: OnProgress | None = None,
) -> PartReads:
    """Read sub-resources of known integrations, with one call each.

    Unlike in `observe`, a refusal does not end the read: its part stays unread, with a reason.
    Raises `RemoteError` for failures that also affect every other call: the key is not accepted,
    there is no connection, the deadline has passed.
    """
    reads = PartReads()
    queue: asyncio.Queue[tuple[str, SubResource]] = asyncio.Queue()
    # Sorted, so that the calls of two runs have the same order.
    for slug in sorted(wanted):
        for part in sorted(wanted[slug]):
            queue.put_nowait((slug, part))
    wanted_parts = queue.qsize()

    async def work() -> None:
        while not queue.empty():
            # There is no await between this and the check, so no other worker can take the entry.
            slug, part = queue.get_nowait()
            await _read(api, slug, part, reads)
            if on_progress is not None:
                done = sum(map(len, reads.parts.values())) + len(reads.refused)
                on_progress(ReadProgress(done, wanted_parts, is_listed=True))

    await gather_or_raise(work() for _ in range(min(concurrency, queue.qsize())))
    return reads


async def _hidden(
    api: IntegrationsAPI, slugs: Iterable[str], *, concurrency: int
) -> dict[str, UnreadableIntegration]:
    """Return the integrations that the list does not show and that are not proven absent."""
    found: dict[str, UnreadableIntegration] = {}
    # All workers take from one iterator, so no slug is read twice.
    waiting = iter(slugs)

    async def work() -> None:
        for slug in waiting:
            if not await _is_absent(api, slug):
                reason = "it exists, but its row in the list cannot be read"
                found[slug] = UnreadableIntegration(slug, CODE, reason)

    await gather_or_raise(work() for _ in range(concurrency))
    return found


async def _is_absent(api: IntegrationsAPI, slug: str) -> bool:
    try:
        await api.call(Call(OperationName.GET, slug))
    except NotFound:
        return True
    except Forbidden:
        return False  # if the list hides names, a denial proves nothing
    return False


@dataclass(slots=True)
class _Parts:
    """Responses for one integration, in any order."""

    detail: Observed | None = None
    models: Observed | None = None
    workspaces: Observed | None = None


@dataclass(slots=True)
class _Counter:
    """Count of integrations whose wanted parts were all read, for a listener."""

    on_progress: OnProgress | None = None
    done: int = 0
    wanted: int = 0
    is_listed: bool = False
    _parts_left: dict[str, int] = field(default_factory=dict)

    def add(self, slug: str, parts: int) -> None:
        """Count an integration with parts to read."""
        if self.on_progress is not None and parts:
            self._parts_left[slug] = parts
            self.wanted += 1
            self._report()

    def part_read(self, slug: str) -> None:
        """Count a part that was read or refused."""
        if self.on_progress is None:
            return
        self._parts_left[slug] -= 1
        if not self._parts_left[slug]:
            self.done += 1
            self._report()

    def close(self) -> None:
        """Record that the list is complete."""
        self.is_listed = True
        self._report()

    def _report(self) -> None:
        if self.on_progress is not None:
            self.on_progress(ReadProgress(self.done, self.wanted, self.is_listed))


@dataclass(slots=True)
class _Reading:
    """Queue of reads of single integrations, and their results.

    `refused` are reads that were denied or not found, `damaged` those that cannot be decoded.
    """

    api: IntegrationsAPI
    wants: Callable[[Observed], WantedDetails | None]
    known_fields: KnownFields = field(default_factory=lambda: NO_KNOWN_FIELDS)
    counter: _Counter = field(default_factory=_Counter)
    calls: int = 0
    refused: dict[str, NotFound | Forbidden] = field(default_factory=dict)
    damaged: dict[str, UnreadableIntegration] = field(default_factory=dict)
    _parts: dict[str, _Parts] = field(default_factory=dict)
    _queue: asyncio.Queue[Call | None] = field(default_factory=asyncio.Queue)

    def enqueue(self, row: Observed) -> None:
        """Queue the wanted parts of a row."""
        wanted = self.wants(row)
        if wanted is None:
            return
        for operation, is_wanted in (
            (OperationName.GET, wanted.detail),
            (OperationName.GET_MODELS, wanted.models),
            (OperationName.GET_WORKSPACES, wanted.workspaces),
        ):
            if is_wanted:
                self._queue.put_nowait(Call(operation, row.slug))
        self.counter.add(row.slug, wanted.detail + wanted.models + wanted.workspaces)

    def close(self, workers: int) -> None:
        """Stop the workers once the queue is empty."""
        self.counter.close()
        for _ in range(workers):
            self._queue.put_nowait(None)

    async def work(self) -> None:
        """Make queued calls until there are no more."""
        while True:
            call = await self._queue.get()
            if call is None:
                return
            self.calls += 1
            try:
                reply = await self.api.call(call)
                self._keep(call, mapping(reply.body, "the answer"))
            except (NotFound, Forbidden) as error:
                # Kept for `check`, because the integration may have been deleted since the list
                # showed it.
                self.refused[call.slug or ""] = error
            except NoAnswer as problem:
                slug = call.slug or ""
                self.damaged[slug] = unreadable(slug, problem)
            self.counter.part_read(call.slug or "")

    def _keep(self, call: Call, answer: dict[str, object]) -> None:
        slug = call.slug or ""
        parts = self._parts.setdefault(slug, _Parts())
        match call.operation:
            case OperationName.GET:
                parts.detail = decode.from_detail(
                    answer, asked=slug, known_fields=self.known_fields
                )
            # The response names no integration, so it is decoded into an empty one and merged
            # later.
            case OperationName.GET_MODELS:
                parts.models = decode.with_models(Observed(slug, {}), answer)
            case _:
                parts.workspaces = decode.with_workspaces(Observed(slug, {}), answer)

    def check(self, proof: CompleteList) -> None:
        """Raise `IncompleteRead` if a denied integration is still listed.

        An integration that is still listed but was not found is damaged: neither present nor
        absent.
        """
        for slug, error in sorted(self.refused.items()):
            if slug not in proof.slugs:
                # Deleted in the meantime, so a part that could not be read does not matter.
                self.damaged.pop(slug, None)
            elif isinstance(error, NotFound):
                reason = "the list contains it, but reading it returned 404"
                self.damaged[slug] = UnreadableIntegration(slug, "listed-not-found", reason)
            else:
                raise _denied(slug, error)

    def state(
        self, listed: CompleteList, *, hidden: Mapping[str, UnreadableIntegration], calls: int
    ) -> ObservedState:
        """Return the rows of the list with all parts that were read."""
        damaged = {s: record for s, record in self.damaged.items() if s in listed.rows}
        # A refused integration that is no longer listed was deleted in the meantime.
        known = [s for s in sorted(listed.rows) if s not in self.refused and s not in damaged]
        return ObservedState(
            {slug: self.joined(listed.rows[slug]) for slug in known},
            listed.organisation_id,
            calls,
            unreadable={**listed.unreadable, **damaged, **hidden},
            nameless=listed.nameless,
        )

    def joined(self, row: Observed) -> Observed:
        """Return a row with all parts that were read."""
        # Removed, because 10,000 integrations would otherwise be in memory twice.
        parts = self._parts.pop(row.slug, None)
        if parts is None:
            return row
        if parts.detail is not None:
            row = decode.detail_over_row(row, parts.detail)
        if parts.models is None and parts.workspaces is None:
            return row
        return decode.with_parts(row, models=parts.models, workspaces=parts.workspaces)


_BROKEN = frozenset({"invalid-json", "empty-answer", "unexpected-shape"})
"""Codes that a single record can cause; a proxy's page or a lost connection affects all records."""


def unreadable(slug: str, problem: NoAnswer) -> UnreadableIntegration:
    """Return the record of an integration that cannot be read, or raise the problem."""
    if isinstance(problem, WrongShape):
        return UnreadableIntegration(slug, CODE, problem.reason)
    if problem.code not in _BROKEN:
        raise problem
    return UnreadableIntegration(slug, CODE, problem.summary)


def _denied(slug: str, error: NotFound | Forbidden) -> IncompleteRead:
    return IncompleteRead(
        f"the list shows {slug}, but reading it failed: {error.summary}",
        code="incomplete-read",
        hint="grant the key the `.read` scope for each listed integration; see `reconcile doctor`",
        http_status=error.http_status,
        request_id=error.request_id,
    )


_OPERATIONS = {
    SubResource.MODELS: OperationName.GET_MODELS,
    SubResource.WORKSPACES: OperationName.GET_WORKSPACES,
}
_READERS = {
    SubResource.MODELS: decode.with_models,
    SubResource.WORKSPACES: decode.with_workspaces,
}


async def _read(api: IntegrationsAPI, slug: str, part: SubResource, reads: PartReads) -> None:
    try:
        reply = await api.call(Call(_OPERATIONS[part], slug))
        answer = mapping(reply.body, "the answer")
        reads.parts.setdefault(slug, {})[part] = _READERS[part](Observed(slug, {}), answer)
    # Both are kinds of `Answered` that would also affect every other call.
    except (Unauthorised, Throttled):
        raise
    except Answered as refusal:
        reads.refused[slug, part] = f"HTTP {refusal.http_status}, {refusal.code}"
    except NoAnswer as problem:
        reads.refused[slug, part] = unreadable(slug, problem).reason
