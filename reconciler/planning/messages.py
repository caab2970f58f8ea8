"""The sentences of planning: every diagnostic that one integration can give rise to.

Guards over many integrations have theirs in `guards`.
"""

from collections.abc import Iterable, Sequence

from reconciler.diagnostics import Diagnostic, error, notice, warning
from reconciler.domain.field_paths import show_path
from reconciler.domain.last_applied import LastAppliedState
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared
from reconciler.domain.tree import Path
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import NEW_LEDGER, NOT_JUDGED

_NAMED = 5
"""Slugs that a sentence names."""

_NAMED_WORKSPACES = 20
"""Workspaces that a sentence names; the list of undeclared values has them all."""


def missing_value(declared: Declared, path: Path, reference: str) -> Diagnostic:
    """Say that an action would send a secret whose value is not at hand."""
    return warning(
        "missing-value",
        f"{declared.slug}: {show_path(path)} would be sent, and {reference} has no value here",
        hint="plan can do without it; apply stops before the first write",
        at=declared.source,
    )


def sent_once_more(declared: Declared, path: Path) -> Diagnostic:
    """Build the notice that a secret is sent to settle what an earlier run left open."""
    return notice(
        "maybe-sent",
        f"{declared.slug}: an earlier run may or may not have written {show_path(path)}; "
        "it is sent once more",
        hint="apply it; the next plan shows the secret in sync",
        at=declared.source,
    )


def another_object(declared: Declared) -> Diagnostic:
    """Build the warning that a declared slug now belongs to another object than before."""
    return warning(
        "another-object",
        f"{declared.slug}: the object under this slug is not the one that was applied before; "
        "it was deleted and created again since",
        hint="compare its key and its access with the file; apply makes it equal to the file",
        at=declared.source,
    )


def another_withdrawn(slug: str, *, deleted: bool) -> Diagnostic:
    """Build the warning that a slug without a file now belongs to another object than before.

    `deleted` says that a tombstone, or `prune: all`, deletes it all the same.
    """
    return warning(
        "another-object",
        f"{slug}: the object under this slug is not the one that was applied before"
        + (", and it would be deleted" if deleted else ", so it is not deleted"),
        hint="leave it out with --exclude if it is to stay"
        if deleted
        else "to delete it, add a tombstone under `deletions` in reconcile.yaml",
    )


def key_kept(declared: Declared) -> Diagnostic:
    """Say that a stored key stays although the files declare none."""
    return warning(
        "key-kept",
        f"{declared.slug}: key is declared empty, and the API keeps one that no call removes",
        hint="send another key, or delete the integration and create it without one",
        at=declared.source,
    )


def masked_write(declared: Declared, path: Path) -> Diagnostic:
    """Say that a write would lose a stored secret."""
    name = f"{declared.slug}_{path[-1]}".upper().replace("-", "_")
    reference = SecretRef("env", f"SECRET_{name}").as_written
    return error(
        "masked-write",
        f"{declared.slug}: configurations has to be sent whole, and of {show_path(path)} "
        "only a mask is known",
        hint=f"declare it in the file: {path[-1]}: {reference}",
        at=declared.source,
    )


def credential_retarget(declared: Declared, stored: Iterable[Path]) -> Diagnostic:
    """Say that a stored credential would be sent to another host."""
    fields = ", ".join(show_path(path) for path in stored)
    return error(
        "credential-retarget",
        f"{declared.slug}: a host changes while the API keeps a credential for it: {fields}",
        hint="declare each as a reference, so that the same write replaces it",
        at=declared.source,
    )


def undeclared_host(declared: Declared, path: Path) -> Diagnostic:
    """Say that a credential may be sent somewhere that no file names."""
    return warning(
        "undeclared-host",
        f"{declared.slug}: the API has {show_path(path)}, and no file declares it",
        hint="a credential may be sent there; declare it, or remove it by hand",
        at=declared.source,
    )


def undeclared_access(declared: Declared, path: Path, *, known: bool = True) -> Diagnostic:
    """Warn that a model or workspace is enabled that Git does not declare.

    `known` is whether the past is: only then is it certain that Git never declared it.
    """
    key = "slug" if path[0] == "models" else "id"
    never = "Git never declared it" if known else "no file declares it"
    return warning(
        "undeclared-access",
        f"{declared.slug}: {show_path(path)} is enabled, and {never}",
        hint=f"to keep it, add under {path[0]}: - {{{key}: {path[1]}, enabled: true}}",
        at=declared.source,
    )


def unlisted_access(declared: Declared, count: int, names: Iterable[str] = ()) -> Diagnostic:
    """Say that workspaces have access although no file lists any; `names` where they were read."""
    shown = sorted(names)
    named = f": {', '.join(shown[:_NAMED_WORKSPACES])}" if shown else ""
    if len(shown) > _NAMED_WORKSPACES:
        named += f" and {len(shown) - _NAMED_WORKSPACES} more"
    have = "1 workspace has" if count == 1 else f"{count} workspaces have"
    return warning(
        "undeclared-access",
        f"{declared.slug}: {have} access, and no file lists workspaces{named}",
        hint=f"list them under workspaces (`reconcile pull --force {declared.slug}` writes them), "
        "or declare `workspaces: []` to take the access back",
        at=declared.source,
    )


def differing_form(declared: Declared, name: str) -> Diagnostic:
    """Say that an id cannot be compared because its two sides have different forms."""
    return warning(
        "id-form",
        f"{declared.slug}: {name} is a UUID on one side and a slug on the other, so not compared",
        hint="write it in the form that the API returns",
        at=declared.source,
    )


