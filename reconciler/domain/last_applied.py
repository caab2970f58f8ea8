"""Last-applied state: what Git used to declare and what was last applied.

It comes from the ledger, from a commit (`--base`), or from both. It may be empty; then origins are
unknown and nothing counts as withdrawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, SourceLocation
from reconciler.domain.identifiers import differ_in_form
from reconciler.domain.schema import FieldSchema, any_provider_schema
from reconciler.domain.secrets import Mask, Pepper, SecretRef
from reconciler.domain.tree import Path, Tree, Value


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """Record of the last write of a secret, without its value.

    `fingerprint` is `pepper id:hex` or None where none could be stored; `mask` is the one the API
    showed after the write, and `mask_agreed` whether it fitted the value that was sent.
    """

    reference: SecretRef
    fingerprint: str | None = None
    mask: Mask | None = None
    mask_agreed: bool = True


NO_FILE = SourceLocation("-")
"""Location of a declaration that is in no file, such as that of an undo."""


@dataclass(frozen=True, slots=True)
class DeclaredAt:
    """Last declaration of an integration in Git: its file, and the commit if it is known."""

    place: SourceLocation
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class LastApplied:
    """The past of one integration.

    `declared` is the tree that Git declared (None when unknown); `secrets` is keyed by path.
    `unsettled` holds, by path, the fingerprints of values that a run announced and that may have
    reached the API. `identities` are the ids of the objects that runs have applied under this slug;
    empty where none is known. `declared_at` is the place where it was last declared.
    """

    declared: Tree | None = None
    protected: bool = False
    secrets: Mapping[Path, SecretRecord] = field(default_factory=lambda: MappingProxyType({}))
    unsettled: Mapping[Path, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    identities: frozenset[str] = frozenset()
    declared_at: DeclaredAt | None = None

    def is_another(self, identity: str | None) -> bool:
        """Return whether an id is certainly not one that was applied; two forms prove nothing."""
        if identity is None or identity in self.identities:
            return False
        return any(not differ_in_form(known, identity) for known in self.identities)

    def of_another_object(self) -> "LastApplied":
        """Return what is known of another object under the slug.

        A secret that was written to the former may or may not be in this one, so it is open again.
        """
        open_ = dict(self.unsettled)
        for path, record in self.secrets.items():
            if record.fingerprint is not None:
                open_[path] = open_.get(path, frozenset()) | {record.fingerprint}
        return replace(self, secrets={}, unsettled=open_)


LEDGER_UNREADABLE = "ledger-unreadable"
"""Code of the guard for a ledger that exists and cannot be read."""


@dataclass(frozen=True, slots=True)
class LastAppliedState:
    """The past of a target. `pepper` is None where fingerprints cannot be checked.

    `complete` is True if a slug that is missing here was certainly not declared. `unreadable` names
    what of the past could not be read; each entry has the code of the guard that it sets off.
    """

    integrations: Mapping[str, LastApplied] = field(default_factory=lambda: MappingProxyType({}))
    pepper: Pepper | None = None
    complete: bool = False
    unreadable: tuple[Diagnostic, ...] = ()

    @property
    def ledger_problem(self) -> Diagnostic | None:
        """Return why the ledger could not be read: what is missing here is then unknown."""
        return next((gap for gap in self.unreadable if gap.code == LEDGER_UNREADABLE), None)

    def of(self, slug: str) -> LastApplied:
        """Return the past of a slug; an empty `LastApplied` if nothing is known."""
        return self.integrations.get(slug, _NOTHING)


_NOTHING = LastApplied()


def merged(applied: LastAppliedState, declared_then: LastAppliedState) -> LastAppliedState:
    """Merge what the ledger knows to be applied with what Git declared at a commit.

    Where both hold a field or a secret, what was applied counts; entries of lists, integrations and
    protection count if either has them, since losing one would keep what Git withdrew.
    """
    slugs = applied.integrations.keys() | declared_then.integrations.keys()
    return LastAppliedState(
        integrations={slug: _joined(applied.of(slug), declared_then.of(slug)) for slug in slugs},
        pepper=applied.pepper or declared_then.pepper,
        complete=applied.complete or declared_then.complete,
        unreadable=(*applied.unreadable, *declared_then.unreadable),
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
        # Only the ledger knows what runs announced, and which objects they wrote.
        unsettled=applied.unsettled,
        identities=applied.identities,
        declared_at=then.declared_at or applied.declared_at,
    )


def _all_entries(applied: Tree, then: Tree, schema: FieldSchema) -> dict[str, Value]:
    """Return the keyed lists that both declare, at any depth of maps, with the entries of both."""
    lists: dict[str, Value] = {}
    for name in applied.keys() & then.keys():
        first, second, field = applied[name], then[name], schema.child(name)
        key = field.key
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            lists[name] = {**first, **_all_entries(first, second, field)}
        elif key and isinstance(first, list | tuple) and isinstance(second, list | tuple):
            known = {entry.get(key) for entry in first if isinstance(entry, Mapping)}
            # Of an entry that both have, the applied form counts.
            added = [e for e in second if isinstance(e, Mapping) and e.get(key) not in known]
            lists[name] = [*first, *added]
    return lists
