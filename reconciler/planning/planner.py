"""Compute what has to change.

`make_plan` compares what the files declare with what the API reports. It opens no file, calls no
API and reads no clock. Integrations are planned one by one, in `creates`, `updates` and `removals`.
`guards` blocks unsafe plans, and `reconciler.execution` applies a plan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic, in_order
from reconciler.domain.facts import SubResource
from reconciler.domain.instants import parse_instant
from reconciler.domain.pricing import PRICING
from reconciler.domain.schema import fields_of
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    DesiredState,
    LastApplied,
    LastAppliedState,
    Observed,
    ObservedState,
)
from reconciler.domain.tree import Tree, Value
from reconciler.frozen_dataclass import dataclass
from reconciler.planning import guards, messages
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
)
from reconciler.planning.creates import plan_create
from reconciler.planning.credentials import SecretEvidence, masks_moved
from reconciler.planning.normalize import desired_digest
from reconciler.planning.plan import (
    IntegrationPlan,
    Plan,
    PlanOptions,
    PlanTarget,
    Undeclared,
    Unverified,
)
from reconciler.planning.removals import deletion_reason, owns, plan_delete, was_declared
from reconciler.planning.undeclared import NO_AUDIT, Audit
from reconciler.planning.updates import plan_update

if TYPE_CHECKING:
    from reconciler.planning.costs import Costs
    from reconciler.planning.staging import Shadow

_ORDER = {kind: rank for rank, kind in enumerate(ActionKind)}


def make_plan(
    *,
    desired: DesiredState,
    observed: ObservedState,
    last_applied: LastAppliedState = LastAppliedState(),
    values: Mapping[SecretRef, Redacted] | None = None,
    options: PlanOptions = PlanOptions(),
    created_at: str,
    commit: str | None = None,
    diagnostics: Iterable[Diagnostic] = (),
    run: str | None = None,
    audit: Audit = NO_AUDIT,
) -> Plan:
    """Return the plan that makes the API match the files.

    `values` are the secrets that are available; `diagnostics` are earlier findings that the plan
    repeats; `run` names the run that an undo plan reverts; `audit` adds findings and no action.
    """
    # Without records, there are no masks to compare.
    moved = bool(last_applied.integrations) and masks_moved(last_applied, observed)
    evidence = SecretEvidence(values or {}, last_applied.pepper, moved)
    # The time of the plan is used as the current time, so that equal inputs give equal plans.
    draft = _Draft(desired, observed, last_applied, options, evidence, created_at, audit)
    if evidence.masks_moved:
        draft.diagnostics.append(messages.masks_changed())
    draft.add_declared()
    draft.add_undeclared()
    draft.add_shadows()
    # After `add_undeclared`, which finds the unmanaged integrations.
    is_in_git = commit is not None
    draft.diagnostics += messages.limits_of(last_applied, draft.unmanaged, in_git=is_in_git)
    draft.note_unreadable()
    actions, costs, violations = draft.guarded()
    return Plan(
        target=PlanTarget.of(desired.target, observed.organisation_id),
        created_at=created_at,
        desired_digest=desired_digest(desired),
        commit=commit,
        actions=actions,
        no_op=draft.no_op,
        unverified=tuple(sorted(draft.unverified)),
        undeclared=tuple(sorted(draft.undeclared)),
        unmanaged=tuple(sorted(draft.unmanaged)),
        forgotten=tuple(sorted(draft.forgotten)),
        diagnostics=in_order([*diagnostics, *draft.diagnostics, *violations]),
        run=run,
        costs=costs,
    )


@dataclass
class _Draft:
    """Plan under construction."""

    desired: DesiredState
    observed: ObservedState
    last_applied: LastAppliedState
    options: PlanOptions
    evidence: SecretEvidence
    created_at: str
    audit: Audit
    actions: list[Action] = field(default_factory=list)
    unverified: list[Unverified] = field(default_factory=list)
    undeclared: list[Undeclared] = field(default_factory=list)
    unmanaged: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    no_op: int = 0
    repeated: dict[str, int] = field(default_factory=dict)
    deletes: int = 0

    @cached_property
    def now(self) -> datetime | None:
        """Return the time of the plan."""
        return parse_instant(self.created_at)

    @cached_property
    def shadows(self) -> "Mapping[str, Shadow]":
        """Return the shadows of staged rotations by their slug."""
        if not self.observed.may_have_shadows(self.desired):
            return {}
        # Imported late, because few targets stage their rotations.
        from reconciler.planning.staging import find_shadows

        return find_shadows(self.desired, self.observed, self.last_applied)

    def add_declared(self) -> None:
        """Plan every declared integration."""
        for slug, declared in sorted(self.desired.integrations.items()):
            if not self.options.selection.includes(slug):
                continue
            # Neither present nor absent: a create could make a duplicate, an update could lose what
            # was not read.
            if slug in self.observed.unreadable:
                record = self.observed.unreadable[slug]
                self.diagnostics.append(messages.not_compared(declared, record))
                continue
            current = self.observed.integrations.get(slug)
            part = self._create(declared) if current is None else self._update(declared, current)
            self._add(self._owned_only(part, declared, current))

    def add_undeclared(self) -> None:
        """Plan or report integrations that no file declares; count the deletes of all shards."""
        selection = self.options.selection
        whole = selection.whole
        # Only live ones: an archived record counts as deleted (remote/API.md §1.6).
        for slug, current in sorted(self.observed.live.items()):
            if slug in self.desired.integrations or not whole.includes(slug):
                continue
            if slug in self.shadows:
                continue  # removed by the rotation that it belongs to, or by `add_shadows`
            if not owns(self.desired, current):
                # It belongs to another repository, so it is not reported as unmanaged.
                self._note_foreign_tombstone(slug)
                continue
            remembered = self.last_applied.of(slug)
            is_another = remembered.is_another(current.id)
            was_in_git = was_declared(remembered, current)
            reason = self._deletion_reason(slug, was_in_git=was_in_git)
            # Limits apply to all shards together, so deletes of the other shards also count.
            self.deletes += reason is not None
            if not selection.includes(slug):
                continue
            if is_another and remembered.declared is not None:
                self.diagnostics.append(
                    messages.another_withdrawn(slug, deleted=reason is not None)
                )
            if reason is not None:
                self._delete(current, reason)
            elif was_in_git:
                self.forgotten.append(slug)
            else:
                self.unmanaged.append(slug)

    def add_shadows(self) -> None:
        """Plan to delete shadows that a rotation has left behind; report those that stay."""
        if not self.observed.may_have_shadows(self.desired):
            return
        from reconciler.planning.staging import edited_shadows, plan_leftovers, unknown_shadows

        selection = self.options.selection
        actions, notes = plan_leftovers(self.shadows, self.actions, selection)
        self.diagnostics += notes + unknown_shadows(self.unmanaged, self.observed)
        self.diagnostics += edited_shadows(
            self.desired, self.observed, self.last_applied, self.actions, selection
        )
        self.actions += actions

    def note_unreadable(self) -> None:
        """Report integrations that could not be read: they are neither created nor deleted."""
        for slug, record in sorted(self.observed.unreadable.items()):
            if slug in self.desired.integrations or not self.options.selection.includes(slug):
                continue
            was_in_git = self.last_applied.of(slug).declared is not None
            deleted = self._deletion_reason(slug, was_in_git=was_in_git) is not None
            self.diagnostics.append(messages.left_alone(record, deleted=deleted))
        if self.observed.nameless:
            self.diagnostics.append(messages.rows_without_slug(self.observed.nameless))
        self.diagnostics += messages.not_audited(self.audit.unread)

    def _deletion_reason(self, slug: str, *, was_in_git: bool) -> str | None:
        return deletion_reason(
            slug, desired=self.desired, options=self.options, was_in_git=was_in_git
        )

    def _note_foreign_tombstone(self, slug: str) -> None:
        if slug in self.desired.tombstones and self.options.selection.includes(slug):
            self.diagnostics.append(messages.foreign_tombstone(slug))

    def guarded(self) -> tuple[tuple[Action, ...], "Costs | None", list[Diagnostic]]:
        """Return the ordered and marked actions, their costs, and the findings of guards."""
        ordered = sorted(self.actions, key=lambda action: (_ORDER[action.kind], action.slug))
        # The ratio compares the deletes of all shards with the integrations that all shards own.
        includes = self.options.selection.whole.includes
        counts = guards.ChangeCounts(
            declared=len(self.desired.integrations),
            owned=sum(owns(self.desired, o) and includes(s) for s, o in self.observed.live.items()),
            deletes=self.deletes,
        )
        limits = self.desired.target.limits
        violations = guards.check(
            ordered,
            counts=counts,
            limits=limits,
            options=self.options,
            unreadable=self.last_applied.unreadable,
            nameless=self.observed.nameless,
            repeated=self.repeated,
        )
        costs, exceeded = self._costs(ordered)
        if exceeded is not None:
            violations.append(exceeded)
        # After all actions are known, and before guards mark them: a rename shows as a delete and a
        # create.
        self._note_renames(ordered)
        found = [item.diagnostic for item in violations]
        return guards.block(ordered, violations), costs, found

    def _costs(self, actions: list[Action]) -> "tuple[Costs | None, guards.GuardViolation | None]":
        if not any(_may_change_costs(change) for action in actions for change in action.changes):
            return None, None
        # Imported late, because most plans change neither access nor prices.
        from reconciler.planning.cost_changes import costs_of

        return costs_of(actions, self.desired, self.observed, self.options)

    def _add(self, part: IntegrationPlan) -> None:
        if part.action is None:
            self.no_op += 1
        else:
            self.actions.append(part.action)
            if part.repeated_secrets:
                self.repeated[part.action.slug] = part.repeated_secrets
        self.unverified += part.unverified
        self.undeclared += part.undeclared
        self.diagnostics += [
            item
            for item in part.diagnostics
            # In a job without access to values, a missing value is not a finding.
            if self.options.expects_values or item.code != messages.MISSING_VALUE
        ]

    def _owned_only(
        self, part: IntegrationPlan, declared: Declared, current: Observed | None
    ) -> IntegrationPlan:
        """Return the plan of an integration, blocked if it is outside the target's scope."""
        if self._is_owned(declared, current):
            return part
        if part.action is None:
            notes = (*part.diagnostics, messages.declared_elsewhere(declared))
            return replace(part, diagnostics=notes)
        # First among the codes: the other blocks do not matter where this repository may not write.
        codes = ("not-owned", *part.action.blocked_by)
        blocked = replace(part.action, blocked_by=codes, calls=())
        notes = (*part.diagnostics, messages.not_owned(declared))
        return replace(part, action=blocked, diagnostics=notes)

    def _is_owned(self, declared: Declared, current: Observed | None) -> bool:
        if current is not None:
            return owns(self.desired, current)
        # Nothing exists yet, so the scope follows from the file: a `workspace_id` makes an
        # integration workspace-scoped (remote/API.md §1.3).
        workspace = declared.fields.get("workspace_id")
        return self.desired.target.scope.owns(
            slug=declared.slug,
            kind="workspace" if workspace else "organisation",
            workspace_id=str(workspace) if workspace else None,
        )

    def _create(self, declared: Declared) -> IntegrationPlan:
        remembered = self.last_applied.of(declared.slug)
        part = plan_create(
            declared,
            remembered,
            values=self.evidence.values,
            is_past_known=self.last_applied.complete,
        )
        return self._staged(part, remembered)

    def _update(self, declared: Declared, current: Observed) -> IntegrationPlan:
        remembered = self.last_applied.of(declared.slug)
        extra: list[Diagnostic] = []
        is_another = remembered.is_another(current.id)
        if is_another:
            # The record of the former object proves nothing about this one.
            remembered = remembered.of_another_object()
            extra.append(messages.another_object(declared))
        part = plan_update(
            declared,
            current,
            remembered,
            evidence=self.evidence,
            push_secrets=self.options.push_secrets,
            now=self.now,
            audited=self.audit.seen.get(current.slug),
        )
        # Reported here, because a delete is protected by the same rule and has its own wording.
        if part.action is not None and "protected" in part.action.blocked_by:
            extra.append(
                messages.protected(declared.slug, "replaced (deleted and re-created)", declared)
            )
        part = replace(part, diagnostics=(*part.diagnostics, *extra))
        if is_another:
            # No run has announced a secret for this object.
            part = replace(part, repeated_secrets=0)
        return self._staged(part, remembered)

    def _staged(self, part: IntegrationPlan, remembered: LastApplied) -> IntegrationPlan:
        """Return the plan of an integration with the shadow in which its credential is tried."""
        if not self.desired.target.rotation.staged:
            return part
        from reconciler.planning.staging import with_staging

        return with_staging(
            part,
            desired=self.desired,
            observed=self.observed,
            remembered=remembered,
            shadows=self.shadows,
        )

    def _delete(self, current: Observed, reason: str) -> None:
        is_wanted = current.slug in self.desired.tombstones
        action = plan_delete(
            current, self.last_applied.of(current.slug), reason, is_wanted=is_wanted
        )
        if action.blocked_by:
            self.diagnostics.append(messages.protected(current.slug, "deleted", None))
        self.actions.append(action)

    def _note_renames(self, actions: list[Action]) -> None:
        """Report creates that equal an integration that is no longer declared."""
        gone = {a.slug for a in actions if a.kind is ActionKind.DELETE} | set(self.forgotten)
        observed = self.observed.integrations
        # By name and provider: these survive a rename, while the slug is what changes.
        slugs = {_rename_key(observed[slug].fields): slug for slug in sorted(gone)}
        for action in actions:
            declared = action.subject.declared
            if action.kind is not ActionKind.CREATE or declared is None:
                continue
            old = slugs.get(_rename_key(declared.fields))
            if old is not None:
                self.diagnostics.append(messages.looks_like_rename(declared, old))


@cache
def _cost_fields() -> tuple[str, ...]:
    """Return the fields that hold budgets and prices, or access that has a budget."""
    return (*fields_of(SubResource.WORKSPACES), *fields_of(SubResource.MODELS), PRICING)


def _may_change_costs(change: Change) -> bool:
    return change.path.startswith(_cost_fields())


def _rename_key(fields: Tree) -> tuple[Value, Value]:
    """Return the key by which a renamed integration is recognised."""
    return fields.get("name"), fields.get("ai_provider_id")
