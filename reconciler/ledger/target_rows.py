"""Target in the ledger: its row, and named values that are stored for it in `meta`.

A target is identified by its name, host and organisation. The organisation comes from the API's
list and can still be unknown (an empty list). The first organisation that becomes known takes over
the rows written until then.
"""

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import Connection, and_, delete, insert, select, text, update

from reconciler.ledger.codec import parse_document, to_json
from reconciler.ledger.location import UNKNOWN_ORGANISATION, TargetKey
from reconciler.ledger.tables import meta, targets

# As text, because both databases support this form, but SQLAlchemy only per dialect.
_INSERT = """
    INSERT INTO targets (name, host, organisation) VALUES (:name, :host, :organisation)
    ON CONFLICT DO NOTHING
"""


def find(connection: Connection, key: TargetKey) -> int | None:
    """Return the id of a target's row without changing anything; None if there is no row."""
    return key.choose(_ids_by_organisation(connection, key))


def find_or_create(connection: Connection, key: TargetKey) -> int:
    """Return the id of a target's row, locked; a first organisation takes over a blank row."""
    found = find(connection, key)
    if found is None:
        # Another shard may have started at the same time and created the row.
        values = asdict(key) | {"organisation": key.organisation or UNKNOWN_ORGANISATION}
        connection.execute(text(_INSERT), [values])
        found = find(connection, key)
        assert found is not None  # noqa: S101 - inserted by this shard or another
    lock(connection, found)
    if key.organisation is not None:
        connection.execute(
            update(targets)
            .where(targets.c.id == found, targets.c.organisation == UNKNOWN_ORGANISATION)
            .values(organisation=key.organisation)
        )
    return found


def lock(connection: Connection, target: int) -> None:
    """Lock a target's row until the transaction ends.

    SQLite needs no lock, because a writing transaction excludes all others.
    """
    if connection.dialect.name == "postgresql":
        row = select(targets.c.id).where(targets.c.id == target)
        # FOR NO KEY UPDATE: rows that refer to the target can still be inserted.
        connection.execute(row.with_for_update(key_share=True))


def organisations(connection: Connection, key: TargetKey) -> frozenset[str]:
    """Return the organisations that have been read under this name and host so far."""
    return frozenset(_ids_by_organisation(connection, key)) - {UNKNOWN_ORGANISATION}


def read_probe_answers(connection: Connection, target: int) -> dict[str, str]:
    """Return the answers of `doctor --probe` about a target's API, by question."""
    stored = read_meta(connection, _answers_name(target))
    if stored is None:
        return {}
    return {question: str(answer) for question, answer in parse_document(stored).items()}


def write_probe_answers(connection: Connection, target: int, answers: Mapping[str, str]) -> None:
    """Store the answers of a probe, in place of older ones."""
    write_meta(connection, _answers_name(target), to_json(dict(answers)))


def read_announced(connection: Connection, target: int) -> dict[str, int]:
    """Return the last announced threshold of each retirement of a model, in days."""
    stored = read_meta(connection, _announced_name(target))
    if stored is None:
        return {}
    found = parse_document(stored)
    # Without a number, the retirement is announced again.
    return {name: days for name, days in found.items() if isinstance(days, int)}


def write_announced(connection: Connection, target: int, thresholds: Mapping[str, int]) -> None:
    """Store announced thresholds, in place of older ones."""
    write_meta(connection, _announced_name(target), to_json(dict(thresholds)))


def read_meta(connection: Connection, name: str) -> str | None:
    """Return a named value, None if it was never stored."""
    return connection.scalar(select(meta.c.value).where(meta.c.name == name))


def write_meta(connection: Connection, name: str, value: str) -> None:
    """Store a named value in place of an older one."""
    connection.execute(delete(meta).where(meta.c.name == name))
    connection.execute(insert(meta).values(name=name, value=value))


def _answers_name(target: int) -> str:
    return f"answers of target {target}"


def _announced_name(target: int) -> str:
    return f"announced retirements of target {target}"


def _ids_by_organisation(connection: Connection, key: TargetKey) -> dict[str, int]:
    same = and_(targets.c.name == key.name, targets.c.host == key.host)
    return {row.organisation: row.id for row in connection.execute(select(targets).where(same))}
