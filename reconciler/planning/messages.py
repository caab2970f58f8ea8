"""Messages of planning: every diagnostic about a single integration, and about gaps of an audit.

Messages about integrations that exist but cannot be read are at the end. Such an integration counts
neither as present nor as absent, and is never created, changed or deleted
(`reconciler.remote.decode_values` finds them). The messages of guards over many integrations are in
`guards`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from reconciler.diagnostics import Diagnostic, counted, error, named, notice, warning
from reconciler.domain.facts import SubResource
from reconciler.domain.identifiers import as_operands
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared, LastAppliedState, UnreadableIntegration
from reconciler.domain.tree import Path, as_mapping
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import NEW_LEDGER, NOT_JUDGED
from reconciler.planning.undeclared import Unread

MISSING_VALUE = "missing-value"
"""The code of the warning that a secret has no value where the plan is made."""

_NAMED = 5
"""Maximum number of slugs that a message names."""

_NAMED_WORKSPACES = 20
"""Maximum number of workspaces that a message names; `undeclared` lists all of them."""

_LOST = {
    SubResource.MODELS: "an undeclared host or custom model in them is not reported",
    SubResource.WORKSPACES: "the workspaces that have access are not named",
}


def missing_value(declared: Declared, path: Path, reference: str) -> Diagnostic:
    """Build the warning that an action would send a secret whose value is not available."""
    return warning(
        MISSING_VALUE,
        f"{declared.slug}: {show_path(path)} would be sent, but {reference} has no value",
        hint="set the value before apply; without it, apply stops before the first write",
        at=declared.source,
    )


def sent_again(declared: Declared, path: Path) -> Diagnostic:
    """Build the notice that a secret is sent again after an earlier run with an unknown outcome."""
    return notice(
        "maybe-sent",
        f"{declared.slug}: {show_path(path)} is sent again, because an earlier run did not "
        "confirm it",
        hint="run apply; the next plan then shows the secret as in sync",
        at=declared.source,
    )


def another_object(declared: Declared) -> Diagnostic:
    """Build the warning that a declared slug now belongs to another object than before."""
    return warning(
        "another-object",
        f"{declared.slug}: the integration with this slug is not the one that was applied before, "
        "which was deleted and re-created",
        hint="review its key and its access; apply makes the integration match the file",
        at=declared.source,
    )


def another_withdrawn(slug: str, *, deleted: bool) -> Diagnostic:
    """Build the warning that a slug without a file now belongs to another object.

    `deleted` is True if a tombstone or `prune: all` deletes it nevertheless.
    """
    if deleted:
        outcome = ", but would be deleted"
        hint = "to keep the integration, exclude it with --exclude"
    else:
        outcome = ", so it is not deleted"
        hint = "to delete it, add a tombstone under `deletions` in reconcile.yaml"
    problem = "the integration with this slug is not the one that was applied before"
    return warning("another-object", f"{slug}: {problem}{outcome}", hint=hint)


def key_kept(declared: Declared) -> Diagnostic:
    """Build the warning that a stored key is kept although the files declare none."""
    return warning(
        "key-kept",
        f"{declared.slug}: key is declared empty, but the API cannot remove the key that it stores",
        hint="declare another key, or delete the integration and create it without a key",
        at=declared.source,
    )


def masked_write(declared: Declared, path: Path) -> Diagnostic:
    """Build the error that a write would lose a stored secret."""
    name = f"{declared.slug}_{path[-1]}".upper().replace("-", "_")
    # `SECRET_*` is allowed by default, so the suggested line works without another setting.
    reference = SecretRef("env", f"SECRET_{name}").as_written
    return error(
        "masked-write",
        f"{declared.slug}: configurations must be sent as a whole, but only the mask of "
        f"{show_path(path)} is known",
        hint=f"declare the secret in the file: {path[-1]}: {reference}",
        at=declared.source,
    )


def credential_retarget(declared: Declared, stored: Iterable[Path]) -> Diagnostic:
    """Build the error that a stored credential would be sent to another host."""
    fields = ", ".join(show_path(path) for path in stored)
    return error(
        "credential-retarget",
        f"{declared.slug}: a stored credential would be sent to another host: {fields}",
        hint="declare each credential as a reference, so that the same write replaces it",
        at=declared.source,
    )


def undeclared_host(declared: Declared, path: Path) -> Diagnostic:
    """Build the warning that a credential may be sent to a host that no file declares."""
    return warning(
        "undeclared-host",
        f"{declared.slug}: {show_path(path)} is set in the API, but no file declares it",
        hint="declare the host, or remove it in the console; a credential may be sent to it",
        at=declared.source,
    )


def undeclared_access(declared: Declared, path: Path, *, known: bool = True) -> Diagnostic:
    """Build the warning that a model or workspace is enabled that Git does not declare.

    `known` is whether the earlier declarations are known: only then is it certain that Git never
    declared it.
    """
    key = "slug" if path[0] == "models" else "id"
    never = "Git never declared it" if known else "no file declares it"
    return warning(
        "undeclared-access",
        f"{declared.slug}: {show_path(path)} is enabled, but {never}",
        hint=f"to keep it, add under {path[0]}: - {{{key}: {path[1]}, enabled: true}}",
        at=declared.source,
    )


def unlisted_access(declared: Declared, count: int, names: Iterable[str] = ()) -> Diagnostic:
    """Build the warning that workspaces have access although no file lists any.

    `names` are the workspaces that were read.
    """
    shown = sorted(names)
    # The count may come from the list alone; then there are fewer names, or none.
    listed = f": {named(shown, limit=_NAMED_WORKSPACES)}" if shown else ""
    pull = " ".join(("reconcile pull --force", *as_operands([declared.slug])))
    have = "1 workspace has" if count == 1 else f"{count} workspaces have"
    return warning(
        "undeclared-access",
        f"{declared.slug}: {have} access, but no file lists workspaces{listed}",
        hint=f"list them under workspaces (`{pull}` writes them), "
        "or declare `workspaces: []` to revoke the access",
        at=declared.source,
    )


def differing_form(declared: Declared, name: str) -> Diagnostic:
    """Build the warning that an id cannot be compared: its two sides have different forms."""
    return warning(
        "id-form",
        f"{declared.slug}: the file and the API use different forms of {name} (UUID and slug), "
        "so it was not compared",
        hint="write the identifier in the form that the API returns",
        at=declared.source,
    )


def aligned_form(declared: Declared, path: Path) -> Diagnostic:
    """Build the warning that an entry was recognised by its content, not by its id."""
    return warning(
        "id-form",
        f"{declared.slug}: the API returns {show_path(path)} under a UUID, so it was matched by "
        "its content",
        hint="for an exact comparison, write the UUID in the file; `reconcile get` shows it",
        at=declared.source,
    )


def without_provider(declared: Declared, workspaces: Iterable[str]) -> list[Diagnostic]:
    """Build a notice for each new grant without a provider: the workspace cannot call yet."""
    granted = sorted(workspaces)
    if not granted:
        return []
    entries = as_mapping(normalize(declared.fields).get("workspaces"))
    default = bool(declared.fields.get("create_default_provider"))
    return [
        notice(
            "no-provider",
            f"{declared.slug}: workspace {id_} gets access, but cannot call without a provider",
            hint="create a provider in the workspace, or declare create_default_provider: true",
            at=declared.source,
        )
        for id_ in granted
        # The value of a workspace overrides the common one (remote/API.md §4).
        if not as_mapping(entries.get(id_)).get("create_default_provider", default)
    ]


def archived(declared: Declared) -> Diagnostic:
    """Build the error that the API keeps this slug archived, so that it cannot be written."""
    return error(
        "archived",
        f"{declared.slug} is archived, and the API cannot restore it",
        hint="use another slug, or restore the integration in the console",
        at=declared.source,
    )


def not_owned(declared: Declared) -> Diagnostic:
    """Build the error that a declared slug is outside the target's scope."""
    return error(
        "not-owned",
        f"{declared.slug} is outside the scope of this target",
        hint="widen the target's scope in reconcile.yaml, or move the file to its owner",
        at=declared.source,
    )


