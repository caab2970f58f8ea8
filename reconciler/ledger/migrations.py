"""Versions of the ledger's schema, and the migration from each to the next.

    1  runs and last-applied state
    2  `seen` for the incremental drift check, `holders` for the lock of a shared ledger, and
       whether a mask agreed with the value that was sent
    3  `seen` holds whole integrations; nothing was ever written to the old table
    4  `declared` holds the id of the object, `intents` the secrets that are about to be sent
    5  the position of each run in its chain, and anchors of the chains and of the last-applied
       rows; `declared` holds the file of the declaration

A new ledger is created at the newest version; an old one is migrated step by step, in one
transaction, when it is opened for writing.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select, text, update

from reconciler.ledger import hash_chain
from reconciler.ledger.errors import LedgerError, incomplete
from reconciler.ledger.tables import (
    holders,
    intents,
    meta,
    metadata,
    runs_by_hash,
    runs_by_target,
    seen,
)

VERSION_NAME = "schema_version"
OLDEST = 1
# `int` alone also accepts digits of other scripts, and fails for more than 4,300 digits.
_VERSION = re.compile(r"[0-9]{1,9}", re.ASCII)
_ON_SQLITE = """
    SELECT m.name, p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p
    WHERE m.type = 'table' AND m.name IN :tables
"""
_ON_POSTGRES = """
    SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relname IN :tables AND c.relkind IN ('r', 'p', 'v') AND pg_table_is_visible(c.oid)
      AND a.attnum > 0 AND NOT a.attisdropped
"""
# Three tables must exist, because other programs also have a table `meta`.
_HIDDEN_SCHEMA = """
    SELECT quote_ident(n.nspname)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname IN ('meta', 'holders', 'pre_images') AND c.relkind = 'r'
      AND NOT has_schema_privilege(n.oid, 'USAGE')
    GROUP BY n.nspname HAVING count(*) = 3 LIMIT 1
"""
# Number of an advisory lock. All releases must use the same number to exclude each other.
_CREATION_LOCK = 7_236_834_150_231


def _to_2(connection: Connection) -> None:
    metadata.create_all(connection, tables=[seen, holders])
    connection.execute(
        text("ALTER TABLE secrets ADD COLUMN mask_agreed BOOLEAN DEFAULT true NOT NULL")
    )


def _to_3(connection: Connection) -> None:
    # The table is only a cache: without its rows, the next incremental check reads everything.
    seen.drop(connection)
    seen.create(connection)


def _to_4(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE declared ADD COLUMN identity VARCHAR"))
    intents.create(connection)


def _to_5(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE declared ADD COLUMN source TEXT"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN position INTEGER"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN state VARCHAR"))
    runs_by_target.create(connection)
    runs_by_hash.create(connection)
    # Last, because it fills the new columns.
    hash_chain.anchor_everything(connection)


STEPS: Mapping[int, Callable[[Connection], None]] = MappingProxyType(
    {2: _to_2, 3: _to_3, 4: _to_4, 5: _to_5}
)
"""Migration to each version from the previous one."""

NEWEST = max(STEPS)


def version_of(connection: Connection) -> int | None:
    """Read the version, None if there is no ledger yet.

    Raises `LedgerError` for an incomplete ledger, and for one that this role cannot see.
    """
    columns = _columns(connection)
    # Read from the catalogue, because a failed query would end the transaction on PostgreSQL.
    if meta.name not in columns:
        _require_no_ledger(connection, columns)
        return None
    found = connection.scalar(select(meta.c.value).where(meta.c.name == VERSION_NAME))
    if found is None or not _VERSION.fullmatch(found):
        raise incomplete("the version of its tables is missing or cannot be read")
    return int(found)


def check_version(found: int | None) -> None:
    """Refuse a ledger that no release or a newer release has written."""
    if found is not None and found > NEWEST:
        raise LedgerError(
            f"the ledger has version {found}, and this release knows versions up to {NEWEST}",
            code="ledger-too-new",
            hint="use the release of reconcile that last wrote it, or a newer one",
        )
    if found is not None and found < OLDEST:
        raise incomplete(f"it has version {found}, which no release has written")


def require_tables(connection: Connection) -> None:
    """Raise `LedgerError` for a missing table or column of the newest version."""
    columns = _columns(connection)
    for table in metadata.sorted_tables:
        if table.name not in columns:
            raise incomplete(f"the table {table.name} is missing")
        found = columns[table.name]
        missing = [column.name for column in table.columns if column.name not in found]
        if missing:
            raise incomplete(f"the table {table.name} has no column {missing[0]}")


def _columns(connection: Connection) -> dict[str, set[str]]:
    """Return the visible columns of the ledger's tables, by table."""
    statement = _ON_POSTGRES if connection.dialect.name == "postgresql" else _ON_SQLITE
    found: dict[str, set[str]] = {}
    names: BindParameter[list[str]] = bindparam("tables", sorted(metadata.tables), expanding=True)
    for table, column in connection.execute(text(statement).bindparams(names)):
        found.setdefault(table, set()).add(column)
    return found


def _require_no_ledger(connection: Connection, columns: Mapping[str, set[str]]) -> None:
    """Raise `LedgerError` if the table `meta` is missing but other parts of a ledger exist."""
    if columns:
        names = ", ".join(sorted(columns))
        raise incomplete(f"the table {meta.name} is missing, and these are there: {names}")
    if connection.dialect.name != "postgresql":
        raise incomplete("the file is not a ledger")
    # Tables of a schema are invisible to a role that is not allowed to use it.
    hidden = connection.scalar(text(_HIDDEN_SCHEMA))
    if hidden is not None:
        raise LedgerError(
            f"the ledger cannot be read: permission denied for schema {hidden}",
            code="ledger-denied",
            hint=f"as the owner of the schema, run: GRANT USAGE, CREATE ON SCHEMA {hidden} TO "
            + str(connection.scalar(select(func.quote_ident(func.current_user())))),
        )


def migrate(connection: Connection) -> None:
    """Create or migrate the tables in the transaction of this connection, one process at a time."""
    if connection.dialect.name == "postgresql":  # SQLite's transaction is exclusive by itself
        connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
    found = version_of(connection)
    check_version(found)
    if found is None:
        create_tables(connection)
        return
    for version in range(found + 1, NEWEST + 1):
        # All in one transaction, so that a ledger has either the old version or the new one.
        STEPS[version](connection)
    require_tables(connection)
    if found != NEWEST:
        newest = update(meta).where(meta.c.name == VERSION_NAME).values(value=str(NEWEST))
        connection.execute(newest)


def create_tables(connection: Connection) -> None:
    """Create the tables of a new ledger, after `version_of` has found none of them."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(meta).values(name=VERSION_NAME, value=str(NEWEST)))
