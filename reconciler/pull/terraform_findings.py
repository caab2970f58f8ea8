"""Diagnostics of a pull from a Terraform state; none of them quotes a value of the state."""

from collections.abc import Sequence

from reconciler.diagnostics import Diagnostic, SourceLocation, error, named, notice, warning
from reconciler.domain.identifiers import as_operands
from reconciler.domain.schema import show_path
from reconciler.domain.tree import Path
from reconciler.pull.terraform_state import ManagedEntry, ManagedIntegration, Resource

NOT_IN_TERRAFORM = "not-in-terraform"
_NAMED = 5


def unreadable_value(item: ManagedIntegration, names: Sequence[str]) -> Diagnostic:
    """Build the warning that the state has a placeholder in place of a value."""
    return warning(
        "terraform-value-hidden",
        f"{item.label}: the state does not contain the value of {', '.join(names)}",
        hint="write the state with `terraform show -json`, which hides nothing, "
        "or store the value under its reference",
        at=item.resource.at,
    )


def another_integration(item: ManagedIntegration) -> Diagnostic:
    """Build the warning that the integration in the API is not that of the state."""
    return warning(
        "terraform-other-object",
        f"{item.label}: the integration was replaced outside Terraform, so the secrets in the "
        "state may not be its own",
        hint="check that the API key belongs to the organisation of the state; if so, run "
        "`terraform apply -refresh-only` and write the state again",
        at=item.resource.at,
    )


def not_in_api(items: Sequence[ManagedIntegration], *, is_unreadable: bool = False) -> Diagnostic:
    """Build the warning that integrations of the state are not in the API."""
    slugs = named([item.label for item in items], limit=_NAMED)
    what = "cannot be read from the API" if is_unreadable else "not in the API"
    return warning(
        "terraform-not-in-the-api",
        f"in the state and {what}, so not pulled: {slugs}",
        hint="check that the key belongs to the same organisation; to remove from the state what "
        "was deleted on purpose, run `terraform apply -refresh-only`",
        at=items[0].resource.at,
    )


def not_in_state(slugs: Sequence[str], at: SourceLocation, *, is_deleted: bool) -> Diagnostic:
    """Build the finding that the API has integrations that Terraform does not manage.

    `is_deleted` states that the target prunes what no file declares.
    """
    pull = " ".join(("reconcile pull", *as_operands(slugs[:1])))
    summary = f"in the API and not in the state, so not pulled: {named(slugs, limit=_NAMED)}"
    if is_deleted:
        return warning(
            NOT_IN_TERRAFORM,
            f"{summary}; `prune: all` makes the next apply delete them",
            hint=f"set `prune: managed` for the target, or pull them by name: `{pull}`",
            at=at,
        )
    hint = f"to manage them as well, pull them by name: `{pull}`"
    return notice(NOT_IN_TERRAFORM, summary, hint=hint, at=at)


def entry_not_in_state(slug: str, part: str, ids: Sequence[str], at: SourceLocation) -> Diagnostic:
    """Build the notice that an integration has access that Terraform does not manage."""
    return notice(
        NOT_IN_TERRAFORM,
        f"{slug}: {part} that have access and are not in the state stay undeclared: "
        f"{named(ids, limit=_NAMED)}",
        hint="to manage them, add them to the file",
        at=at,
    )


def entry_not_in_api(entry: ManagedEntry, slug: str) -> Diagnostic:
    """Build the warning that access of the state is not in the API."""
    return warning(
        "terraform-not-in-the-api",
        f"{entry.resource.address}: {slug} has no such entry in the API, so it is not pulled",
        hint="run `terraform apply -refresh-only` to see what Terraform would restore",
        at=entry.resource.at,
    )


def access_only(slug: str, resources: Sequence[Resource]) -> Diagnostic:
    """Build the warning that only the access of an integration is managed."""
    addresses = named([resource.address for resource in resources], limit=_NAMED)
    return warning(
        "terraform-access-only",
        f"{addresses}: the state manages only the access of {slug}, not the integration, "
        "so nothing is pulled and Terraform keeps it",
        hint="pass the state that manages the integration, or pull it by name without "
        "`--from-terraform`",
        at=resources[0].at,
    )


def left_unmanaged(item: ManagedIntegration, fields: Sequence[str]) -> Diagnostic:
    """Build the warning that a field is sensitive but cannot hold a reference."""
    return warning(
        "terraform-sensitive-field",
        f"{item.label}: {', '.join(fields)} is sensitive in the state and cannot be a "
        "reference in a file; left unmanaged",
        hint="if the value is not a secret, write it to the file",
        at=item.resource.at,
    )


def cannot_be_written(item: ManagedIntegration, fields: Sequence[str]) -> Diagnostic:
    """Build the warning that an integration needs a field that is sensitive in the state."""
    return warning(
        "terraform-sensitive-field",
        f"{item.label}: {', '.join(fields)} is sensitive in the state, and a file requires "
        "it; not pulled",
        hint="mark the value with `nonsensitive()` in the configuration, or pull the integration "
        "by name without `--from-terraform`",
        at=item.resource.at,
    )


def entry_cannot_be_written(entry: ManagedEntry) -> Diagnostic:
    """Build the warning that access names something that is sensitive in the state."""
    return warning(
        "terraform-sensitive-field",
        f"{entry.resource.address}: its identity is sensitive in the state; left unmanaged",
        hint="mark the value with `nonsensitive()` in the configuration, or add it to the file",
        at=entry.resource.at,
    )


def ambiguous_workspaces(entries: Sequence[ManagedEntry]) -> Diagnostic:
    """Build the warning that workspaces of the state could not be distinguished."""
    addresses = named([entry.resource.address for entry in entries], limit=_NAMED)
    return warning(
        "terraform-workspace-ambiguous",
        f"{addresses}: several workspaces of the API have this access, so all of them are written",
        hint="remove from the files those that Terraform does not manage",
        at=entries[0].resource.at,
    )


def values_differ(item: ManagedIntegration, fields: Sequence[str]) -> Diagnostic:
    """Build the warning that the API was changed since Terraform wrote it."""
    return warning(
        "terraform-value-differs",
        f"{item.label}: {', '.join(fields)} is not as in the state; the file gets the API's value",
        hint="compare it with the Terraform configuration before you commit",
        at=item.resource.at,
    )


def secret_differs(item: ManagedIntegration, path: Path) -> Diagnostic:
    """Build the warning that the API stores another secret than the state."""
    return warning(
        "terraform-secret-differs",
        f"{item.label}: the API's {show_path(path)} is not the value in the state, "
        "so it stays unverified",
        hint="store the current value under its reference",
        at=item.resource.at,
    )


def deposed_objects(addresses: Sequence[str], at: SourceLocation) -> Diagnostic:
    """Build the warning that Terraform has yet to destroy replaced objects."""
    return warning(
        "terraform-deposed",
        "replaced objects that Terraform has yet to destroy are not pulled: "
        f"{named(addresses, limit=_NAMED)}",
        hint="run `terraform apply`, then write the state again",
        at=at,
    )


def secret_in_file(item: ManagedIntegration, path: Path, file: str) -> Diagnostic:
    """Build the error that a file would contain a secret of the state."""
    return error(
        "terraform-secret-in-file",
        f"{file} would contain the value that the state has for {show_path(path)} of {item.label}",
        hint="change that secret: the API shows its value in another field in clear text",
        at=item.resource.at,
    )
