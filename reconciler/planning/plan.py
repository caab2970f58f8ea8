"""Plan: a value that is complete or absent, and the digest that identifies its content."""

from dataclasses import dataclass, field
from functools import cached_property

from reconciler import __version__
from reconciler.diagnostics import Diagnostic
from reconciler.domain.tree import digest
from reconciler.planning.actions import Action, ActionKind, Risk, highest

NOT_JUDGED = "not-judged"
"""The code of the warning that something the plan depends on could not be read."""

NEW_LEDGER = "ledger-new"
"""The code of the notice that the ledger is too new to know what Git used to declare."""


@dataclass(frozen=True, slots=True, order=True)
class Unverified:
    """A secret of which nothing is known: there is no record, or no value is available."""

    slug: str
    path: str
    reference: str

    def as_json(self) -> dict[str, str]:
        """Return the public form."""
        return {"slug": self.slug, "path": self.path, "reference": self.reference}


@dataclass(frozen=True, slots=True, order=True)
class Undeclared:
    """A remote value that no file declares; it is reported and left alone.

    `is_access` marks an enabled workspace or model, `is_host` a value that decides where a
    credential is sent. Neither is a part of the public form.
    """

    slug: str
    path: str
    is_access: bool = field(default=False, compare=False)
    is_host: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, str]:
        """Return the public form."""
        return {"slug": self.slug, "path": self.path}


@dataclass(frozen=True, slots=True)
class PlanTarget:
    """Target of a plan."""

    name: str
    base_url: str
    organisation_id: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return the public form."""
        return {
            "name": self.name,
            "base_url": self.base_url,
            "organisation_id": self.organisation_id,
        }


@dataclass(frozen=True, slots=True)
class IntegrationPlan:
    """The part of a plan that is about one integration; `action` is None where it is in sync."""

    action: Action | None = None
    unverified: tuple[Unverified, ...] = ()
    undeclared: tuple[Undeclared, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


# Without slots: `cached_property` keeps its value in the dictionary of the instance.
@dataclass(frozen=True)
class Plan:
    """Everything that would happen to a target, and the findings.

    Actions are ordered by kind (creates, updates, replaces, deletes) and slug. `run` names the run
    that an undo plan reverts, else None. `approved_at` is when the plan was approved, if that was
    later than it was made: its age counts from then.
    """

    target: PlanTarget
    created_at: str
    desired_digest: str
    actions: tuple[Action, ...] = ()
    no_op: int = 0
    commit: str | None = None
    unverified: tuple[Unverified, ...] = ()
    undeclared: tuple[Undeclared, ...] = ()
    unmanaged: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    run: str | None = None
    approved_at: str | None = None

    @cached_property
    def digest(self) -> str:
        """Return the digest of the actions; times, reasons and preconditions do not count.

        Unverified secrets do not count either: which ones there are depends on the values that are
        available where the plan is made, and none of them is sent.
        """
        return self._digest_with([])

    @cached_property
    def earlier_digest(self) -> str:
        """Return the digest that version 0.1.0 computed, which counts unverified secrets."""
        return self._digest_with([item.as_json() for item in self.unverified])

    @property
    def unverified_digest(self) -> str:
        """Return the digest of the unverified secrets, by which a saved plan protects them."""
        return digest([item.as_json() for item in self.unverified])

    def has_digest(self, claimed: object) -> bool:
        """Return whether a digest, of this version or an earlier one, identifies this plan."""
        return claimed in (self.digest, self.earlier_digest)

    def _digest_with(self, unverified: list[dict[str, str]]) -> str:
        return digest(
            {
                "target": {"name": self.target.name, "base_url": self.target.base_url},
                # Present even when empty: digests of 0.1.0 have this key, and stay valid where it
                # is empty.
                "unverified": unverified,
                "actions": [action.identity for action in self.actions],
            }
        )

    @property
    def in_sync(self) -> bool:
        """Return whether it is certain that nothing has to change.

        What is undeclared or unverified does not count.
        """
        return not self.actions and self.is_judged

    @property
    def is_judged(self) -> bool:
        """Return whether all that the plan depends on could be read."""
        return not self._has(NOT_JUDGED)

    @property
    def is_first(self) -> bool:
        """Return whether the ledger knows nothing yet of what Git declared before."""
        return self._has(NEW_LEDGER)

    def _has(self, code: str) -> bool:
        return any(item.code == code for item in self.diagnostics)

    @property
    def blocked(self) -> tuple[Action, ...]:
        """Return the actions that a guard holds back."""
        return tuple(action for action in self.actions if action.blocked_by)

    @property
    def max_risk(self) -> Risk | None:
        """Return the highest risk of all actions, None without any."""
        return highest([action.risk for action in self.actions])

    @property
    def summary(self) -> dict[str, int]:
        """Return the counts by kind, in the order of the report."""
        kinds = dict.fromkeys(ActionKind, 0)
        for action in self.actions:
            kinds[action.kind] += 1
        return {
            **{kind.value: count for kind, count in kinds.items()},
            "no_op": self.no_op,
            "blocked": len(self.blocked),
            "unmanaged": len(self.unmanaged),
            "undeclared": len(self.undeclared),
            "unverified_secrets": len(self.unverified),
        }

    def as_json(self) -> dict[str, object]:
        """Return the plan document, `kind: plan`."""
        document: dict[str, object] = {
            "format_version": "1",
            "kind": "plan",
            "tool": f"reconcile {__version__}",
            "created_at": self.created_at,
            "commit": self.commit,
            "target": self.target.as_json(),
            "digest": self.digest,
            "desired_digest": self.desired_digest,
            "max_risk": self.max_risk.value if self.max_risk else None,
            "summary": self.summary,
            "actions": [action.as_json() for action in self.actions],
            "unverified": [item.as_json() for item in self.unverified],
            "undeclared": [item.as_json() for item in self.undeclared],
            "unmanaged": list(self.unmanaged),
            "forgotten": list(self.forgotten),
            "diagnostics": [item.as_json() for item in self.diagnostics],
        }
        # Without unverified secrets both digests are equal, and the key is not needed to tell them
        # apart.
        if self.unverified:
            document["unverified_digest"] = self.unverified_digest
        if self.approved_at is not None:
            document["approved_at"] = self.approved_at
        if self.run is not None:
            document["source"] = {"run": self.run}
        return document
