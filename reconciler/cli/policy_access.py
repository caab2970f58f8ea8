"""Runner of a target's policies, for runs and for `doctor`."""

from functools import partial
from typing import TYPE_CHECKING

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.desired_source import repository_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.desired.source import DirectorySource
from reconciler.domain.policy import Target

if TYPE_CHECKING:
    from reconciler.domain.secrets import Redacted
    from reconciler.policies.runner import PolicyRunner
    from reconciler.secrets.registry import Resolution, Secrets


def policy_runner(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    *,
    secrets: "Secrets | None" = None,
    resolution: "Resolution | None" = None,
) -> "PolicyRunner | None":
    """Return the runner of a target's policies; None, without importing it, if there are none.

    `secrets` and `resolution` have the values that no message of a policy may show.
    """
    if not target.policies:
        return None
    from reconciler.desired.policy_rules import policy_location
    from reconciler.policies.allowlist import allowed_policies
    from reconciler.policies.runner import PolicyRunner

    hidden: list[Redacted] = []
    if secrets is not None and not target.is_simulator:
        hidden.append(secrets.key_of(target))
    if resolution is not None:
        hidden += resolution.values.values()
    return PolicyRunner(
        allowed_policies(environment.allowed_policies),
        invocation.dir,
        environment.environment,
        clock=settings.monotonic,
        location_of=partial(policy_location, DirectorySource(invocation.dir)),
        left_out=partial(git.left_out, repository_of(invocation, environment)),
        secrets=tuple(hidden),
    )
