"""Builders of resolver contexts and resolutions."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.domain.secrets import SecretRef
from reconciler.secrets.allowlist import AllowList
from reconciler.secrets.registry import Resolution, Resolvers, resolve_all
from reconciler.secrets.resolver import ResolverContext

EVERYTHING = "env:*,file:*,vault:*,aws:*,sops:*"


def resolver_context(
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
    context = resolver_context(environ, directory=directory, allow=allow, timeout=timeout)
    return resolve_all(
        [SecretRef.parse(ref) for ref in refs],
        resolvers=Resolvers(context, plugins=()),
        allowed=context.allowed,
        placeholders=placeholders,
    )


def revealed(resolution: Resolution) -> dict[str, str]:
    return {str(ref): value.reveal() for ref, value in resolution.values.items()}


def codes(resolution: Resolution) -> dict[str, str]:
    return {str(ref): problem.code for ref, problem in resolution.missing.items()}
