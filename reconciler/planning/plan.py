"""Plan: its options, its actions and findings, and the digest of its content."""

import hashlib
from collections.abc import Collection
from dataclasses import field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.policy import Limits, Prune, Target
from reconciler.domain.tree import digest
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind, Risk, highest

if TYPE_CHECKING:
    from reconciler.planning.costs import Costs
    from reconciler.planning.policy_verdict import PolicyVerdict


@dataclass(frozen=True, slots=True)
class Selection:
    """Slugs that a run covers. `shard` is (I, N) with I counting from 1."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None

    def includes(self, slug: str) -> bool:
        """Return whether a slug is selected."""
        # Not `fnmatch`, which ignores case on some platforms and would select other slugs there.
        if self.only and not any(fnmatchcase(slug, pattern) for pattern in self.only):
            return False
        if any(fnmatchcase(slug, pattern) for pattern in self.exclude):
            return False
        return self.shard is None or _shard_of(slug, self.shard[1]) == self.shard[0]

    def unmatched(self, slugs: Collection[str]) -> tuple[str, ...]:
        """Return the patterns of `only` that match none of these slugs."""
        return tuple(p for p in self.only if not any(fnmatchcase(slug, p) for slug in slugs))

    @property
    def whole(self) -> "Selection":
        """Return the selection of all shards together."""
        return replace(self, shard=None)

    @property
    def shard_label(self) -> str | None:
        """Return the shard as `I/N`, None without shards."""
        return f"{self.shard[0]}/{self.shard[1]}" if self.shard is not None else None

    def share(self, limit: int) -> int:
        """Return the part of a limit that this shard may use; all parts add up to the limit."""
        if self.shard is None:
            return limit
        index, count = self.shard
        # The remainder goes to the first shards, one each.
        return limit // count + (index <= limit % count)

    def limit_for(self, needed: int) -> int:
        """Return the smallest limit of the whole whose share for this shard is large enough."""
        if self.shard is None or needed < 1:
            return needed
        index, count = self.shard
        # The inverse of `share`: with a limit that is lower by one, the share of this shard is
        # `needed - 1`.
        return (needed - 1) * count + index


def unmatched_patterns(
    selection: Selection, slugs: Collection[str], *, what: str
) -> list[Diagnostic]:
    """Return an error for each pattern of `--only` that matches none of these slugs."""
    hint = "check the spelling; run `reconcile list` to list the integrations"
    return [
        error("nothing-selected", f"`--only {pattern}` matches no {what}", hint=hint)
        for pattern in selection.unmatched(slugs)
    ]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Flags that change what is planned or allowed; None applies the target's rule.

    `audit` reads models and workspaces that no file declares. It only adds findings: the actions
    and the digest are the same without it. Without `expects_values`, there is no warning about a
    secret without a value.
    """

    selection: Selection = Selection()
    prune: Prune | None = None
    push_secrets: bool = False
    max_deletes: int | None = None
    max_credential_changes: int | None = None
    max_access_removals: int | None = None
    allow_replace: bool = False
    allow_empty: bool = False
    allow_budget: bool = False
    allow_used: bool = False
    audit: bool = False
    expects_values: bool = True

    def replaces_allowed(self, limits: Limits) -> int | None:
        """Return the number of replaces that are allowed, None for any."""
        if self.allow_replace:
            # With the flag, a limit of 0, the default, means no limit.
            return limits.replaces or None
        return limits.replaces


NOT_JUDGED = "not-judged"
"""The code of the warning that a part on which the plan depends could not be read."""

NEW_LEDGER = "ledger-new"
"""The code of the notice that the ledger is too new to know what Git used to declare."""


@dataclass(frozen=True, slots=True, order=True)
class Unverified:
    """A secret whose stored value is unknown: there is no record, or no value is available."""

    slug: str
    path: str
    reference: str

    def as_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"slug": self.slug, "path": self.path, "reference": self.reference}


@dataclass(frozen=True, slots=True, order=True)
class Undeclared:
    """A remote value that no file declares; it is reported and left unchanged.

    `is_access` marks an enabled workspace or model, `is_host` a value that decides where a
    credential is sent. Neither belongs to the JSON form.
    """

    slug: str
    path: str
    is_access: bool = field(default=False, compare=False)
    is_host: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"slug": self.slug, "path": self.path}


@dataclass(frozen=True, slots=True)
class PlanTarget:
    """Target of a plan."""

    name: str
    base_url: str
    organisation_id: str | None = None

    @classmethod
    def of(cls, target: Target, organisation_id: str | None = None) -> "PlanTarget":
        """Return a target as outputs name it."""
        return cls(target.name, target.base_url, organisation_id)

    def as_json(self) -> dict[str, str | None]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "base_url": self.base_url,
            "organisation_id": self.organisation_id,
        }


