"""Read what a plan needs: the whole list, and details of declared and deleted integrations.

For each integration, details are read if a file declares it, models and workspaces if the file
declares them, and everything if the plan deletes or replaces it.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from reconciler.domain.facts import SubResource
from reconciler.domain.policy import Target
from reconciler.domain.schema import fields_of
from reconciler.domain.state import (
    SHADOW_SUFFIX,
    DesiredState,
    LastAppliedState,
    Observed,
    ObservedState,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.removals import is_candidate
from reconciler.planning.undeclared import (
    NO_AUDIT,
    Audit,
    Unread,
    adds_entries,
    audited_parts,
    with_audited_parts,
)
from reconciler.remote.api import IntegrationsAPI, OnProgress
from reconciler.remote.observe import WantedDetails, observe, read_parts
from reconciler.remote.pagination import damaged, list_all, nameless_rows

if TYPE_CHECKING:
    from reconciler.drift.incremental import IncrementalRead


@dataclass(frozen=True, slots=True)
class PlanReader:
    """Reads of one plan; with `incremental`, only of changed integrations and a sample."""

    api: IntegrationsAPI
    desired: DesiredState
    last_applied: LastAppliedState
    options: PlanOptions
    concurrency: int
    incremental: "IncrementalRead | None" = None
    on_progress: OnProgress | None = None

    async def read(self) -> ObservedState:
        """Return the observed state.

        Raises `RemoteError` for an incomplete read, even if only the record of a declared
        integration cannot be decoded.
        """
        if self.incremental is not None:
            wants = self.incremental.filter_wants(self._wants, self._selected)
            whole = self.incremental.merge(await self._observe(wants))
            if whole is not None:
                return whole
        # Also if the list has changed in the meantime, so that earlier details no longer belong to
        # it.
        return await self._observe(self._wants)

    async def read_whole(self, slugs: Collection[str]) -> ObservedState:
        """Return the observed state with all parts of these integrations."""

        def wants(row: Observed) -> WantedDetails | None:
            return _everything(row) if row.slug in slugs else self._wants(row)

        return await self._observe(wants)

    async def audit(self, observed: ObservedState) -> Audit:
        """Read the parts that no file declares, if the options request an audit.

        Integrations that an incremental read assumed to be unchanged are not audited.
        """
        if not self.options.audit:
            return NO_AUDIT
        wanted: dict[str, frozenset[SubResource]] = {}
        for slug in self._selected & observed.live.keys():
            if self.incremental is None or self.incremental.has_read(slug):
                declared = self.desired.integrations[slug]
                wanted[slug] = audited_parts(declared, observed.live[slug])
        reads = await read_parts(
            self.api, wanted, concurrency=self.concurrency, on_progress=self.on_progress
        )
        seen = {
            slug: with_audited_parts(observed.live[slug], parts)
            for slug, parts in reads.parts.items()
        }
        for slug, audited in seen.items():
            if self.incremental is not None and adds_entries(observed.live[slug], audited):
                self.incremental.read_again(slug)
        unread = [Unread(slug, part, reason) for (slug, part), reason in reads.refused.items()]
        return Audit(seen, unread)

    @property
    def _selected(self) -> frozenset[str]:
        selection = self.options.selection
        return frozenset(slug for slug in self.desired.integrations if selection.includes(slug))

    async def _observe(self, wants: Callable[[Observed], WantedDetails | None]) -> ObservedState:
        selected = self._selected
        observed = await observe(
            self.api,
            wants=wants,
            concurrency=self.concurrency,
            expected=selected,
            known_fields=self.desired.target.known_fields,
            on_progress=self.on_progress,
        )
        records = [record for slug, record in observed.unreadable.items() if slug in selected]
        if records:
            raise damaged(*records)
        return observed

    def _may_be_leftover(self, row: Observed) -> bool:
        """Return whether a row of the list may be a shadow that the plan deletes."""
        from reconciler.planning.staging import find_shadow, marked_run  # for few targets

        if not self.options.selection.includes(row.slug.removesuffix(SHADOW_SUFFIX)):
            return False
        if self.desired.target.rotation.staged:
            shadow = find_shadow(row, desired=self.desired, last_applied=self.last_applied)
            return shadow is not None and shadow.is_ours
        # The ledger is read once the list is known.
        return row.slug not in self.desired.integrations and marked_run(row) is not None

    def _wants(self, row: Observed) -> WantedDetails | None:
        """Return the details to read for a row of the list, None if the row is sufficient.

        An integration that may be deleted is read completely, because the plan shows what is lost.
        """
        if row.slug.endswith(SHADOW_SUFFIX) and self._may_be_leftover(row):
            return _everything(row)
        if is_candidate(
            row, desired=self.desired, last_applied=self.last_applied, options=self.options
        ):
            return _everything(row)
        declared = self.desired.integrations.get(row.slug)
        is_selected = self.options.selection.includes(row.slug)
        if declared is None or not is_selected or row.is_archived:
            return None
        fields = declared.fields.keys()
        return WantedDetails(
            models=bool(fields & fields_of(SubResource.MODELS)),
            workspaces=bool(fields & fields_of(SubResource.WORKSPACES)),
        )


def _everything(row: Observed) -> WantedDetails:
    # An integration that belongs to a workspace grants access to no other.
    return WantedDetails(models=True, workspaces=not row.is_workspace_scoped)


def removed_unread(planned: Plan) -> frozenset[str]:
    """Return the slugs that the plan deletes or replaces but that were not read completely."""
    return frozenset(
        action.slug
        for action in planned.actions
        if action.kind in {ActionKind.REPLACE, ActionKind.DELETE}
        and action.subject.observed is not None
        and not action.subject.observed.is_whole
    )


async def with_users(
    api: IntegrationsAPI,
    planned: Plan,
    observed: ObservedState,
    *,
    target: Target,
    options: PlanOptions,
    concurrency: int,
) -> Plan:
    """Return the plan with the users of integrations, if the target requests it.

    Nothing is read for a plan whose actions affect no user.
    """
    if not target.reads_usage:
        return planned
    from reconciler.planning.usage_guard import concerned, with_usage

    slugs = [action.slug for action in concerned(planned)]
    if not slugs:
        return planned
    from reconciler.remote.usage import read_usage

    ids = {slug: observed.integrations[slug].id for slug in slugs if slug in observed.integrations}
    found = await read_usage(api, ids, concurrency=concurrency)
    return with_usage(planned, found, limits=target.limits, options=options)


def fresh_list(api: IntegrationsAPI) -> Callable[[], Awaitable[frozenset[str]]]:
    """Return a function that reads the complete list again and returns its slugs."""

    async def list_again() -> frozenset[str]:
        listing = await list_all(api)
        # Such a row may be the integration whose absence must be proven.
        if listing.nameless:
            raise nameless_rows(listing.nameless)
        return listing.slugs

    return list_again
