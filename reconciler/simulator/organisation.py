"""State of one organisation: its integrations, default providers and workspaces.

`Organisation` reads and writes the store. `new_record` and `apply_update` build the records
(remote/API.md §1.3, §2). `reconciler.simulator.api` implements the operations.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from reconciler.simulator import responses
from reconciler.simulator.messages import FORBIDDEN, JsonObject, invalid_request, refusal
from reconciler.simulator.store import Record, Store, StoredIntegration
from reconciler.simulator.switches import Switches
from reconciler.simulator.validation import CREATABLE, SLUG_MAX_LENGTH, updatable_fields

PROVIDER_NOTE = "Created automatically on integration access grant"


class Organisation:
    """One organisation in a store; `now` and `new_id` are passed in to keep it deterministic."""

    def __init__(
        self,
        store: Store,
        switches: Switches,
        *,
        now: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        self.store = store
        self.now = now
        self.new_id = new_id
        self._switches = switches

    @property
    def id(self) -> str:
        """The organisation's id, created on first use."""
        known = self.store.get_value("organisation_id")
        if known is None:
            known = self.new_id()
            self.store.set_value("organisation_id", known)
        return str(known)

    # -- integrations --------------------------------------------------------------------

    def visible_record(self, reference: str, *, stale: bool) -> Record:
        """Return the record of a slug or id as a read shows it.

        Raises `RequestRefused` if there is none.
        """
        entry = self._entry(reference)
        return self._require(self._visible(entry, stale=stale) if entry is not None else None)

    def current_record(self, reference: str) -> Record:
        """Return the current record for a write, even if reads are stale."""
        entry = self._entry(reference)
        return self._require(entry.record if entry is not None else None)

    def visible_records(self, *, stale: bool) -> Iterator[Record]:
        """Iterate over the records as a read shows them, oldest first."""
        for _, entry in self.store.entries():
            record = self._visible(entry, stale=stale)
            if record is not None:
                yield record

    def put(self, slug: str, record: Record | None) -> None:
        """Store a record, or a delete with None, and keep the record before it."""
        before = self.store.entry(slug)
        self.store.put(
            slug, StoredIntegration(record, before.record if before else None, self.now())
        )

    def slug_for_create(self, sent: JsonObject) -> str:
        """Return the slug that a create gets; a taken one is refused or gets a suffix (§1.7)."""
        requested = sent.get("slug")
        if requested is None:
            return self._free_slug(lambda: _slug_from_name(sent["name"], self.new_id()))
        if not self._is_taken(requested):
            return str(requested)
        match self._switches.duplicate_slug:
            case "409_AB07":
                raise refusal(409, "AB07", "Integration with this slug already exists")
            case "400_AB01":
                raise invalid_request()
            case "suffixed":
                return self._free_slug(lambda: _with_suffix(requested, self.new_id()))

    def _entry(self, reference: str) -> StoredIntegration | None:
        entry = self.store.entry(reference)
        if entry is not None:
            return entry
        # The API accepts an id wherever it accepts a slug (§1.1).
        slug = self.store.slug_of(reference)
        return self.store.entry(slug) if slug is not None else None

    def _require(self, record: Record | None) -> Record:
        if record is not None:
            return record
        if self._switches.missing == "403_AB03":
            raise refusal(403, "AB03", FORBIDDEN)
        raise refusal(404, "AB08", "Not found")

    def _visible(self, entry: StoredIntegration, *, stale: bool) -> Record | None:
        # The state before the last write: a replica that lags behind shows an old record, not a
        # damaged one.
        return entry.previous if stale or self._is_fresh(entry) else entry.record

    def _is_fresh(self, entry: StoredIntegration) -> bool:
        window = self._switches.stale_read_ms
        if not window:
            return False
        age = datetime.fromisoformat(self.now()) - datetime.fromisoformat(entry.changed_at)
        return age < timedelta(milliseconds=window)

    def _free_slug(self, make: Callable[[], str]) -> str:
        slug = make()
        while self._is_taken(slug):
            slug = make()
        return slug

    def _is_taken(self, slug: str) -> bool:
        entry = self.store.entry(slug)
        if entry is None:
            return False
        # A deleted integration leaves an entry without a record.
        if entry.record is None or entry.record["status"] == "archived":
            return not self._switches.slug_reuse_after_delete
        return True

    # -- workspaces ----------------------------------------------------------------------

    def workspace_key(self, workspace: str) -> str:
        """Return the form in which a workspace is stored: its slug, once the slug is known."""
        known = self.store.get_value(f"workspace/{workspace}")
        return workspace if known is None else str(known)

    def register_workspace(self, workspace: str) -> str:
        """Return the stored form of a workspace, and map its UUID to it from now on."""
        # Clients may use the UUID that a response has in place of the slug (§5.2).
        key = self.workspace_key(workspace)
        self.store.set_value(f"workspace/{responses.as_uuid(key)}", key)
        return key

    # -- default providers ---------------------------------------------------------------
    # Not part of the reconciled API (remote/API.md §4). They are kept so that tests see an
    # unwanted provider.

    def providers(self) -> list[JsonObject]:
        """Return all providers, oldest first."""
        return list(self.store.get_value("providers") or [])

    def add_provider(self, record: Record, workspace: str, slug: str | None) -> str:
        """Create an integration's provider in a workspace, unless it has one; return its id.

        Raises `RequestRefused` if the workspace has a provider with this slug.
        """
        # Drawn even if it is not needed, so that ids do not depend on existing records.
        provider_id = self.new_id()
        known = self.providers()
        for provider in known:
            if provider["integration_id"] == record["id"] and provider["workspace_id"] == workspace:
                return str(provider["id"])
        if slug and any(p["slug"] == slug and p["workspace_id"] == workspace for p in known):
            raise invalid_request("default_provider_slug already exists")
        self._store_provider(
            record, workspace, provider_id, slug, {"name": record["name"], "note": PROVIDER_NOTE}
        )
        return provider_id

    def new_provider(
        self, record: Record, workspace: str, slug: str | None, sent: JsonObject
    ) -> JsonObject:
        """Create a provider that a client requests; a workspace can have several (§11.1)."""
        if slug and any(
            p["slug"] == slug and p["workspace_id"] == workspace for p in self.providers()
        ):
            raise refusal(409, "AB07", "Provider with this slug already exists")
        return self._store_provider(record, workspace, self.new_id(), slug, sent)

    def _store_provider(
        self,
        record: Record,
        workspace: str,
        identifier: str,
        slug: str | None,
        about: JsonObject,
    ) -> JsonObject:
        provider = {
            "id": identifier,
            "slug": slug or _with_suffix(record["slug"], identifier),
            "name": about["name"],
            "integration_id": record["id"],
            "integration_slug": record["slug"],
            "workspace_id": workspace,
            "note": about.get("note"),
        }
        self.store.set_value("providers", [*self.providers(), provider])
        return provider

    def drop_providers(self, record: Record) -> None:
        """Remove the providers of an integration that is deleted."""
        known = self.providers()
        kept = [provider for provider in known if provider["integration_id"] != record["id"]]
        if len(kept) != len(known):
            self.store.set_value("providers", kept)


