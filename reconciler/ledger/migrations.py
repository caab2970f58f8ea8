"""The versions of the schema and the way from each to the next.

    1  runs and memory
    2  `seen` for the incremental drift check, `holders` for the lock of a shared ledger, and
       whether a mask agreed with the value that was sent
    3  `seen` holds the whole picture of an integration; nothing was ever written to the old one
    4  `declared` holds the id of the object, `intents` the secrets that are about to be sent

A new ledger is made at the newest version at once; an old one takes every step in between, in one
transaction, when it is opened for writing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection, func, insert, inspect, select, text, update

from reconciler.ledger.errors import LedgerError, damaged
from reconciler.ledger.tables import holders, intents, meta, metadata, seen

VERSION_NAME = "schema_version"
_CREATION = 7_236_834_150_231


def _to_2(connection: Connection) -> None:
    metadata.create_all(connection, tables=[seen, holders])
    connection.execute(
        text("ALTER TABLE secrets ADD COLUMN mask_agreed BOOLEAN DEFAULT true NOT NULL")
    )


def _to_3(connection: Connection) -> None:
    seen.drop(connection)
    seen.create(connection)


def _to_4(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE declared ADD COLUMN identity VARCHAR"))
    intents.create(connection)


STEPS: Mapping[int, Callable[[Connection], None]] = MappingProxyType({2: _to_2, 3: _to_3, 4: _to_4})
"""What leads to a version from the one before it."""

NEWEST = max(STEPS)


def version_of(connection: Connection) -> int | None:
    """Read the version, None where there is no ledger yet."""
    if not inspect(connection).has_table(meta.name):
        return None
    found = connection.scalar(select(meta.c.value).where(meta.c.name == VERSION_NAME))
    if found is None or not found.isdecimal():
        raise damaged()
    return int(found)


def check_version(found: int | None) -> None:
    """Refuse a ledger that a newer release has written."""
    if found is not None and found > NEWEST:
        raise LedgerError(
            f"the ledger has version {found}, and this release knows versions up to {NEWEST}",
            code="ledger-too-new",
            hint="use the release of reconcile that last wrote it, or a newer one",
        )


def bring_up_to_date(connection: Connection) -> None:
    """Create or migrate within the transaction of this connection, one process at a time."""
    if connection.dialect.name == "postgresql":  # SQLite's transaction is exclusive by itself
        connection.execute(select(func.pg_advisory_xact_lock(_CREATION)))
    found = version_of(connection)
    check_version(found)
    if found == NEWEST:
        return
    if found is None:
        metadata.create_all(connection)
        connection.execute(insert(meta).values(name=VERSION_NAME, value=str(NEWEST)))
        return
    for version in range(found + 1, NEWEST + 1):
        STEPS[version](connection)
    connection.execute(update(meta).where(meta.c.name == VERSION_NAME).values(value=str(NEWEST)))
