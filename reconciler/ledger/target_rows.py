"""Which rows belong to a target: the same name at the same host in the same organisation.

The organisation is learned from the API's list and may still be unknown (an empty list). Rows that
were written then are taken over by the first organisation that shows itself.
"""

from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, and_, select, text, update

from reconciler.ledger.models import TargetKey
from reconciler.ledger.tables import targets

_UNKNOWN = ""
_MAKE = """
    INSERT INTO targets (name, host, organisation) VALUES (:name, :host, :organisation)
    ON CONFLICT DO NOTHING
"""


def find(connection: Connection, key: TargetKey) -> int | None:
    """Give the row of a target without changing anything, None where there is none."""
    known = _known(connection, key)
    if key.organisation is None:
        # Without a word from the API there is no telling two organisations apart.
        return next(iter(known.values())) if len(known) == 1 else known.get(_UNKNOWN)
    return known.get(key.organisation, known.get(_UNKNOWN))


def lock(connection: Connection, target: int) -> None:
    """Make others wait who change this target, until the transaction ends.

    In SQLite a writing transaction is alone anyway.
    """
    if connection.dialect.name == "postgresql":
        row = select(targets.c.id).where(targets.c.id == target)
        connection.execute(row.with_for_update(key_share=True))


def find_or_make(connection: Connection, key: TargetKey) -> int:
    """Return the row of a target, locked; the first known organisation takes over what had none."""
    found = find(connection, key)
    if found is None:
        # Two shards may begin at the same time.
        connection.execute(
            text(_MAKE), [asdict(key) | {"organisation": key.organisation or _UNKNOWN}]
        )
        found = find(connection, key)
        assert found is not None  # noqa: S101 - it was made, here or elsewhere
    lock(connection, found)
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
