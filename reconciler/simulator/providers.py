"""Default providers: what a create or a grant brings into being unless told not to.

They are not part of the reconciled API (remote/API.md §4); they are kept so that an unwanted one
can be seen.
"""

from typing import Any

from reconciler.simulator.messages import invalid_request
from reconciler.simulator.slugs import with_suffix
from reconciler.simulator.store import Record, Store

NOTE = "Created automatically on integration access grant"


def providers_of(records: Store) -> list[dict[str, Any]]:
    """Give all providers, oldest first."""
    return list(records.get_value("providers") or [])


def add_provider(
    records: Store, record: Record, *, workspace: str, slug: str | None, new_id: str
) -> str:
    """Create the provider of an integration in a workspace and give its id.

    Raises `RequestRefused` when a slug was chosen that exists already in the workspace.
    """
    known = providers_of(records)
    for provider in known:
        if provider["integration_id"] == record["id"] and provider["workspace_id"] == workspace:
            return str(provider["id"])
    if slug and any(p["slug"] == slug and p["workspace_id"] == workspace for p in known):
        raise invalid_request("default_provider_slug already exists")
    provider = {
        "id": new_id,
        "slug": slug or with_suffix(record["slug"], new_id),
        "name": record["name"],
        "integration_id": record["id"],
        "integration_slug": record["slug"],
        "workspace_id": workspace,
        "note": NOTE,
    }
    records.set_value("providers", [*known, provider])
    return new_id


def drop_providers(records: Store, integration_id: str) -> None:
    """Forget the providers of an integration that goes away."""
    known = providers_of(records)
    kept = [provider for provider in known if provider["integration_id"] != integration_id]
    if len(kept) != len(known):
        records.set_value("providers", kept)
