"""Resolution of secret references, with diagnostics for those that have no value."""

from collections.abc import Iterable
from pathlib import Path

from reconciler.cli.settings import Settings
from reconciler.diagnostics import Diagnostic, error, notice
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared
from reconciler.domain.tree import references
from reconciler.errors import InvalidInput
from reconciler.secrets.allowlist import AllowList, api_key_problem
from reconciler.secrets.registry import Resolution, Resolvers, resolve_all
from reconciler.secrets.resolver import ResolverContext


class Secrets:
    """The secrets of one run; `findings` collects their diagnostics."""

    def __init__(self, environment: Settings, directory: Path) -> None:
        self.allowed = AllowList.parse(environment.allowed_secrets)
        self.findings: list[Diagnostic] = []
        context = ResolverContext(environment.environment, directory, self.allowed)
        self._resolvers = Resolvers(context)

    def key_of(self, target: Target) -> Redacted:
        """Resolve the API key of a target, or raise `InvalidInput` that names what is missing."""
        if target.api_key is None:
            raise InvalidInput([error("missing-api-key", f"target {target.name} has no api_key")])
        problem = api_key_problem(target.api_key)
        if problem is None:
            # A pull request can edit this reference as well. A variable is one of PORTKEY_* here,
            # which the list never holds; everything else has to be on it.
            allowed = None if target.api_key.scheme == "env" else self.allowed
            answer = resolve_all([target.api_key], resolvers=self._resolvers, allowed=allowed)
            problem = answer.missing.get(target.api_key)
        if problem is not None:
            summary = f"api_key of target {target.name}: {problem.summary}"
            raise InvalidInput([error(problem.code, summary, hint=problem.hint)])
        return answer.values[target.api_key]

    def of(
        self,
        integrations: Iterable[Declared],
        *,
        simulated: bool,
        strict: bool,
        without_values: bool = False,
    ) -> Resolution:
        """Resolve every reference that these integrations name.

        On a simulator an unset variable gets a placeholder. A reference outside the allow-list is
        a finding, and with `strict` it raises `InvalidInput`.
        """
        # Iterated twice below, and the caller may pass an iterator.
        integrations = list(integrations)
        problems = not_allowed(integrations, self.allowed, strict=strict)
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
    integrations: Iterable[Declared], allowed: AllowList, *, strict: bool = False
) -> list[Diagnostic]:
    """Return a diagnostic for every reference that the environment does not allow."""
    return [
        problem.as_diagnostic(declared.source, strict=strict)
        for declared in integrations
        for problem in allowed.problems(_references(declared))
    ]


def _references(declared: Declared) -> set[SecretRef]:
    return {reference for _, reference in references(declared.fields)}


def _placeholders(resolution: Resolution) -> Diagnostic:
    names = ", ".join(str(ref) for ref in sorted(resolution.placeholders))
    return notice(
        "placeholder", f"the simulator uses placeholder values for unset secrets: {names}"
    )
