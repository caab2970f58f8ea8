"""Which integrations are pulled, and what is said about those that are not."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.diagnostics import Diagnostic, error, notice, warning
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.state import DesiredState, Observed, ObservedState


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

    Raises `InvalidInput` for a pattern that fits nothing.
    """
    slugs = list(observed.integrations)
    unmatched = [p for p in candidates.patterns if not any(fnmatchcase(slug, p) for slug in slugs)]
    if unmatched:
        raise InvalidInput([_no_match(pattern) for pattern in unmatched])
    chosen: dict[str, Observed] = {}
    remarks: list[Diagnostic] = []
    outside: list[str] = []
    for slug, row in observed.integrations.items():
        if not candidates.names(slug):
            continue
        if candidates.includes(row):
            chosen[slug] = row
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
    if absent:
        remarks.append(_absent(absent))
    return chosen, remarks


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
