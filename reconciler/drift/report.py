"""The drift report: what differs, who moved, and a fingerprint that says whether it is news.

It is made by `reconciler.drift.detect`, and read back from JSON by `reconciler.drift.codec`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from reconciler.planning.actions import Action, ChangeOrigin
from reconciler.planning.plan import Plan, PlanTarget

KIND = "drift_report"


@dataclass(frozen=True)
class DriftReport:
    """How the API differs from the files.

    `plan` is what would end the difference, `origins` says by slug who moved, and `not_read` counts
    the integrations that were taken for unchanged without a detailed look.
    """

    plan: Plan
    origins: Mapping[str, ChangeOrigin] = field(default_factory=lambda: MappingProxyType({}))
    not_read: int = 0

    @property
    def target(self) -> PlanTarget:
        """Give where it was looked."""
        return self.plan.target

    @property
    def in_sync(self) -> bool:
        """Tell whether nothing differs; what is undeclared, unmanaged or unverified is no drift."""
        return self.plan.in_sync

    @property
    def fingerprint(self) -> str:
        """Identify the difference: equal reports of any two times are announced once."""
        return self.plan.digest

    @property
    def items(self) -> tuple[Action, ...]:
        """Give what differs, as the actions that would end it."""
        return self.plan.actions

    def origin(self, slug: str) -> ChangeOrigin:
        """Tell who moved an integration."""
        return self.origins.get(slug, ChangeOrigin.UNKNOWN)

    def by_origin(self) -> dict[ChangeOrigin, tuple[Action, ...]]:
        """Give the items by who moved; every origin is there, in the order of the enumeration."""
        return {
            origin: tuple(item for item in self.items if self.origin(item.slug) is origin)
            for origin in ChangeOrigin
        }

    def as_json(self) -> dict[str, Any]:
        """Return the drift document, `kind: drift_report`, with the plan's facts beside it."""
        plan = self.plan.as_json()
        shared = (
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
        return {
            **{key: plan[key] for key in shared},
            "kind": KIND,
            "in_sync": self.in_sync,
            "fingerprint": self.fingerprint,
            "items": plan["actions"],
            "origins": {item.slug: self.origin(item.slug).value for item in self.items},
            "not_read": self.not_read,
        }
