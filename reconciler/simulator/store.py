"""Where the stand-in keeps its integrations: the protocol, and the kind that lives in memory.

A record is plain JSON and is never changed after it was put; a change puts a new one. The kind
that lives in SQLite: `reconciler.simulator.sqlite_store`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Record: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredIntegration:
    """What is known under one slug: the record, the one before, and when they changed places.

    `record` is None after a delete, `previous` is None before the first change.
    """

    record: Record | None
    previous: Record | None
    changed_at: str

    def seen(self, *, stale: bool) -> Record | None:
        """Give what a reader sees, or what a reader saw before the last write."""
        return self.previous if stale else self.record


@dataclass(frozen=True, slots=True)
class Filter:
    """Which integrations a list shows; None shows all. `workspace` is in its stored form."""

    kind: str | None = None
    workspace: str | None = None

    def admits(self, record: Record) -> bool:
        """Tell whether a record belongs in the list."""
        if self.kind is not None and record["type"] != self.kind:
            return False
        return self.workspace is None or reaches(record, self.workspace)


def reaches(record: Record, workspace: str) -> bool:
    """Tell whether a workspace may use an integration: its own, granted, or open to all."""
    if record["workspace_id"] is not None:
        return bool(record["workspace_id"] == workspace)
    granted = record["workspaces"].get(workspace)
    if granted is not None:
        return bool(granted["enabled"])
    return bool((record["global_workspace_access"] or {}).get("enabled"))


class Store(Protocol):
    """What the state machine needs of a store."""

    def transaction(self, *, write: bool) -> AbstractContextManager[None]:
        """Hold the store together while one request is handled."""
        ...

    def entry(self, slug: str) -> StoredIntegration | None:
        """Give what is known under a slug."""
        ...

    def slug_of(self, identifier: str) -> str | None:
        """Find the slug of an id."""
        ...

    def put(self, slug: str, entry: StoredIntegration) -> None:
        """Keep an entry; the first time under its slug it takes the last place in the order."""
        ...

    def entries(self) -> Iterator[tuple[str, StoredIntegration]]:
        """Walk everything ever put, oldest first."""
        ...

    def page(self, *, offset: int, limit: int, newest: bool) -> tuple[int, list[Record]]:
        """Count the records and give some of them; deleted ones neither count nor show."""
        ...

    def get_value(self, key: str) -> Any:
        """Give a remembered value that belongs to no integration, or None."""
        ...

    def set_value(self, key: str, value: Any) -> None:
        """Keep a value that belongs to no integration."""
        ...


class MemoryStore:
    """A store that lives and dies with the process."""

    def __init__(self) -> None:
        self._entries: dict[str, StoredIntegration] = {}
        self._slugs: dict[str, str] = {}
        self._facts: dict[str, Any] = {}

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[None]:
        """Forget what a refused write remembered; a record is only put when nothing can fail."""
        before = dict(self._facts) if write else self._facts
        try:
            yield
        except BaseException:
            self._facts = before
            raise

    def entry(self, slug: str) -> StoredIntegration | None:
        """Give what is known under a slug."""
        return self._entries.get(slug)

    def slug_of(self, identifier: str) -> str | None:
        """Find the slug of an id."""
        return self._slugs.get(identifier)

    def put(self, slug: str, entry: StoredIntegration) -> None:
        """Keep an entry; a record that returns after a delete takes the last place."""
        before = self._entries.get(slug)
        if before is not None and before.record is None:
            del self._entries[slug]
            self._slugs.pop((before.previous or {}).get("id", ""), None)
        self._entries[slug] = entry
        if entry.record is not None:
            self._slugs[entry.record["id"]] = slug

    def entries(self) -> Iterator[tuple[str, StoredIntegration]]:
        """Walk everything ever put, oldest first."""
        yield from list(self._entries.items())

    def page(self, *, offset: int, limit: int, newest: bool) -> tuple[int, list[Record]]:
        """Count the records and give some of them."""
        rows = [entry.record for entry in self._entries.values() if entry.record is not None]
        if newest:
            rows.reverse()
        return len(rows), rows[offset : offset + limit]

    def get_value(self, key: str) -> Any:
        """Give a remembered value, or None."""
        return self._facts.get(key)

    def set_value(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._facts[key] = value

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain JSON that shares its values with the store."""
        entries = [[slug, e.record, e.previous, e.changed_at] for slug, e in self.entries()]
        return {"entries": entries, "facts": dict(self._facts)}

    def load_json(self, state: dict[str, Any]) -> None:
        """Replace everything by what `as_json` gave."""
        self._entries, self._slugs = {}, {}
        self._facts = dict(state["facts"])
        for slug, record, previous, changed_at in state["entries"]:
            self.put(slug, StoredIntegration(record, previous, changed_at))
