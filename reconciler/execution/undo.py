"""Plan the undo of a run from the pre-images in the ledger.

An undo is a normal plan: the pre-images become the desired state of what the run changed, and
planning, guards and execution work as usual. A pre-image contains no secret; if the reference of a
secret is known, it is declared again. An obstacle to restoring it blocks the action; a value that
is not restored is a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, SourceLocation, error, in_order, warning
from reconciler.domain.policy import Prune, Target
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import Pepper, Redacted, SecretRef
from reconciler.domain.state import (
    NO_FILE,
    Declared,
    DesiredState,
    LastApplied,
    LastAppliedState,
    Lifecycle,
    merged,
)
from reconciler.domain.tree import Path
from reconciler.execution.secret_values import sent_secrets
from reconciler.execution.undo_fields import (
    NO_LITERALS,
    Found,
    Literals,
    added_entries,
    fields_to_restore,
    lost_secrets,
    may_lack,
    unknown_secrets,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import PreImage
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.plan import Plan, PlanOptions, Selection

# An empty `only` would select everything, and no slug is empty.
NOTHING = Selection(only=("",))
_OF_FILES = frozenset({"undeclared-access", "undeclared-host"})
MISSING_CREDENTIAL = "missing-credential"
NEWLY_MADE = frozenset({ActionKind.CREATE, ActionKind.REPLACE})
_VERBS = {
    ActionKind.CREATE: "created",
    ActionKind.UPDATE: "changed",
    ActionKind.REPLACE: "replaced",
    ActionKind.DELETE: "deleted",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Reason why no action of these kinds can restore an integration."""

    slug: str
    kinds: frozenset[ActionKind]
    finding: Diagnostic


@dataclass(frozen=True)
class UndoInputs:
    """One integration of the run: its pre-image, and what is known about it now.

    `made` are the ids of the integrations that runs have created under its slug.
    """

    image: PreImage
    now: LastApplied
    made: frozenset[str]
    pepper: Pepper | None
    literals: Literals

    @cached_property
    def found(self) -> Found:
        """Literal values that were found in files."""
        return self.literals.of(self.image, self.now, self.pepper)

    @property
    def created_ids(self) -> frozenset[str]:
        """Return the ids of the integrations that this run and others have created."""
        return self.made | ({self.image.made} if self.image.made is not None else frozenset())

    def is_another(self, identity: str | None) -> bool:
        """Whether an id certainly belongs to an integration that the run did not change."""
        seen = self.image.observed
        before = frozenset({seen.id}) if seen is not None and seen.id is not None else frozenset()
        ours = self.created_ids | before | self.now.identities
        return LastApplied(identities=ours).is_another(identity)

    @property
    def known(self) -> LastApplied:
        """Return the last-applied state to plan the undo with.

        What the run created counts as declared, so that it is withdrawn, but only under an id that
        is known. The current protection always applies.
        """
        if self.image.observed is not None:
            # `UndoRevision` itself blocks another integration, regardless of its declaration.
            return replace(added_entries(self.image, self.now), identities=frozenset())
        if not self.created_ids:
            # Without an id, nothing proves that the run created it, so it is not withdrawn.
            return replace(self.now, declared=None)
        declared = self.now.declared if self.now.declared is not None else {}
        return replace(self.now, declared=declared, identities=self.created_ids)

    def declared(self, place: SourceLocation) -> Declared:
        """Return the declaration that restores the integration."""
        fields = fields_to_restore(self.image, self.now.declared, found=self.found)
        return Declared(self.image.slug, fields, place, Lifecycle(protected=self.now.protected))


