"""Guard for the promotion of a target: its source must have had the same content long enough.

Like the guard for change windows, it depends on the time: a plan only reports it, and an apply
checks it when it starts. This module is loaded only for a target with a `promotion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, error, named, notice
from reconciler.domain.differs import ExpectedDifference
from reconciler.domain.policy import Target
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import DesiredState
from reconciler.domain.tree import Tree
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.normalize import normalize
from reconciler.planning.parity import Difference, differences, is_expected
from reconciler.planning.plan import Plan

NOT_SOAKED = "not-soaked"
"""The code of the refusal, and of the notice in a plan."""

_SHORTEST_TRUST = timedelta(hours=24)
"""Age that the newest check may always have; a longer soak time allows an older one."""

_NAMED = 4


@dataclass(frozen=True, slots=True)
class Soaked:
    """Content of an integration at the source, None if it was removed, and how long it was there.

    `since` is when it was applied or first confirmed, `checked` when it was last confirmed.
    """

    fields: Tree | None
    since: datetime
    checked: datetime


@dataclass(frozen=True, slots=True)
class SoakEvidence:
    """Records of the ledger about the source of a promotion, by slug.

    `problem` is the reason why nothing is known. `expected` lists what may differ.
    """

    soaked: Mapping[str, Soaked] = field(default_factory=lambda: MappingProxyType({}))
    expected: tuple[ExpectedDifference, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Unsoaked:
    """Why a plan may not be applied yet; `opens` is when it may be, None if that is unknown.

    `unchecked` is True if only a newer check of the source is missing, `differs` if the source has
    other values, and `hides` if some of them are not recorded.
    """

    reasons: tuple[str, ...]
    opens: datetime | None = None
    unchecked: bool = False
    differs: bool = False
    hides: bool = False


def longest_trust(soak: timedelta) -> timedelta:
    """Return the maximum age of the newest check of the source."""
    return max(soak, _SHORTEST_TRUST)


@dataclass(frozen=True, slots=True)
class _Reason:
    text: str
    opens: datetime | None = None
    differing: tuple[Difference, ...] = ()

    @property
    def hides(self) -> bool:
        """Return whether some values are hidden, so that runs of the source do not record them."""
        return any(isinstance(item.source, Redacted) for item in self.differing)


def unsoaked(
    plan: Plan, desired: DesiredState, evidence: SoakEvidence | None, *, now: datetime
) -> Unsoaked | None:
    """Return why the actions of a plan may not be applied yet; None if they may be.

    Without evidence they may not.
    """
    promotion = desired.target.promotion
    if promotion is None or not plan.actions:
        return None
    if evidence is None or evidence.problem:
        why = evidence.problem if evidence is not None else "the ledger was not read"
        return Unsoaked((f"{why}, so it is unknown what was applied to {promotion.source}",))
    soak = timedelta(hours=promotion.soak_hours)
    guard = _Guard(desired, evidence, promotion.source, soak, now)
    reasons = [guard.reason(action) for action in plan.actions]
    found = [reason for reason in reasons if reason is not None]
    if not found:
        return None
    times = [reason.opens for reason in found if reason.opens is not None]
    # Waiting may never remove a reason without a time; in that case, no time is given.
    opens = max(times) if len(times) == len(found) else None
    return Unsoaked(
        tuple(reason.text for reason in found),
        opens,
        unchecked=opens is not None and opens <= now,
        differs=any(reason.differing for reason in found),
        hides=any(reason.hides for reason in found),
    )


def refusal(found: Unsoaked, target: Target) -> Diagnostic:
    """Return the error of an apply before the content has been in use long enough."""
    return error(NOT_SOAKED, _summary(found, target), hint=_hint(found, target))


def with_notice(plan: Plan, target: Target, found: Unsoaked | None) -> Plan:
    """Return a plan with a notice and the time from which it can be applied, if not now."""
    if found is None:
        return plan
    noted = notice(NOT_SOAKED, _summary(found, target), hint=_hint(found, target))
    return replace(
        plan,
        diagnostics=(*plan.diagnostics, noted),
        soaked_at=None if found.opens is None else _shown(found.opens),
    )


@dataclass(frozen=True, slots=True)
class _Guard:
    desired: DesiredState
    evidence: SoakEvidence
    source: str
    soak: timedelta
    now: datetime

    def reason(self, action: Action) -> _Reason | None:
        """Return why one action may not be applied yet."""
        slug = action.slug
        # An integration that only some environments have.
        if any(entry.covers(slug, ()) for entry in self.evidence.expected):
            return None
        soaked = self.evidence.soaked.get(slug)
        if soaked is None:
            return _Reason(f"{slug}: {self.source} is not known to have this content without drift")
        if action.kind is ActionKind.DELETE:
            if soaked.fields is not None:
                return _Reason(f"{slug}: {self.source} still has it")
        else:
            other = self._other_values(action, soaked)
            if other is not None:
                return other
        return self._too_early(slug, soaked)

    def _other_values(self, action: Action, soaked: Soaked) -> _Reason | None:
        subject = f"{action.slug}: {self.source} has other values"
        declared = action.subject.declared or self.desired.integrations.get(action.slug)
        if soaked.fields is None or declared is None:
            return _Reason(f"{subject}: it was removed there")
        applied, ours = normalize(soaked.fields), normalize(declared.fields)
        expected = self.evidence.expected
        found = differences(action.slug, applied, ours, expected)
        left = tuple(item for item in found if not is_expected(item, expected))
        return _Reason(f"{subject}: {_paths(left)}", differing=left) if left else None

    def _too_early(self, slug: str, soaked: Soaked) -> _Reason | None:
        opens = soaked.since + self.soak
        # A check in the future comes from a machine whose clock is ahead, so it counts as made now.
        checked = min(soaked.checked, self.now)
        if checked < opens:
            text = f"{slug}: in use at {self.source} since {_shown(soaked.since)}"
            return _Reason(f"{text}, last checked {_shown(checked)}", opens)
        # The source may have drifted since an older check, so the time that has passed proves
        # nothing.
        if self.now - checked > longest_trust(self.soak):
            return _Reason(f"{slug}: not checked at {self.source} since {_shown(checked)}", opens)
        return None


def _paths(found: Sequence[Difference]) -> str:
    text = named([show_path(item.path) for item in found], limit=_NAMED)
    if any(isinstance(item.source, Redacted) for item in found):
        text += " (hidden values are not recorded, so they cannot be compared)"
    return text


def _summary(found: Unsoaked, target: Target) -> str:
    promotion = target.promotion
    hours = f"{promotion.soak_hours:g}" if promotion is not None else "?"
    source = promotion.source if promotion is not None else "?"
    when = ""
    if found.opens is not None and not found.unchecked:
        when = f"; can be applied from {_shown(found.opens)}"
    reasons = named(found.reasons, limit=_NAMED, separator="; ")
    return (
        f"target `{target.name}` only accepts content that `{source}` has had without drift for "
        f"{hours} hours"
        f"{when}: {reasons}"
    )


def _hint(found: Unsoaked, target: Target) -> str:
    source = target.promotion.source if target.promotion is not None else "NAME"
    check = f"`reconcile --target {source} drift`"
    if found.unchecked:
        return f"run {check} to confirm it, then apply again"
    if found.opens is not None:
        return f"run {check} after that time, then apply; or add --allow-unsoaked REASON"
    # Applying it to the source again would not record a hidden value either.
    first = (
        "write hidden values as references"
        if found.hides
        else f"apply it to {source} first, with the same ledger (RECONCILE_LEDGER_URL)"
    )
    expected = ", list fields that may differ under `differs`" if found.differs else ""
    return f"{first}{expected}, or add --allow-unsoaked REASON, which is recorded"


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
