"""What can be known about a secret that the API never shows: in sync, changed, or unverified.

The evidence is a fingerprint and a mask from the ledger, the mask that the API shows now, and the
value itself where it is at hand. Values are asked, never looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.domain.last_applied import LastApplied, LastAppliedState, SecretRecord
from reconciler.domain.secrets import Mask, MaskVerdict, Pepper, Placeholder, Redacted, SecretRef
from reconciler.domain.state import ObservedState
from reconciler.domain.tree import Path, is_empty, lookup
from reconciler.planning.actions import ChangeKind, ChangeOrigin
from reconciler.planning.comparison import SecretLocation
from reconciler.planning.normalize import normalize

LITERAL = SecretRef("literal", "")
"""Stands for a header's or an id's literal value, which is known without any resolver."""


class SecretStatus(StrEnum):
    """What is known about a stored secret."""

    IN_SYNC = "in-sync"
    CHANGED = "changed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class SecretAssessment:
    """What is known about one secret, and what a change of it would be called.

    `in_doubt` says that a run announced to send it and it is not known whether it did.
    """

    path: Path
    reference: SecretRef | None
    state: SecretStatus
    op: ChangeKind = ChangeKind.ROTATE
    before_reference: SecretRef | None = None
    origin: ChangeOrigin = ChangeOrigin.UNKNOWN
    at_hand: bool = True
    in_doubt: bool = False

    @property
    def shown_reference(self) -> str | None:
        """Give the reference's name, None for a literal."""
        return str(self.reference) if self.reference and self.reference != LITERAL else None


@dataclass(frozen=True, slots=True)
class SecretEvidence:
    """All that is known beside the two states.

    `masks_moved` says that every remembered mask looks different now: the format changed, so a
    differing mask proves nothing this time.
    """

    values: Mapping[SecretRef, Redacted]
    pepper: Pepper | None = None
    masks_moved: bool = False


def masks_moved(memory: LastAppliedState, observed: ObservedState) -> bool:
    """Tell whether all remembered masks, two at least, differ from the ones shown now."""
    compared = 0
    for slug, remembered in memory.integrations.items():
        current = observed.integrations.get(slug)
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
    return compared >= 2


def assess(
    site: SecretLocation, remembered: LastApplied, evidence: SecretEvidence
) -> SecretAssessment:
    """Decide what is known about the secret at a site."""
    declared, stored = site.declared, site.stored
    if not isinstance(declared, SecretRef | Redacted):
        return _judge_emptied(site, remembered.secrets.get(site.path))
    reference = declared if isinstance(declared, SecretRef) else LITERAL
    value = evidence.values.get(reference) if isinstance(declared, SecretRef) else declared
    record = remembered.secrets.get(site.path)
    known = _Known(site.path, reference, value, record, is_object=site.is_object)
    if record is not None and record.reference != reference:
        return known.says(SecretStatus.CHANGED, ChangeKind.REPLACE, ChangeOrigin.LOCAL)
    if is_empty(stored) and (record is None or record.mask is not None):
        return known.says(SecretStatus.CHANGED, ChangeKind.ADD)
    if value is None:
        return known.says(SecretStatus.UNVERIFIED)
    if isinstance(stored, Mask) or is_empty(stored):
        announced = remembered.unsettled.get(site.path, frozenset())
        if _is_open(announced, record):
            return known.in_doubt(announced, evidence.pepper)
    if isinstance(stored, Mask):
        return _judge_masked(known, value, stored, evidence)
    if is_empty(stored):
        return _judge_hidden(known, value, evidence)
    return known.says(SecretStatus.IN_SYNC) if known.equals(stored) else known.differs()