def declared_elsewhere(declared: Declared) -> Diagnostic:
    """Build the warning that a file has no effect on this target, although nothing differs now."""
    return warning(
        "not-owned",
        f"{declared.slug} is outside the scope of this target; any change is refused",
        hint="widen the target's scope in reconcile.yaml, or move the file to its owner",
        at=declared.source,
    )


def foreign_tombstone(slug: str) -> Diagnostic:
    """Build the warning that a tombstone has no effect: its slug is outside the scope."""
    return warning(
        "not-owned",
        f"{slug} has a tombstone, but is outside the scope of this target",
        hint="widen the target's scope in reconcile.yaml, or let its owner delete it",
    )


def no_longer_managed(declared: Declared, name: str) -> Diagnostic:
    """Build the warning that a whole list was removed from the files, so the access is kept."""
    return warning(
        "undeclared-access",
        f"{declared.slug}: {name} is no longer declared; the access that it granted is kept",
        hint=f"to revoke the access, declare `{name}: []`; to keep it, list the entries again",
        at=declared.source,
    )


def protected(slug: str, what: str, declared: Declared | None) -> Diagnostic:
    """Build the error that an integration is protected; `what` is what would happen to it."""
    return error(
        "protected",
        f"{slug} is protected, but would be {what}",
        hint="remove the file and add a tombstone under `deletions` in reconcile.yaml",
        at=declared.source if declared else None,
    )


def limits_of(
    last_applied: LastAppliedState, unmanaged: Sequence[str], *, in_git: bool
) -> list[Diagnostic]:
    """Build the diagnostic about an incomplete last-applied state; `unmanaged` is in no file."""
    slugs = named(sorted(unmanaged), limit=_NAMED)
    problem = last_applied.ledger_problem
    if problem is not None:
        withdrawn = f"whether Git used to declare {slugs}; " if unmanaged else ""
        return [
            warning(
                NOT_JUDGED,
                f"the ledger cannot be read, so the following is unknown: {withdrawn}which "
                "models and workspaces Git has withdrawn; which secrets were changed",
                hint=problem.hint,
            )
        ]
    # Outside Git there is no commit that `--base` could read.
    if unmanaged and not last_applied.complete and in_git:
        return [
            notice(
                NEW_LEDGER,
                f"the ledger is new, so it is unknown whether Git used to declare {slugs}",
                hint="pass --base REF to read what Git declared at that commit",
            )
        ]
    return []


