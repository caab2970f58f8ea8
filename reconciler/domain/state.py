"""Desired, observed and last-applied state, from which a plan is made.

All are immutable. A `DesiredState` exists only when every file was understood, an `ObservedState`
only when the list was proven complete. The last-applied state is what Git used to declare and what
was last applied, from the ledger, from a commit (`--base`), or from both. If it is empty, origins
are unknown and nothing counts as withdrawn.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from reconciler.diagnostics import Diagnostic, SourceLocation, error
from reconciler.domain.identifiers import differ_in_form
from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.policy import Target, Tombstone
from reconciler.domain.providers import configuration_of, knows_by_name
from reconciler.domain.schema import FieldSchema, any_provider_schema, integration_schema
from reconciler.domain.secrets import Mask, Pepper, Redacted, SecretRef
from reconciler.domain.tree import Path, Tree, Value, is_empty
from reconciler.errors import Refused
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.domain.catalogue import ModelFinding


@dataclass(frozen=True, slots=True)
class Ignored:
    """Path that `lifecycle.ignore` excludes from management for now."""

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
    """Integration as the files declare it, after overlays.

    `fields` contains only declared fields, without `slug` and `lifecycle`, with lists as lists, and
    with a `SecretRef` or `Redacted` for each value that is sensitive by the schema. `vouched` are
    the configuration fields that the target treats as plain although no model describes them.
    """

    slug: str
    fields: Tree
    source: SourceLocation
    lifecycle: Lifecycle = Lifecycle()
    vouched: tuple[str, ...] = ()

    @property
    def schema(self) -> FieldSchema:
        """Schema of an integration of this provider.

        An undo declares only restored fields: without a provider, the fields of all providers are
        known.
        """
        provider = self.fields.get("ai_provider_id")
        if not isinstance(provider, str):
            return any_provider_schema()
        return integration_schema(provider, vouched=self.vouched)


def lacks_credential(fields: Mapping[str, object]) -> bool:
    """Return whether a create from these fields would be refused because it has no credential.

    The message of the API does not name a field. A provider that the public sources do not list may
    need no credential.
    """
    provider = fields.get("ai_provider_id")
    return isinstance(provider, str) and knows_by_name(provider) and not has_credential(fields)


def has_credential(fields: Mapping[str, object]) -> bool:
    """Return whether these fields contain a credential, declare its absence, or need none.

    An empty `key` also counts: it declares that there must be no key.
    """
    # An empty value also counts, so the value is not checked.
    if "key" in fields:
        return True
    provider = fields.get("ai_provider_id")
    schema = integration_schema(provider if isinstance(provider, str) else None)
    configurations = fields.get("configurations") or {}
    if not isinstance(configurations, Mapping):
        return True  # reported already
    if not configuration_of(str(provider)).needs_key(configurations):
        return True
    return _maps_credential(fields.get(MAPPINGS), schema) or any(
        isinstance(value, SecretRef) or (isinstance(value, Redacted) and not is_header)
        for value, is_header in _values_of(configurations, schema.child("configurations"))
    )


def _maps_credential(mappings: object, schema: FieldSchema) -> bool:
    """Return whether a mapping for a credential exists; a mapping can fill any field."""
    if is_empty(mappings) or not isinstance(mappings, list | tuple | Mapping):
        return False
    entries = mappings.values() if isinstance(mappings, Mapping) else mappings
    targets = [entry.get("target_field") for entry in entries if isinstance(entry, Mapping)]
    if isinstance(mappings, Mapping):
        targets += mappings  # in canonical form: by target
    return any(
        isinstance(target, str) and schema.at(target_path(target)).facts.sensitive
        for target in targets
    )


def _values_of(
    node: object, field: FieldSchema, *, is_header: bool = False
) -> Iterator[tuple[object, bool]]:
    """Yield the values of a tree, each with whether it is a header with a harmless name."""
    if isinstance(node, Mapping):
        for name, item in node.items():
            member = field.child(name)
            # A literal in such a header is not a credential, but a reference can be one.
            harmless = field.facts.headers and not member.facts.secret
            yield from _values_of(item, member, is_header=harmless)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _values_of(item, field.entries or field, is_header=is_header)
    else:
        yield node, is_header


Locate: TypeAlias = Callable[[str, SecretRef], SourceLocation | None]
"""Returns where the integration with a slug names a reference, None if that is unknown."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything that the files declare for one target.

    `models` are the declared models that the catalogue does not list, or that retire.
    """

    target: Target
    integrations: Mapping[str, Declared]
    tombstones: Mapping[str, Tombstone] = field(default_factory=lambda: MappingProxyType({}))
    locate: Locate | None = field(default=None, compare=False, repr=False)
    models: "tuple[ModelFinding, ...]" = field(default=(), compare=False, repr=False)

    def location_of(self, declared: Declared, reference: SecretRef) -> SourceLocation:
        """Return where an integration names a reference or, if that is unknown, where it begins."""
        found = self.locate(declared.slug, reference) if self.locate is not None else None
        return found or declared.source


@dataclass(frozen=True, slots=True)
class Observed:
    """Integration as the API reports it.

    `fields` has the names and the shape of `Declared.fields`, with a `Mask` for each masked value.
    `detailed` is True if the record itself was read; the list has no configurations. `models_read`
    and `workspaces_read` are True if the sub-resource was read.
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
        """Whether it belongs to one workspace, so that it cannot grant access to others."""
        # Either is sufficient: in a row, the id can be null (remote/API.md §1.2) or the kind
        # unknown.
        return self.kind == "workspace" or bool(self.fields.get("workspace_id"))

    @property
    def is_whole(self) -> bool:
        """Return whether everything that the API returns for the integration was read."""
        parts_read = self.models_read and (self.workspaces_read or self.is_workspace_scoped)
        return self.detailed and parts_read

    @property
    def is_archived(self) -> bool:
        """Return whether the API keeps this record without serving it."""
        return self.status == "archived"


