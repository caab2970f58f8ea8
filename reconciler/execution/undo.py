"""What taking a run back asks for, from the pictures that were taken before it.

An undo is a plan like any other: here the desired state of what the run changed is made up from its
pre-images, and planning, guards and execution do the rest. No secret is in a picture, so none comes
back; where its name is known, the reference does. The pictures are kept in `reconciler.ledger`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, SourceLocation, in_order
from reconciler.domain.last_applied import NO_FILE, LastApplied, LastAppliedState, merged
from reconciler.domain.policy import Prune, Target
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState, Lifecycle
from reconciler.execution.undo_literals import NO_LITERALS, Literals
from reconciler.execution.undo_losses import (
    Obstacle,
    UndoInputs,
    another_object,
    obstacles,
    other_values,
    undo_losses,
)
from reconciler.ledger.models import PreImage
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.options import PlanOptions, Selection
from reconciler.planning.plan import Plan

NOTHING = Selection(only=("",))
_OF_FILES = frozenset({"undeclared-access", "undeclared-host"})
MISSING_CREDENTIAL = "missing-credential"
_VERBS = {
    ActionKind.CREATE: "created",
    ActionKind.UPDATE: "changed",
    ActionKind.REPLACE: "replaced",
    ActionKind.DELETE: "deleted",
}


@dataclass(frozen=True, slots=True)
class UndoRevision:
    """A run to be taken back.

    `desired` holds what it changed or deleted as it was before; what it created is withdrawn.
    `by_git` is what Git declares, which an undo does not change.
    """

    run: str
    pasts: Mapping[str, UndoInputs]
    desired: DesiredState
    memory: LastAppliedState
    by_git: Mapping[str, Declared]
    obstacles: tuple[Obstacle, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def images(self) -> Mapping[str, PreImage]:
        """Return the pictures from before the run, by slug."""
        return {slug: past.image for slug, past in self.pasts.items()}

    def revise(
        self, plan: Plan, values: Mapping[SecretRef, Redacted] = MappingProxyType({})
    ) -> Plan:
        """Add to a fresh plan why things happen, and hold back what cannot be restored.

        `values` are the secrets at hand, which may be others than before the run.
        """
        actions, found = [], []
        for action in plan.actions:
            past = self.pasts.get(action.slug)
            if past is None:
                actions.append(action)
                continue
            blocks = self._blocks(past, action)
            actions.append(self._revised(past, action, blocks))
            found += blocks
            if not blocks:
                found += other_values(past, action, values)
        # What no file declares is not for an undo to tell: it looks at one run, not at the files.
        dropped = set(_OF_FILES)
        if not any(MISSING_CREDENTIAL in action.blocked_by for action in actions):
            dropped.add(MISSING_CREDENTIAL)
        kept = [d for d in plan.diagnostics if d.code not in dropped]
        diagnostics = in_order([*kept, *found])
        return replace(plan, actions=tuple(actions), undeclared=(), diagnostics=diagnostics)

    def _blocks(self, past: UndoInputs, action: Action) -> list[Diagnostic]:
        slug, current = action.slug, action.subject.observed
        blocks = [o.finding for o in self.obstacles if o.slug == slug and action.kind in o.kinds]
        existed = past.image.observed is not None
        if existed and current is not None and past.is_another(current.id):
            blocks.append(another_object(slug, SourceLocation(f"run {self.run}")))
        return blocks

    def _revised(self, past: UndoInputs, action: Action, blocks: list[Diagnostic]) -> Action:
        reason = f"run {self.run} {_VERBS[past.image.kind]} it"
        codes = [*action.blocked_by, *(block.code for block in blocks)]
        if action.kind is ActionKind.CREATE:
            # It existed like this before the run; a credential that was lost is a block of its own.
            codes = [code for code in codes if code != MISSING_CREDENTIAL]
        return replace(action, reason=reason, source=None, blocked_by=tuple(dict.fromkeys(codes)))


def options_for(images: Sequence[PreImage], options: PlanOptions) -> PlanOptions:
    """Narrow what a caller asked for to what the run changed; other integrations do not matter."""
    slugs = tuple(i.slug for i in images if options.selection.includes(i.slug))
    return replace(
        options,
        selection=Selection(only=slugs) if slugs else NOTHING,
        prune=Prune.MANAGED,
        allow_empty=True,
    )


def undo_of(
    run: str,
    images: Sequence[PreImage],
    *,
    target: Target,
    memory: LastAppliedState,
    made: Mapping[str, frozenset[str]] = MappingProxyType({}),
    literals: Literals = NO_LITERALS,
) -> UndoRevision:
    """Work out what taking a run back asks for; `memory` is what is known now.

    `made` are the ids of the objects that runs have created, by slug; `literals` says where values
    may be found that the ledger keeps no text of.
    """
    place = SourceLocation(f"run {run}")
    pasts = {
        image.slug: UndoInputs(
            image,
            memory.of(image.slug),
            made=made.get(image.slug, frozenset()),
            pepper=memory.pepper,
            literals=literals,
        )
        for image in images
    }
    existed = {slug: past for slug, past in pasts.items() if past.image.observed is not None}
    known = {slug: past.known for slug, past in pasts.items()}
    return UndoRevision(
        run=run,
        pasts=pasts,
        desired=DesiredState(target, {s: past.declared(place) for s, past in existed.items()}),
        memory=replace(memory, integrations={**memory.integrations, **known}),
        by_git={s: git for s, past in existed.items() if (git := _by_git(past.image, memory))},
        obstacles=tuple(o for past in existed.values() for o in obstacles(past, place)),
        diagnostics=tuple(found for past in pasts.values() for found in undo_losses(past, run)),
    )


def _by_git(image: PreImage, memory: LastAppliedState) -> Declared | None:
    """Give what Git declares, and what it declared before the run: that comes back by the undo.

    Without the latter the next apply would take a withdrawn entry for one that Git never had.
    """
    then = LastAppliedState({image.slug: LastApplied(declared=image.declared)})
    remembered = merged(memory, then).of(image.slug)
    if remembered.declared is None:
        return None
    lifecycle = Lifecycle(protected=remembered.protected)
    place = remembered.declared_at.place if remembered.declared_at else NO_FILE
    return Declared(image.slug, remembered.declared, place, lifecycle)
