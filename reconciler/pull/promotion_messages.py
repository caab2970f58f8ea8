"""Diagnostics of a promotion: what was left, what to do about it, and what to check."""

from collections.abc import Collection, Iterable, Sequence

from reconciler.desired.config import Config
from reconciler.diagnostics import Diagnostic, error, named, warning
from reconciler.domain.policy import Target
from reconciler.domain.schema import show_path
from reconciler.domain.tree import Path
from reconciler.planning.parity import Difference
from reconciler.pull.overlay_edits import Overlays

_NAMED = 4


def _paths(found: Iterable[Difference]) -> str:
    return named([show_path(item.path) for item in found], limit=_NAMED)


def no_overlays(target: Target) -> Diagnostic:
    """Return the error about a target without overlays."""
    return error(
        "no-overlays",
        f"target `{target.name}` has no `environment`, so it has no overlays to edit",
        hint=f"add `environment: {target.name}` to the target and a folder of this name in "
        "environments/",
    )


def shared_environment(
    config: Config, target: Target, *, has_changes: bool
) -> Iterable[Diagnostic]:
    """Yield a warning if another target has the same overlays."""
    others = sorted(
        name
        for name, other in config.targets.items()
        if other.environment == target.environment and name != target.name
    )
    if has_changes and others:
        yield warning(
            "shared-environment",
            f"environments/{target.environment}/ also belongs to target {named(others, limit=4)}, "
            "whose desired state changes as well",
            hint="give each target its own environment, or apply all of them",
        )


def held_back(slug: str, held: Sequence[Difference], kept: Sequence[Difference]) -> Diagnostic:
    """Return the warning about hosts and credentials that would be separated."""
    reasons = [item for item in kept if item.sends_elsewhere or item.is_credential]
    return warning(
        "unpaired-credential",
        f"{slug}: {_paths(held)} not promoted, because {_paths(reasons)} differs: a credential "
        "would be sent to a host that it does not belong to",
        hint="list both the host and the credential in `differs`, or neither",
    )


def filled_by_mapping(slug: str, mapped: Sequence[Difference]) -> Diagnostic:
    """Return the warning about fields that stay because a mapping of them stays."""
    return warning(
        "not-promoted",
        f"{slug}: {_paths(mapped)} not promoted, because `differs` lists its secret mapping",
        hint="list the field in `differs` instead, which also covers its mapping, or neither",
    )


def unprotected(slug: str) -> Diagnostic:
    """Return the warning about an integration that loses its protection."""
    return warning(
        "removes-protection",
        f"{slug}: the promotion removes `lifecycle.protected`, so it can be deleted or replaced",
        hint=f"to keep it protected, undo this edit and list `{slug}: lifecycle.protected` in "
        "`differs`",
    )


def promoted_hosts(slug: str, made: Iterable[Difference]) -> Iterable[Diagnostic]:
    """Yield a warning if a host is promoted."""
    hosts = [item for item in made if item.sends_elsewhere]
    if hosts:
        yield warning(
            "promotes-host",
            f"{slug}: {_paths(hosts)} decides where the credential is sent",
            hint="check that the references of its credentials have values for that host here",
        )


def only_in_target(slug: str, source: Target, target: Target, overlays: Overlays) -> Diagnostic:
    """Return the warning about an integration that the source does not declare."""
    return warning(
        "not-promoted",
        f"{slug}: only target {target.name} declares it, and a promotion never removes an "
        "integration",
        hint=f"to remove it, write `{slug}: null` in {overlays.folder}/; to keep it, list "
        f"`{slug}: *` in `differs`, or declare it for {source.name}",
    )


def needs_own_values(
    slug: str, own: Sequence[Difference], target: Target, overlays: Overlays
) -> Diagnostic:
    """Return the warning about a new integration whose host or credential must differ."""
    return warning(
        "not-promoted",
        f"{slug}: target {target.name} does not declare it, and needs its own {_paths(own)}",
        hint=f"replace `{slug}: null` in {overlays.folder}/ with these fields, then promote again",
    )


def needs_values(slug: str, missing: Sequence[Difference], overlays: Overlays) -> Diagnostic:
    """Return the warning about values that were not copied into new entries."""
    return warning(
        "not-promoted",
        f"{slug}: {_paths(missing)} of a new entry was not copied, because `differs` lists it",
        hint=f"add the value to the entry in {overlays.folder}/, if it needs one",
    )


def unfinished(
    slug: str, parts: Collection[Path], own: Sequence[Difference], overlays: Overlays
) -> Diagnostic:
    """Return the warning about new parts that are not valid without a value of the target."""
    names = named([show_path(path) for path in sorted(parts)], limit=_NAMED)
    return warning(
        "not-promoted",
        f"{slug}: {names} not promoted, because `differs` lists {_paths(own)}",
        hint=f"add it to {overlays.folder}/ with its own values, then promote again",
    )


def not_editable(slug: str, overlays: Overlays) -> Diagnostic:
    """Return the warning about an integration whose overlays stay unchanged."""
    return warning(
        "not-editable",
        f"{slug}: the values cannot be declared in {overlays.folder}/, which is unchanged",
        hint="edit the overlay manually; `reconcile parity` lists what differs",
    )
