"""Secrets that runs were about to send, until it is known what the API holds.

An intent is on disk before its call is sent. It is removed when the call was certainly refused, or
once a later write of the same secret has ended well. What is left may or may not have arrived: the
next plan sends it once more (`reconciler.planning.credentials`). Only fingerprints are stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete, insert, select

from reconciler.domain.tree import Path
from reconciler.ledger.codec import path_from_text, path_to_text
from reconciler.ledger.tables import intents

Unsettled = Mapping[Path, frozenset[str]]
"""Fingerprints that may have been sent, by path."""

_SETTLED = delete(intents).where(
    intents.c.target == bindparam("the_target"),
    intents.c.slug == bindparam("the_slug"),
    intents.c.path == bindparam("the_path"),
)


def about_to_be_sent(
    connection: Connection, target: int, *, call: int, slug: str, secrets: Mapping[Path, str]
) -> None:
    """Store the fingerprints of the secrets that a call carries."""
    rows = [
        {
            "call": call,
            "target": target,
            "slug": slug,
            "path": path_to_text(path),
            "fingerprint": value,
        }
        for path, value in secrets.items()
    ]
    connection.execute(insert(intents), rows)


def never_sent(connection: Connection, *, call: int) -> None:
    """Remove the intents of a call that was certainly not carried out."""
    connection.execute(delete(intents).where(intents.c.call == call))


def settle(connection: Connection, target: int, slug: str, paths: Iterable[Path]) -> None:
    """Remove what is left open about secrets that have now been written or taken away."""
    rows = [
        {"the_target": target, "the_slug": slug, "the_path": path_to_text(path)} for path in paths
    ]
    if rows:
        connection.execute(_SETTLED, rows)


def recall(connection: Connection, target: int) -> dict[str, Unsettled]:
    """Read what may have been sent and was never settled, by slug."""
    found: dict[str, dict[Path, frozenset[str]]] = defaultdict(dict)
    for row in connection.execute(select(intents).where(intents.c.target == target)):
        path = path_from_text(row.path)
        found[row.slug][path] = found[row.slug].get(path, frozenset()) | {row.fingerprint}
    return dict(found)
