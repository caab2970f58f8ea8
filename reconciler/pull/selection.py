"""Which integrations are pulled, and what is said about those that are not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from reconciler.diagnostics import Diagnostic, error, notice, warning
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.state import DesiredState, Observed, ObservedState
from reconciler.domain.surrogates import repaired_tree
from reconciler.planning.messages import left_out
from reconciler.remote.damaged_rows import damaged, nameless_rows


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rule: patterns, scope, not archived, no tombstone."""

    desired: DesiredState
    patterns: tuple[str, ...] = ()
    everything: bool = False

    def names(self, slug: str) -> bool:
        """Tell whether a slug is asked for."""
        return not self.patterns or any(fnmatchcase(slug, p) for p in self.patterns)

    def owns(self, row: Observed) -> bool:
        """Tell whether an integration lies in the scope of the target."""
        workspace = row.fields.get("workspace_id")
        return self.desired.target.scope.owns(
            slug=row.slug, kind=row.kind, workspace_id=str(workspace) if workspace else None
        )

    def unreadable(self, observed: ObservedState) -> list[str]:
        """Return what would be pulled if it could be read, as far as its slug tells."""
        allowed = ("*",) if self.everything else self.desired.target.scope.slugs
        return [
            slug
            for slug in observed.unreadable
            if self.names(slug)
            and slug not in self.desired.tombstones
            and any(fnmatchcase(slug, pattern) for pattern in allowed)
        ]

    def includes(self, row: Observed) -> bool:
        """Tell whether an integration is pulled."""
        return (
            self.names(row.slug)
            and not row.is_archived
            and row.slug not in self.desired.tombstones
            and (self.everything or row.slug in self.desired.integrations or self.owns(row))
        )


def choose(
    candidates: Candidates, observed: ObservedState
) -> tuple[Mapping[str, Observed], list[Diagnostic]]:
    """Give what is pulled, by slug, and remarks on what is not.

    Raises `InvalidInput` for a pattern that fits nothing, and `UnreadableRecords` where it is not
    known how something declared is, or whether it is there.
    """
    _refuse_unmatched(candidates, observed)
    _refuse_unreadable(candidates, observed)
    chosen: dict[str, Observed] = {}
    remarks: list[Diagnostic] = []
    outside: list[str] = []
    for slug, row in observed.integrations.items():
        if not candidates.names(slug):
            continue
        if candidates.includes(row):
            chosen[slug] = _in_files(row)
        elif row.is_archived:
            remarks.append(notice("archived", f"{slug}: it is archived, so it is not pulled"))
        elif slug in candidates.desired.tombstones:
            hint = "remove the entry under `deletions` in reconcile.yaml to keep it"
            remarks.append(
                warning("tombstoned-slug", f"{slug}: it is to be deleted; not pulled", hint=hint)
            )
        else:
            outside.append(slug)
    if outside:
        remarks.append(_outside(outside))
    declared = candidates.desired.integrations
    absent = [s for s in sorted(declared) if candidates.names(s) and s not in observed.integrations]
    remarks += left_out(observed, candidates.names)
    if absent:
        remarks.append(_absent(absent))
    return chosen, remarks


def _refuse_unmatched(candidates: Candidates, observed: ObservedState) -> None:
    unmatched = [
        pattern
        for pattern in candidates.patterns
        if not any(fnmatchcase(slug, pattern) for slug in observed.listed)
    ]
    if unmatched:
        raise InvalidInput([_no_match(pattern) for pattern in unmatched])


def _refuse_unreadable(candidates: Candidates, observed: ObservedState) -> None:
    """Raise if it is not known how something declared is, or whether it is there at all."""
    asked = [s for s in sorted(candidates.desired.integrations) if candidates.names(s)]
    records = [observed.unreadable[slug] for slug in asked if slug in observed.unreadable]
    if records:
        raise damaged(*records)
    if observed.nameless and any(slug not in observed.listed for slug in asked):
        raise nameless_rows(observed.nameless)


def _no_match(pattern: str) -> Diagnostic:
    return error(
        "no-such-integration",
        f"no integration of the API has a slug that fits `{pattern}`",
        hint="`reconcile list` shows what there is",
    )


def _outside(slugs: list[str]) -> Diagnostic:
    return notice(
        "not-owned",
        f"outside the scope of this target, so not pulled: {_some(slugs)}",
        hint="--all pulls them, too",
    )


def _absent(slugs: list[str]) -> Diagnostic:
    """Say why the plan that follows is not empty: no file is ever deleted here."""
    return warning(
        "not-in-the-api",
        f"declared and not in the API, so the next plan creates: {_some(slugs)}",
        hint="to accept that they are gone, take them out of the files",
    )


def _some(slugs: list[str]) -> str:
    return ", ".join(slugs[:5]) + (f" and {len(slugs) - 5} more" if len(slugs) > 5 else "")


def _in_files(integration: Observed) -> Observed:
    """Return an integration as a file can say it: UTF-8 cannot express half a character."""
    return replace(integration, fields=repaired_tree(integration.fields))
