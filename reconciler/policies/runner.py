"""Run the policies of a target on a plan, and return their verdicts.

A policy that gives no answer that counts (it is not allowed, missing, killed, late, or prints
something else) has a verdict all the same, which blocks the plan. What the list of the environment
protects from: `reconciler.policies.allowlist`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.allowed_command import AllowedCommands
from reconciler.diagnostics import Severity, SourceLocation
from reconciler.domain.policy import PolicyCommand, Target
from reconciler.domain.secrets import Redacted
from reconciler.frozen_dataclass import dataclass
from reconciler.planning import codec
from reconciler.planning.plan import Plan
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict
from reconciler.policies.allowlist import require_allowed
from reconciler.policies.answer import findings_of
from reconciler.policies.errors import PolicyProblem
from reconciler.policies.inputs import LeftOut, path_outside, read_inputs, repository_around
from reconciler.policies.process import Limits, run
from reconciler.remote.wire_secrets import Needles, needles_of, parts_of, redact

_VARIABLES = ("HOME",)
"""Variables that a program receives besides PATH."""


# Without slots, because `cached_property` stores its value in the instance's dictionary.
@dataclass(frozen=True)
class PolicyRunner:
    """Runner of the policies in a desired-state folder.

    `location_of` returns where reconcile.yaml declares a policy of a target, `left_out` the files
    that are not checked out. `secrets` are values that no message may show: a program can read
    files that hold one.
    """

    allowed: AllowedCommands
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    clock: Callable[[], float]
    location_of: Callable[[str, str], SourceLocation | None]
    left_out: LeftOut
    secrets: Collection[Redacted] = ()

    @cached_property
    def _needles(self) -> Needles:
        return needles_of(parts_of(self.secrets))

    async def judge(self, plan: Plan, target: Target) -> tuple[PolicyVerdict, ...]:
        """Return the verdicts of all policies of a target, in their order."""
        # One after the other, because each may use the whole machine.
        return tuple([await self._judge(plan, target, policy) for policy in target.policies])

    async def _judge(self, plan: Plan, target: Target, policy: PolicyCommand) -> PolicyVerdict:
        digest = None
        try:
            require_allowed(policy.command, self.allowed)
            repository = repository_around(self.folder)
            search_path = path_outside(self.environment.get("PATH", ""), repository)
            inputs = read_inputs(
                policy,
                self.folder,
                search_path=search_path,
                repository=repository,
                left_out=self.left_out,
            )
            digest = inputs.digest
            given = {n: self.environment[n] for n in _VARIABLES if n in self.environment}
            with TemporaryDirectory(prefix="reconcile-policy-") as folder:
                ended = await run(
                    inputs.write(Path(folder)),
                    stdin=codec.encode(plan).encode(),
                    environ={**given, "PATH": search_path},
                    folder=Path(folder),
                    limits=Limits(policy.timeout_seconds, self.clock),
                )
            slugs = {action.slug for action in plan.actions}
            found = findings_of(ended, slugs, partial(redact, needles=self._needles))
        except PolicyProblem as problem:
            at = self.location_of(target.name, policy.name)
            found = (
                PolicyFinding(
                    Severity.ERROR, problem.code, problem.summary, hint=problem.hint, at=at
                ),
            )
        return PolicyVerdict(policy.name, digest, found)
