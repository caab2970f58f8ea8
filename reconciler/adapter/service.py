"""Calls to the API for REST and MCP, with one upstream request each.

Permission is checked here. The form of a request is checked before: `reconciler.adapter.rest`,
`reconciler.adapter.tools`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

from reconciler.adapter.auth import Principal
from reconciler.adapter.json_limits import sanitized
from reconciler.adapter.problems import (
    Refusal,
    refuse,
    timeout_problem,
    unusable_answer_problem,
    upstream_problem,
)
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.identifiers import SLUG
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.errors import RemoteError
from reconciler.remote.operations import OPERATIONS, Operation

RAW_OPERATIONS: Final = tuple(row for row in OPERATIONS.values() if row.raw)
"""The five operations that the adapter provides, in the order of the table."""

REST_PREFIX: Final = "/v1"
"""Path below which REST serves them."""


class Upstream(Protocol):
    """Client that makes a call with one request, as `reconciler.remote.client.Client` does."""

    async def call_once(self, call: Call) -> Reply:
        """Make one call; raises `RemoteError`."""
        ...


_UUID: Final = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)

DeclaredIn = Callable[[str], Awaitable[str | None]]
"""Returns the file that declares a slug, None if there is none."""


@dataclass(frozen=True, slots=True)
class UpstreamService:
    """Makes calls for callers after checking their permission.

    `declared_in` protects integrations that files manage; None protects nothing. `timeout` is in
    seconds and includes waiting for a connection. `count` receives the result of each request that
    was sent: the operation, and a status or `failed`.
    """

    upstream: Upstream
    timeout: float
    read_only: bool = False
    declared_in: DeclaredIn | None = None
    count: Callable[[OperationName, str], None] = lambda _name, _result: None

    def check_permission(self, operation: Operation, caller: Principal) -> None:
        """Raise the refusal (403) of a write that this adapter or this caller may not make."""
        if operation.safe:
            return
        if self.read_only:
            raise refuse("read-only", 403, "The adapter was started with --read-only.")
        if not caller.can_write:
            raise refuse("forbidden", 403, f"The token {caller.name} has the scope read.")

    def operations_for(self, caller: Principal) -> list[Operation]:
        """Return the operations that a caller may use, in the order of the table."""
        may_write = caller.can_write and not self.read_only
        return [row for row in RAW_OPERATIONS if row.safe or may_write]

    async def perform(self, call: Call, caller: Principal) -> Reply:
        """Make a call and return the upstream's response; raises `Refusal` otherwise."""
        # Both ports check it before they read the input; this is the last place before the write.
        self.check_permission(OPERATIONS[call.operation], caller)
        await self._check_unmanaged(call)
        result = "failed"
        try:
            async with asyncio.timeout(self.timeout):
                reply = await self.upstream.call_once(call)
            result = str(reply.status)
        except RemoteError as error:
            result = str(error.http_status or "failed")
            problem = upstream_problem(error, call.operation)
        except TimeoutError:
            problem = timeout_problem(call.operation)
        else:
            # The request was carried out: a response that cannot be shown is not a failed call.
            try:
                return replace(reply, body=sanitized(reply.body))
            except ValueError:
                problem = unusable_answer_problem(call.operation)
        finally:
            self.count(call.operation, result)
        raise Refusal(problem)

    async def _check_unmanaged(self, call: Call) -> None:
        if self.declared_in is None or call.slug is None or OPERATIONS[call.operation].safe:
            return
        file = await self.declared_in(call.slug)
        if file is None and _UUID.fullmatch(call.slug.replace("-", "")):
            # The API takes an integration's id in place of its slug, and databases a UUID with its
            # hyphens anywhere; files declare slugs only.
            detail = "Managed integrations are guarded by their slugs; send the slug, not the id."
            raise refuse("managed", 409, detail)
        if file is not None:
            raise refuse(
                "managed", 409, f"{call.slug} is declared in {file}; change it there instead."
            )


def slug_in(body: object) -> str | None:
    """Return the valid slug in the body of a create, None without one."""
    slug = body.get("slug") if isinstance(body, dict) else None
    return slug if isinstance(slug, str) and SLUG.fullmatch(slug) else None