@dataclass(frozen=True, slots=True)
class UnreadableIntegration:
    """Integration that exists but could not be read; `reason` contains no value.

    `code` is `unreadable-record` for a value of an undocumented form, and `listed-not-found` for a
    row of the list whose detail returns 404.
    """

    slug: str
    code: str
    reason: str


# Without slots, because `cached_property` stores its value in the instance's dictionary.
@dataclass(frozen=True)
class ObservedState:
    """Complete read of a target: every integration from the list, with details of declared ones.

    `unreadable` are integrations that exist but could not be read: neither present nor absent.
    `nameless` counts rows without a readable slug, which may belong to any integration.
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
        """Slugs in the list, readable or not."""
        return frozenset(self.integrations) | frozenset(self.unreadable)

    @cached_property
    def live(self) -> Mapping[str, Observed]:
        """Return the integrations that are not archived."""
        return {s: o for s, o in self.integrations.items() if not o.is_archived}

    def may_have_shadows(self, desired: DesiredState) -> bool:
        """Return whether an integration that no file declares has the name of a shadow."""
        return any(
            slug.endswith(SHADOW_SUFFIX) and slug not in desired.integrations for slug in self.live
        )

    def require_organisation(self, known: str | None, *, target: str) -> None:
        """Raise `Refused` if a target belongs to another organisation than before; None is unknown.

        The ledger has no records of its integrations, so everything that Git declares would count
        as deleted, and everything that exists would count as foreign.
        """
        found = self.organisation_id
        if None in (known, found) or known == found:
            return
        summary = (
            f"the integrations of {target} belong to organisation {found}, but to {known} before"
        )
        hint = (
            "check the API key and the base URL; if the target was moved on purpose, "
            "give it another name in reconcile.yaml"
        )
        raise Refused([error("wrong-target", summary, hint=hint)])


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """Record of the last write of a secret, without its value.

    `fingerprint` is `pepper id:hex`, or None if none could be stored; `mask` is the mask that the
    API showed after the write, and `mask_agreed` whether it matched the sent value.
    """

    reference: SecretRef
    fingerprint: str | None = None
    mask: Mask | None = None
    mask_agreed: bool = True


NO_FILE = SourceLocation("-")
"""Location of a declaration without a file, such as that of an undo."""


@dataclass(frozen=True, slots=True)
class DeclaredAt:
    """Last declaration of an integration in Git: its file, and the commit if it is known."""

    place: SourceLocation
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class LastApplied:
    """Last-applied state of one integration.

    `declared` is the tree that Git declared (None when unknown); `secrets` is keyed by path.
    `unsettled` holds, by path, the fingerprints of announced values that may have reached the API.
    `identities` are the ids of the objects that runs have applied with this slug; empty if none is
    known. `declared_at` is the place of the last declaration.
    """

    declared: Tree | None = None
    protected: bool = False
    secrets: Mapping[Path, SecretRecord] = field(default_factory=lambda: MappingProxyType({}))
    unsettled: Mapping[Path, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    identities: frozenset[str] = frozenset()
    declared_at: DeclaredAt | None = None

    def is_another(self, identity: str | None) -> bool:
        """Return whether an id certainly differs from all applied ones; two forms prove nothing."""
        if identity is None or identity in self.identities:
            return False
        return any(not differ_in_form(known, identity) for known in self.identities)

    def of_another_object(self) -> "LastApplied":
        """Return what is known about another object with the slug.

        This object may or may not have a secret that was written to the earlier object, so the
        secret is in doubt again.
        """
        open_ = dict(self.unsettled)
        for path, record in self.secrets.items():
            if record.fingerprint is not None:
                open_[path] = open_.get(path, frozenset()) | {record.fingerprint}
        return replace(self, secrets={}, unsettled=open_)


SHADOW_SUFFIX = "--next"
"""Suffix of the slug of a shadow, in which a staged rotation tests a new credential first."""

LEDGER_UNREADABLE = "ledger-unreadable"
"""Code of the guard for a ledger that exists but cannot be read."""


@dataclass(frozen=True, slots=True)
class LastAppliedState:
    """Last-applied state of a target. `pepper` is None if fingerprints cannot be checked.

    `complete` is True if a missing slug was certainly not declared. `unreadable` lists the parts of
    the last-applied state that could not be read; each entry has the code of the guard that it
    triggers. `shadows` are the runs that announced to create a shadow integration, by its slug, and
    `rotating` those of them that may be in progress.
    """

    integrations: Mapping[str, LastApplied] = field(default_factory=lambda: MappingProxyType({}))
    pepper: Pepper | None = None
    complete: bool = False
    unreadable: tuple[Diagnostic, ...] = ()
    shadows: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    rotating: frozenset[str] = frozenset()

    @property
    def ledger_problem(self) -> Diagnostic | None:
        """Reason why the ledger could not be read, which makes all missing entries unknown."""
        return next((gap for gap in self.unreadable if gap.code == LEDGER_UNREADABLE), None)

    def of(self, slug: str) -> LastApplied:
        """Return the last-applied state of a slug; an empty `LastApplied` if nothing is known."""
        return self.integrations.get(slug, _NOTHING)


_NOTHING = LastApplied()


def merged(applied: LastAppliedState, declared_then: LastAppliedState) -> LastAppliedState:
    """Merge the applied state of the ledger with what Git declared at a commit.

    If both have a field or a secret, the applied one is used. Entries of lists, integrations and
    protection are used if either has them; without them, the plan would keep what Git withdrew.
    """
    slugs = applied.integrations.keys() | declared_then.integrations.keys()
    return LastAppliedState(
        integrations={slug: _joined(applied.of(slug), declared_then.of(slug)) for slug in slugs},
        pepper=applied.pepper or declared_then.pepper,
        complete=applied.complete or declared_then.complete,
        unreadable=(*applied.unreadable, *declared_then.unreadable),
        # Only the ledger knows them.
        shadows=applied.shadows,
        rotating=applied.rotating,
    )


def _joined(applied: LastApplied, then: LastApplied) -> LastApplied:
    declared = applied.declared if applied.declared is not None else then.declared
    if applied.declared is not None and then.declared is not None:
        declared = {
            **then.declared,
            **applied.declared,
            **_all_entries(applied.declared, then.declared, any_provider_schema()),
        }
    return LastApplied(
        declared=declared,
        protected=applied.protected or then.protected,
        secrets={**then.secrets, **applied.secrets},
        # Only the ledger has the values that runs announced and the objects that they wrote.
        unsettled=applied.unsettled,
        identities=applied.identities,
        declared_at=then.declared_at or applied.declared_at,
    )


def with_entries(applied: Tree, then: Tree, paths: Collection[Path]) -> Tree:
    """Return a tree with those entries of another one's keyed lists to which a path leads."""
    return {**applied, **_all_entries(applied, then, any_provider_schema(), paths)}


def _all_entries(
    applied: Tree, then: Tree, schema: FieldSchema, paths: Collection[Path] | None = None
) -> dict[str, Value]:
    """Return the keyed lists that both declare, at any depth of maps, with the entries of both.

    With `paths`, an entry of `then` is left out unless one of them leads to it.
    """
    lists: dict[str, Value] = {}
    for name in applied.keys() & then.keys():
        first, second, field = applied[name], then[name], schema.child(name)
        key = field.key
        below = None if paths is None else [path[1:] for path in paths if path[:1] == (name,)]
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            lists[name] = {**first, **_all_entries(first, second, field, below)}
        elif key and isinstance(first, list | tuple) and isinstance(second, list | tuple):
            known = {entry.get(key) for entry in first if isinstance(entry, Mapping)}
            # If both have an entry, the applied form is used.
            added = [e for e in second if isinstance(e, Mapping) and e.get(key) not in known]
            if below is not None:
                reached = {path[0] for path in below if path}
                added = [entry for entry in added if entry.get(key) in reached]
            lists[name] = [*first, *added]
    return lists