@dataclass(frozen=True, slots=True)
class IntegrationPlan:
    """Part of a plan about one integration; `action` is None if it is in sync.

    `repeated_secrets` is the number of secrets that are sent once more, because an interrupted run
    may or may not have sent the same values.
    """

    action: Action | None = None
    unverified: tuple[Unverified, ...] = ()
    undeclared: tuple[Undeclared, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    repeated_secrets: int = 0


# Without slots, because `cached_property` stores its value in the instance's dictionary.
@dataclass(frozen=True)
class Plan:
    """All actions on a target, and the findings.

    Actions are ordered by kind (creates, updates, replaces, deletes) and slug. `run` names the run
    that an undo plan reverts, else None. `approved_at` is the time of approval if the plan was
    approved after it was made: its age counts from then. `soaked_at` is when the source of the
    promotion may have had the content long enough. `opens_at` is when the plan can be applied, if
    the windows or the freeze of the target did not allow it when it was made. `options` are the
    words of the command line that determined its content. `uncommitted` states that the files
    differed from the commit. `costs` is set if it changes a budget or
    a price. `policies` are the verdicts of the target's policies, in their order; a plan without
    actions is not judged.
    """

    target: PlanTarget
    created_at: str
    desired_digest: str
    actions: tuple[Action, ...] = ()
    no_op: int = 0
    commit: str | None = None
    uncommitted: bool = False
    unverified: tuple[Unverified, ...] = ()
    undeclared: tuple[Undeclared, ...] = ()
    unmanaged: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    run: str | None = None
    approved_at: str | None = None
    opens_at: str | None = None
    soaked_at: str | None = None
    options: tuple[str, ...] = ()
    costs: "Costs | None" = None
    policies: "tuple[PolicyVerdict, ...]" = ()

    @cached_property
    def digest(self) -> str:
        """Return the digest of the actions and verdicts, without times, reasons and preconditions.

        Unverified secrets do not count either: they depend on the values that are available where
        the plan is made, and none of them is sent.
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
        content: dict[str, object] = {
            "target": {"name": self.target.name, "base_url": self.target.base_url},
            # Present even if empty: digests of 0.1.0 include this key, and stay valid if it is
            # empty.
            "unverified": unverified,
            "actions": [action.identity for action in self.actions],
        }
        if self.policies:
            content["policies"] = [verdict.as_json() for verdict in self.policies]
        return digest(content)

    @property
    def undeclared_risks(self) -> bool:
        """Return whether an undeclared value grants access or names a host, as far as is known."""
        return any(item.is_access or item.is_host for item in self.undeclared)

    @property
    def in_sync(self) -> bool:
        """Return whether it is certain that nothing must change.

        Undeclared values and unverified secrets do not count.
        """
        return not self.actions and self.is_judged

    @property
    def is_judged(self) -> bool:
        """Return whether everything that the plan depends on could be read."""
        return not self._has(NOT_JUDGED)

    @property
    def is_first(self) -> bool:
        """Return whether the ledger has not yet recorded what Git declared before."""
        return self._has(NEW_LEDGER)

    def _has(self, code: str) -> bool:
        return any(item.code == code for item in self.diagnostics)

    @property
    def blocked(self) -> tuple[Action, ...]:
        """Return the actions that a guard blocks."""
        return tuple(action for action in self.actions if action.blocked_by)

    @property
    def max_risk(self) -> Risk | None:
        """Return the highest risk of all actions, None if there are none."""
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
        if self.uncommitted:
            document["uncommitted_changes"] = True
        # Without unverified secrets, both digests are equal, so the key is not needed.
        if self.unverified:
            document["unverified_digest"] = self.unverified_digest
        if self.approved_at is not None:
            document["approved_at"] = self.approved_at
        if self.opens_at is not None:
            document["opens_at"] = self.opens_at
        if self.soaked_at is not None:
            document["soaked_at"] = self.soaked_at
        if self.options:
            document["options"] = list(self.options)
        if self.costs is not None:
            document["costs"] = self.costs.as_json()
        if self.policies:
            document["policies"] = [verdict.as_json() for verdict in self.policies]
        if self.run is not None:
            document["source"] = {"run": self.run}
        return document


def _shard_of(slug: str, count: int) -> int:
    """Return the shard of a slug; it is the same on all machines, versions and hash seeds."""
    return int.from_bytes(hashlib.sha256(slug.encode()).digest()[:8], "big") % count + 1
