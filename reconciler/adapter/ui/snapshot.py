"""State that the page shows: the integrations of the API, compared with the files.

A snapshot is a value. Reading one requires a listing and a plan, so `StateCache` keeps it for a few
seconds. Markup: `reconciler.adapter.ui.pages`.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import field, replace
from enum import Enum
from typing import Any, Final

from reconciler import workflows
from reconciler.adapter.declared_files import DeclaredFiles, OpenSession
from reconciler.adapter.problems import refuse
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.policy import Target
from reconciler.domain.state import (
    Declared,
    DesiredState,
    LastAppliedState,
    Observed,
    ObservedState,
)
from reconciler.errors import ReconcilerError, Rejection
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.messages import left_out
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.staging import find_shadows
from reconciler.planning.undeclared import unlisted_workspaces
from reconciler.remote import observe
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.pagination import list_all

MAX_AGE_SECONDS: Final = 10.0
_TIMEOUT_SECONDS: Final = 60.0

OpenAPI = Callable[[], AbstractAsyncContextManager[IntegrationsAPI]]
Run = Mapping[str, Any]
"""Run in the form of the ledger's history."""

Runs = Callable[[], Awaitable[Sequence[Run]]]


class SyncStatus(Enum):
    """Status of an integration against the files, the most urgent first."""

    UNDECLARED_HOST = "undeclared host"
    UNDECLARED_ACCESS = "undeclared access"
    SURPLUS = "to be removed"
    DIFFERS = "differs"
    MISSING = "missing"
    UNKNOWN = "not compared"
    UNMANAGED = "not in Git"
    IN_SYNC = "in sync"


