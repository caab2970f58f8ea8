"""What the ledger says of itself as a whole, in `meta`: the end of each chain, and a digest of the
last-applied state.

Each is changed in the transaction that changes what it covers. The state's digest is MuHash: a
product of numbers made of the rows, so that one row is added or taken away without reading the
others, in any order. `reconciler.ledger.verification` computes all of it afresh.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from reconciler.domain.tree import canonical_json
from reconciler.ledger.codec import parse_document
from reconciler.ledger.errors import damaged
from reconciler.ledger.models import Anchor
from reconciler.ledger.tables import meta

# The modulus that MuHash3072 of Bitcoin Core uses, a prime.
_MODULUS = 2**3072 - 1_103_717
_BYTES = 3072 // 8

CHAIN = "chain of target "
STATE = "state of target "


def chain_name(target: int, shard: str | None) -> str:
    """Return the name in `meta` of the end of a chain."""
    return f"{CHAIN}{target}" + (f" shard {shard}" if shard else "")


def read_chain(connection: Connection, target: int, shard: str | None) -> tuple[str | None, int]:
    """Return the hash and the number of the runs that a chain is known to end with."""
    text = _read(connection, chain_name(target, shard))
    return (None, 0) if text is None else chain_from(text)


def chain_from(text: str) -> tuple[str | None, int]:
    """Read the end of a chain."""
    found = parse_document(text)
    head, length = found.get("head"), found.get("length")
    if not isinstance(head, str) or not isinstance(length, int):
        raise damaged()
    return head, length


def write_chain(
    connection: Connection, target: int, shard: str | None, *, head: str, length: int
) -> None:
    """Store the end of a chain."""
    text = canonical_json({"head": head, "length": length})
    _write(connection, chain_name(target, shard), text)


class RowsDigest:
    """The digest of a set of rows; `str` is its form for people and for the chain."""

    def __init__(self, product: int = 1) -> None:
        self._product = product

    @classmethod
    def from_text(cls, text: str) -> "RowsDigest":
        """Read what `to_text` has written."""
        try:
            return cls(int(str(parse_document(text)["product"]), 16))
        except (KeyError, ValueError):
            raise damaged() from None

    def to_text(self) -> str:
        """Return the form in which the digest is stored."""
        return canonical_json({"product": f"{self._product:x}"})

    def add(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows of a table."""
        for row in rows:
            self._product = self._product * _number(table, row) % _MODULUS

    def remove(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of a table away that are part of the set."""
        product = 1
        for row in rows:
            product = product * _number(table, row) % _MODULUS
        if product != 1:
            self._product = self._product * pow(product, -1, _MODULUS) % _MODULUS

    def __str__(self) -> str:
        digest = hashlib.sha256(self._product.to_bytes(_BYTES, "big"))
        return f"sha256:{digest.hexdigest()}"


def read_state(connection: Connection, target: int) -> RowsDigest:
    """Return the digest of what is known to be last applied on a target."""
    text = _read(connection, f"{STATE}{target}")
    return RowsDigest() if text is None else RowsDigest.from_text(text)


def write_state(connection: Connection, target: int, state: RowsDigest) -> None:
    """Store the digest of what was last applied on a target."""
    _write(connection, f"{STATE}{target}", state.to_text())


def anchor_of(connection: Connection, target: int, shard: str | None) -> Anchor:
    """Return what can be kept elsewhere to prove that nothing was taken out later."""
    head, length = read_chain(connection, target, shard)
    return Anchor(head, length, str(read_state(connection, target)))


def anchors_of(connection: Connection, target: int) -> dict[str | None, Anchor]:
    """Return the anchors of all chains of a target, by shard."""
    own = chain_name(target, None)
    named = select(meta.c.name).where(meta.c.name.startswith(own))
    shards = sorted(
        name.removeprefix(f"{own} shard ")
        for name in connection.scalars(named)
        if name.startswith(f"{own} shard ")
    )
    return {shard: anchor_of(connection, target, shard) for shard in (None, *shards)}


def _number(table: str, row: Mapping[str, Any]) -> int:
    content = {name: value for name, value in row.items() if name != "target"}
    text = canonical_json([table, content])
    hashed = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(_BYTES)
    return int.from_bytes(hashed, "big") % _MODULUS or 1


def _read(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(meta.c.value).where(meta.c.name == name))


def _write(connection: Connection, name: str, text: str) -> None:
    connection.execute(delete(meta).where(meta.c.name == name))
    connection.execute(insert(meta).values(name=name, value=text))
