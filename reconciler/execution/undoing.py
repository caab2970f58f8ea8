"""What taking a run back asks for, from the pictures that were taken before it.

An undo is a plan like any other: here the desired state of what the run changed is made up from its
pre-images, and planning, guards and execution do the rest. No secret is in a picture, so none comes
back; where its name is known, the reference does. The pictures are kept in `reconciler.ledger`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Place, error, in_order, warning
from reconciler.domain.fields import show_path
from reconciler.domain.memory import Memory, Remembered, merged
from reconciler.domain.policy import Prune, Target
from reconciler.domain.state import Declared, DesiredState, Lifecycle
from reconciler.execution.restoring import added_entries, restored, unknown_secrets, unrestored
from reconciler.ledger.preimages import PreImage
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.options import PlanOptions, Selection
from reconciler.planning.plan import Plan

NOTHING = Selection(only=("",))
_OF_FILES = frozenset({"undeclared-access", "undeclared-host"})
_VERBS = {
    ActionKind.CREATE: "created",
    ActionKind.UPDATE: "changed",
    ActionKind.REPLACE: "replaced",
    ActionKind.DELETE: "deleted",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an integration cannot be brought back by an action of one of these kinds."""

    slug: str
    kinds: frozenset[ActionKind]
    finding: Diagnostic


@dataclass(frozen=True, slots=True)
class Undo:
    """A run to be taken back.

    `desired` holds what it changed or deleted as it was before; what it created is withdrawn.
    `by_git` is what Git declares, which an undo does not change.
    """

    run: str
    images: Mapping[str, PreImage]
    desired: DesiredState
    memory: Memory
    by_git: Mapping[str, Declared]
    obstacles: tuple[Obstacle, ...]
    diagnostics: tuple[Diagnostic, ...]

    def revise(self, plan: Plan) -> Plan:
        """Say in a fresh plan why things happen, and hold back what cannot be restored."""
        actions = tuple(self._revised(action) for action in plan.actions)
        kinds = {action.slug: action.kind for action in plan.actions}
        found = [o.finding for o in self.obstacles if kinds.get(o.slug) in o.kinds]
        # What no file declares is not for an undo to tell: it looks at one run, not at the files.
        told = [d for d in plan.diagnostics if d.code not in _OF_FILES]
        diagnostics = in_order([*told, *found])
        return replace(plan, actions=actions, undeclared=(), diagnostics=diagnostics)

    def _revised(self, action: Action) -> Action:
        image = self.images.get(action.slug)
        if image is None:
            return action
        codes = [
            obstacle.finding.code
            for obstacle in self.obstacles
            if obstacle.slug == action.slug and action.kind in obstacle.kinds
        ]
        reason = f"run {self.run} {_VERBS[image.kind]} it"
        blocked = tuple(dict.fromkeys((*action.blocked_by, *codes)))
        return replace(action, reason=reason, source=None, blocked_by=blocked)


def options_for(images: Sequence[PreImage], options: PlanOptions) -> PlanOptions:
    """Narrow what a caller asked for to what the run changed; other integrations do not matter."""
    slugs = tuple(i.slug for i in images if options.selection.includes(i.slug))
    return replace(
        options,
        selection=Selection(only=slugs) if slugs else NOTHING,
        prune=Prune.MANAGED,
        allow_empty=True,
    )


def undo_of(run: str, images: Sequence[PreImage], *, target: Target, memory: Memory) -> Undo:
    """Work out what taking a run back asks for; `memory` is what is known now."""
    place = Place(f"run {run}")
    existed = [image for image in images if image.observed is not None]
    desired = {image.slug: _declared(image, memory.of(image.slug), place) for image in existed}
    known = {
        image.slug: added_entries(image, _known(image, memory.of(image.slug))) for image in images
    }
    return Undo(
        run=run,
        images={image.slug: image for image in images},
        desired=DesiredState(target, desired),
        memory=replace(memory, integrations={**memory.integrations, **known}),
        by_git={image.slug: by_git for image in existed if (by_git := _by_git(image, memory))},
        obstacles=tuple(o for image in existed for o in _obstacles(image, place)),
        diagnostics=tuple(d for image in existed for d in _losses(image, memory)),
    )


def _declared(image: PreImage, now: Remembered, place: Place) -> Declared:
    fields = restored(image, now.declared)
    return Declared(image.slug, fields, place, Lifecycle(protected=now.protected))


def _known(image: PreImage, now: Remembered) -> Remembered:
    """Count what the run created as declared, so that it is withdrawn; never as unprotected."""
    if image.observed is None and now.declared is None:
        return replace(now, declared={})
    return now


def _by_git(image: PreImage, memory: Memory) -> Declared | None:
    """Give what Git declares, and what it declared before the run: that comes back by the undo.

    Without the latter the next apply would take a withdrawn entry for one that Git never had.
    """
    then = Memory({image.slug: Remembered(declared=image.declared)})
    remembered = merged(memory, then).of(image.slug)
    if remembered.declared is None:
        return None
    lifecycle = Lifecycle(protected=remembered.protected)
    return Declared(image.slug, remembered.declared, Place("-"), lifecycle)


def _obstacles(image: PreImage, place: Place) -> list[Obstacle]:
    if image.kind is ActionKind.UPDATE:
        return [_gone_since(image, place)]
    anew = frozenset({ActionKind.CREATE, ActionKind.REPLACE})
    found = [
        Obstacle(
            image.slug,
            anew,
            error(
                "credential-unknown",
                f"{image.slug}: no reference of {show_path(path)} is on record, only a mask",
                hint="restore its file from Git, with a reference, and apply that",
                at=place,
            ),
        )
        for path in unknown_secrets(image)
    ]
    if image.observed is not None and not image.observed.detailed:
        problem = error(
            "not-on-record",
            f"{image.slug}: the run ended before all of it was on record",
            hint="restore its file from Git and apply that",
            at=place,
        )
        found.append(Obstacle(image.slug, anew, problem))
    return found


def _gone_since(image: PreImage, place: Place) -> Obstacle:
    problem = error(
        "deleted-since",
        f"{image.slug}: it was deleted after the run, and only what the run changed is restored",
        hint="undo the run that deleted it first, or leave it out with --exclude",
        at=place,
    )
    return Obstacle(image.slug, frozenset({ActionKind.CREATE, ActionKind.REPLACE}), problem)


def _losses(image: PreImage, memory: Memory) -> list[Diagnostic]:
    """Name the credentials that the run replaced and nobody can bring back."""
    return [
        warning(
            "credential-not-restored",
            f"{image.slug}: the run replaced {show_path(path)}, and the value before is kept "
            "nowhere; it stays as it is",
            hint="put the old value behind the reference and apply the files",
        )
        for path in unrestored(image, memory.of(image.slug).declared)
    ]
