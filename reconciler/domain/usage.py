"""Usage of integrations: the providers and gateway configs that depend on them.

A provider makes an integration callable in one workspace, and a config routes requests to providers
(remote/API.md §11). `reconciler.remote.usage` reads both, and `reconciler.planning.usage_guard`
refuses removals because of them.
"""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from reconciler.domain.identifiers import differ_in_form
from reconciler.frozen_dataclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class UsingProvider:
    """Provider that uses an integration; `workspace` is None if it is unknown."""

    slug: str
    workspace: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"slug": self.slug, "workspace": self.workspace}


@dataclass(frozen=True, slots=True, order=True)
class UsingConfig:
    """Config that refers to a provider of an integration.

    It is only `possible` if its content could not be read or interpreted. `workspace` is None for a
    config of the whole organisation.
    """

    slug: str
    workspace: str | None = None
    possible: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"slug": self.slug, "workspace": self.workspace, "possible": self.possible}


@dataclass(frozen=True, slots=True)
class Usage:
    """Everything that uses one integration.

    If it is not `complete`, there may be more users, so a missing user proves nothing.
    """

    providers: tuple[UsingProvider, ...] = ()
    configs: tuple[UsingConfig, ...] = ()
    complete: bool = True

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Return the known workspaces of the providers, ordered."""
        return tuple(sorted({p.workspace for p in self.providers if p.workspace is not None}))

    @property
    def may_be_used(self) -> bool:
        """Return whether it is not certain that nothing uses the integration."""
        return bool(self.providers or self.configs) or not self.complete

    def may_be_used_in(self, workspace: str) -> bool:
        """Return whether a workspace may use the integration."""
        return not self.complete or any(
            _may_be_same(provider.workspace, workspace) for provider in self.providers
        )

    def as_json(self) -> dict[str, object]:
        """Return the JSON form, `used_by` in the documents."""
        return {
            "complete": self.complete,
            "providers": [provider.as_json() for provider in self.providers],
            "workspaces": list(self.workspaces),
            "configs": [config.as_json() for config in self.configs],
        }


def _may_be_same(known: str | None, workspace: str) -> bool:
    # Without the list of workspaces, a slug cannot be matched with its UUID.
    return known is None or known == workspace or differ_in_form(known, workspace)


@dataclass(frozen=True, slots=True)
class UsageReading:
    """Result of one read of the usage.

    `refusal` states why the key is not allowed to read it; `by_slug` is then empty. `gaps` are the
    parts that could not be read completely. `workspaces` maps each form of a workspace's id to its
    slug.
    """

    by_slug: Mapping[str, Usage] = field(default_factory=lambda: MappingProxyType({}))
    workspaces: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    refusal: str = ""
    gaps: tuple[str, ...] = ()
    calls: int = 0
