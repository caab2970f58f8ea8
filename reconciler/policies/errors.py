"""Exceptions of this package: policies without a valid answer."""

from typing import ClassVar

from reconciler.planning.policy_verdict import FAILURE, NOT_ALLOWED


class PolicyProblem(Exception):
    """Reason why a policy has no verdict on a plan; it becomes an error that blocks the plan.

    The summary follows the name of the policy. It must depend only on the policy and the plan,
    because it is part of the digest.
    """

    code: ClassVar[str] = FAILURE

    def __init__(self, summary: str, *, hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.hint = hint


class PolicyNotAllowed(PolicyProblem):
    """The environment does not list the command."""

    code: ClassVar[str] = NOT_ALLOWED