_STATUS_OF_ACTION: Final[Mapping[ActionKind, SyncStatus]] = {
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
    """All integrations at one point in time.

    `plan` is None if none could be made, `desired` is None if the files have errors.
    """

    target: Target
    taken_at: str
    rows: tuple[Row, ...]
    plan: Plan | None = None
    problems: tuple[Diagnostic, ...] = ()
    desired: DesiredState | None = None
    last_applied: LastAppliedState = LastAppliedState()

    @property
    def declared(self) -> Mapping[str, Declared]:
        """The declared integrations by slug."""
        return self.desired.integrations if self.desired else {}

    def plan_again(self, slug: str, observed: Observed | None) -> Plan | None:
        """Return a plan of one integration as `observed`; None if no file declares it."""
        if self.desired is None or slug not in self.declared:
            return None
        alone = replace(self.desired, integrations={slug: self.declared[slug]}, tombstones={})
        return make_plan(
            desired=alone,
            observed=ObservedState({} if observed is None else {slug: observed}),
            last_applied=self.last_applied,
            created_at=self.taken_at,
        )

    def action(self, slug: str) -> Action | None:
        """Return the planned action on an integration, if any."""
        actions = self.plan.actions if self.plan else ()
        return next((action for action in actions if action.slug == slug), None)

    def unverified(self, slug: str) -> frozenset[str]:
        """Return the paths of the secrets that could not be compared."""
        found = self.plan.unverified if self.plan else ()
        return frozenset(item.path for item in found if item.slug == slug)


@dataclass(slots=True)
class StateCache:
    """Cache of the snapshot, which it reads at most once in `MAX_AGE_SECONDS`.

    `clock` returns seconds, `now` the time as text.
    """

    target: Target
    files: DeclaredFiles
    open_session: OpenSession
    open_api: OpenAPI
    runs: Runs
    clock: Callable[[], float]
    now: Callable[[], str]
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _kept: tuple[float, Snapshot] | None = None

    async def snapshot(self) -> Snapshot:
        """Return a snapshot that is at most `MAX_AGE_SECONDS` old."""
        # The lock makes concurrent callers wait for one read.
        async with _time_limit(), self._lock:
            if self._kept is None or self.clock() - self._kept[0] > MAX_AGE_SECONDS:
                # The time before the read, because a slow read must not count as newer than it is.
                self._kept = (self.clock(), await self._read())
            return self._kept[1]

    async def read_one(self, slug: str) -> Observed | None:
        """Read one integration with its models and workspaces; raises `RemoteError`."""
        async with _time_limit(), self.open_api() as api:
            known_fields = self.target.known_fields
            return await observe.read_one(
                api, slug, models=True, workspaces=True, known_fields=known_fields
            )

    async def _read(self) -> Snapshot:
        loaded = await self.files.load()
        if loaded.state is None:
            return await self._without_plan(None, loaded.diagnostics)
        try:
            async with self.open_session(loaded) as session:
                plan, observed = await workflows.observe_and_plan(session, PlanOptions())
                last_applied = session.last_applied
        except ReconcilerError as problem:
            return await self._without_plan(loaded.state, _diagnostics(problem))
        return Snapshot(
            self.target,
            self.now(),
            _rows(
                _without_shadows(observed, loaded.state, last_applied, plan),
                loaded.state.integrations,
                plan,
                unreadable=observed.unreadable.keys(),
            ),
            plan,
            desired=loaded.state,
            last_applied=last_applied,
        )

    async def _without_plan(
        self, desired: DesiredState | None, problems: tuple[Diagnostic, ...]
    ) -> Snapshot:
        """Return a snapshot of the listing alone, which cannot be compared with the files."""
        rows: Mapping[str, Observed] = {}
        unreadable: Collection[str] = ()
        try:
            async with self.open_api() as api:
                # The list needs no file, so the page shows what exists even if the files have
                # errors.
                listing = await list_all(api)
            rows, unreadable = listing.rows, listing.unreadable.keys()
            problems = (*problems, *left_out(listing))
        except ReconcilerError as problem:
            problems = (*problems, *_diagnostics(problem))
        return Snapshot(
            self.target,
            self.now(),
            _rows(rows, desired.integrations if desired else {}, None, unreadable=unreadable),
            # The plan and the listing may have failed for the same reason.
            problems=tuple(dict.fromkeys(problems)),
            desired=desired,
        )


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    """Raise the refusal (504) if the API takes too long."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            yield
    except TimeoutError:
        detail = f"The API was not read within {_TIMEOUT_SECONDS:g} seconds."
        raise refuse("upstream-timeout", 504, detail) from None


def _diagnostics(problem: ReconcilerError) -> tuple[Diagnostic, ...]:
    if isinstance(problem, Rejection):
        return problem.diagnostics
    return (error(problem.code, problem.summary, hint=problem.hint),)


def _without_shadows(
    observed: ObservedState, desired: DesiredState, last_applied: LastAppliedState, plan: Plan
) -> Mapping[str, Observed]:
    """Return the integrations without the shadows of rotations, unless an action deletes them."""
    if not desired.target.rotation.staged:
        return observed.integrations
    shadows = find_shadows(desired, observed, last_applied)
    # A leftover shadow that the plan deletes is shown, because it needs attention.
    hidden = shadows.keys() - {action.slug for action in plan.actions}
    return {slug: row for slug, row in observed.integrations.items() if slug not in hidden}


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
        seen, entry, action = observed.get(slug), declared.get(slug), actions.get(slug)
        # First, because otherwise the status would follow from the absence of an action.
        if plan is None or slug in unreadable:
            sync_status = SyncStatus.UNKNOWN
        elif action is not None:
            sync_status = _STATUS_OF_ACTION[action.kind]
        elif entry is None:
            sync_status = SyncStatus.UNMANAGED
        else:
            exposure = exposed.get(slug) or _undeclared_access(entry, seen)
            sync_status = exposure or without_action(plan)
        row = _row(slug, entry, seen, action, sync_status)
        rows.append(replace(row, status="unreadable") if slug in unreadable else row)
    return tuple(rows)


def without_action(plan: Plan) -> SyncStatus:
    """Return the status of a declared integration without an action in the plan."""
    return SyncStatus.IN_SYNC if plan.is_judged else SyncStatus.UNKNOWN


def exposures(plan: Plan) -> dict[str, SyncStatus]:
    """Return the integrations with access or hosts that no file declares, by slug."""
    found: dict[str, SyncStatus] = {}
    for item in plan.undeclared:
        if item.is_host:
            found[item.slug] = SyncStatus.UNDECLARED_HOST
        elif item.is_access:
            # An undeclared host is more urgent, so it is kept.
            found.setdefault(item.slug, SyncStatus.UNDECLARED_ACCESS)
    return found


def _undeclared_access(declared: Declared, observed: Observed | None) -> SyncStatus | None:
    """Return `UNDECLARED_ACCESS` if more workspaces have access than declared, by count.

    Plans do not read the workspaces of an integration whose file lists none.
    """
    if observed is None or observed.workspaces_read:
        return None
    return SyncStatus.UNDECLARED_ACCESS if unlisted_workspaces(declared, observed) else None


def _row(
    slug: str,
    declared: Declared | None,
    observed: Observed | None,
    action: Action | None,
    sync_status: SyncStatus,
) -> Row:
    # The observed name wins: it is the one that users of the gateway see.
    fields = dict(declared.fields) if declared else {}
    if observed is not None:
        fields |= observed.fields
    return Row(
        slug=slug,
        name=str(fields.get("name") or ""),
        provider=str(fields.get("ai_provider_id") or ""),
        status=observed.status if observed else "not there",
        sync_status=sync_status,
        workspaces=observed.workspace_count if observed else None,
        changed=(observed.last_updated_at or observed.created_at) if observed else None,
        blocked=bool(action and action.blocked_by),
    )
