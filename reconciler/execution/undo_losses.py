"""What an undo cannot bring back, and what stands in its way: one integration at a time.

An obstacle blocks an action; a loss is only named. The fields that do come back: `restoring`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.diagnostics import Diagnostic, SourceLocation, error, warning
from reconciler.domain.field_paths import show_path
from reconciler.domain.last_applied import LastApplied
from reconciler.domain.secrets import Pepper, Redacted, SecretRef
from reconciler.domain.state import Declared, Lifecycle
from reconciler.domain.tree import Path
from reconciler.execution.secret_values import sent_secrets
from reconciler.execution.undo_fields import (
    added_entries,
    fields_to_restore,
    lost_secrets,
    may_lack,
    unknown_secrets,
)
from reconciler.execution.undo_literals import Found, Literals
from reconciler.ledger.models import PreImage
from reconciler.planning.actions import Action, ActionKind

NEWLY_MADE = frozenset({ActionKind.CREATE, ActionKind.REPLACE})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an integration cannot be brought back by an action of one of these kinds."""

    slug: str
    kinds: frozenset[ActionKind]
    finding: Diagnostic


@dataclass(frozen=True)
class UndoInputs:
    """One integration: its picture from before the run, and what is known of it now.

    `made` are the ids of the objects that runs have created under its slug.
    """

    image: PreImage
    now: LastApplied
    made: frozenset[str]
    pepper: Pepper | None
    literals: Literals

    @cached_property
    def found(self) -> Found:
        """Return the literal values that were found again."""
        return self.literals.of(self.image, self.now, self.pepper)

    @property
    def created_ids(self) -> frozenset[str]:
        """Return the ids of the objects that this run and others have created."""
        return self.made | ({self.image.made} if self.image.made is not None else frozenset())

    def is_another(self, identity: str | None) -> bool:
        """Return whether an id is certainly not of an object that may be changed back."""
        seen = self.image.observed
        before = frozenset({seen.id}) if seen is not None and seen.id is not None else frozenset()
        ours = self.created_ids | before | self.now.identities
        return LastApplied(identities=ours).is_another(identity)

    @property
    def known(self) -> LastApplied:
        """Return what counts as remembered while the run is undone.

        What the run created counts as declared, so that it is withdrawn, but only the object that
        is known by its id. A protection of today always holds.
        """
        if self.image.observed is not None:
            # Another object is held back by the undo itself, whatever is declared of it.
            return replace(added_entries(self.image, self.now), identities=frozenset())
        if not self.created_ids:
            return replace(self.now, declared=None)
        declared = self.now.declared if self.now.declared is not None else {}
        return replace(self.now, declared=declared, identities=self.created_ids)

    def declared(self, place: SourceLocation) -> Declared:
        """Return the integration as it is to be declared to be as it was."""
        fields = fields_to_restore(self.image, self.now.declared, found=self.found)
        return Declared(self.image.slug, fields, place, Lifecycle(protected=self.now.protected))


def obstacles(past: UndoInputs, place: SourceLocation) -> list[Obstacle]:
    """Return what stands in the way of bringing back something that existed before the run."""
    image = past.image
    if image.kind is ActionKind.UPDATE:
        return [Obstacle(image.slug, NEWLY_MADE, _gone_since(image.slug, place))]
    findings = [
        error(
            "credential-unknown",
            f"{image.slug}: no reference of {show_path(path)} is on record, only a mask",
            hint="restore its file from Git, with a reference, and apply that",
            at=place,
        )
        for path in unknown_secrets(image, found=past.found)
        if not may_lack(path)
    ]
    if image.observed is not None and not image.observed.detailed:
        findings.append(
            error(
                "not-on-record",
                f"{image.slug}: the run ended before all of it was on record",
                hint="restore its file from Git and apply that",
                at=place,
            )
        )
    return [Obstacle(image.slug, NEWLY_MADE, finding) for finding in findings]


def _gone_since(slug: str, place: SourceLocation) -> Diagnostic:
    return error(
        "deleted-since",
        f"{slug}: it was deleted after the run, and only what the run changed is restored",
        hint="undo the run that deleted it first, or leave it out with --exclude",
        at=place,
    )


def another_object(slug: str, place: SourceLocation) -> Diagnostic:
    """Build the error that what stands under a slug now is not what the run changed."""
    return error(
        "another-object",
        f"{slug}: the object under this slug is not the one that the run changed; "
        "it was deleted and created again since",
        hint="leave it out with --exclude",
        at=place,
    )


def undo_losses(past: UndoInputs, run: str) -> Iterator[Diagnostic]:
    """Walk what does not come back although nothing stands in the way."""
    image = past.image
    if image.observed is None:
        if not past.created_ids:
            yield _id_unknown(image.slug, run)
        return
    for path in lost_secrets(image, past.now.declared, found=past.found):
        yield _value_lost(image, path)
    if image.kind is ActionKind.UPDATE:
        return
    for path in unknown_secrets(image, found=past.found):
        if may_lack(path):
            yield warning(
                "credential-not-restored",
                f"{image.slug}: the value of {show_path(path)} is kept nowhere; "
                "it is created without it",
                hint="declare it in its file and apply the files",
            )
    unread = {"models": image.observed.models_read, "workspaces": image.observed.workspaces_read}
    if image.observed.detailed and not all(unread.values()):
        names = " and ".join(name for name, was_read in unread.items() if not was_read)
        yield warning(
            "access-not-restored",
            f"{image.slug}: its {names} could not be read before the run, "
            "so they do not come back as they were",
            hint="compare them with its file after the undo",
        )


def _id_unknown(slug: str, run: str) -> Diagnostic:
    return warning(
        "not-on-record",
        f"{slug}: run {run} created it or tried to, and the id of what it created is not on "
        "record; what exists there now is not deleted",
        hint="if it is to go, remove its file or add a tombstone under `deletions`",
    )


def _value_lost(image: PreImage, path: Path) -> Diagnostic:
    if path in image.removed:
        return warning(
            "credential-not-restored",
            f"{image.slug}: the run removed {show_path(path)}, and its value is kept nowhere; "
            "it does not come back",
            hint="declare it in its file and apply the files",
        )
    return warning(
        "credential-not-restored",
        f"{image.slug}: the run replaced {show_path(path)}, and the value before is kept "
        "nowhere; it stays as it is",
        hint="put the old value behind the reference and apply the files",
    )


def other_values(
    past: UndoInputs, action: Action, values: Mapping[SecretRef, Redacted]
) -> Iterator[Diagnostic]:
    """Walk the secrets of an action that may not get the value that they had before the run."""
    image, pepper = past.image, past.pepper
    newly_made = action.kind in NEWLY_MADE
    named = set(lost_secrets(image, past.now.declared, found=past.found))
    for path, reference, value in sent_secrets(action, values):
        if path in named or not (newly_made or path in image.changed):
            continue
        before = image.fingerprints.get(path)
        if pepper is None or before is None:
            said = "may get another value than it had before the run"
        elif before != value.fingerprint(pepper):
            said = "had another value before the run, which is kept nowhere"
        else:
            continue
        yield warning(
            "credential-not-restored",
            f"{image.slug}: {show_path(path)} is sent from {reference} and {said}",
            hint="put the old value behind the reference, or rotate it afterwards",
        )
