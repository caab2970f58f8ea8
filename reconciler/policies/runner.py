"""Run the policies of a target on a plan, and return their verdicts.

A policy without a valid answer (it is not allowed, missing, killed, too slow, or prints something
else) still has a verdict, which blocks the plan. `reconciler.policies.allowlist` describes the
protection by the allow-list.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.allowed_command import (
    AllowedCommands,
    command_environment,
    path_outside,
    repository_around,
)
from reconciler.diagnostics import Severity, SourceLocation
from reconciler.domain.policy import PolicyCommand, Target
from reconciler.domain.secrets import Redacted
from reconciler.frozen_dataclass import dataclass
from reconciler.limited_process import ProcessFailure, TimeLimit, run
from reconciler.planning import codec
from reconciler.planning.plan import Plan
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict
from reconciler.policies.allowlist import require_allowed
from reconciler.policies.answer import findings_of
from reconciler.policies.errors import PolicyProblem
from reconciler.policies.inputs import (
    LeftOut,
    PolicyInputs,
    read_inputs,
)
from reconciler.remote.wire_secrets import Needles, needles_of, parts_of, redact


# Without slots, because `cached_property` stores its value in the instance's dictionary.
@dataclass(frozen=True)
class PolicyRunner:
    """Runner of the policies in a desired-state folder.

    `location_of` returns where reconcile.yaml declares a policy of a target, and `left_out` returns
    the files that are not checked out. `secrets` are values that no message may show, because a
    program can read files that contain one.
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

    def problems(self, target: Target) -> list[tuple[str, PolicyProblem]]:
        """Return the policies of a target that cannot be run, with the reason; nothing is run."""
        found = []
        for policy in target.policies:
            try:
                self._inputs(policy)
            except PolicyProblem as problem:
                found.append((policy.name, problem))
        return found

    @cached_property
    def _repository(self) -> Path:
        return repository_around(self.folder)

    @cached_property
    def _search_path(self) -> str:
        return path_outside(self.environment.get("PATH", ""), self._repository)

    def _inputs(self, policy: PolicyCommand) -> PolicyInputs:
        # Before any file is read: what the environment does not list is not looked at.
        require_allowed(policy.command, self.allowed)
        return read_inputs(
            policy,
            self.folder,
            search_path=self._search_path,
            repository=self._repository,
            left_out=self.left_out,
        )

    async def _judge(self, plan: Plan, target: Target, policy: PolicyCommand) -> PolicyVerdict:
        digest = None
        try:
            inputs = self._inputs(policy)
            digest = inputs.digest
            found = await self._findings(plan, inputs)
        except PolicyProblem as problem:
            at = self.location_of(target.name, policy.name)
            found = (
                PolicyFinding(
                    Severity.ERROR, problem.code, problem.summary, hint=problem.hint, at=at
                ),
            )
        return PolicyVerdict(policy.name, digest, found)

    async def _findings(self, plan: Plan, inputs: PolicyInputs) -> tuple[PolicyFinding, ...]:
        limits = TimeLimit(inputs.policy.timeout_seconds, self.clock)
        with _private_folder() as folder:
            try:
                ended = await run(
                    # In a separate folder, so that a policy cannot read the rest of the repository
                    # by a relative path.
                    inputs.write(folder),
                    stdin=codec.encode(plan).encode(),
                    environ=command_environment(self.environment, ()) | {"PATH": self._search_path},
                    folder=folder,
                    limits=limits,
                )
            except ProcessFailure as failure:
                raise PolicyProblem(failure.summary, hint=failure.hint) from None
        # A finding can name only these; without one, it is looked for in the message.
        slugs = {action.slug for action in plan.actions}
        return findings_of(ended, slugs, partial(redact, needles=self._needles))


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Yield a new folder, which is removed afterwards if that is possible."""
    folder = TemporaryDirectory(prefix="reconcile-policy-", ignore_cleanup_errors=True)
    try:
        yield Path(folder.name)
    finally:
        # A program can replace the folder, or nest folders too deep in it. That does not affect the
        # verdict.
        with suppress(OSError, RecursionError):
            folder.cleanup()
