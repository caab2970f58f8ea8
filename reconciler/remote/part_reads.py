"""Read sub-resources of integrations that are known already, and note what could not be read.

Unlike `remote.observe` one refusal does not end the reading: its part stays unread, with a reason.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.facts import SubResource
from reconciler.domain.state import Observed
from reconciler.remote import decode, decode_values
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.concurrency import gather_or_raise
from reconciler.remote.errors import Answered, NoAnswer, Throttled, Unauthorised
from reconciler.remote.observe import unreadable

_OPERATIONS = {
    SubResource.MODELS: OperationName.GET_MODELS,
    SubResource.WORKSPACES: OperationName.GET_WORKSPACES,
}
_READERS = {
    SubResource.MODELS: decode.with_models,
    SubResource.WORKSPACES: decode.with_workspaces,
}


@dataclass(slots=True)
class PartReads:
    """What was read, by slug and part, and why the rest was not."""

    parts: dict[str, dict[SubResource, Observed]] = field(default_factory=dict)
    refused: dict[tuple[str, SubResource], str] = field(default_factory=dict)


async def read_parts(
    api: IntegrationsAPI,
    wanted: Mapping[str, Collection[SubResource]],
    *,
    concurrency: int,
) -> PartReads:
    """Read these parts, one call each.

    Raises `RemoteError` for what concerns every other call as well: the key is not accepted, there
    is no connection, the time is over.
    """
    reads = PartReads()
    queue: asyncio.Queue[tuple[str, SubResource]] = asyncio.Queue()
    for slug in sorted(wanted):
        for part in sorted(wanted[slug]):
            queue.put_nowait((slug, part))

    async def work() -> None:
        while not queue.empty():
            slug, part = queue.get_nowait()
            await _read(api, slug, part, reads)

    await gather_or_raise(work() for _ in range(min(concurrency, queue.qsize())))
    return reads


async def _read(api: IntegrationsAPI, slug: str, part: SubResource, reads: PartReads) -> None:
    try:
        reply = await api.call(Call(_OPERATIONS[part], slug))
        answer = decode_values.mapping(reply.body, "the answer")
        reads.parts.setdefault(slug, {})[part] = _READERS[part](Observed(slug, {}), answer)
    except (Unauthorised, Throttled):
        raise
    except Answered as refusal:
        reads.refused[slug, part] = f"HTTP {refusal.http_status}, {refusal.code}"
    except NoAnswer as problem:
        reads.refused[slug, part] = unreadable(slug, problem).reason
