"""Rows of the lists that show the usage of integrations (remote/API.md §11).

Only slugs, identifiers and the state of a row are kept, because the rest can contain secrets.
"""

from collections.abc import Callable, Collection

from reconciler.frozen_dataclass import dataclass
from reconciler.remote import decode_values
from reconciler.remote.config_references import ConfigReferences, references_in

_ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """Workspace, with both forms of its identifier."""

    id: str
    slug: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """Provider; `integration` is a slug or an id, and `identity` its own id, if it has one."""

    slug: str
    integration: str
    workspace: str | None
    is_active: bool
    identity: str | None


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """Config; `references` is None if its content was not in the list."""

    slug: str
    workspace: str | None
    is_active: bool
    references: ConfigReferences | None = None


def workspace_row(row: dict[str, object]) -> WorkspaceRow:
    """Decode a workspace."""
    return WorkspaceRow(
        decode_values.slug(row.get("id"), "id"),
        decode_values.slug(row.get("slug"), "slug"),
        _is_active(row),
    )


def provider_row_of(workspace: str | None) -> Callable[[dict[str, object]], ProviderRow]:
    """Return the decoder for providers that were listed for a workspace."""

    def decode(row: dict[str, object]) -> ProviderRow:
        return ProviderRow(
            decode_values.slug(row.get("slug"), "slug"),
            # A provider without a readable integration may use any integration.
            decode_values.slug(row.get("integration_id"), "integration_id"),
            # The documented row has no workspace: it is that of the query.
            _place(row) or workspace,
            _is_active(row),
            decode_values.identifier(row.get("id"), "id"),
        )

    return decode


def config_row(row: dict[str, object], known: Collection[str]) -> ConfigRow:
    """Decode a config; only references to `known` providers are kept from its content."""
    # The content is not part of the documented row; if it is present, no further call is needed.
    references = references_in(row["config"], known) if "config" in row else None
    return ConfigRow(
        decode_values.slug(row.get("slug"), "slug"), _place(row), _is_active(row), references
    )


def _place(row: dict[str, object]) -> str | None:
    value = row.get("workspace_id")
    return decode_values.slug(value, "workspace_id") if value else None


def _is_active(row: dict[str, object]) -> bool:
    # An exhausted or expired provider can become usable again, so only an archived one counts as
    # unused.
    return decode_values.optional_text(row.get("status"), "status") != _ARCHIVED
