"""What the page shows: the integrations that are there, and how they compare with the files.

A snapshot is a value. Reading it takes a listing and a plan, so one is kept for a few seconds; what
it looks like is decided in `reconciler.adapter.ui.pages`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from reconciler import workflows
from reconciler.adapter.declared_files import DeclaredFiles
from reconciler.adapter.gitops_tools import OpenSession
from reconciler.adapter.problems import refuse
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.last_applied import LastAppliedState
from reconciler.domain.policy import Target
from reconciler.domain.rejection import Rejection
from reconciler.domain.state import Declared, DesiredState, Observed, ObservedState
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.undeclared import unlisted_workspaces
from reconciler.planning.unreadable_messages import left_out
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.observe import read_one
from reconciler.remote.pagination import list_all

KEPT_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 60.0

OpenAPI = Callable[[], AbstractAsyncContextManager[IntegrationsAPI]]
Runs = Callable[[], Awaitable[list[dict[str, Any]]]]


class SyncStatus(Enum):
    """How an integration compares with the files."""

    IN_SYNC = "in sync"
    UNDECLARED_ACCESS = "undeclared access"
    UNDECLARED_HOST = "undeclared host"
    DIFFERS = "differs"
    MISSING = "missing"
    SURPLUS = "to be removed"
    UNMANAGED = "not in Git"
    UNKNOWN = "not compared"


_STANDINGS: Final[Mapping[ActionKind, SyncStatus]] = {
    ActionKind.CREATE: SyncStatus.MISSING,
    ActionKind.UPDATE: SyncStatus.DIFFERS,
    ActionKind.REPLACE: SyncStatus.DIFFERS,
    ActionKind.DELETE: SyncStatus.SURPLUS,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the overview."""

    slug: str
    name: str
    provider: str
    status: str
    sync_status: SyncStatus
    workspaces: int | None = None
    changed: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is there at one time.

    `plan` is None where none could be made, `desired` where the files have errors. `memory` is what
    the plan knew of the past.
    """

    target: Target
    taken_at: str
    rows: tuple[Row, ...]
    plan: Plan | None = None
    problems: tuple[Diagnostic, ...] = ()
    desired: DesiredState | None = None
    memory: LastAppliedState = LastAppliedState()

    @property
    def declared(self) -> Mapping[str, Declared]:
        """Return what the files declare, by slug."""
        return self.desired.integrations if self.desired else {}

    def plan_again(self, slug: str, observed: Observed | None) -> Plan | None:
        """Plan one integration as it was read just now; None for one that no file declares."""
        if self.desired is None or slug not in self.declared:
            return None
        alone = replace(self.desired, integrations={slug: self.declared[slug]}, tombstones={})
        return make_plan(
            desired=alone,
            observed=ObservedState({} if observed is None else {slug: observed}),
            memory=self.memory,
            created_at=self.taken_at,
        )

    def action(self, slug: str) -> Action | None:
        """Give what the plan would do to an integration."""
        actions = self.plan.actions if self.plan else ()
        return next((action for action in actions if action.slug == slug), None)

    def unverified(self, slug: str) -> frozenset[str]:
        """Give the secrets of an integration that could not be compared."""
        found = self.plan.unverified if self.plan else ()
        return frozenset(item.path for item in found if item.slug == slug)


@dataclass(slots=True)
class StateCache:
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
            known_fields = self.target.known_fields
            return await read_one(
                api, slug, models=True, workspaces=True, known_fields=known_fields
            )

    async def _read(self) -> Snapshot:
        loaded = await self.files.load()
        if loaded.state is None:
            return await self._without_plan(None, loaded.diagnostics)
        try:
            async with self.open_session(loaded) as session:
                plan, observed = await workflows.observe_and_plan(session, PlanOptions())
                memory = session.memory
        except ReconcilerError as problem:
            return await self._without_plan(loaded.state, _told(problem))
        return Snapshot(
            self.target,
            self.now(),
            _rows(
                observed.integrations,
                loaded.state.integrations,
                plan,
                unreadable=observed.unreadable.keys(),
            ),
            plan,
            desired=loaded.state,
            memory=memory,
        )

    async def _without_plan(
        self, desired: DesiredState | None, problems: tuple[Diagnostic, ...]
    ) -> Snapshot:
        """Show what is there although it cannot be compared with the files."""
        rows: Mapping[str, Observed] = {}
        unreadable: Collection[str] = ()
        try:
            async with self.open_api() as api:
                listing = await list_all(api)
            rows, unreadable = listing.rows, listing.unreadable.keys()
            problems = (*problems, *left_out(listing))
        except ReconcilerError as problem:
            problems = (*problems, *_told(problem))
        return Snapshot(
            self.target,
            self.now(),
            _rows(rows, desired.integrations if desired else {}, None, unreadable=unreadable),
            problems=tuple(dict.fromkeys(problems)),
            desired=desired,
        )


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
    observed: Mapping[str, Observed],
    declared: Mapping[str, Declared],
    plan: Plan | None,
    *,
    unreadable: Collection[str],
) -> tuple[Row, ...]:
    actions = {action.slug: action for action in plan.actions} if plan else {}
    exposed = exposures(plan) if plan else {}
    rows = []
    for slug in sorted({*observed, *declared, *unreadable}):
        seen, wished, action = observed.get(slug), declared.get(slug), actions.get(slug)
        if plan is None or slug in unreadable:
            sync_status = SyncStatus.UNKNOWN
        elif action is not None:
            sync_status = _STANDINGS[action.kind]
        elif wished is None:
            sync_status = SyncStatus.UNMANAGED
        else:
            sync_status = exposed.get(slug) or _access_beside(wished, seen) or without_action(plan)
        row = _row(slug, seen, wished, action, sync_status)
        rows.append(replace(row, status="unreadable") if slug in unreadable else row)
    return tuple(rows)


def without_action(plan: Plan) -> SyncStatus:
    """Return what a declared integration is for which a plan has nothing to do."""
    return SyncStatus.IN_SYNC if plan.is_judged else SyncStatus.UNKNOWN


def exposures(plan: Plan) -> dict[str, SyncStatus]:
    """Return the integrations that let in more, or send credentials elsewhere, than Git says."""
    found: dict[str, SyncStatus] = {}
    for item in plan.undeclared:
        if item.is_host:
            found[item.slug] = SyncStatus.UNDECLARED_HOST
        elif item.is_access:
            found.setdefault(item.slug, SyncStatus.UNDECLARED_ACCESS)
    return found


def _access_beside(wished: Declared, seen: Observed | None) -> SyncStatus | None:
    """Judge access by its count where no file lists workspaces: a plan does not read them then."""
    if seen is None or seen.workspaces_read:
        return None
    return SyncStatus.UNDECLARED_ACCESS if unlisted_workspaces(wished, seen) else None


def _row(
    slug: str,
    seen: Observed | None,
    wished: Declared | None,
    action: Action | None,
    sync_status: SyncStatus,
) -> Row:
    fields = {**(wished.fields if wished else {}), **(seen.fields if seen else {})}
    return Row(
        slug=slug,
        name=str(fields.get("name") or ""),
        provider=str(fields.get("ai_provider_id") or ""),
        status=seen.status if seen else "not there",
        sync_status=sync_status,
        workspaces=seen.workspace_count if seen else None,
        changed=(seen.last_updated_at or seen.created_at) if seen else None,
        blocked=bool(action and action.blocked_by),
    )
