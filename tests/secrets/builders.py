"""Short ways to say which references are read in which surroundings."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.domain.secrets import SecretRef
from reconciler.secrets.allowlist import AllowList
from reconciler.secrets.registry import Resolvers
from reconciler.secrets.resolution import Resolution, resolve_all
from reconciler.secrets.resolver import ResolverContext

EVERYTHING = "env:*,file:*,vault:*,aws:*,sops:*"


def surroundings(
    environ: Mapping[str, str] | None = None,
    *,
    directory: Path = Path("/nonexistent"),
    allow: str | None = None,
    timeout: float = 5.0,
) -> ResolverContext:
    return ResolverContext(
        environ=environ or {},
        directory=directory,
        allowed=AllowList.parse(allow),
        timeout=timeout,
    )


def resolve(
    *refs: str,
    environ: Mapping[str, str] | None = None,
    directory: Path = Path("/nonexistent"),
    allow: str | None = None,
    timeout: float = 5.0,
    placeholders: bool = False,
) -> Resolution:
    around = surroundings(environ, directory=directory, allow=allow, timeout=timeout)
    return resolve_all(
        [SecretRef.parse(ref) for ref in refs],
        resolvers=Resolvers(around, plugins=()),
        allowed=around.allowed,
        placeholders=placeholders,
    )


def revealed(resolution: Resolution) -> dict[str, str]:
    return {str(ref): value.reveal() for ref, value in resolution.values.items()}


def codes(resolution: Resolution) -> dict[str, str]:
    return {str(ref): problem.code for ref, problem in resolution.missing.items()}