@dataclass(frozen=True, slots=True)
class _Known:
    path: Path
    reference: SecretRef
    value: Redacted | None
    record: SecretRecord | None
    is_object: bool = False

    def equals(self, stored: object) -> bool:
        """Whether a value that the API shows in the clear is ours."""
        if self.value is None:
            return False
        return self.value.equals_as_json(stored) if self.is_object else self.value.equals(stored)

    def says(
        self,
        state: SecretStatus,
        op: ChangeKind = ChangeKind.ROTATE,
        origin: ChangeOrigin = ChangeOrigin.UNKNOWN,
    ) -> SecretAssessment:
        before = self.record.reference if self.record and op is ChangeKind.REPLACE else None
        at_hand = self.value is not None
        return SecretAssessment(self.path, self.reference, state, op, before, origin, at_hand)

    def differs(self, origin: ChangeOrigin = ChangeOrigin.UNKNOWN) -> SecretAssessment:
        """Say that another value is stored, unless ours is made up: then nobody asked for it."""
        made_up = isinstance(self.value, Placeholder)
        return (
            self.says(SecretStatus.UNVERIFIED)
            if made_up
            else self.says(SecretStatus.CHANGED, origin=origin)
        )

    def in_doubt(self, announced: frozenset[str], pepper: Pepper | None) -> SecretAssessment:
        """Return that the value has to be sent once more, which settles what the API holds."""
        value, ours = self.value, False
        if value is not None and pepper is not None:
            ours = value.fingerprint(pepper) in announced
        found = (
            self.says(SecretStatus.CHANGED, origin=ChangeOrigin.LOCAL)
            if ours
            else self.differs(ChangeOrigin.LOCAL)
        )
        return replace(found, in_doubt=found.state is SecretStatus.CHANGED)


def _judge_emptied(site: SecretLocation, record: SecretRecord | None) -> SecretAssessment:
    # A secret that we wrote and of which the API shows nothing, not even a mask, is there.
    is_hidden = record is not None and record.mask is None and record.fingerprint is not None
    state = (
        SecretStatus.IN_SYNC if is_empty(site.stored) and not is_hidden else SecretStatus.CHANGED
    )
    return SecretAssessment(site.path, None, state, ChangeKind.REMOVE)


def _is_open(announced: frozenset[str], record: SecretRecord | None) -> bool:
    """Return whether a run may have sent another value than the one on record.

    A value that was announced again and equals the recorded one leaves nothing open.
    """
    known = record.fingerprint if record is not None else None
    return any(fingerprint != known for fingerprint in announced)


def _judge_masked(
    known: _Known, value: Redacted, mask: Mask, evidence: SecretEvidence
) -> SecretAssessment:
    verdict = MaskVerdict.UNREADABLE if known.is_object else value.judged_by(mask)
    match _matches(known.record, value, evidence.pepper):
        case False:
            return known.differs(ChangeOrigin.LOCAL)
        case True if known.record and known.record.mask == mask:
            # The mask is the one our own write produced; whatever its format, it proves no change.
            return known.says(SecretStatus.IN_SYNC)
        case True if known.record and known.record.mask is None:
            # Our write was never read back, so this mask may be of another value.
            return known.in_doubt(frozenset(), evidence.pepper)
        case True if evidence.masks_moved or known.is_object:
            return known.says(SecretStatus.UNVERIFIED)
        case True:
            return known.says(SecretStatus.CHANGED, ChangeKind.ROTATE, ChangeOrigin.REMOTE)
        case _ if verdict is MaskVerdict.CONTRADICTS and _is_readable(known.record, mask):
            return known.differs()
        case _:
            return known.says(SecretStatus.UNVERIFIED)


def _is_readable(record: SecretRecord | None, mask: Mask) -> bool:
    """Tell whether this mask's visible parts mean something.

    A mask that contradicted the very value we had just sent has a format we do not know.
    """
    return record is None or record.mask != mask or record.mask_agreed


def _judge_hidden(known: _Known, value: Redacted, evidence: SecretEvidence) -> SecretAssessment:
    """Judge a secret that we wrote and of which the API does not even show a mask."""
    match _matches(known.record, value, evidence.pepper):
        case True:
            return known.says(SecretStatus.IN_SYNC)
        case False:
            return known.differs(ChangeOrigin.LOCAL)
        case None:
            return known.says(SecretStatus.UNVERIFIED)


def _matches(record: SecretRecord | None, value: Redacted, pepper: Pepper | None) -> bool | None:
    """Compare fingerprints; None where there is no record, or it was made with another pepper."""
    if record is None or record.fingerprint is None or pepper is None:
        return None
    if record.fingerprint.partition(":")[0] != pepper.id:
        return None
    return record.fingerprint == value.fingerprint(pepper)
