"""Secret values of a run, and the hosts that may receive the API key.

A pull request can edit a target's URL; additional hosts come from the environment, which it cannot
edit. Validity of URLs: `reconciler.desired.config`.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.cli.settings import Settings
from reconciler.desired.config import is_loopback
from reconciler.desired.load import api_key_location
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, error, notice
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState
from reconciler.domain.tree import references
from reconciler.errors import InvalidInput, Refused
from reconciler.secrets.allowlist import AllowList, api_key_problem
from reconciler.secrets.registry import Resolution, Resolvers, resolve_all
from reconciler.secrets.resolver import ResolverContext

VARIABLE = "RECONCILE_ALLOWED_HOSTS"
KNOWN_HOSTS = frozenset({"api.portkey.ai"})
_NAMED = 5
"""References that a notice names."""


def refuse_unknown_host(target: Target, *, allowed_hosts: Collection[str]) -> None:
    """Raise `Refused` if a key may not be sent to the target's host."""
    # `hostname` omits port and credentials: a host is trusted, not one of its ports.
    host = (urlsplit(target.base_url).hostname or "").lower()
    known = KNOWN_HOSTS | {allowed.lower() for allowed in allowed_hosts}
    # With the embedded simulator or a loopback address, a key does not leave this machine.
    if target.is_simulator or is_loopback(host) or host in known:
        return
    problem = error(
        "host-not-allowed",
        f"target {target.name}: the API key is not sent to {host}",
        hint=f"if the host is trusted, add {host} to the environment variable {VARIABLE}",
    )
    raise Refused([problem])


class Secrets:
    """Secrets of one run; `findings` collects their diagnostics."""

    def __init__(self, environment: Settings, directory: Path) -> None:
        self.allowed = AllowList.parse(environment.allowed_secrets)
        self.findings: list[Diagnostic] = []
        self._directory = directory
        context = ResolverContext(environment.environment, directory, self.allowed)
        self._resolvers = Resolvers(context)

    def key_of(self, target: Target) -> Redacted:
        """Resolve the API key of a target, or raise `InvalidInput` with the missing reference."""
        if target.api_key is None:
            raise InvalidInput([error("missing-api-key", f"target {target.name} has no api_key")])
        problem = api_key_problem(target.api_key)
        if problem is None:
            # A pull request can edit this reference, too. A variable must be PORTKEY_*, which the
            # allow-list never contains; everything else must be on the list.
            allowed = None if target.api_key.scheme == "env" else self.allowed
            answer = resolve_all([target.api_key], resolvers=self._resolvers, allowed=allowed)
            problem = answer.missing.get(target.api_key)
        if problem is not None:
            summary = f"api_key of target {target.name}: {problem.summary}"
            at = api_key_location(DirectorySource(self._directory), target.name)
            raise InvalidInput([error(problem.code, summary, hint=problem.hint, at=at)])
        return answer.values[target.api_key]

    def of(
        self,
        integrations: Iterable[Declared],
        *,
        desired: DesiredState,
        simulated: bool,
        strict: bool,
        without_values: bool = False,
    ) -> Resolution:
        """Resolve every reference of these integrations of a desired state.

        On a simulator, an unset variable gets a placeholder. A reference outside the allow-list is
        a finding, and with `strict` it raises `InvalidInput`.
        """
        # Iterated twice below, and the caller may pass an iterator.
        integrations = list(integrations)
        problems = not_allowed(integrations, desired, self.allowed, strict=strict)
        if strict and problems:
            raise InvalidInput(problems)
        self.findings += problems
        if without_values:
            return Resolution()
        names = {ref for declared in integrations for ref in _references(declared)}
        resolution = resolve_all(
            names, resolvers=self._resolvers, allowed=self.allowed, placeholders=simulated
        )
        if resolution.placeholders:
            self.findings.append(_placeholders(resolution))
        return resolution


def not_allowed(
    integrations: Iterable[Declared],
    desired: DesiredState,
    allowed: AllowList,
    *,
    strict: bool = False,
) -> list[Diagnostic]:
    """Return a diagnostic for every reference that the environment does not allow."""
    return [
        problem.as_diagnostic(desired.location_of(declared, problem.ref), strict=strict)
        for declared in integrations
        for problem in allowed.problems(_references(declared))
    ]


def _references(declared: Declared) -> set[SecretRef]:
    return {reference for _, reference in references(declared.fields)}


def _placeholders(resolution: Resolution) -> Diagnostic:
    unset = [str(ref) for ref in sorted(resolution.placeholders)]
    names = ", ".join(unset[:_NAMED])
    more = f" and {len(unset) - _NAMED} more" if len(unset) > _NAMED else ""
    return notice(
        "placeholder", f"the simulator uses placeholder values for unset secrets: {names}{more}"
    )
