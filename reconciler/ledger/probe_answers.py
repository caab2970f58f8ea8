"""How a target's API answered what its documentation leaves open; `doctor --probe` asks."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from reconciler.ledger.codec import parse_document, to_json
from reconciler.ledger.tables import meta


def remember(connection: Connection, target: int, answers: Mapping[str, str]) -> None:
    """Store the answers of a target's API in place of older ones."""
    connection.execute(delete(meta).where(meta.c.name == _name(target)))
    text = to_json(dict(answers))
    connection.execute(insert(meta).values(name=_name(target), value=text))


def recall(connection: Connection, target: int) -> dict[str, str]:
    """Read the answers of a target's API."""
    text = connection.scalar(select(meta.c.value).where(meta.c.name == _name(target)))
    return {} if text is None else {name: str(said) for name, said in parse_document(text).items()}


def _name(target: int) -> str:
    return f"answers of target {target}"
