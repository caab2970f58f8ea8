"""What one organisation holds: its integrations, providers and workspaces, over a store.

It finds and keeps; which operation does what is `reconciler.simulator.api`'s.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from reconciler.simulator import providers, responses
from reconciler.simulator.messages import FORBIDDEN, refusal
from reconciler.simulator.store import Record, Store, StoredIntegration
from reconciler.simulator.switches import Switches


class Organisation:
    """The state behind the API; `records` is where it is kept, `now` and `new_id` are handed in."""

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
        """Give the organisation's id, made on first use."""
        known = self.store.get_value("organisation_id")
        if known is None:
            known = self.new_id()
            self.store.set_value("organisation_id", known)
        return str(known)

    def visible_record(self, reference: str, *, stale: bool) -> Record:
        """Give the record of a slug or id as a reader sees it; a missing one is refused."""
        entry = self._entry(reference)
        return self._present(self._view(entry, stale=stale) if entry is not None else None)

    def current_record(self, reference: str) -> Record:
        """Give the record that a write works on, however stale reads are."""
        entry = self._entry(reference)
        return self._present(entry.record if entry is not None else None)

    def visible_records(self, *, stale: bool) -> Iterator[Record]:
        """Walk the records as a reader sees them."""
        for _, entry in self.store.entries():
            record = self._view(entry, stale=stale)
            if record is not None:
                yield record

    def put(self, slug: str, record: Record | None) -> None:
        """Keep a record, or with None its absence, and remember the one before."""
        before = self.store.entry(slug)
        self.store.put(
            slug, StoredIntegration(record, before.record if before else None, self.now())
        )

    def workspace_key(self, given: str) -> str:
        """Give the form a workspace is stored under; a slug seen once explains its UUID."""
        known = self.store.get_value(f"workspace/{given}")
        return given if known is None else str(known)

    def register_workspace(self, given: str) -> str:
        """Give the stored form of a workspace, and remember it for its UUID."""
        stored = self.workspace_key(given)
        self.store.set_value(f"workspace/{responses.as_uuid(stored)}", stored)
        return stored

    def providers(self) -> list[dict[str, Any]]:
        """Give the providers that were created along the way."""
        return providers.providers_of(self.store)

    def add_provider(self, record: Record, workspace: str, slug: str | None) -> str:
        """Create the default provider of an integration in a workspace and give its id."""
        return providers.add_provider(
            self.store, record, workspace=workspace, slug=slug, new_id=self.new_id()
        )

    def drop_providers(self, record: Record) -> None:
        """Forget the providers of an integration that goes away."""
        providers.drop_providers(self.store, record["id"])

    def _entry(self, reference: str) -> StoredIntegration | None:
        entry = self.store.entry(reference)
        if entry is not None:
            return entry
        slug = self.store.slug_of(reference)
        return self.store.entry(slug) if slug is not None else None

    def _present(self, record: Record | None) -> Record:
        if record is not None:
            return record
        if self._switches.missing == "403_AB03":
            raise refusal(403, "AB03", FORBIDDEN)
        raise refusal(404, "AB08", "Not found")

    def _view(self, entry: StoredIntegration, *, stale: bool) -> Record | None:
        return entry.previous if stale or self._is_fresh(entry) else entry.record

    def _is_fresh(self, entry: StoredIntegration) -> bool:
        window = self._switches.stale_read_ms
        if not window:
            return False
        age = datetime.fromisoformat(self.now()) - datetime.fromisoformat(entry.changed_at)
        return age < timedelta(milliseconds=window)
