"""Read a target: the complete list, and the details that are wanted, or an error.

Details are read while the list is still paging, by a fixed number of workers. A row whose detail
is refused makes the reading incomplete, unless a second list proves that it has gone meanwhile.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.state import Observed, ObservedState
from reconciler.remote import translate, wire
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import Forbidden, IncompleteRead, NotFound
from reconciler.remote.listing import PAGE_SIZE, Kind, Listing, list_all
from reconciler.remote.together import together

__all__ = ["Kind", "Listing", "Wanted", "list_all", "observe", "read_one"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of an integration beyond its row in the list."""

    detail: bool = True
    models: bool = False
    workspaces: bool = False


async def observe(
    api: IntegrationsAPI,
    *,
    wants: Callable[[Observed], Wanted | None],
    page_size: int = PAGE_SIZE,
    concurrency: int = 10,
    workspace_id: str | None = None,
    kind: Kind = "all",
) -> ObservedState:
    """Read the list and what `wants` says of each row (None: the row is enough).

    Raises `IncompleteRead` where the list, or a part of it that is wanted, cannot be read.
    """
    list_again = partial(
        list_all,
        api,
        page_size=page_size,
        concurrency=concurrency,
        workspace_id=workspace_id,
        kind=kind,
    )
    reading = _Reading(api, wants)
    listing: list[Listing] = []

    async def read_list() -> None:
        listing.append(await list_again(on_row=reading.enqueue))
        reading.close(concurrency)

    await together([read_list(), *(reading.work() for _ in range(concurrency))])
    rows, calls = listing[0].rows, listing[0].calls + reading.calls
    if reading.refused:
        proof = await list_again()
        calls += proof.calls
        reading.check(proof)
        rows = {slug: row for slug, row in rows.items() if slug not in reading.refused}
    integrations = {slug: reading.joined(rows[slug]) for slug in sorted(rows)}
    return ObservedState(integrations, listing[0].organisation_id, calls)


@dataclass(slots=True)
class _Parts:
    """The answers of one integration, in whatever order they came."""

    detail: Observed | None = None
    models: Observed | None = None
    workspaces: Observed | None = None


@dataclass(slots=True)
class _Reading:
    """The queue of point reads and what they gave."""

    api: IntegrationsAPI
    wants: Callable[[Observed], Wanted | None]
    calls: int = 0
    refused: dict[str, NotFound | Forbidden] = field(default_factory=dict)
    _parts: dict[str, _Parts] = field(default_factory=dict)
    _queue: asyncio.Queue[Call | None] = field(default_factory=asyncio.Queue)

    def enqueue(self, row: Observed) -> None:
        """Queue what is wanted of a row."""
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

    def close(self, workers: int) -> None:
        """Say that nothing more will be queued."""
        for _ in range(workers):
            self._queue.put_nowait(None)

    async def work(self) -> None:
        """Make queued calls until there are no more."""
        while (call := await self._queue.get()) is not None:
            self.calls += 1
            try:
                reply = await self.api.call(call)
            except (NotFound, Forbidden) as error:
                self.refused[call.slug or ""] = error
            else:
                self._keep(call, wire.mapping(reply.body, "the answer"))

    def _keep(self, call: Call, answer: dict[str, object]) -> None:
        slug = call.slug or ""
        parts = self._parts.setdefault(slug, _Parts())
        match call.operation:
            case OperationName.GET:
                parts.detail = translate.from_detail(answer, asked=slug)
            case OperationName.GET_MODELS:
                parts.models = translate.with_models(Observed(slug, {}), answer)
            case _:
                parts.workspaces = translate.with_workspaces(Observed(slug, {}), answer)

    def check(self, proof: Listing) -> None:
        """Raise `IncompleteRead` if something that was refused is still listed."""
        for slug, error in sorted(self.refused.items()):
            if slug in proof.rows:
                raise _unreadable(slug, error)

    def joined(self, row: Observed) -> Observed:
        """Give a row with everything that was read of it."""
        parts = self._parts.pop(row.slug, None)
        if parts is None:
            return row
        if parts.detail is not None:
            row = translate.detail_over_row(row, parts.detail)
        return translate.with_parts(row, models=parts.models, workspaces=parts.workspaces)


def _unreadable(slug: str, error: NotFound | Forbidden) -> IncompleteRead:
    return IncompleteRead(
        f"the list shows {slug}, but reading it failed: {error.summary}",
        code="incomplete-read",
        hint="The key needs the `.read` scope for everything it lists; see `reconcile doctor`.",
        http_status=error.http_status,
        request_id=error.request_id,
    )


async def read_one(
    api: IntegrationsAPI, slug: str, *, models: bool = False, workspaces: bool = False
) -> Observed | None:
    """Read one integration as it is now; None only for the API's own 404 on its path.

    Raises `Forbidden` for a 403, which proves nothing.
    """
    try:
        reply = await api.call(Call(OperationName.GET, slug))
    except NotFound:
        return None
    observed = translate.from_detail(wire.mapping(reply.body, "the answer"), asked=slug)
    if not models and not workspaces:
        return observed
    reading = _Reading(api, lambda _: Wanted(detail=False, models=models, workspaces=workspaces))
    reading.enqueue(observed)
    reading.close(2)
    await together(reading.work() for _ in range(2))
    if refusal := reading.refused.get(slug):
        raise _unreadable(slug, refusal)
    return reading.joined(observed)
