"""Selection of the integrations to pull, and reports about the others."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, error, named, notice, warning
from reconciler.domain.state import DesiredState, Observed, ObservedState
from reconciler.domain.surrogates import repaired_tree
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.messages import left_out
from reconciler.planning.plan import Selection
from reconciler.planning.removals import owns
from reconciler.planning.staging import marked_run
from reconciler.remote.pagination import damaged, nameless_rows

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Candidates:
    """The selection: patterns, scope, not archived, no tombstone.

    With `among`, only these slugs can be selected.
    """

    desired: DesiredState
    patterns: tuple[str, ...] = ()
    everything: bool = False
    among: frozenset[str] | None = None

    @property
    def selection(self) -> Selection:
        """Selected integrations by slug."""
        return Selection(only=self.patterns)

    def matches(self, slug: str) -> bool:
        """Whether a slug is requested."""
        return self.selection.includes(slug) and (self.among is None or slug in self.among)

    def unreadable(self, observed: ObservedState) -> list[str]:
        """Return unreadable integrations whose slugs are requested and may be in scope."""
        # Only the slug of an unreadable row is known, so no other part of the scope can exclude it.
        scope = self.desired.target.scope
        return [
            slug
            for slug in observed.unreadable
            if self.matches(slug)
            and slug not in self.desired.tombstones
            and (self.everything or scope.owns_slug(slug))
        ]

    def is_shadow(self, row: Observed) -> bool:
        """Whether an integration is the shadow of a rotation, which exists only for a while."""
        if row.slug in self.desired.integrations:
            return False
        return marked_run(row) is not None

    def includes(self, row: Observed) -> bool:
        """Whether an integration is pulled."""
        if not self.matches(row.slug) or row.is_archived or row.slug in self.desired.tombstones:
            return False
        is_declared = row.slug in self.desired.integrations
        if self.is_shadow(row):
            return False
        return self.everything or is_declared or owns(self.desired, row)


def choose(
    candidates: Candidates, observed: ObservedState
) -> tuple[Mapping[str, Observed], list[Diagnostic]]:
    """Return the integrations to pull by slug, and diagnostics about the others.

    Raises `InvalidInput` for a pattern without a match, and `UnreadableRecords` if the state or the
    existence of a declared integration is unknown.
    """
    _refuse_unmatched(candidates, observed)
    _refuse_unreadable(candidates, observed)
    chosen: dict[str, Observed] = {}
    diagnostics: list[Diagnostic] = []
    outside: list[str] = []
    for slug, row in observed.integrations.items():
        if not candidates.matches(slug):
            continue
        if candidates.includes(row):
            chosen[slug] = _in_files(row)
        elif candidates.is_shadow(row):
            summary = f"{slug} is the shadow of a rotation, so it is not pulled"
            diagnostics.append(notice("rotation-in-flight", summary))
        elif row.is_archived:
            diagnostics.append(notice("archived", f"{slug} is archived, so it is not pulled"))
        elif slug in candidates.desired.tombstones:
            hint = "remove the entry under `deletions` in reconcile.yaml to keep it"
            summary = f"{slug}: reconcile.yaml requests its deletion, so it is not pulled"
            diagnostics.append(warning("tombstoned-slug", summary, hint=hint))
        else:
            outside.append(slug)
    if outside:
        diagnostics.append(_outside(outside))
    declared = candidates.desired.integrations
    requested = [slug for slug in sorted(declared) if candidates.matches(slug)]
    absent = [slug for slug in requested if slug not in observed.integrations]
    diagnostics += left_out(observed, candidates.matches)
    if absent:
        diagnostics.append(_absent(absent))
    return chosen, diagnostics


def _refuse_unmatched(candidates: Candidates, observed: ObservedState) -> None:
    known = observed.listed if candidates.among is None else candidates.among
    unmatched = candidates.selection.unmatched(known)
    if unmatched:
        is_limited = candidates.among is not None
        raise InvalidInput([_no_match(pattern, is_limited=is_limited) for pattern in unmatched])


def _refuse_unreadable(candidates: Candidates, observed: ObservedState) -> None:
    """Raise if the state or the existence of a declared integration is unknown."""
    asked = [s for s in sorted(candidates.desired.integrations) if candidates.matches(s)]
    records = [observed.unreadable[slug] for slug in asked if slug in observed.unreadable]
    if records:
        raise damaged(*records)
    # A row without a slug may belong to an integration that is missing from the list.
    if observed.nameless and any(slug not in observed.listed for slug in asked):
        raise nameless_rows(observed.nameless)


def _no_match(pattern: str, *, is_limited: bool) -> Diagnostic:
    if is_limited:
        return error(
            "no-such-integration",
            f"no integration of the Terraform state has a slug that matches `{pattern}`",
            hint="pull it without `--from-terraform`",
        )
    return error(
        "no-such-integration",
        f"no integration of the API has a slug that matches `{pattern}`",
        hint="run `reconcile list` to see the integrations",
    )


def _outside(slugs: list[str]) -> Diagnostic:
    return notice(
        "not-owned",
        f"outside the scope of this target, so not pulled: {named(slugs, limit=_NAMED)}",
        hint="pass --all to also pull them",
    )


def _absent(slugs: list[str]) -> Diagnostic:
    """Build the warning that the next plan is not empty: a pull deletes no file."""
    return warning(
        "not-in-the-api",
        f"declared and not in the API, so the next plan creates: {named(slugs, limit=_NAMED)}",
        hint="to accept that they are gone, remove them from the files",
    )


def _in_files(integration: Observed) -> Observed:
    """Return an integration that a file can contain: UTF-8 cannot encode a lone surrogate."""
    return replace(integration, fields=repaired_tree(integration.fields))
