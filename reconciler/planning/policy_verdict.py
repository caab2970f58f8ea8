"""Verdicts of policies: the result of a program for a plan.

They are part of the plan and of its digest. `reconciler.policies` runs the programs, and
`reconciler.planning.policy_guard` applies verdicts to a plan.
"""

from dataclasses import field
from enum import StrEnum

from reconciler.diagnostics import Severity, SourceLocation
from reconciler.frozen_dataclass import dataclass


class Verdict(StrEnum):
    """Verdict of a policy; later members are worse, and from `DENIED` on the plan is blocked."""

    PASSED = "passed"
    WARNED = "warned"
    DENIED = "denied"
    # The program gave no valid answer, so nothing is known about the plan.
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """Return the position in the order of severity."""
        return list(Verdict).index(self)


DENIAL = "policy"
"""Code of a denial and of a warning by a policy."""

FAILURE = "policy-failed"
"""Code of the error that a policy gave no valid answer."""

NOT_ALLOWED = "policy-not-allowed"
"""Code of the error that the environment does not allow the command of a policy."""


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """One finding of a policy; `slug` names the action that it concerns, None the whole plan.

    `at` is the location in reconcile.yaml, if the finding is about the policy and not about the
    plan.
    """

    severity: Severity
    code: str
    message: str
    slug: str | None = None
    hint: str = field(default="", compare=False)
    at: SourceLocation | None = field(default=None, compare=False)

    def as_json(self) -> dict[str, str | None]:
        """Return the JSON form."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "slug": self.slug,
        }


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """Verdict of one policy; `digest` identifies what was run, None if that could not be read."""

    name: str
    digest: str | None
    findings: tuple[PolicyFinding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Return the verdict that follows from the worst finding."""
        errors = {item.code for item in self.findings if item.severity is Severity.ERROR}
        # Any other error means that the program gave no valid answer.
        if errors - {DENIAL}:
            return Verdict.FAILED
        if errors:
            return Verdict.DENIED
        return Verdict.WARNED if self.findings else Verdict.PASSED

    def as_json(self) -> dict[str, object]:
        """Return the JSON form, which is part of the digest of a plan."""
        return {
            "name": self.name,
            "digest": self.digest,
            "verdict": self.verdict.value,
            "findings": [item.as_json() for item in self.findings],
        }
