"""Drift report: what differs, where each change was made, and a fingerprint of the difference.

Pure. `reconciler.planning` finds the differences; a report only adds their origin.
`reconciler.drift.codec` reads reports.
"""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from reconciler.drift.retirements import Retirement
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind, ChangeKind, ChangeOrigin
from reconciler.planning.plan import Plan, PlanTarget

if TYPE_CHECKING:
    from reconciler.drift.who import Who

KIND = "drift_report"
_MOVED = frozenset({ChangeOrigin.REMOTE, ChangeOrigin.BOTH})
_SHARED_KEYS = (
    "format_version",
    "tool",
    "created_at",
    "commit",
    "target",
    "desired_digest",
    "max_risk",
    "summary",
    "unverified",
    "undeclared",
    "unmanaged",
    "forgotten",
    "diagnostics",
)
"""Keys that a report shares with its plan."""
_OPTIONAL_KEYS = ("policies", "costs", "opens_at", "soaked_at", "uncommitted_changes")
"""Keys that a report has if its plan has them."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """How the API differs from the files.

    `plan` would remove the difference, `origins` has the origin of each action by slug, and
    `not_read` counts the integrations that were assumed to be unchanged without a detailed read.
    `partial` states that only selected integrations were compared. `who` is the attribution, None
    if it was not requested. `retiring` are the declared models that retire soon or have retired
    according to the catalogue; they are not drift.
    """

    plan: Plan
    origins: Mapping[str, ChangeOrigin] = field(default_factory=lambda: MappingProxyType({}))
    not_read: int = 0
    partial: bool = False
    who: "Who | None" = None
    retiring: tuple[Retirement, ...] = ()

    @property
    def target(self) -> PlanTarget:
        """The target that was compared."""
        return self.plan.target

    @property
    def in_sync(self) -> bool:
        """Whether nothing differs; undeclared, unmanaged and unverified values are not drift."""
        return self.plan.in_sync

    @property
    def fingerprint(self) -> str:
        """Identifier of the difference: reports with the same fingerprint are announced once."""
        return self.plan.digest

    @property
    def items(self) -> tuple[Action, ...]:
        """Differences, as the actions that would remove them."""
        return self.plan.actions

    def origin(self, slug: str) -> ChangeOrigin:
        """Return the origin of an integration's changes."""
        return self.origins.get(slug, ChangeOrigin.UNKNOWN)

    def by_origin(self) -> dict[ChangeOrigin, tuple[Action, ...]]:
        """Return the items of each origin, in the order of the enumeration."""
        return {
            origin: tuple(item for item in self.items if self.origin(item.slug) is origin)
            for origin in ChangeOrigin
        }

    @property
    def announced(self) -> tuple[Retirement, ...]:
        """Retirements that this report announces: they have reached a further threshold."""
        return tuple(item for item in self.retiring if item.is_due)

    def as_json(self) -> dict[str, Any]:
        """Return the drift document, `kind: drift_report`."""
        plan = self.plan.as_json()
        document = {
            **{key: plan[key] for key in _SHARED_KEYS},
            "kind": KIND,
            "in_sync": self.in_sync,
            "fingerprint": self.fingerprint,
            "items": plan["actions"],
            "origins": {item.slug: self.origin(item.slug).value for item in self.items},
            "not_read": self.not_read,
            "partial": self.partial,
        }
        for key in _OPTIONAL_KEYS:
            if key in plan:
                document[key] = plan[key]
        if self.who is not None:
            document["who"] = self.who.as_json()
        if self.retiring:
            document["retiring"] = [item.as_json() for item in self.retiring]
        return document


def detect_drift(plan: Plan, *, not_read: int = 0, partial: bool = False) -> DriftReport:
    """Build the report of a plan, with the origin of each action.

    The plan must be newly made, because a saved plan does not show whether Git ever declared a
    deleted slug. `not_read` counts the integrations that were assumed to be unchanged. `partial`
    states that only selected integrations were compared.
    """
    origins = {action.slug: origin_of(action) for action in plan.actions}
    return DriftReport(plan, MappingProxyType(origins), not_read, partial)


def origin_of(action: Action) -> ChangeOrigin:
    """Return the origin of an action as a whole.

    One change made in the API is enough, because an apply would undo it. The origin is Git only if
    no other origin is possible.
    """
    if action.kind is ActionKind.DELETE:
        # The changes of a delete are losses. If Git once declared the slug, it was removed from
        # Git.
        was_declared = action.subject.remembered.declared is not None
        return ChangeOrigin.LOCAL if was_declared else ChangeOrigin.UNKNOWN
    # A secret that is resent together with another change has no separate origin.
    origins = {change.origin for change in action.changes if change.op is not ChangeKind.RESEND}
    if ChangeOrigin.BOTH in origins or {ChangeOrigin.LOCAL, ChangeOrigin.REMOTE} <= origins:
        return ChangeOrigin.BOTH
    if ChangeOrigin.REMOTE in origins:
        return ChangeOrigin.REMOTE
    return ChangeOrigin.LOCAL if origins == {ChangeOrigin.LOCAL} else ChangeOrigin.UNKNOWN


def moved_in_api(report: DriftReport) -> tuple[str, ...]:
    """Return the slugs that `pull` can adopt: those that changed in the API and still exist."""
    return tuple(
        item.slug
        for item in report.items
        if report.origin(item.slug) in _MOVED and item.kind is not ActionKind.CREATE
    )
