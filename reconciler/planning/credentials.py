"""Secrets of one integration: what is known about each, and which of them a write contains.

The API never shows a secret. Whether it is in sync, changed or unverified is decided by this
evidence: a fingerprint and a mask from the ledger, the mask that the API shows now, and the value
itself if it is available. Values are only compared. This module also finds secrets that a write
would lose. `update_calls` builds the bodies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from reconciler.diagnostics import Diagnostic
from reconciler.domain.schema import FieldSchema, show_path
from reconciler.domain.secrets import Mask, MaskVerdict, Pepper, Placeholder, Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    LastApplied,
    LastAppliedState,
    ObservedState,
    SecretRecord,
)
from reconciler.domain.tree import Path, is_empty, leaves, lookup
from reconciler.frozen_dataclass import dataclass
from reconciler.planning import messages
from reconciler.planning.actions import Change, ChangeKind, ChangeOrigin, Risk, decides_host
from reconciler.planning.comparison import Comparison, SecretLocation
from reconciler.planning.diff import FieldChange
from reconciler.planning.normalize import normalize
from reconciler.planning.update_calls import lost_masks

LITERAL = SecretRef("literal", "")
"""Marker for the literal value of a header or an id, which needs no resolver."""


class SecretStatus(StrEnum):
    """Knowledge about a stored secret."""

    IN_SYNC = "in-sync"
    CHANGED = "changed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class SecretAssessment:
    """Assessment of one secret, and the kind of change if it is written.

    `in_doubt` is True if a run announced that it would send the secret and may or may not have done
    so. `is_repeated` is True if it announced the same value, and no other value is in doubt.
    """

    path: Path
    reference: SecretRef | None
    state: SecretStatus
    op: ChangeKind = ChangeKind.ROTATE
    before_reference: SecretRef | None = None
    origin: ChangeOrigin = ChangeOrigin.UNKNOWN
    at_hand: bool = True
    in_doubt: bool = False
    is_repeated: bool = False

    @property
    def shown_reference(self) -> str | None:
        """Return the name of the reference, or None for a literal."""
        return str(self.reference) if self.reference and self.reference != LITERAL else None


@dataclass(frozen=True, slots=True)
class SecretEvidence:
    """Evidence in addition to the two states.

    `masks_moved` is True if every recorded mask differs now. In that case, the format has changed,
    so a differing mask proves nothing.
    """

    values: Mapping[SecretRef, Redacted]
    pepper: Pepper | None = None
    masks_moved: bool = False


def masks_moved(last_applied: LastAppliedState, observed: ObservedState) -> bool:
    """Return whether all recorded masks, at least two, differ from those that the API shows now."""
    compared = 0
    for slug, remembered in last_applied.integrations.items():
        current = observed.integrations.get(slug)
        # Rows of the list have no masks (remote/API.md §1.2).
        if current is None or not current.detailed or remembered.is_another(current.id):
            continue
        tree = normalize(current.fields)
        for path, record in remembered.secrets.items():
            stored = lookup(tree, path)
            if record.mask is None or not isinstance(stored, Mask):
                continue
            if stored == record.mask:
                return False
            compared += 1
    # A single differing mask is most likely a changed secret, not another format.
    return compared >= 2


def assess(
    site: SecretLocation, remembered: LastApplied, evidence: SecretEvidence
) -> SecretAssessment:
    """Return the assessment of the secret at a location."""
    declared, stored = site.declared, site.stored
    if not isinstance(declared, SecretRef | Redacted):
        return _assess_emptied(site, remembered.secrets.get(site.path))
    reference = declared if isinstance(declared, SecretRef) else LITERAL
    value = evidence.values.get(reference) if isinstance(declared, SecretRef) else declared
    record = remembered.secrets.get(site.path)
    known = _Known(site.path, reference, value, record, is_object=site.is_object)
    # First, because another reference is a change of the file, whether or not a value is available.
    if record is not None and record.reference != reference:
        return known.assessed(SecretStatus.CHANGED, ChangeKind.REPLACE, ChangeOrigin.LOCAL)
    # Nothing is stored: there is no record, or the mask that our write produced is gone. If no mask
    # was shown after the write, its absence proves nothing.
    if is_empty(stored) and (record is None or record.mask is not None):
        return known.assessed(SecretStatus.CHANGED, ChangeKind.ADD)
    if value is None:
        return known.assessed(SecretStatus.UNVERIFIED)
    # A value that the API shows in clear text is compared directly, so the result is certain.
    if isinstance(stored, Mask) or is_empty(stored):
        announced = remembered.unsettled.get(site.path, frozenset())
        if _is_open(announced, record):
            return known.in_doubt(announced, evidence.pepper)
    if isinstance(stored, Mask):
        return _assess_masked(known, value, stored, evidence)
    if is_empty(stored):
        return _assess_hidden(known, value, evidence)
    return known.assessed(SecretStatus.IN_SYNC) if known.equals(stored) else known.differs()


def secrets_to_send(
    assessments: list[SecretAssessment],
    differing: Sequence[FieldChange],
    *,
    schema: FieldSchema,
    push: bool,
) -> list[tuple[SecretAssessment, ChangeKind]]:
    """Return the secrets that have to be written, each with the kind of its change.

    A changed secret is sent. The other secrets in `configurations` are resent if that object is
    sent, and all secrets, including the key, are resent if a host changes. A key that is declared
    empty is never sent, because the effect of an empty key is unknown (remote/API.md §2).
    """
    assessments = [assessment for assessment in assessments if not keeps_key(assessment)]
    changed = {
        assessment.path: assessment.op
        for assessment in assessments
        if assessment.state is SecretStatus.CHANGED
        or (push and assessment.state is SecretStatus.UNVERIFIED)
    }
    paths = {change.path for change in differing} | changed.keys()
    # Either the write that names a new host also sends all credentials, or it is blocked.
    moves = any(decides_host(schema, path) for path in paths)
    tops = {path[0] for path in paths}
    sent = []
    for assessment in assessments:
        if assessment.path in changed:
            sent.append((assessment, changed[assessment.path]))
        elif assessment.reference is not None and (moves or assessment.path[0] in tops - {"key"}):
            sent.append((assessment, ChangeKind.RESEND))
    return sent


def keeps_key(assessment: SecretAssessment) -> bool:
    """Return whether the API stores a key that the files declare empty; no call can remove it."""
    return assessment.path == ("key",) and assessment.op is ChangeKind.REMOVE


def secret_change(assessment: SecretAssessment, op: ChangeKind, field: FieldSchema) -> Change:
    """Build the change of a secret that is written; it shows the reference."""
    before = assessment.before_reference if op is ChangeKind.REPLACE else None
    return Change(
        path=show_path(assessment.path),
        op=op,
        risk=Risk.CREDENTIAL,
        sensitive=True,
        origin=assessment.origin,
        reference=assessment.shown_reference,
        before_reference=str(before) if before else None,
        unknown_field=not field.is_known,
    )


def write_blocks(
    declared: Declared,
    comparison: Comparison,
    *,
    paths: list[Path],
    sent: list[tuple[SecretAssessment, ChangeKind]],
) -> list[Diagnostic]:
    """Return why writing these paths would lose a stored secret, or send it to another host."""
    blocks = [messages.masked_write(declared, path) for path in lost_masks(comparison, paths)]
    if any(decides_host(declared.schema, path) for path in paths):
        replaced = {assessment.path for assessment, _ in sent}
        # A credential that this write does not replace would be sent to the new host.
        stored = [
            path
            for path, value in leaves(comparison.observed)
            if isinstance(value, Mask) and path not in replaced
        ]
        if stored:
            blocks.append(messages.credential_retarget(declared, stored))
    return blocks


@dataclass(frozen=True, slots=True)
class _Known:
    path: Path
    reference: SecretRef
    value: Redacted | None
    record: SecretRecord | None
    is_object: bool = False

    def equals(self, stored: object) -> bool:
        """Return whether a value that the API shows in clear text equals the available one."""
        if self.value is None:
            return False
        return self.value.equals_as_json(stored) if self.is_object else self.value.equals(stored)

    def assessed(
        self,
        state: SecretStatus,
        op: ChangeKind = ChangeKind.ROTATE,
        origin: ChangeOrigin = ChangeOrigin.UNKNOWN,
    ) -> SecretAssessment:
        before = self.record.reference if self.record and op is ChangeKind.REPLACE else None
        at_hand = self.value is not None
        return SecretAssessment(self.path, self.reference, state, op, before, origin, at_hand)

    def differs(self, origin: ChangeOrigin = ChangeOrigin.UNKNOWN) -> SecretAssessment:
        """Assess a secret whose stored value differs; an undeclared placeholder proves nothing."""
        if isinstance(self.value, Placeholder):
            return self.assessed(SecretStatus.UNVERIFIED)
        return self.assessed(SecretStatus.CHANGED, origin=origin)

    def in_doubt(self, announced: frozenset[str], pepper: Pepper | None) -> SecretAssessment:
        """Assess a secret that must be sent again, so that the stored value is known."""
        ours, fingerprint = False, None
        if self.value is not None and pepper is not None:
            fingerprint = self.value.fingerprint(pepper)
            ours = fingerprint in announced
        # A placeholder is also sent again; `differs` would leave it unverified.
        if ours:
            found = self.assessed(SecretStatus.CHANGED, origin=ChangeOrigin.LOCAL)
        else:
            found = self.differs(ChangeOrigin.LOCAL)
        # If several values were announced, the stored one can be another of them.
        is_repeated = announced == {fingerprint}
        return replace(found, in_doubt=found.state is SecretStatus.CHANGED, is_repeated=is_repeated)


def _assess_emptied(site: SecretLocation, record: SecretRecord | None) -> SecretAssessment:
    # A secret that a run wrote counts as stored even if the API shows nothing of it, not even a
    # mask.
    is_hidden = record is not None and record.mask is None and record.fingerprint is not None
    is_gone = is_empty(site.stored) and not is_hidden
    state = SecretStatus.IN_SYNC if is_gone else SecretStatus.CHANGED
    return SecretAssessment(site.path, None, state, ChangeKind.REMOVE)


def _is_open(announced: frozenset[str], record: SecretRecord | None) -> bool:
    """Return whether a run may have sent another value than the recorded one.

    There is no doubt if the announced value equals the recorded one.
    """
    known = record.fingerprint if record is not None else None
    return any(fingerprint != known for fingerprint in announced)


def _assess_masked(
    known: _Known, value: Redacted, mask: Mask, evidence: SecretEvidence
) -> SecretAssessment:
    # The mask of an object has no visible ends, so it contradicts no value.
    verdict = MaskVerdict.UNREADABLE if known.is_object else value.judged_by(mask)
    match _matches(known, value, evidence.pepper):
        case False:
            return known.differs(ChangeOrigin.LOCAL)
        case True if known.record and known.record.mask == mask:
            # The mask is the one that our own write produced: in any format, it proves no change.
            return known.assessed(SecretStatus.IN_SYNC)
        case True if known.record and known.record.mask is None:
            # The write was never read back, so this mask may belong to another value.
            found = known.in_doubt(frozenset(), evidence.pepper)
            is_ours = verdict is not MaskVerdict.CONTRADICTS
            return replace(found, is_repeated=found.in_doubt and is_ours)
        # The mask differs from the recorded one, but these two cases explain that without a changed
        # value.
        case True if evidence.masks_moved or known.is_object:
            return known.assessed(SecretStatus.UNVERIFIED)
        case True:
            return known.assessed(SecretStatus.CHANGED, ChangeKind.ROTATE, ChangeOrigin.REMOTE)
        # Without a comparable fingerprint, the mask is the only evidence, and it can only
        # contradict.
        case _ if verdict is MaskVerdict.CONTRADICTS and _is_readable(known.record, mask):
            return known.differs()
        case _:
            return known.assessed(SecretStatus.UNVERIFIED)


def _is_readable(record: SecretRecord | None, mask: Mask) -> bool:
    """Return whether the visible parts of this mask are meaningful.

    A mask that contradicted the value that had just been sent has an unknown format.
    """
    return record is None or record.mask != mask or record.mask_agreed


def _assess_hidden(known: _Known, value: Redacted, evidence: SecretEvidence) -> SecretAssessment:
    """Assess a secret that a run wrote and for which the API does not show even a mask."""
    match _matches(known, value, evidence.pepper):
        case True:
            return known.assessed(SecretStatus.IN_SYNC)
        case False:
            return known.differs(ChangeOrigin.LOCAL)
        case None:
            return known.assessed(SecretStatus.UNVERIFIED)


def _matches(known: _Known, value: Redacted, pepper: Pepper | None) -> bool | None:
    """Compare fingerprints; None if there is no record, or if it was made with another pepper."""
    record = known.record
    if record is None or record.fingerprint is None or pepper is None:
        return None
    if record.fingerprint.partition(":")[0] != pepper.id:
        return None
    if record.fingerprint == value.fingerprint(pepper):
        return True
    # The record can come from a Terraform state, which does not keep the notation of an object.
    return known.is_object and record.fingerprint == value.fingerprint_as_json(pepper)
