"""What was last declared and last written, as rows: stored after success, read as `Memory`."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select

from reconciler.diagnostics import SourceLocation
from reconciler.domain.last_applied import NO_FILE, DeclaredAt, LastApplied, SecretRecord
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.tree import Path, leaves
from reconciler.ledger import anchors, secret_intents
from reconciler.ledger.codec import (
    observed_from_document,
    observed_to_document,
    parse_document,
    path_from_text,
    path_to_text,
    to_json,
    tree_from_text,
    tree_to_text,
    withholds,
)
from reconciler.ledger.errors import damaged
from reconciler.ledger.models import Confirmed, SeenState
from reconciler.ledger.tables import declared, runs, secrets, seen
from reconciler.ledger.tables import intents as intent_rows
from reconciler.planning.normalize import normalize

_Row = dict[str, Any]

_FEW = 100
"""Slugs that a query names; for more the whole table is read."""


def remember(
    connection: Connection, target: int, fulfilled: Iterable[Confirmed], *, run: str | None
) -> None:
    """Store what is true now, in place of what was known of these integrations."""
    items = list(fulfilled)
    slugs = [item.declared.slug for item in items]
    known = _rows_of(connection, secrets, target, slugs)
    replaced = _replaced(connection, target, items)
    kept = {(row["slug"], row["path"]): row for row in known if row["slug"] not in replaced}
    state = anchors.read_state(connection, target)
    _exchange(
        connection,
        declared,
        before=_rows_of(connection, declared, target, slugs),
        after=[_declared_row(target, item, run) for item in items],
        state=state,
    )
    _exchange(
        connection,
        secrets,
        before=known,
        after=[row for item in items for row in _records(target, item, kept, run)],
        state=state,
    )
    anchors.write_state(connection, target, state)
    for item in items:
        written = item.secrets.keys() | item.removed
        secret_intents.settle(connection, target, item.declared.slug, written)


def forget(connection: Connection, target: int, slugs: Collection[str]) -> None:
    """Drop everything known of integrations that no longer exist."""
    state = anchors.read_state(connection, target)
    for table in (declared, secrets):
        state.remove(table.name, _rows_of(connection, table, target, slugs))
    anchors.write_state(connection, target, state)
    for table in (declared, secrets, seen, intent_rows):
        _forget_rows(connection, table, target, slugs)


def recall(connection: Connection, target: int) -> dict[str, LastApplied]:
    """Read what is known of every integration of a target."""
    records: dict[str, dict[Path, SecretRecord]] = defaultdict(dict)
    for row in connection.execute(select(secrets).where(secrets.c.target == target)):
        records[row.slug][path_from_text(row.path)] = SecretRecord(
            reference=SecretRef.parse(row.reference),
            fingerprint=row.fingerprint,
            mask=None if row.mask is None else Mask(row.mask),
            mask_agreed=row.mask_agreed,
        )
    unsettled = secret_intents.recall(connection, target)
    commits = _commits(connection, target)
    rows = connection.execute(select(declared).where(declared.c.target == target))
    known = {
        row.slug: LastApplied(
            declared=tree_from_text(row.fields),
            protected=row.protected,
            secrets=records.pop(row.slug, {}),
            unsettled=unsettled.pop(row.slug, {}),
            identities=frozenset() if row.identity is None else frozenset({row.identity}),
            declared_at=_declared_at(row.source, commits.get(row.run)),
        )
        for row in rows
    }
    return known | {slug: LastApplied(unsettled=open_) for slug, open_ in unsettled.items()}


def remember_seen(connection: Connection, target: int, items: Mapping[str, SeenState]) -> None:
    """Store how integrations looked; one that shows something secret has to be read each time."""
    _forget_rows(connection, seen, target, items)
    texts = {slug: to_json(observed_to_document(s.observed)) for slug, s in items.items()}
    rows = [
        {"target": target, "slug": slug, "read_at": items[slug].read_at, "document": text}
        for slug, text in texts.items()
        if not withholds(text)
    ]
    if rows:
        connection.execute(insert(seen), rows)


def recall_seen(connection: Connection, target: int) -> dict[str, SeenState]:
    """Read how every integration looked when it was last read."""
    rows = connection.execute(select(seen).where(seen.c.target == target))
    return {
        row.slug: SeenState(
            observed_from_document(row.slug, parse_document(row.document)), row.read_at
        )
        for row in rows
    }


def _declared_row(target: int, item: Confirmed, run: str | None) -> dict[str, Any]:
    return {
        "target": target,
        "slug": item.declared.slug,
        "fields": tree_to_text(item.declared.fields),
        "protected": item.declared.lifecycle.protected,
        "run": run,
        "identity": item.identity,
        "source": _source(item.declared.source),
    }


def _source(at: SourceLocation) -> str | None:
    """Return the form in which a place is stored, None for what stands in no file."""
    return None if at.file == NO_FILE.file else to_json({"file": at.file, "line": at.line})


def _declared_at(source: str | None, commit: str | None) -> DeclaredAt | None:
    if source is None:
        return None
    match parse_document(source):
        case {"file": str(file), "line": int(line)}:
            return DeclaredAt(SourceLocation(file, line), commit)
        case _:
            raise damaged()


def _commits(connection: Connection, target: int) -> dict[str, str]:
    """Read the commit of each run that has stored a declaration which still stands."""
    named = select(declared.c.run).where(declared.c.target == target)
    rows = connection.execute(select(runs.c.run, runs.c.facts).where(runs.c.run.in_(named)))
    found = {row.run: parse_document(row.facts).get("commit") for row in rows}
    return {run: commit for run, commit in found.items() if isinstance(commit, str)}


def _records(
    target: int, item: Confirmed, kept: Mapping[tuple[str, str], dict[str, Any]], run: str | None
) -> Iterable[dict[str, Any]]:
    """Give a row for each declared secret: what was written, else what was known of it."""
    slug = item.declared.slug
    for path, leaf in leaves(normalize(item.declared.fields)):
        name = path_to_text(path)
        record = item.secrets.get(path)
        if not isinstance(leaf, SecretRef | Redacted):
            continue
        if record is None:
            known = kept.get((slug, name))
            if known is not None and path not in item.removed:
                yield known
            continue
        yield {
            "target": target,
            "slug": slug,
            "path": name,
            "reference": str(record.reference),
            "fingerprint": record.fingerprint,
            "mask": None if record.mask is None else record.mask.text,
            "mask_agreed": record.mask_agreed,
            "run": run,
        }


def _rows_of(
    connection: Connection, table: Table, target: int, slugs: Collection[str]
) -> list[_Row]:
    """Return the rows of some integrations."""
    wanted = set(slugs)
    query = select(table).where(table.c.target == target)
    if len(wanted) <= _FEW:  # most often it is the one that was just applied, of thousands
        query = query.where(table.c.slug.in_(sorted(wanted)))
    rows = connection.execute(query).mappings()
    return [dict(row) for row in rows if row["slug"] in wanted]


def _exchange(
    connection: Connection,
    table: Table,
    *,
    before: Iterable[_Row],
    after: Iterable[_Row],
    state: anchors.RowsDigest,
) -> None:
    """Put rows in the place of others; what is the same in both stays, with the run it is from."""
    old = {_key(table, row): row for row in before}
    new = {_key(table, row): row for row in after}
    same = {key for key in old.keys() & new.keys() if _content(old[key]) == _content(new[key])}
    gone = [row for key, row in old.items() if key not in same]
    added = [row for key, row in new.items() if key not in same]
    if gone:
        columns = list(table.primary_key.columns)
        statement = delete(table).where(*(c == bindparam(f"the_{c.name}") for c in columns))
        keys = [{f"the_{c.name}": row[c.name] for c in columns} for row in gone]
        connection.execute(statement, keys)
    if added:
        connection.execute(insert(table), added)
    state.remove(table.name, gone)
    state.add(table.name, added)


def _key(table: Table, row: _Row) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def _content(row: _Row) -> _Row:
    return {name: value for name, value in row.items() if name != "run"}


def _replaced(connection: Connection, target: int, items: Iterable[Confirmed]) -> set[str]:
    """Return the slugs that belong to another object now, so that old records say nothing."""
    query = select(declared.c.slug, declared.c.identity).where(declared.c.target == target)
    now = {item.declared.slug: item.identity for item in items}
    if len(now) <= _FEW:
        query = query.where(declared.c.slug.in_(sorted(now)))
    rows = connection.execute(query.where(declared.c.identity.is_not(None)))
    return {row.slug for row in rows if now.get(row.slug) not in {None, row.identity}}


def _forget_rows(connection: Connection, table: Table, target: int, slugs: Collection[str]) -> None:
    rows = [{"a_slug": slug} for slug in slugs]
    if rows:
        connection.execute(
            delete(table).where(table.c.target == target, table.c.slug == bindparam("a_slug")),
            rows,
        )
