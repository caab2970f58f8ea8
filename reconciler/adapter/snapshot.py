"""What the page shows: the integrations that are there, and how they stand against the files.

A snapshot is a value. Reading it takes a listing and a plan, so one is kept for a few seconds; what
it looks like is decided in `reconciler.adapter.page_html`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from reconciler import workflows
from reconciler.adapter.declared import DeclaredFiles
from reconciler.adapter.gitops import OpenSession
from reconciler.adapter.problems import refuse
from reconciler.desired.load import Loaded
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.policy import Target
from reconciler.domain.rejection import Rejection
from reconciler.domain.state import Declared, Observed
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.listing import list_all
from reconciler.remote.observe import read_one

KEPT_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 60.0

OpenAPI = Callable[[], AbstractAsyncContextManager[IntegrationsAPI]]
Runs = Callable[[], Awaitable[list[dict[str, Any]]]]


class Standing(Enum):
    """How an integration stands against the files."""

    IN_SYNC = "in sync"
    DIFFERS = "differs"
    MISSING = "missing"
    SURPLUS = "to be removed"
    UNMANAGED = "not in Git"
    UNKNOWN = "not compared"


_STANDINGS: Final[Mapping[ActionKind, Standing]] = {
    ActionKind.CREATE: Standing.MISSING,
    ActionKind.UPDATE: Standing.DIFFERS,
    ActionKind.REPLACE: Standing.DIFFERS,
    ActionKind.DELETE: Standing.SURPLUS,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the overview."""

    slug: str
    name: str
    provider: str
    status: str
    standing: Standing
    workspaces: int | None = None
    changed: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is there at one time; `plan` is None where none could be made."""

    target: Target
    taken_at: str
    rows: tuple[Row, ...]
    plan: Plan | None = None
    problems: tuple[Diagnostic, ...] = ()
    declared: Mapping[str, Declared] = field(default_factory=lambda: MappingProxyType({}))

    def action(self, slug: str) -> Action | None:
        """Give what the plan would do to an integration."""
        actions = self.plan.actions if self.plan else ()
        return next((action for action in actions if action.slug == slug), None)

    def unverified(self, slug: str) -> frozenset[str]:
        """Give the secrets of an integration that could not be compared."""
        found = self.plan.unverified if self.plan else ()
        return frozenset(item.path for item in found if item.slug == slug)


@dataclass(slots=True)
class Lookout:
    """Reads snapshots, at most one in `KEPT_SECONDS`; `now` gives the time as text."""

    target: Target
    files: DeclaredFiles
    open_session: OpenSession
    open_api: OpenAPI
    runs: Runs
    clock: Callable[[], float]
    now: Callable[[], str]
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _kept: tuple[float, Snapshot] | None = None

    async def look(self) -> Snapshot:
        """Give a snapshot that is not older than that."""
        async with _in_time(), self._lock:
            if self._kept is None or self.clock() - self._kept[0] > KEPT_SECONDS:
                self._kept = (self.clock(), await self._read())
            return self._kept[1]

    async def one(self, slug: str) -> Observed | None:
        """Read one integration with its models and workspaces; raises `RemoteError`."""
        async with _in_time(), self.open_api() as api:
            return await read_one(api, slug, models=True, workspaces=True)

    async def _read(self) -> Snapshot:
        loaded = await self.files.load()
        plan, problems = await self._plan(loaded)
        rows: Mapping[str, Observed] = {}
        try:
            async with self.open_api() as api:
                rows = (await list_all(api)).rows
        except ReconcilerError as problem:
            problems = (*problems, *_told(problem))
        declared = loaded.state.integrations if loaded.state else {}
        return Snapshot(
            self.target,
            self.now(),
            _rows(rows, declared, plan),
            plan,
            tuple(dict.fromkeys(problems)),
            declared,
        )

    async def _plan(self, loaded: Loaded) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
        if loaded.state is None:
            return None, loaded.diagnostics
        try:
            async with self.open_session(loaded) as session:
                return await workflows.plan(session, PlanOptions()), ()
        except ReconcilerError as problem:
            return None, _told(problem)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Give up on an API that keeps people waiting, be it slow or throttling."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except TimeoutError:
        detail = f"The API was not read within {_PATIENCE_SECONDS:g} seconds."
        raise refuse("upstream-timeout", 504, detail) from None


def _told(problem: ReconcilerError) -> tuple[Diagnostic, ...]:
    if isinstance(problem, Rejection):
        return problem.diagnostics
    return (error(problem.code, problem.summary, hint=problem.hint),)


def _rows(
    observed: Mapping[str, Observed], declared: Mapping[str, Declared], plan: Plan | None
) -> tuple[Row, ...]:
    actions = {action.slug: action for action in plan.actions} if plan else {}
    compared, judged = plan is not None, plan is not None and plan.is_judged
    return tuple(
        _row(
            slug,
            observed.get(slug),
            declared.get(slug),
            actions.get(slug),
            compared=compared,
            judged=judged,
        )
        for slug in sorted({*observed, *declared})
    )


def _row(
    slug: str,
    seen: Observed | None,
    wished: Declared | None,
    action: Action | None,
    *,
    compared: bool,
    judged: bool,
) -> Row:
    fields = {**(wished.fields if wished else {}), **(seen.fields if seen else {})}
    return Row(
        slug=slug,
        name=str(fields.get("name") or ""),
        provider=str(fields.get("ai_provider_id") or ""),
        status=seen.status if seen else "not there",
        standing=_standing(wished, action, compared=compared, judged=judged),
        workspaces=seen.workspace_count if seen else None,
        changed=(seen.last_updated_at or seen.created_at) if seen else None,
        blocked=bool(action and action.blocked_by),
    )


def _standing(
    wished: Declared | None, action: Action | None, *, compared: bool, judged: bool
) -> Standing:
    if not compared:
        return Standing.UNKNOWN
    if action is not None:
        return _STANDINGS[action.kind]
    if wished is None:
        return Standing.UNMANAGED
    return Standing.IN_SYNC if judged else Standing.UNKNOWN
