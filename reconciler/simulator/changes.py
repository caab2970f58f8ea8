"""New records, and what an update makes of an old one (remote/API.md §1.3, §2)."""

from collections.abc import Mapping
from typing import Any

from reconciler.simulator.store import Record
from reconciler.simulator.switches import Switches
from reconciler.simulator.validation import CREATABLE, updatable_fields


def new_record(
    slug: str,
    sent: Mapping[str, Any],
    *,
    ids: tuple[str, str, str],
    now: str,
    workspace: str | None,
) -> Record:
    """Make the record of a create; `ids` are those of integration, organisation and owner."""
    return {
        "id": ids[0],
        "organisation_id": ids[1],
        "owner_id": ids[2],
        "slug": slug,
        "name": sent["name"],
        "ai_provider_id": sent["ai_provider_id"],
        "description": sent.get("description") or None,
        "key": sent.get("key") or None,
        "configurations": sent.get("configurations") or {},
        "secret_mappings": sent.get("secret_mappings") or None,
        "pricing_adjustments": sent.get("pricing_adjustments"),
        "tags": sent.get("tags"),
        "workspace_id": workspace,
        "type": "workspace" if workspace else "organisation",
        "status": "active",
        "created_at": now,
        "last_updated_at": None,
        "allow_all_models": True,
        "models": {},
        "global_workspace_access": None,
        "workspaces": {},
        "unexpected": {name: sent[name] for name in sent.keys() - CREATABLE},
    }


def apply_update(
    record: Record, sent: Mapping[str, Any], *, now: str, switches: Switches
) -> Record:
    """Merge an update at the top level; what was not sent stays.

    An empty `key` keeps the stored one: no source says that a key can be taken away.
    """
    known = updatable_fields(switches)
    changes = {name: value for name, value in sent.items() if name in known}
    unexpected = {name: sent[name] for name in sent.keys() - known}
    changes["unexpected"] = {**record.get("unexpected", {}), **unexpected}
    if not changes.get("key"):
        changes.pop("key", None)
    if "description" in changes:
        keeps = changes["description"] is None and switches.description_null == "keep"
        changes["description"] = record["description"] if keeps else changes["description"] or None
    if "configurations" in changes:
        kept = record["configurations"] if switches.configurations_put == "merge" else {}
        changes["configurations"] = {**kept, **(changes["configurations"] or {})}
    if "secret_mappings" in changes:
        changes["secret_mappings"] = changes["secret_mappings"] or None
    return {**record, **changes, "last_updated_at": now}
