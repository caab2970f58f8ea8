"""Decide what has to change.

`make_plan` compares what the files ask for with what the API reports. It opens no file, calls no
API and reads no clock. One integration that exists on both sides: `updates`. Safety: `guards`. How
a plan is carried out: `reconciler.execution`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.diagnostics import Diagnostic, in_order
from reconciler.domain.last_applied import LastAppliedState
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState, Observed, ObservedState
from reconciler.planning import guards, messages, unreadable_messages
from reconciler.planning.actions import (
    Action,
    ActionInputs,
    ActionKind,
    ChangeOrigin,
    Precondition,
    Risk,
    highest,
)
from reconciler.planning.auditing import NO_AUDIT, Audit, not_audited
from reconciler.planning.creates import creation_blocks, missing_values, new_changes
from reconciler.planning.credentials import SecretEvidence, masks_moved
from reconciler.planning.instants import parsed
from reconciler.planning.normalize import desired_digest, fingerprint, normalize
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan, PlanTarget, Undeclared, Unverified
from reconciler.planning.removals import (
    deletion_reason,
    lost_by_delete,
    owns,
    was_declared,
    with_last_declaration,
)
from reconciler.planning.updates import UpdateResult, plan_update
from reconciler.planning.write_calls import create_calls, delete_calls

_ORDER = {kind: rank for rank, kind in enumerate(ActionKind)}


def make_plan(
    *,
    desired: DesiredState,
    observed: ObservedState,
    memory: LastAppliedState = LastAppliedState(),
    values: Mapping[SecretRef, Redacted] | None = None,
    options: PlanOptions = PlanOptions(),
    created_at: str,
    commit: str | None = None,
    diagnostics: Iterable[Diagnostic] = (),
    run: str | None = None,
    audit: Audit = NO_AUDIT,
) -> Plan:
    """Compare both states and give the plan that makes the API equal to the files.

    `values` are the secrets at hand; `diagnostics` are findings from before that the plan carries
    along; `run` names the run that an undo plan reverts; `audit` adds findings and no action.
    """
    evidence = SecretEvidence(values or {}, memory.pepper, masks_moved(memory, observed))
    draft = _Draft(desired, observed, memory, options, evidence, parsed(created_at), audit)
    if evidence.masks_moved:
        draft.diagnostics.append(messages.masks_changed())
    draft.add_declared()
    draft.add_undeclared()
    draft.diagnostics += messages.limits_of(memory, draft.unmanaged, in_git=commit is not None)
    draft.note_unreadable()
    draft.diagnostics += not_audited(audit.unread)
    actions, findings = draft.guarded()
    return Plan(
        target=PlanTarget(desired.target.name, desired.target.base_url, observed.organisation_id),
        created_at=created_at,
        desired_digest=desired_digest(desired),
        commit=commit,
        actions=actions,
        no_op=draft.no_op,
        unverified=tuple(sorted(draft.unverified)),
        undeclared=tuple(sorted(draft.undeclared)),
        unmanaged=tuple(sorted(draft.unmanaged)),
        forgotten=tuple(sorted(draft.forgotten)),
        diagnostics=in_order([*diagnostics, *draft.diagnostics, *findings]),
        run=run,
    )


@dataclass
class _Draft:
    """A plan in the making."""

    desired: DesiredState
    observed: ObservedState
    memory: LastAppliedState
    options: PlanOptions
    evidence: SecretEvidence
    now: datetime | None
    audit: Audit
    actions: list[Action] = field(default_factory=list)
    unverified: list[Unverified] = field(default_factory=list)
    undeclared: list[Undeclared] = field(default_factory=list)
    unmanaged: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    no_op: int = 0
    deletes: int = 0

    def add_declared(self) -> None:
        """Plan what the files declare."""
        for slug, declared in sorted(self.desired.integrations.items()):
            if not self.options.selection.includes(slug):
                continue
            if slug in self.observed.unreadable:
                record = self.observed.unreadable[slug]
                self.diagnostics.append(unreadable_messages.not_compared(declared, record))
                continue
            current = self.observed.integrations.get(slug)
            findings = (
                self._create(declared) if current is None else self._update(declared, current)
            )
            self._take(self._owned_only(findings, declared, current))

    def add_undeclared(self) -> None:
        """Plan, or only name, what exists and no file declares; count deletes of all shards."""
        selection, whole = self.options.selection, self.options.selection.whole
        for slug, current in sorted(self.observed.live.items()):
            if slug in self.desired.integrations or not whole.includes(slug):
                continue
            if not owns(self.desired, current):
                self._note_foreign_tombstone(slug)
                continue
            remembered = self.memory.of(slug)
            others = remembered.is_another(current.id)
            once = was_declared(remembered, current)
            reason = self._why_deleted(slug, once=once)
            self.deletes += reason is not None
            if not selection.includes(slug):
                continue
            if others and remembered.declared is not None:
                self.diagnostics.append(
                    messages.another_withdrawn(slug, deleted=reason is not None)
                )
            if reason is not None:
                self._delete(current, reason)
            elif once:
                self.forgotten.append(slug)
            else:
                self.unmanaged.append(slug)

    def note_unreadable(self) -> None:
        """Name what exists and could not be read: it is neither created nor deleted."""
        for slug, record in sorted(self.observed.unreadable.items()):
            if slug in self.desired.integrations or not self.options.selection.includes(slug):
                continue
            once = self.memory.of(slug).declared is not None
            deleted = self._why_deleted(slug, once=once) is not None
            self.diagnostics.append(unreadable_messages.left_alone(record, deleted=deleted))
        if self.observed.nameless:
            self.diagnostics.append(unreadable_messages.rows_without_slug(self.observed.nameless))

    def _why_deleted(self, slug: str, *, once: bool) -> str | None:
        return deletion_reason(slug, desired=self.desired, options=self.options, once=once)

    def _note_foreign_tombstone(self, slug: str) -> None:
        if slug in self.desired.tombstones and self.options.selection.includes(slug):
            self.diagnostics.append(messages.foreign_tombstone(slug))

    def guarded(self) -> tuple[tuple[Action, ...], list[Diagnostic]]:
        """Order the actions, mark what guards hold back, and give the guards' diagnostics."""
        ordered = sorted(self.actions, key=lambda action: (_ORDER[action.kind], action.slug))
        includes = self.options.selection.whole.includes
        extent = guards.ChangeCounts(
            declared=len(self.desired.integrations),
            owned=sum(owns(self.desired, o) and includes(s) for s, o in self.observed.live.items()),
            deletes=self.deletes,
        )
        limits = self.desired.target.limits
        findings = guards.check(
            ordered,
            extent=extent,
            limits=limits,
            options=self.options,
            unreadable=self.memory.unreadable,
            nameless=self.observed.nameless,
        )
        self._note_renames(ordered)
        return guards.block(ordered, findings), [finding.diagnostic for finding in findings]

    def _take(self, findings: UpdateResult) -> None:
        if findings.action is None:
            self.no_op += 1
        else:
            self.actions.append(findings.action)
        self.unverified += findings.unverified
        self.undeclared += findings.undeclared
        self.diagnostics += findings.diagnostics

    def _owned_only(
        self, findings: UpdateResult, declared: Declared, current: Observed | None
    ) -> UpdateResult:
        workspace = declared.fields.get("workspace_id")
        kind = "workspace" if workspace else "organisation"
        is_owned = (
            self.desired.target.scope.owns(
                slug=declared.slug, kind=kind, workspace_id=str(workspace) if workspace else None
            )
            if current is None
            else owns(self.desired, current)
        )
        if is_owned:
            return findings
        if findings.action is None:
            notes = (*findings.diagnostics, messages.declared_elsewhere(declared))
            return replace(findings, diagnostics=notes)
        blocked = replace(
            findings.action, blocked_by=("not-owned", *findings.action.blocked_by), calls=()
        )
        extra = messages.not_owned(declared)
        return replace(findings, action=blocked, diagnostics=(*findings.diagnostics, extra))

    def _create(self, declared: Declared) -> UpdateResult:
        remembered = self.memory.of(declared.slug)
        known = self.memory.complete or remembered.declared is not None
        origin = ChangeOrigin.UNKNOWN if not known else ChangeOrigin.LOCAL
        if remembered.declared is not None:
            origin = ChangeOrigin.REMOTE
        changes = new_changes(declared, origin=origin)
        blocks = creation_blocks(declared)
        missing = missing_values(declared, self.evidence.values)
        granted = normalize(declared.fields).get("workspaces") or {}
        action = Action(
            slug=declared.slug,
            kind=ActionKind.CREATE,
            reason="it does not exist",
            risk=highest([change.risk for change in changes]) or Risk.ADDITIVE,
            changes=changes,
            source=declared.source,
            blocked_by=tuple(block.code for block in blocks),
            calls=create_calls(declared),
            subject=ActionInputs(declared, None, remembered),
        )
        enabled = [id_ for id_, entry in granted.items() if entry.get("enabled")]
        notes = messages.without_provider(declared, enabled)
        return UpdateResult(action=action, diagnostics=(*blocks, *missing, *notes))

    def _update(self, declared: Declared, current: Observed) -> UpdateResult:
        remembered = self.memory.of(declared.slug)
        extra: list[Diagnostic] = []
        if remembered.is_another(current.id):
            remembered = remembered.of_another_object()
            extra.append(messages.another_object(declared))
        findings = plan_update(
            declared,
            current,
            remembered,
            evidence=self.evidence,
            push_secrets=self.options.push_secrets,
            now=self.now,
            audited=self.audit.seen.get(current.slug),
        )
        if findings.action is not None and "protected" in findings.action.blocked_by:
            extra.append(messages.protected(declared.slug, "deleted and created anew", declared))
        return replace(findings, diagnostics=(*findings.diagnostics, *extra))

    def _delete(self, current: Observed, reason: str) -> None:
        remembered = self.memory.of(current.slug)
        blocked: tuple[str, ...] = ()
        if remembered.protected and current.slug not in self.desired.tombstones:
            blocked = ("protected",)
            self.diagnostics.append(messages.protected(current.slug, "deleted", None))
        origin = ChangeOrigin.LOCAL if was_declared(remembered, current) else ChangeOrigin.UNKNOWN
        seen = fingerprint(current) if current.detailed else None
        self.actions.append(
            Action(
                slug=current.slug,
                kind=ActionKind.DELETE,
                reason=with_last_declaration(reason, remembered),
                risk=Risk.DELETE,
                changes=lost_by_delete(current, origin=origin),
                precondition=Precondition(current.last_updated_at, seen),
                blocked_by=blocked,
                calls=delete_calls(current.slug),
                subject=ActionInputs(None, current, remembered),
            )
        )

    def _note_renames(self, actions: list[Action]) -> None:
        """Point out creates that equal something which is no longer declared."""
        gone = {a.slug for a in actions if a.kind is ActionKind.DELETE} | set(self.forgotten)
        names = {
            (
                self.observed.integrations[slug].fields.get("name"),
                self.observed.integrations[slug].fields.get("ai_provider_id"),
            ): slug
            for slug in sorted(gone)
        }
        for action in actions:
            declared = action.subject.declared
            if action.kind is not ActionKind.CREATE or declared is None:
                continue
            old = names.get((declared.fields.get("name"), declared.fields.get("ai_provider_id")))
            if old is not None:
                self.diagnostics.append(messages.looks_like_rename(declared, old))