def aligned_form(declared: Declared, path: Path) -> Diagnostic:
    """Say that an id was recognised by what stands beside it."""
    return warning(
        "id-form",
        f"{declared.slug}: the API shows {show_path(path)} under a UUID, so it was recognised by "
        "its content",
        hint="write the UUID in the file to have it compared exactly; `reconcile get` shows it",
        at=declared.source,
    )


def without_provider(declared: Declared, workspaces: Iterable[str]) -> list[Diagnostic]:
    """Say for each new grant without a provider that the workspace cannot call yet."""
    granted = sorted(workspaces)
    if not granted:
        return []
    entries = normalize(declared.fields).get("workspaces") or {}
    default = bool(declared.fields.get("create_default_provider"))
    return [
        notice(
            "no-provider",
            f"{declared.slug}: workspace {id_} gets access and no provider, so it cannot call yet",
            hint="create a provider there, or declare create_default_provider: true",
            at=declared.source,
        )
        for id_ in granted
        if not entries.get(id_, {}).get("create_default_provider", default)
    ]


def archived(declared: Declared) -> Diagnostic:
    """Say that the API keeps this slug archived, where nothing can be written to it."""
    return error(
        "archived",
        f"{declared.slug}: it is archived in the API, and no call brings it back",
        hint="use another slug, or have it restored in the console",
        at=declared.source,
    )


def not_owned(declared: Declared) -> Diagnostic:
    """Say that a declared slug lies outside what this repository may own."""
    return error(
        "not-owned",
        f"{declared.slug}: it lies outside the scope of this target",
        hint="widen the target's scope in reconcile.yaml, or move the file to its owner",
        at=declared.source,
    )


def declared_elsewhere(declared: Declared) -> Diagnostic:
    """Say that a file has no effect here, although nothing differs at the moment."""
    return warning(
        "not-owned",
        f"{declared.slug}: it lies outside the scope of this target; any change is refused",
        hint="widen the target's scope in reconcile.yaml, or move the file to its owner",
        at=declared.source,
    )


def foreign_tombstone(slug: str) -> Diagnostic:
    """Say that a tombstone has no effect, because its slug is not ours to delete."""
    return warning(
        "not-owned",
        f"{slug}: a tombstone asks to delete it, and it lies outside the scope of this target",
        hint="widen the target's scope in reconcile.yaml, or let its owner delete it",
    )


def no_longer_managed(declared: Declared, name: str) -> Diagnostic:
    """Say that a whole list left the files, which leaves what it granted in place."""
    return warning(
        "undeclared-access",
        f"{declared.slug}: Git used to declare {name} and no longer does; what they grant stays",
        hint=f"to take it back, declare `{name}: []`; to keep it, list it again",
        at=declared.source,
    )


def protected(slug: str, what: str, declared: Declared | None) -> Diagnostic:
    """Say that protection holds an integration."""
    return error(
        "protected",
        f"{slug}: it is protected, and would be {what}",
        hint="remove the file and add a tombstone under `deletions` in reconcile.yaml",
        at=declared.source if declared else None,
    )


def limits_of(
    memory: LastAppliedState, unmanaged: Sequence[str], *, in_git: bool
) -> list[Diagnostic]:
    """Say what the past that is known does not allow to judge; `unmanaged` are in no file."""
    named = ", ".join(sorted(unmanaged)[:_NAMED])
    more = f" and {len(unmanaged) - _NAMED} more" if len(unmanaged) > _NAMED else ""
    problem = memory.ledger_problem
    if problem is not None:
        withdrawn = f"whether Git used to declare {named}{more}; " if unmanaged else ""
        return [
            warning(
                NOT_JUDGED,
                f"the ledger cannot be read, so this is not known: {withdrawn}which models and "
                "workspaces Git has withdrawn; which secrets were changed",
                hint=problem.hint,
            )
        ]
    if unmanaged and not memory.complete and in_git:
        return [
            notice(
                NEW_LEDGER,
                f"the ledger is new, so it is not known whether Git used to declare {named}{more}",
                hint="add --base REF: it reads what Git declared at that commit",
            )
        ]
    return []


def masks_changed() -> Diagnostic:
    """Say that every mask looks different, which a new format explains better than rotations."""
    return notice(
        "masks-changed",
        "every mask differs from the one seen after our last write; that proves no change",
        hint="if secrets were changed elsewhere, send ours again with --push-secrets",
    )


def missing_configurations(declared: Declared) -> Diagnostic:
    """Say that this provider cannot be created without configurations."""
    return error(
        "missing-configurations",
        f"{declared.slug}: {declared.fields.get('ai_provider_id')} cannot be created "
        "without configurations",
        hint="add the fields that this provider requires",
        at=declared.source,
    )


def no_credential(declared: Declared) -> Diagnostic:
    """Report a create that the API refuses for want of a credential."""
    return error(
        "missing-credential",
        f"{declared.slug}: an integration of {declared.fields.get('ai_provider_id')} cannot be "
        "created without a credential",
        hint="declare `key` as a reference, or a secret mapping for it",
        at=declared.source,
    )


def missing_credential(declared: Declared) -> Diagnostic:
    """Report a replace that would delete a stored credential and create without any."""
    return error(
        "missing-credential",
        f"{declared.slug}: a replace deletes the stored credential, and the file declares none",
        hint="declare `key` as a reference, or `key: null` if the new provider needs none",
        at=declared.source,
    )


def looks_like_rename(new: Declared, old: str) -> Diagnostic:
    """Say that a create and a removal look like one changed slug."""
    return warning(
        "looks-like-rename",
        f"{new.slug}: it is equal to {old}, which is no longer declared; a slug cannot be renamed",
        hint="applications that use the old slug lose it; keep both until they have moved",
        at=new.source,
    )
