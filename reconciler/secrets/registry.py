"""Which resolver a scheme has. Each is imported when a reference first asks for it.

Built-in schemes cannot be replaced by an installed package; it can only add new ones.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import cast

from reconciler.domain.secrets import SecretRef
from reconciler.secrets.errors import SecretError
from reconciler.secrets.resolver import Resolver, ResolverContext

GROUP = "reconciler.secrets"
Factory = Callable[[ResolverContext], Resolver]


@dataclass(frozen=True, slots=True)
class Scheme:
    """Where a built-in resolver lives, and the extra that brings its library."""

    module: str
    factory: str
    extra: str | None = None


BUILT_IN: Mapping[str, Scheme] = MappingProxyType(
    {
        "env": Scheme("reconciler.secrets.env", "EnvResolver"),
        "file": Scheme("reconciler.secrets.file", "FileResolver"),
        "vault": Scheme("reconciler.secrets.vault", "VaultResolver", "vault"),
        "aws": Scheme("reconciler.secrets.aws", "AwsResolver", "aws"),
        "sops": Scheme("reconciler.secrets.sops", "SopsResolver"),
    }
)


class Resolvers:
    """The resolvers of one run, made on first use; `plugins` are the installed entry points."""

    def __init__(
        self,
        surroundings: ResolverContext,
        *,
        built_in: Mapping[str, Scheme] = BUILT_IN,
        plugins: Iterable[EntryPoint] | None = None,
    ) -> None:
        self._surroundings = surroundings
        self._built_in = built_in
        self._plugins = plugins
        self._made: dict[str, Resolver] = {}

    def find(self, ref: SecretRef) -> Resolver:
        """Give the resolver of this reference's scheme, or raise `SecretError`."""
        if ref.scheme not in self._made:
            scheme = self._built_in.get(ref.scheme)
            self._made[ref.scheme] = self._added(ref) if scheme is None else self._own(ref, scheme)
        return self._made[ref.scheme]

    def _own(self, ref: SecretRef, scheme: Scheme) -> Resolver:
        return _load(ref, scheme)(self._surroundings)

    def _added(self, ref: SecretRef) -> Resolver:
        installed = tuple(entry_points(group=GROUP) if self._plugins is None else self._plugins)
        for point in installed:
            if point.name == ref.scheme:
                return self._from_package(ref, point)
        known = ", ".join(sorted({*self._built_in, *(point.name for point in installed)}))
        raise SecretError(
            ref, f"there is no scheme `{ref.scheme}`", code="unknown-scheme", hint=f"known: {known}"
        )

    def _from_package(self, ref: SecretRef, point: EntryPoint) -> Resolver:
        try:
            return cast("Factory", point.load())(self._surroundings)
        except SecretError:
            raise
        except Exception as problem:  # noqa: BLE001 - an installed package may fail in any way
            reason = f"the resolver {point.value} cannot be used: {type(problem).__name__}"
        raise SecretError(ref, reason, code="secret-failed")


def _load(ref: SecretRef, scheme: Scheme) -> Factory:
    try:
        return cast("Factory", getattr(import_module(scheme.module), scheme.factory))
    except ModuleNotFoundError as problem:
        raise SecretError(
            ref,
            f"the Python package `{problem.name}` is not installed",
            code="missing-extra",
            hint=f"pip install 'portkey-reconciler[{scheme.extra}]'",
        ) from None