def new_record(
    slug: str,
    sent: JsonObject,
    *,
    ids: tuple[str, str, str],
    now: str,
    workspace: str | None,
) -> Record:
    """Build the record of a create; `ids` are those of integration, organisation and owner."""
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
        # Empty mappings are returned as null (remote/API.md §1.4).
        "secret_mappings": sent.get("secret_mappings") or None,
        "pricing_adjustments": sent.get("pricing_adjustments"),
        "tags": sent.get("tags"),
        "workspace_id": workspace,
        "type": "workspace" if workspace else "organisation",
        "status": "active",
        "created_at": now,
        # Null until the first update (remote/API.md §1.1).
        "last_updated_at": None,
        # True after a create; only a write of the models can change it (remote/API.md §5.1).
        "allow_all_models": True,
        "models": {},
        "global_workspace_access": None,
        "workspaces": {},
        "unexpected": {name: sent[name] for name in sent.keys() - CREATABLE},
    }


def apply_update(record: Record, sent: JsonObject, *, now: str, switches: Switches) -> Record:
    """Return the record after an update, merged at the top level; other fields are kept.

    An empty `key` keeps the stored one: no source shows that a key can be removed.
    """
    known = updatable_fields(switches)
    changes = {name: value for name, value in sent.items() if name in known}
    # Stored separately, for the switch `unexpected_fields: keep`.
    unexpected = {name: sent[name] for name in sent.keys() - known}
    changes["unexpected"] = {**record.get("unexpected", {}), **unexpected}
    if not changes.get("key"):
        changes.pop("key", None)
    if "description" in changes:
        if changes["description"] is None and switches.description_null == "keep":
            changes["description"] = record["description"]
        else:
            changes["description"] = changes["description"] or None
    if "configurations" in changes:
        kept = record["configurations"] if switches.configurations_put == "merge" else {}
        changes["configurations"] = {**kept, **(changes["configurations"] or {})}
    if "secret_mappings" in changes:
        changes["secret_mappings"] = changes["secret_mappings"] or None
    return {**record, **changes, "last_updated_at": now}


def _slug_from_name(name: str, identifier: str) -> str:
    """Build `first-integrati-9795c1` from a name and an id, the form observed for providers."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:15]
    return _with_suffix(stem or "integration", identifier)


def _with_suffix(slug: str, identifier: str) -> str:
    """Append a dash and six hexadecimal digits of an id to a slug."""
    digits = re.sub(r"[^0-9a-f]", "", identifier.lower())[-6:].rjust(6, "0")
    # Seven characters for the dash and the digits.
    return f"{slug[: SLUG_MAX_LENGTH - 7]}-{digits}"
