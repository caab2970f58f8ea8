"""Pass one call on to the API: the one way through which REST and MCP both go.

Who may write is decided here, and that exactly one request leaves for each that came in. What a
request looks like is decided before: `reconciler.adapter.rest`, `reconciler.adapter.tools`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from reconciler.adapter.auth import Principal
from reconciler.adapter.json_limits import passable
from reconciler.adapter.problems import Refusal, of_upstream, refuse, timed_out, unusable
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.identifiers import SLUG
from reconciler.remote.errors import RemoteError
from reconciler.remote.operations import OPERATIONS, Operation


class Upstream(Protocol):
    """Whatever makes a call with one request; see `reconciler.remote.client.Client.once`."""

    async def once(self, call: Call) -> Reply:
        """Make one call, or raise `RemoteError`."""
        ...


_ID: Final = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)

DeclaredIn = Callable[[str], Awaitable[str | None]]
"""Tells which file declares a slug, None where none does."""


@dataclass(frozen=True, slots=True)
class UpstreamService:
    """Carries calls out. `declared_in` protects what files manage, None where nothing does.

    `timeout` is in seconds and covers waiting for a connection, too. `count` is told the result of
    each request that was sent: the operation, and a status or `failed`.
    """

    upstream: Upstream
    timeout: float
    read_only: bool = False
    declared_in: DeclaredIn | None = None
    count: Callable[[OperationName, str], None] = lambda _name, _result: None

    def check_permission(self, operation: Operation, caller: Principal) -> None:
        """Raise the refusal (403) of a write that this adapter or this caller may not do."""
        if operation.safe:
            return
        if self.read_only:
            raise refuse("read-only", 403, "The adapter was started to read only.")
        if not caller.writes:
            raise refuse("forbidden", 403, f"The token {caller.name} is for reading only.")

    def offered_to(self, caller: Principal) -> list[Operation]:
        """Give the operations that a caller may use, in the order of the table."""
        may_write = caller.writes and not self.read_only
        return [row for row in RAW if row.safe or may_write]

    async def perform(self, call: Call, caller: Principal) -> Reply:
        """Make a call and give the upstream's answer; everything else is a `Refusal`."""
        self.check_permission(OPERATIONS[call.operation], caller)
        await self._protect(call)
        result = "failed"
        try:
            async with asyncio.timeout(self.timeout):
                reply = await self.upstream.once(call)
            result = str(reply.status)
        except RemoteError as error:
            result = str(error.http_status or "failed")
            problem = of_upstream(error, call.operation)
        except TimeoutError:
            problem = timed_out(call.operation)
        else:
            # Once the request was carried out, an answer that cannot be shown is not a failed call.
            try:
                return replace(reply, body=passable(reply.body))
            except ValueError:
                problem = unusable(call.operation)
        finally:
            self.count(call.operation, result)
        raise Refusal(problem)

    async def _protect(self, call: Call) -> None:
        if self.declared_in is None or call.slug is None or OPERATIONS[call.operation].safe:
            return
        file = await self.declared_in(call.slug)
        if file is None and _ID.fullmatch(call.slug.replace("-", "")):
            # The API takes an integration's id in place of its slug, and databases a UUID with its
            # hyphens anywhere; files declare slugs only.
            detail = "Managed integrations are guarded by their slugs; send the slug, not the id."
            raise refuse("managed", 409, detail)
        if file is not None:
            raise refuse(
                "managed", 409, f"{call.slug} is declared in {file}; change it there instead."
            )


RAW = tuple(row for row in OPERATIONS.values() if row.raw)
"""The five operations that are offered, in the order of the table."""


def slug_in(body: Any) -> str | None:
    """Give the slug that the body of a create names, None without one that can be one."""
    slug = body.get("slug") if isinstance(body, dict) else None
    return slug if isinstance(slug, str) and SLUG.fullmatch(slug) else None
