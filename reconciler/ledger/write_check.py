"""Find out whether a run could be recorded, and leave nothing behind: `doctor` asks."""

import os
import secrets
from pathlib import Path

from sqlalchemy import Connection, text

from reconciler.ledger.database import Database
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import LIMIT_SECONDS, LedgerState, Location
from reconciler.ledger.tables import metadata

_NOT_ALLOWED = """
    SELECT quote_ident(c.relname), quote_ident(current_user) FROM pg_class AS c
    WHERE c.relname = ANY(:tables) AND c.relkind = 'r' AND pg_table_is_visible(c.oid)
      AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
               AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
    ORDER BY c.relname
"""


def try_out(url: str | None, *, path: Path) -> None:
    """Create and drop a table where the ledger is or will be; raises `LedgerError`."""
    location = Location.of(url, default=path)
    if location.file is not None and location.state is LedgerState.FRESH:
        _require_writable_folder(location.file.absolute())
        return
    database = Database(location, read_only=False, limit_seconds=LIMIT_SECONDS)
    try:
        with database.writing() as connection:
            if database.is_shared:
                _require_rights(connection)
            name = f"reconcile_doctor_{secrets.token_hex(8)}"
            connection.execute(text(f"CREATE TABLE {name} (number INTEGER)"))
            connection.execute(text(f"DROP TABLE {name}"))
    finally:
        database.close()


def _require_rights(connection: Connection) -> None:
    """Raise for tables of the ledger that this role may read, at most."""
    rows = connection.execute(text(_NOT_ALLOWED), {"tables": sorted(metadata.tables)}).all()
    if rows:
        tables, role = ", ".join(row[0] for row in rows), rows[0][1]
        raise LedgerError(
            f"permission denied for table {tables}",
            code="ledger-denied",
            hint=f"as its owner, run: GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}",
        )


def _require_writable_folder(file: Path) -> None:
    """Raise unless the first folder on the way to the file that exists can be written to."""
    folder = next(parent for parent in file.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise LedgerError(
            f"the ledger {file} cannot be made: {folder} is not a folder one can write to",
            code="ledger-unreachable",
            hint="make the folder writable, or name another place in RECONCILE_LEDGER_URL",
        )