def masks_changed() -> Diagnostic:
    """Build the notice that every mask differs, most likely because of a new format."""
    return notice(
        "masks-changed",
        "every mask differs from the one read after the last write; "
        "the mask format may have changed",
        hint="if secrets were changed outside Git, send them again with --push-secrets",
    )


def missing_configurations(declared: Declared) -> Diagnostic:
    """Build the error that this provider cannot be created without configurations."""
    return error(
        "missing-configurations",
        f"{declared.slug}: {declared.fields.get('ai_provider_id')} cannot be created "
        "without configurations",
        hint="add the fields that this provider requires",
        at=declared.source,
    )


def no_credential(declared: Declared) -> Diagnostic:
    """Build the error for a create that the API refuses because it has no credential."""
    return error(
        "missing-credential",
        f"{declared.slug}: an integration of {declared.fields.get('ai_provider_id')} cannot be "
        "created without a credential",
        hint="declare `key` as a reference, or a secret mapping for it",
        at=declared.source,
    )


def missing_credential(declared: Declared) -> Diagnostic:
    """Build the error for a replace that would lose the stored credential."""
    return error(
        "missing-credential",
        f"{declared.slug}: a replace deletes the stored credential, and the file declares none",
        hint="declare `key` as a reference, or `key: null` if the new provider needs none",
        at=declared.source,
    )


def looks_like_rename(new: Declared, old: str) -> Diagnostic:
    """Build the warning that a create and a removal look like one changed slug."""
    return warning(
        "looks-like-rename",
        f"{new.slug} is equal to {old}, which is no longer declared; a slug cannot be renamed",
        hint="keep both until no application uses the old slug",
        at=new.source,
    )


class HasUnreadable(Protocol):
    """Observed state or list; `ObservedState` documents the members."""

    @property
    def unreadable(self) -> Mapping[str, UnreadableIntegration]:
        """Return the integrations that exist but could not be read, by slug."""

    @property
    def nameless(self) -> int:
        """Return the number of rows without a readable slug."""


def left_alone(record: UnreadableIntegration, *, deleted: bool) -> Diagnostic:
    """Build the message about an undeclared integration; `deleted` if a plan would delete it."""
    if deleted:
        hint = "it is not deleted, although no file declares it; repair or delete it in the console"
        return warning(record.code, _summary(record.slug, record), hint=hint)
    hint = "no file declares it, so it is left unchanged; repair it in the console"
    return notice(record.code, _summary(record.slug, record), hint=hint)


def not_compared(declared: Declared, record: UnreadableIntegration) -> Diagnostic:
    """Build the error for a declared integration that is neither compared nor created."""
    return error(
        record.code,
        _summary(declared.slug, record),
        hint="repair it in the console, or exclude it with --exclude",
        at=declared.source,
    )


def rows_without_slug(count: int) -> Diagnostic:
    """Build the warning on rows of the list without a readable slug."""
    return warning(
        "unreadable-record",
        f"the API's list has {counted(count, 'row')} without a readable slug",
        hint="repair it in the console; until then nothing is created, deleted or replaced",
    )


def left_out(
    observed: HasUnreadable, includes: Callable[[str], bool] = lambda _slug: True
) -> list[Diagnostic]:
    """Build the warnings on what a command that plans nothing ignores."""
    hint = "this command ignores it; repair it in the console"
    notes = [
        warning(record.code, _summary(record.slug, record), hint=hint)
        for slug, record in sorted(observed.unreadable.items())
        if includes(slug)
    ]
    return [*notes, rows_without_slug(observed.nameless)] if observed.nameless else notes


def _summary(slug: str, record: UnreadableIntegration) -> str:
    return f"{slug} exists but cannot be read: {record.reason}"


def not_audited(unread: Iterable[Unread]) -> list[Diagnostic]:
    """Build a warning for each part and reason: a part that was not read is not proven absent."""
    slugs: dict[tuple[SubResource, str], list[str]] = {}
    for item in sorted(unread, key=lambda item: (item.part.value, item.reason, item.slug)):
        # One warning for all integrations that one reason concerns, such as a missing scope.
        slugs.setdefault((item.part, item.reason), []).append(item.slug)
    return [
        warning(
            "not-audited",
            f"{_listed(names)}: the {part.value} could not be read ({reason}), so {_LOST[part]}",
            hint="allow the key to read integrations (`reconcile doctor` shows its scopes), or "
            "check them in the console",
        )
        for (part, reason), names in slugs.items()
    ]


def _listed(slugs: Sequence[str]) -> str:
    return named(slugs, limit=_NAMED)