@dataclass(frozen=True, slots=True)
class UndoRevision:
    """The undo of a run, as a desired state and a revision of the plan that is made from it.

    `desired` declares what the run changed or deleted as it was before the run; integrations that
    the run created are withdrawn. `declared_in_git` is what Git declares, which an undo does not
    change.
    """

    run: str
    inputs: Mapping[str, UndoInputs]
    desired: DesiredState
    last_applied: LastAppliedState
    declared_in_git: Mapping[str, Declared]
    obstacles: tuple[Obstacle, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def images(self) -> Mapping[str, PreImage]:
        """Pre-images of the run by slug."""
        return {slug: undone.image for slug, undone in self.inputs.items()}

    def revise(
        self, plan: Plan, values: Mapping[SecretRef, Redacted] = MappingProxyType({})
    ) -> Plan:
        """Return a plan with the reasons of the undo, blocking what cannot be restored.

        `values` are the available secret values, which may differ from those before the run.
        """
        actions, found = [], []
        for action in plan.actions:
            undone = self.inputs.get(action.slug)
            if undone is None:
                actions.append(action)
                continue
            blocks = self._blocks(undone, action)
            actions.append(self._revised(undone, action, blocks))
            found += blocks
            if not blocks:
                found += other_values(undone, action, values)
        # An undo concerns one run: values that no file declares are not part of it.
        dropped = set(_OF_FILES)
        if not any(MISSING_CREDENTIAL in action.blocked_by for action in actions):
            # `_revised` may have removed the code from the action; its error would then block
            # nothing.
            dropped.add(MISSING_CREDENTIAL)
        kept = [d for d in plan.diagnostics if d.code not in dropped]
        diagnostics = in_order([*kept, *found])
        # Only the integrations of the run were read, so a sum would not be that of the target.
        costs = None if plan.costs is None else plan.costs.without_sums
        return replace(
            plan, actions=tuple(actions), undeclared=(), diagnostics=diagnostics, costs=costs
        )

    def _blocks(self, undone: UndoInputs, action: Action) -> list[Diagnostic]:
        slug, current = action.slug, action.subject.observed
        blocks = [o.finding for o in self.obstacles if o.slug == slug and action.kind in o.kinds]
        existed = undone.image.observed is not None
        if existed and current is not None and undone.is_another(current.id):
            blocks.append(another_object(slug, SourceLocation(f"run {self.run}")))
        return blocks

    def _revised(self, undone: UndoInputs, action: Action, blocks: list[Diagnostic]) -> Action:
        reason = f"run {self.run} {_VERBS[undone.image.kind]} it"
        codes = [*action.blocked_by, *(block.code for block in blocks)]
        if action.kind is ActionKind.CREATE:
            # The integration was in this state before the run; a lost credential is a separate
            # obstacle.
            codes = [code for code in codes if code != MISSING_CREDENTIAL]
        return replace(action, reason=reason, source=None, blocked_by=tuple(dict.fromkeys(codes)))


def options_for(images: Sequence[PreImage], options: PlanOptions) -> PlanOptions:
    """Return the options that select only what the run changed and the caller selected."""
    slugs = tuple(i.slug for i in images if options.selection.includes(i.slug))
    return replace(
        options,
        selection=Selection(only=slugs) if slugs else NOTHING,
        # Integrations that the run created count as declared before (`UndoInputs.known`), and are
        # not declared now.
        prune=Prune.MANAGED,
        # The undo of a run that only created integrations declares nothing.
        allow_empty=True,
    )


def undo_of(
    run: str,
    images: Sequence[PreImage],
    *,
    target: Target,
    last_applied: LastAppliedState,
    made: Mapping[str, frozenset[str]] = MappingProxyType({}),
    literals: Literals = NO_LITERALS,
) -> UndoRevision:
    """Return the undo of a run; `last_applied` is the current last-applied state.

    `made` are the ids of the integrations that runs have created, by slug. `literals` finds values
    that the ledger stores only as fingerprints.
    """
    place = SourceLocation(f"run {run}")
    inputs = {
        image.slug: UndoInputs(
            image,
            last_applied.of(image.slug),
            made=made.get(image.slug, frozenset()),
            pepper=last_applied.pepper,
            literals=literals,
        )
        for image in images
    }
    existed = {slug: undone for slug, undone in inputs.items() if undone.image.observed is not None}
    known = {slug: undone.known for slug, undone in inputs.items()}
    return UndoRevision(
        run=run,
        inputs=inputs,
        desired=DesiredState(target, {s: undone.declared(place) for s, undone in existed.items()}),
        last_applied=replace(last_applied, integrations={**last_applied.integrations, **known}),
        declared_in_git=_declared_in_git(existed, last_applied),
        obstacles=tuple(chain(*(obstacles(undone, place) for undone in existed.values()))),
        diagnostics=tuple(chain(*(undo_losses(undone, run) for undone in inputs.values()))),
    )


def _declared_in_git(
    existed: Mapping[str, UndoInputs], last_applied: LastAppliedState
) -> dict[str, Declared]:
    found = {slug: _by_git(undone.image, last_applied) for slug, undone in existed.items()}
    return {slug: declared for slug, declared in found.items() if declared is not None}


def _by_git(image: PreImage, last_applied: LastAppliedState) -> Declared | None:
    """Return what Git declares, merged with what it declared before the run.

    Without the earlier declaration, the next apply would treat a withdrawn entry as one that Git
    never declared.
    """
    then = LastAppliedState({image.slug: LastApplied(declared=image.declared)})
    remembered = merged(last_applied, then).of(image.slug)
    if remembered.declared is None:
        return None
    lifecycle = Lifecycle(protected=remembered.protected)
    place = remembered.declared_at.place if remembered.declared_at else NO_FILE
    return Declared(image.slug, remembered.declared, place, lifecycle)


# -- obstacles ---------------------------------------------------------------------------


def obstacles(undone: UndoInputs, place: SourceLocation) -> list[Obstacle]:
    """Return the obstacles to restoring an integration that existed before the run."""
    image = undone.image
    # If the run only updated it, a create means that it was deleted after the run, which is not
    # part of this undo.
    if image.kind is ActionKind.UPDATE:
        return [Obstacle(image.slug, NEWLY_MADE, _gone_since(image.slug, place))]
    findings = [
        error(
            "credential-unknown",
            f"{image.slug}: the ledger has only a mask of {show_path(path)}, no reference",
            hint="restore its file from Git, with a reference, and apply that",
            at=place,
        )
        for path in unknown_secrets(image, found=undone.found)
        if not may_lack(path)
    ]
    if image.observed is not None and not image.observed.detailed:
        findings.append(
            error(
                "not-on-record",
                f"{image.slug}: the run ended before the whole integration was recorded",
                hint="restore its file from Git and apply that",
                at=place,
            )
        )
    return [Obstacle(image.slug, NEWLY_MADE, finding) for finding in findings]


def _gone_since(slug: str, place: SourceLocation) -> Diagnostic:
    return error(
        "deleted-since",
        f"{slug} was deleted after the run, but undo restores only what the run changed",
        hint="first undo the run that deleted it, or exclude it with --exclude",
        at=place,
    )


def another_object(slug: str, place: SourceLocation) -> Diagnostic:
    """Build the error for an integration under the same slug that the run did not change."""
    return error(
        "another-object",
        f"{slug}: the integration that the run changed was deleted; another one has this slug now",
        hint="exclude it with --exclude",
        at=place,
    )


# -- losses ------------------------------------------------------------------------------


def undo_losses(undone: UndoInputs, run: str) -> Iterator[Diagnostic]:
    """Yield the warnings about values that are not restored, although nothing blocks the undo."""
    image = undone.image
    if image.observed is None:
        if not undone.created_ids:
            yield _id_unknown(image.slug, run)
        return
    for path in lost_secrets(image, undone.now.declared, found=undone.found):
        yield _value_lost(image, path)
    if image.kind is ActionKind.UPDATE:
        return
    for path in unknown_secrets(image, found=undone.found):
        if may_lack(path):
            yield warning(
                "credential-not-restored",
                f"{image.slug}: the value of {show_path(path)} is not stored; "
                "the integration is created without it",
                hint="declare it in its file and apply the files",
            )
    unread = {"models": image.observed.models_read, "workspaces": image.observed.workspaces_read}
    if image.observed.detailed and not all(unread.values()):
        names = " and ".join(name for name, was_read in unread.items() if not was_read)
        yield warning(
            "access-not-restored",
            f"{image.slug}: {names} could not be read before the run, so they are not restored",
            hint="compare them with its file after the undo",
        )


def _id_unknown(slug: str, run: str) -> Diagnostic:
    return warning(
        "not-on-record",
        f"{slug} is not deleted: run {run} may have created it, but the ledger has no id to "
        "prove that",
        hint="to delete it, remove its file or add a tombstone under `deletions`",
    )


def _value_lost(image: PreImage, path: Path) -> Diagnostic:
    if path in image.removed:
        return warning(
            "credential-not-restored",
            f"{image.slug}: the run removed {show_path(path)}, and its value is not stored; "
            "it is not restored",
            hint="declare it in its file and apply the files",
        )
    return warning(
        "credential-not-restored",
        f"{image.slug}: the run replaced {show_path(path)}, and the previous value is "
        "not stored; it is left unchanged",
        hint="store the old value under the reference and apply the files",
    )


def other_values(
    undone: UndoInputs, action: Action, values: Mapping[SecretRef, Redacted]
) -> Iterator[Diagnostic]:
    """Yield the warnings about secrets that may get a value other than that before the run."""
    image, pepper = undone.image, undone.pepper
    newly_made = action.kind in NEWLY_MADE
    named = set(lost_secrets(image, undone.now.declared, found=undone.found))
    for path, reference, value in sent_secrets(action, values):
        if path in named or not (newly_made or path in image.changed):
            continue
        before = image.fingerprints.get(path)
        # A fingerprint is the only trace of the old value, so without one nothing can be ruled out.
        if pepper is None or before is None:
            said = "may differ from its value before the run"
        elif before != value.fingerprint(pepper):
            said = "had another value before the run, which is not stored"
        else:
            continue
        yield warning(
            "credential-not-restored",
            f"{image.slug}: {show_path(path)} is sent from {reference} and {said}",
            hint="store the old value under the reference, or rotate it afterwards",
        )
