"""Which rows belong to a target: the same name at the same host in the same organisation.

The organisation is learned from the API's list and may still be unknown (an empty list). Rows that
were written then are taken over by the first organisation that shows itself.
"""

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from reconciler.ledger.entries import TargetKey
from reconciler.ledger.tables import targets

_UNKNOWN = ""


def find(connection: Connection, key: TargetKey) -> int | None:
    """Give the row of a target without changing anything, None where there is none."""
    known = _known(connection, key)
    if key.organisation is None:
        # Without a word from the API there is no telling two organisations apart.
        return next(iter(known.values())) if len(known) == 1 else known.get(_UNKNOWN)
    return known.get(key.organisation, known.get(_UNKNOWN))


def find_or_make(connection: Connection, key: TargetKey) -> int:
    """Give the row of a target; the first known organisation takes over what had none."""
    found = find(connection, key)
    if found is None:
        values = {
            "name": key.name,
            "host": key.host,
            "organisation": key.organisation or _UNKNOWN,
        }
        made = connection.execute(insert(targets).values(values)).inserted_primary_key
        assert made is not None  # noqa: S101 - a single-row insert has a key
        return int(made[0])
    if key.organisation is not None:
        connection.execute(
            update(targets)
            .where(targets.c.id == found, targets.c.organisation == _UNKNOWN)
            .values(organisation=key.organisation)
        )
    return found


def organisations(connection: Connection, key: TargetKey) -> frozenset[str]:
    """Give the organisations that have answered under this name and host so far."""
    return frozenset(_known(connection, key)) - {_UNKNOWN}


def _known(connection: Connection, key: TargetKey) -> dict[str, int]:
    rows = connection.execute(select(targets).where(_same(key)))
    return {row.organisation: row.id for row in rows}


def _same(key: TargetKey) -> ColumnElement[bool]:
    return and_(targets.c.name == key.name, targets.c.host == key.host)
