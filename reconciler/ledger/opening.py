"""From a place to an open database: made where there is none, and brought up to date."""

from pathlib import Path

from reconciler.ledger import sqlite
from reconciler.ledger.database import Database
from reconciler.ledger.errors import NoLedger
from reconciler.ledger.location import LIMIT_SECONDS, Location
from reconciler.ledger.migrations import (
    NEWEST,
    bring_up_to_date,
    check_version,
    create,
    require_tables,
    version_of,
)


def prepare_file(file: Path, *, is_new: bool, read_only: bool) -> None:
    """Look at the file, or make a new ledger under another name: nobody sees an incomplete one."""
    if not is_new:
        sqlite.require_usable(file, read_only=read_only)
        return
    made = sqlite.unfinished(file)
    try:
        database = Database(Location(file=made), read_only=False, limit_seconds=LIMIT_SECONDS)
        try:
            with database.writing() as connection:
                create(connection)
        finally:
            database.close()
        sqlite.put_in_place(made, file)
    finally:
        made.unlink(missing_ok=True)


def open_up_to_date(location: Location, limit_seconds: float) -> Database:
    """Open a ledger for writing, made or migrated where need be."""
    database = Database(location, read_only=False, limit_seconds=limit_seconds)
    try:
        with database.writing() as connection:
            bring_up_to_date(connection)
    except BaseException:
        database.close()
        raise
    return database


def open_as_it_is(location: Location, limit_seconds: float) -> Database:
    """Open a ledger for reading; raises `NoLedger` where there is none."""
    database = Database(location, read_only=True, limit_seconds=limit_seconds)
    try:
        with database.reading() as connection:
            found = version_of(connection)
            check_version(found)
            if found == NEWEST:
                require_tables(connection)
        if found is None:
            raise NoLedger(location.where)
    except BaseException:
        database.close()
        raise
    if found == NEWEST:
        return database
    database.close()
    return open_up_to_date(location, limit_seconds)
