"""Runner of a target's policies, for runs and for `doctor`.

Imported only for targets that have policies.
"""

from collections.abc import Iterable
from functools import partial

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.desired_source import repository_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.desired.policy_rules import policy_location
from reconciler.desired.source import DirectorySource
from reconciler.domain.secrets import Redacted
from reconciler.policies.allowlist import allowed_policies
from reconciler.policies.runner import PolicyRunner


def policy_runner(
    invocation: Invocation, environment: Settings, *, hidden: Iterable[Redacted] = ()
) -> PolicyRunner:
    """Return the runner of policies; messages of policies never show a value of `hidden`."""
    return PolicyRunner(
        allowed_policies(environment.allowed_policies),
        invocation.dir,
        environment.environment,
        clock=settings.monotonic,
        location_of=partial(policy_location, DirectorySource(invocation.dir)),
        left_out=partial(git.left_out, repository_of(invocation, environment)),
        secrets=tuple(hidden),
    )
