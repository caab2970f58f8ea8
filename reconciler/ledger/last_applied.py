"""Last-applied state of a target as rows: declarations, secrets, intents and the last reads.

Declarations and secrets are stored after success. An intent is stored before its call is sent: the
fingerprints of the secrets that the call carries. It is removed when the call was certainly
refused, or once a later write of the same secret has succeeded. Secrets with a remaining intent may
or may not have been stored, so the next plan sends them again (`reconciler.planning.credentials`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    MappingResult,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from reconciler.diagnostics import SourceLocation
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import NO_FILE, LastApplied, SecretRecord
from reconciler.domain.tree import Path, leaves
from reconciler.ledger.codec import (
    last_applied_from_rows,
    path_to_text,
    seen_from_rows,
    seen_rows,
    to_json,
    tree_to_text,
)
from reconciler.ledger.hash_chain import RowsDigest, read_state_digest, write_state_digest
from reconciler.ledger.models import Confirmed, SeenState
from reconciler.ledger.tables import declared, intents, runs, secrets, seen
from reconciler.planning.normalize import normalize

_Row = dict[str, Any]

_MAX_NAMED_SLUGS = 100
"""Maximum number of slugs in a query; for more, the whole table is read."""

_DELETE_SETTLED = delete(intents).where(
    intents.c.target == bindparam("the_target"),
    intents.c.slug == bindparam("the_slug"),
    intents.c.path == bindparam("the_path"),
)


def read(connection: Connection, target: int) -> dict[str, LastApplied]:
    """Return the last-applied state of every integration of a target, by slug."""
    # The runs that have stored a current declaration name its commit.
    storing = select(declared.c.run).where(declared.c.target == target)
    naming_commits = select(runs.c.run, runs.c.facts).where(runs.c.run.in_(storing))
    return last_applied_from_rows(
        declared=_all_rows(connection, declared, target),
        secrets=_all_rows(connection, secrets, target),
        intents=_all_rows(connection, intents, target),
        runs=connection.execute(naming_commits).mappings(),
    )


def store(
    connection: Connection, target: int, confirmed: Iterable[Confirmed], *, run: str | None
) -> None:
    """Store the confirmed state of integrations in place of their earlier state."""
    items = list(confirmed)
    slugs = [item.declared.slug for item in items]
    known = _rows_of(connection, secrets, target, slugs)
    before = _rows_of(connection, declared, target, slugs)
    # Secrets of an object that was replaced do not belong to the new object with the same slug.
    replaced = _replaced_slugs(before, items)
    kept = {(row["slug"], row["path"]): row for row in known if row["slug"] not in replaced}
    secret_rows: list[_Row] = []
    for item in items:
        secret_rows += _secret_rows(target, item, kept, run)
    state = read_state_digest(connection, target)
    _exchange(
        connection,
        declared,
        before=before,
        after=[_declared_row(target, item, run) for item in items],
        state=state,
    )
    _exchange(connection, secrets, before=known, after=secret_rows, state=state)
    write_state_digest(connection, target, state)
    for item in items:
        # Only these: an intent of another secret may still be in doubt.
        written = item.secrets.keys() | item.removed
        _settle_intents(connection, target, item.declared.slug, written)


def store_secrets(
    connection: Connection, target: int, records: Mapping[str, Mapping[Path, SecretRecord]]
) -> None:
    """Store records of secrets that another tool wrote; an existing fingerprint is kept.

    Nothing is stored about what Git declared, so that a slug without a file is not withdrawn.
    """
    known = _rows_of(connection, secrets, target, records)
    rows = {
        (slug, path_to_text(path)): _secret_row(target, slug, path_to_text(path), record, None)
        for slug, paths in records.items()
        for path, record in paths.items()
    }
    for row in known:
        key = (row["slug"], row["path"])
        # A record of a run is more reliable than one from another tool.
        if key not in rows or row["fingerprint"] is not None:
            rows[key] = row
    state = read_state_digest(connection, target)
    _exchange(connection, secrets, before=known, after=rows.values(), state=state)
    write_state_digest(connection, target, state)


def store_identities(connection: Connection, target: int, identities: Mapping[str, str]) -> None:
    """Store the ids of integrations, by slug; a stored id is kept."""
    before = [
        row for row in _rows_of(connection, declared, target, identities) if row["identity"] is None
    ]
    after = [{**row, "identity": identities[row["slug"]]} for row in before]
    state = read_state_digest(connection, target)
    _exchange(connection, declared, before=before, after=after, state=state)
    write_state_digest(connection, target, state)


def remove(connection: Connection, target: int, slugs: Collection[str]) -> None:
    """Remove all rows of integrations that no longer exist."""
    if not slugs:
        return
    state = read_state_digest(connection, target)
    for table in (declared, secrets):
        # Before the rows are deleted, because their content is needed to remove them from the
        # digest.
        state.remove(table.name, _rows_of(connection, table, target, slugs))
    write_state_digest(connection, target, state)
    for table in (declared, secrets, seen, intents):
        _delete_rows(connection, table, target, slugs)


def read_seen(connection: Connection, target: int) -> dict[str, SeenState]:
    """Return how every integration looked when it was last read, by slug."""
    rows = connection.execute(select(seen).where(seen.c.target == target)).mappings()
    return seen_from_rows(rows)


def store_seen(connection: Connection, target: int, items: Mapping[str, SeenState]) -> None:
    """Store observed integrations, except those that show a secret, which are always read."""
    # Deleted even if no new row follows, because an older read must not be reused.
    _delete_rows(connection, seen, target, items)
    rows = seen_rows(target, items)
    if rows:
        connection.execute(insert(seen), rows)


def store_intents(
    connection: Connection,
    target: int,
    *,
    call: int,
    slug: str,
    fingerprints: Mapping[Path, str],
) -> None:
    """Store the fingerprints of the secrets that a call is about to send."""
    rows = [
        {
            "call": call,
            "target": target,
            "slug": slug,
            "path": path_to_text(path),
            "fingerprint": fingerprint,
        }
        for path, fingerprint in fingerprints.items()
    ]
    connection.execute(insert(intents), rows)


def remove_intents(connection: Connection, *, call: int) -> None:
    """Remove the intents of a call that was certainly not carried out."""
    connection.execute(delete(intents).where(intents.c.call == call))


def _settle_intents(connection: Connection, target: int, slug: str, paths: Iterable[Path]) -> None:
    """Remove the intents of secrets that have now been written or removed."""
    rows = [
        {"the_target": target, "the_slug": slug, "the_path": path_to_text(path)} for path in paths
    ]
    if rows:
        connection.execute(_DELETE_SETTLED, rows)


def _declared_row(target: int, item: Confirmed, run: str | None) -> _Row:
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
    """Return the stored form of a location, None for a declaration without a file."""
    return None if at.file == NO_FILE.file else to_json({"file": at.file, "line": at.line})


def _secret_rows(
    target: int, item: Confirmed, kept: Mapping[tuple[str, str], _Row], run: str | None
) -> Iterator[_Row]:
    """Return a row for each declared secret: the written state, else the existing row."""
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
        yield _secret_row(target, slug, name, record, run)


def _secret_row(target: int, slug: str, path: str, record: SecretRecord, run: str | None) -> _Row:
    return {
        "target": target,
        "slug": slug,
        "path": path,
        "reference": str(record.reference),
        "fingerprint": record.fingerprint,
        "mask": None if record.mask is None else record.mask.text,
        "mask_agreed": record.mask_agreed,
        "run": run,
    }


def _all_rows(connection: Connection, table: Table, target: int) -> MappingResult:
    return connection.execute(select(table).where(table.c.target == target)).mappings()


def _rows_of(
    connection: Connection, table: Table, target: int, slugs: Collection[str]
) -> list[_Row]:
    """Return the rows of some integrations."""
    wanted = set(slugs)
    # SQLite limits the number of parameters of a query.
    if len(wanted) <= _MAX_NAMED_SLUGS:  # usually a few just-applied slugs of thousands
        values = {"the_target": target, "the_slugs": sorted(wanted)}
        return [dict(row) for row in connection.execute(_named_rows(table), values).mappings()]
    return [dict(row) for row in _all_rows(connection, table, target) if row["slug"] in wanted]


@cache
def _named_rows(table: Table) -> Select[Any]:
    """Return the query for the rows of some slugs; building it costs as much as running it."""
    is_wanted = table.c.slug.in_(bindparam("the_slugs", expanding=True))
    return select(table).where(table.c.target == bindparam("the_target"), is_wanted)


def _exchange(
    connection: Connection,
    table: Table,
    *,
    before: Iterable[_Row],
    after: Iterable[_Row],
    state: RowsDigest,
) -> None:
    """Replace rows; an unchanged row is kept with the run that wrote it."""
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


def _key(table: Table, row: _Row) -> tuple[object, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def _content(row: _Row) -> _Row:
    return {name: value for name, value in row.items() if name != "run"}


def _replaced_slugs(before: Iterable[_Row], items: Iterable[Confirmed]) -> set[str]:
    """Return the slugs that now belong to another object, so that old secrets are discarded."""
    now = {item.declared.slug: item.identity for item in items}
    # An unknown id is no proof of another object.
    known = {row["slug"]: row["identity"] for row in before if row["identity"] is not None}
    return {slug for slug, identity in known.items() if now[slug] not in {None, identity}}


def _delete_rows(connection: Connection, table: Table, target: int, slugs: Collection[str]) -> None:
    rows = [{"a_slug": slug} for slug in slugs]
    if rows:
        connection.execute(
            delete(table).where(table.c.target == target, table.c.slug == bindparam("a_slug")),
            rows,
        )
