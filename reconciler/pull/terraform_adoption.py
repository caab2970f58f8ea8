"""Takeover from Terraform: the files of a pull, and the fingerprints of secrets for the ledger.

A secret whose value the state contains is fingerprinted, so that it is in sync without a push,
unless the API shows that it stores another value or that the integration is another one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from itertools import chain

from reconciler.desired.yaml_edit import scalars
from reconciler.diagnostics import Diagnostic, SourceLocation
from reconciler.domain.policy import Prune
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.secrets import Mask, MaskVerdict, Pepper, Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    DesiredState,
    LastAppliedState,
    Observed,
    ObservedState,
    SecretRecord,
)
from reconciler.domain.tree import Path, Value, is_empty, lookup
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import normalize
from reconciler.planning.removals import owns
from reconciler.pull import terraform_findings as findings
from reconciler.pull.terraform_scope import REQUIRED, ManagedScope, entries_of, new_values
from reconciler.pull.terraform_state import ManagedIntegration, TerraformState
from reconciler.pull.terraform_workspaces import Matched, match_workspaces

_SHORTEST_SECRET = 8
"""Shorter values occur in files by chance."""


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """Secret whose value the state contains, with the mask that the API shows for it.

    A value that the API shows in clear has no mask; it needs no record, because it can be compared.
    The notation of an object (`is_object`) is not known.
    """

    reference: SecretRef
    value: Redacted
    mask: Mask | None
    is_object: bool

    def record(self, pepper: Pepper) -> SecretRecord:
        """Return the record of this secret for the ledger."""
        made = self.value.fingerprint_as_json if self.is_object else self.value.fingerprint
        return SecretRecord(self.reference, made(pepper), self.mask)


@dataclass
class Adoption:
    """A pull of what a Terraform state manages: first `narrow` what was read, then `learn`.

    `pepper` is the key for the fingerprints of the plan that follows, None if the ledger stores
    none.
    """

    state: TerraformState
    pepper: Pepper | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _known: dict[str, dict[Path, KnownSecret]] = field(default_factory=dict)
    _replaced: set[str] = field(default_factory=set)

    @property
    def slugs(self) -> frozenset[str]:
        """Return the slugs that the state manages."""
        return frozenset(self.state.integrations)

    def labels(self, slugs: Iterable[str]) -> tuple[str, ...]:
        """Return the displayed names of integrations, without slugs that the state marks."""
        known = self.state.integrations
        return tuple(known[slug].label if slug in known else slug for slug in slugs)

    @property
    def folders(self) -> Mapping[str, str]:
        """Return the folder of a new file by slug, empty for the root module."""
        return {slug: item.folder for slug, item in self.state.integrations.items()}

    def narrow(
        self,
        chosen: Mapping[str, Observed],
        observed: ObservedState,
        desired: DesiredState,
        *,
        requested: Collection[str],
    ) -> dict[str, Observed]:
        """Return the integrations to pull, each with the values that Terraform manages.

        `requested` are the managed slugs that the command asks for. An existing document may
        declare more than Terraform manages, so only values that no file may contain are omitted
        from it.
        """
        self._note_state(requested)
        self._note_gone(observed, requested)
        # With patterns, only a part is requested, and everything else would be listed as unmanaged.
        if set(requested) == self.slugs:
            self._note_unmanaged(observed, desired)
        # All integrations together: a state names workspaces by slug or UUID, and each integration
        # shows only its own workspaces.
        workspaces = {slug: entries_of(seen, "workspaces") for slug, seen in chosen.items()}
        matched = match_workspaces(self.state.workspaces, workspaces)
        self._note_ambiguous(matched)
        scope = ManagedScope(self.state, matched, self.diagnostics.append)
        narrowed = {}
        for slug, seen in chosen.items():
            item = self.state.integrations[slug]
            self._compare(item, seen)
            declared = desired.integrations.get(slug)
            refused = item.marked & REQUIRED
            if declared is not None:
                refused = new_values(refused, seen.fields, declared.fields)
            if refused:
                self.diagnostics.append(findings.cannot_be_written(item, sorted(refused)))
            elif declared is not None:
                narrowed[slug] = scope.without_marked(item, seen, declared.fields)
            else:
                narrowed[slug] = scope.narrow(item, seen)
        return narrowed

    def learn(
        self,
        after: DesiredState,
        observed: ObservedState,
        last_applied: LastAppliedState,
        pulled: Iterable[str],
    ) -> tuple[LastAppliedState, dict[SecretRef, Redacted]]:
        """Return the last-applied state with the secrets of the state, and their values.

        Existing records of the ledger about a secret are kept.
        """
        values: dict[SecretRef, Redacted] = {}
        records = dict(last_applied.integrations)
        for slug in pulled:
            found = self._known_secrets(after.integrations[slug], observed.integrations[slug])
            values |= {known.reference: known.value for known in found.values()}
            before = last_applied.of(slug)
            # The ledger recorded what a run sent, which is better evidence than a state.
            kept = {p: r for p, r in before.secrets.items() if r.fingerprint is not None}
            masked = {path: known for path, known in found.items() if known.mask is not None}
            self._known[slug] = {path: known for path, known in masked.items() if path not in kept}
            if self.pepper is not None:
                made = {path: known.record(self.pepper) for path, known in masked.items()}
                # Existing records come last, so that they take precedence.
                records[slug] = replace(before, secrets={**before.secrets, **made, **kept})
        pepper = last_applied.pepper or self.pepper
        return replace(last_applied, integrations=records, pepper=pepper), values

    def records(self, pepper: Pepper) -> dict[str, dict[Path, SecretRecord]]:
        """Return what the ledger stores, with fingerprints of its own key."""
        return {
            slug: {path: known.record(pepper) for path, known in secrets.items()}
            for slug, secrets in self._known.items()
        }

    def refuse_secrets_in(self, files: Mapping[str, bytes]) -> None:
        """Raise `InvalidInput` if a file would contain a secret of the state.

        Everything that is written comes from the API, so this finds a secret that the API shows in
        clear text in another field.
        """
        texts = {name: _with_scalars(content) for name, content in files.items()}
        # One search for each secret, regardless of the number of files.
        everything = b"\0".join(texts.values())
        for item in self.state.integrations.values():
            for path, value in item.secrets.items():
                if value.length >= _SHORTEST_SECRET and value.occurs_in(everything):
                    found = sorted(name for name, text in texts.items() if value.occurs_in(text))
                    raise InvalidInput([findings.secret_in_file(item, path, found[0])])

    def _note_state(self, requested: Collection[str]) -> None:
        """Report what the state does not contain."""
        state = self.state
        for slug in sorted(requested):
            item = state.integrations[slug]
            if item.unreadable:
                self.diagnostics.append(findings.unreadable_value(item, item.unreadable))
        for slug, resources in state.access_only.items():
            self.diagnostics.append(findings.access_only(slug, resources))
        if state.deposed:
            at = SourceLocation(state.where)
            self.diagnostics.append(findings.deposed_objects(state.deposed, at))

    def _note_gone(self, observed: ObservedState, requested: Collection[str]) -> None:
        """Report managed integrations that the API does not have or cannot show."""
        managed = [self.state.integrations[slug] for slug in sorted(requested)]
        gone = [item for item in managed if item.slug not in observed.listed]
        unreadable = [item for item in managed if item.slug in observed.unreadable]
        if gone:
            self.diagnostics.append(findings.not_in_api(gone))
        if unreadable:
            self.diagnostics.append(findings.not_in_api(unreadable, is_unreadable=True))

    def _note_unmanaged(self, observed: ObservedState, desired: DesiredState) -> None:
        """Report integrations of the target that neither Terraform nor a file manages."""
        known = self.slugs | desired.integrations.keys() | desired.tombstones.keys()
        others = [
            slug
            for slug, row in sorted(observed.live.items())
            if slug not in known and owns(desired, row)
        ]
        if others:
            is_deleted = desired.target.prune is Prune.ALL
            at = SourceLocation(self.state.where)
            self.diagnostics.append(findings.not_in_state(others, at, is_deleted=is_deleted))

    def _note_ambiguous(self, matched: Matched) -> None:
        unclear = set(matched.ambiguous)
        entries = chain.from_iterable(self.state.workspaces.values())
        found = [entry for entry in entries if entry.id in unclear]
        if found:
            self.diagnostics.append(findings.ambiguous_workspaces(found))

    def _compare(self, item: ManagedIntegration, seen: Observed) -> None:
        """Report where the API differs from the state."""
        if item.id is not None and seen.id is not None and item.id != seen.id:
            self._replaced.add(item.slug)
            self.diagnostics.append(findings.another_integration(item))
        differing = []
        for name, value in sorted(item.plain.items()):
            facts = any_provider_schema().child(name).facts
            # If an id has two forms, each side may have a different form.
            if not facts.two_forms and value != seen.fields.get(name, facts.default):
                differing.append(name)
        if differing:
            self.diagnostics.append(findings.values_differ(item, differing))

    def _known_secrets(self, declared: Declared, seen: Observed) -> dict[Path, KnownSecret]:
        """Return the secrets of the state that the API most likely stores, by path."""
        item = self.state.integrations[declared.slug]
        # The state describes another object, so its values are not those of this one.
        if item.slug in self._replaced:
            return {}
        fields, stored = normalize(declared.fields), normalize(seen.fields)
        found = {}
        for path, value in item.secrets.items():
            reference, shown = lookup(fields, path), lookup(stored, path)
            # Without a mask, nothing proves that the API stores a value.
            if not isinstance(reference, SecretRef) or is_empty(shown):
                continue
            is_object = declared.schema.at(path).facts.secret_object
            if _differs(value, shown, is_object=is_object):
                self.diagnostics.append(findings.secret_differs(item, path))
            else:
                mask = shown if isinstance(shown, Mask) else None
                found[path] = KnownSecret(reference, value, mask, is_object)
        return found


def _with_scalars(content: bytes) -> bytes:
    """Return a file and its scalars: YAML writes quotes and line ends of a secret with escapes."""
    values = scalars(content.decode("utf-8-sig"))
    return b"\0".join([content, *(value.encode("utf-8", "surrogatepass") for value in values)])


def _differs(value: Redacted, shown: Value, *, is_object: bool) -> bool:
    """Return whether the API certainly stores another value."""
    if isinstance(shown, Mask):
        # The mask of an object is derived from the server's own notation, so it contradicts
        # nothing.
        return not is_object and value.judged_by(shown) is MaskVerdict.CONTRADICTS
    return not (value.equals_as_json(shown) if is_object else value.equals(shown))
