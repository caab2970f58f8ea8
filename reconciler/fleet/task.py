"""Task for one member of a fleet, and the approval of its plan by digests.

A task can be sent to another machine, so it contains only names and digests, never a plan. Approval
by saved plans: `reconciler.planning.approval`.
"""

from collections.abc import Callable, Collection

from reconciler.diagnostics import error
from reconciler.domain.tree import digest
from reconciler.errors import Refused
from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.outcome import FleetOperation, MemberOutcome
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import Plan

DIGEST_LENGTH = 32
"""Number of hexadecimal digits of a change's digest: 128 bits, so that thousands fit into a
message.
"""


@dataclass(frozen=True, slots=True)
class MemberOverrides:
    """Options that the separate command has under the same names; reasons are recorded."""

    allow_budget: bool = False
    allow_used: bool = False
    break_freeze: str | None = None
    allow_unsoaked: str | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True)
class MemberTask:
    """Part of one member in a run of the fleet.

    `approved` holds the digests of the changes that may be applied; if it is None, the files
    decide. `deadline` is in seconds. `fail_on` are values of `--fail-on`.
    """

    member: str
    operation: FleetOperation
    approved: tuple[str, ...] | None = None
    deadline: float = 900
    keeps_records: bool = True
    differences_matter: bool = False
    overrides: MemberOverrides = MemberOverrides()
    fail_on: tuple[str, ...] = ()

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return the options that decide how a member ends, if it only reads.

        A resumed run does not take the outcome of a run without the same gates for its own. An
        apply that is complete is never repeated, whatever its options were.
        """
        if self.operation is FleetOperation.APPLY:
            return ()
        allowed = [name for name in ("allow_budget", "allow_used") if getattr(self.overrides, name)]
        matters = ["detailed_exitcode"] if self.differences_matter else []
        return (*matters, *allowed, *sorted(self.fail_on))


TaskHandler = Callable[[MemberTask, CancelToken], MemberOutcome]
"""Carries out one task in the calling thread and never raises; both engines call the same one."""


def change_digests(plan: Plan) -> tuple[str, ...]:
    """Return a digest of each action and of each of its changes, under the policies of the plan."""
    target = plan.target
    # With other policies, the approval has a different meaning; without policies, digests are those
    # of 0.1.0.
    policies = [[[policy.name, policy.digest] for policy in plan.policies]] if plan.policies else []
    digests = []
    for action in plan.actions:
        # Includes the target, so that an approval for one organisation does not apply to another.
        subject = [target.name, target.base_url, action.address, action.kind.value, *policies]
        # None represents the action itself, which needs approval even if it lists no change.
        digests.append(_digest([*subject, None]))
        digests.extend(_digest([*subject, change.identity]) for change in action.changes)
    return tuple(digests)


def require_approved(plan: Plan, *, approved: Collection[str]) -> bool:
    """Return True if every change of a plan was approved; raise `Refused` otherwise.

    Between approval and apply, a plan can shrink, for example after a crash, but must not grow.
    """
    if not set(approved).issuperset(change_digests(plan)):
        raise Refused(
            [
                error(
                    "not-approved",
                    "the plan contains changes that were not approved",
                    hint="review and approve the current plan",
                )
            ],
            plan=plan,
        )
    return True


def _digest(part: object) -> str:
    return digest(part).removeprefix("sha256:")[:DIGEST_LENGTH]
