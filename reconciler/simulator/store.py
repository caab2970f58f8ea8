"""Storage of the simulated integrations: the protocol, and the store in memory.

A record is plain JSON and is never changed in place; a change stores a new one. The store on disk
is a separate module, `reconciler.simulator.sqlite_store`, because the state machine does no input
or output and imports this one.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

from reconciler.frozen_dataclass import dataclass
from reconciler.simulator.messages import JsonObject

Record: TypeAlias = JsonObject


@dataclass(frozen=True, slots=True)
class StoredIntegration:
    """The entry of one slug: its record, the record before the last change, and its time.

    `record` is None after a delete, `previous` is None before the first change.
    """

    record: Record | None
    previous: Record | None
    changed_at: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Filter of a list; None matches everything. `workspace` is in its stored form."""

    kind: str | None = None
    workspace: str | None = None

    def matches(self, record: Record) -> bool:
        """Return whether a record belongs in the list."""
        if self.kind is not None and record["type"] != self.kind:
            return False
        return self.workspace is None or _is_available(record, self.workspace)


def _is_available(record: Record, workspace: str) -> bool:
    """Return whether a workspace may use an integration: its own, granted, or open to all."""
    if record["workspace_id"] is not None:
        return bool(record["workspace_id"] == workspace)
    granted = record["workspaces"].get(workspace)
    if granted is not None:
        return bool(granted["enabled"])
    return bool((record["global_workspace_access"] or {}).get("enabled"))


class Store(Protocol):
    """Interface of a store for the state machine."""

    def transaction(self, *, write: bool) -> AbstractContextManager[None]:
        """Isolate the handling of one request."""
        ...

    def entry(self, slug: str) -> StoredIntegration | None:
        """Return the entry of a slug."""
        ...

    def slug_of(self, identifier: str) -> str | None:
        """Return the slug of an id."""
        ...

    def put(self, slug: str, entry: StoredIntegration) -> None:
        """Store an entry; a new slug takes the last place in the order."""
        ...

    def entries(self) -> Iterator[tuple[str, StoredIntegration]]:
        """Iterate over all entries, deleted ones included, oldest first."""
        ...

    def page(self, *, offset: int, limit: int, newest: bool) -> tuple[int, list[Record]]:
        """Return how many records exist, and those of one page."""
        ...

    def get_value(self, key: str) -> Any:
        """Return a stored value that belongs to no integration, or None."""
        ...

    def set_value(self, key: str, value: object) -> None:
        """Store a value that belongs to no integration."""
        ...

    def add_audit_record(self, record: JsonObject) -> None:
        """Add a record to the end of the audit log."""
        ...

    def audit_records(self) -> list[JsonObject]:
        """Return the audit log, oldest first."""
        ...

    def audit_length(self) -> int:
        """Return the number of records in the audit log."""
        ...


class MemoryStore:
    """Store in the memory of the process."""

    def __init__(self) -> None:
        self._entries: dict[str, StoredIntegration] = {}
        # The records in the order of the list, until one changes: reading the pages of a long list
        # would otherwise take quadratic time.
        self._listed: list[Record] | None = None
        self._slugs: dict[str, str] = {}
        self._values: JsonObject = {}
        self._audit: list[JsonObject] = []

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[None]:
        """Undo the values that a refused write has set; its record is stored last."""
        before = dict(self._values) if write else self._values
        try:
            yield
        except BaseException:
            self._values = before
            raise

    def entry(self, slug: str) -> StoredIntegration | None:
        """Return the entry of a slug."""
        return self._entries.get(slug)

    def slug_of(self, identifier: str) -> str | None:
        """Return the slug of an id."""
        return self._slugs.get(identifier)

    def put(self, slug: str, entry: StoredIntegration) -> None:
        """Store an entry; a slug that is created again after a delete takes the last place."""
        self._listed = None
        before = self._entries.get(slug)
        if before is not None and before.record is None:
            del self._entries[slug]
            # The new integration has another id; the old id must not refer to it.
            self._slugs.pop((before.previous or {}).get("id", ""), None)
        self._entries[slug] = entry
        if entry.record is not None:
            self._slugs[entry.record["id"]] = slug

    def entries(self) -> Iterator[tuple[str, StoredIntegration]]:
        """Iterate over all entries, oldest first."""
        # A copy, because a caller can put entries while it iterates.
        yield from list(self._entries.items())

    def page(self, *, offset: int, limit: int, newest: bool) -> tuple[int, list[Record]]:
        """Return how many records exist, and those of one page."""
        if self._listed is None:
            entries = self._entries.values()
            self._listed = [entry.record for entry in entries if entry.record is not None]
        records = self._listed[::-1] if newest else self._listed
        return len(records), records[offset : offset + limit]

    def get_value(self, key: str) -> Any:
        """Return a stored value, or None."""
        return self._values.get(key)

    def set_value(self, key: str, value: object) -> None:
        """Store a value."""
        self._values[key] = value

    def add_audit_record(self, record: JsonObject) -> None:
        """Add a record to the end of the audit log."""
        self._audit.append(record)

    def audit_records(self) -> list[JsonObject]:
        """Return the audit log, oldest first."""
        return list(self._audit)

    def audit_length(self) -> int:
        """Return the number of records in the audit log."""
        return len(self._audit)

    def as_json(self) -> JsonObject:
        """Return the state as plain JSON that shares its values with the store.

        The audit log is not part of it: what was written is not changed by a snapshot.
        """
        entries = [[slug, e.record, e.previous, e.changed_at] for slug, e in self.entries()]
        return {"entries": entries, "facts": dict(self._values)}

    def load_json(self, state: JsonObject) -> None:
        """Replace the state by one that `as_json` returned."""
        self._entries, self._slugs, self._listed = {}, {}, None
        self._values = dict(state["facts"])
        for slug, record, previous, changed_at in state["entries"]:
            self.put(slug, StoredIntegration(record, previous, changed_at))
