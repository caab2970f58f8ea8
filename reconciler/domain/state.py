"""Desired and observed state: the two sides of a comparison.

Both are immutable and complete: a `DesiredState` exists only when every file was understood, an
`ObservedState` only when the list was proven complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from types import MappingProxyType

from reconciler.diagnostics import SourceLocation
from reconciler.domain.policy import Target, Tombstone
from reconciler.domain.schema import FieldSchema, any_provider_schema, integration_schema
from reconciler.domain.tree import Path, Tree


@dataclass(frozen=True, slots=True)
class Ignored:
    """A path that `lifecycle.ignore` excludes from management for now."""

    path: Path
    reason: str | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Options for the treatment of an integration."""

    protected: bool = False
    ignore: tuple[Ignored, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """One integration as the files declare it, after overlays.

    `fields` holds just what is declared, `slug` and `lifecycle` left out, lists as lists, and a
    `SecretRef` or `Redacted` wherever the schema says that a value is sensitive. `vouched` are the
    configuration fields that the target treats as plain although no model describes them.
    """

    slug: str
    fields: Tree
    source: SourceLocation
    lifecycle: Lifecycle = Lifecycle()
    vouched: tuple[str, ...] = ()

    @property
    def schema(self) -> FieldSchema:
        """The schema of an integration of this provider.

        An undo declares only what it restores: without a provider, the fields of all are known.
        """
        provider = self.fields.get("ai_provider_id")
        if not isinstance(provider, str):
            return any_provider_schema()
        return integration_schema(provider, vouched=self.vouched)


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything that the files declare for one target."""

    target: Target
    integrations: Mapping[str, Declared]
    tombstones: Mapping[str, Tombstone] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Observed:
    """One integration as the API reports it.

    `fields` has the names and the shape of `Declared.fields`, with a `Mask` where the API masks.
    `detailed` says that the record itself was read; the list has no configurations. `models_read`
    and `workspaces_read` say the same of the two sub-resources.
    """

    slug: str
    fields: Tree
    id: str | None = None
    status: str = "active"
    kind: str | None = None
    created_at: str | None = None
    last_updated_at: str | None = None
    workspace_count: int | None = None
    detailed: bool = False
    models_read: bool = False
    workspaces_read: bool = False

    @property
    def is_workspace_scoped(self) -> bool:
        """Return whether it belongs to one workspace, and so grants access to no other."""
        # Either is enough: the id of a row can be null (remote/API.md §1.2), the kind unknown.
        return self.kind == "workspace" or bool(self.fields.get("workspace_id"))

    @property
    def is_whole(self) -> bool:
        """Return whether everything that the API returns for it was read."""
        parts_read = self.models_read and (self.workspaces_read or self.is_workspace_scoped)
        return self.detailed and parts_read

    @property
    def is_archived(self) -> bool:
        """Return whether the API keeps this record without serving it."""
        return self.status == "archived"


@dataclass(frozen=True, slots=True)
class UnreadableIntegration:
    """An integration that exists and could not be read; `reason` names no value.

    `code` is `unreadable-record` for a value of an undocumented form, `listed-not-found` for a row
    of the list whose detail answers 404.
    """

    slug: str
    code: str
    reason: str


# Without slots: `cached_property` keeps its value in the dictionary of the instance.
@dataclass(frozen=True)
class ObservedState:
    """A complete reading of a target: every integration from the list, details where declared.

    `unreadable` are those that exist and could not be read: neither present nor absent. `nameless`
    counts rows without a readable slug, which may belong to any.
    """

    integrations: Mapping[str, Observed]
    organisation_id: str | None = None
    calls: int = 0
    unreadable: Mapping[str, UnreadableIntegration] = field(
        default_factory=lambda: MappingProxyType({})
    )
    nameless: int = 0

    @cached_property
    def listed(self) -> frozenset[str]:
        """Return every slug in the list, readable or not."""
        return frozenset(self.integrations) | frozenset(self.unreadable)

    @cached_property
    def live(self) -> Mapping[str, Observed]:
        """Return the integrations that are not archived."""
        return {s: o for s, o in self.integrations.items() if not o.is_archived}
