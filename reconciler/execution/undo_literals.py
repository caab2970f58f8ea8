"""Literal values that the ledger keeps no text of, found again in files.

A header may hold a literal, which the API masks and the ledger withholds. A value from a file
counts only if its fingerprint is the recorded one: then it is the value that was stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.domain.last_applied import LastApplied
from reconciler.domain.secrets import Pepper, Redacted
from reconciler.domain.tree import Path, Tree, leaves
from reconciler.ledger.models import PreImage
from reconciler.planning.normalize import normalize

Values = Mapping[Path, Redacted]


@dataclass(frozen=True, slots=True)
class Found:
    """Literals of one integration: as they were before a run, and as they are stored now."""

    then: Values = field(default_factory=lambda: MappingProxyType({}))
    now: Values = field(default_factory=lambda: MappingProxyType({}))


NOTHING_FOUND = Found()


@dataclass(frozen=True, slots=True)
class Literals:
    """Where literals are looked for: the files of today, and those of earlier commits."""

    today: Mapping[str, Tree] = field(default_factory=lambda: MappingProxyType({}))
    earlier: tuple[Mapping[str, Tree], ...] = ()

    def of(self, image: PreImage, now: LastApplied, pepper: Pepper | None) -> Found:
        """Return the literals of an integration that the recorded fingerprints confirm."""
        if pepper is None:
            return NOTHING_FOUND
        written = {
            path: record.fingerprint
            for path, record in now.secrets.items()
            if record.fingerprint is not None
        }
        today = self.today.get(image.slug, {})
        trees = [today, *(files.get(image.slug, {}) for files in self.earlier)]
        return Found(
            then=_confirmed(trees, image.fingerprints, pepper),
            now=_confirmed([today], written, pepper),
        )


def literals_in(tree: Tree) -> dict[Path, Redacted]:
    """Return the literal values of a tree by path; what was withheld is not among them."""
    found = {path: leaf for path, leaf in leaves(normalize(tree)) if isinstance(leaf, Redacted)}
    return {path: leaf for path, leaf in found.items() if not leaf.is_empty}


def _confirmed(
    trees: Iterable[Tree], fingerprints: Mapping[Path, str], pepper: Pepper
) -> dict[Path, Redacted]:
    confirmed: dict[Path, Redacted] = {}
    for tree in trees:
        for path, value in literals_in(tree).items():
            if value.fingerprint(pepper) == fingerprints.get(path):
                confirmed.setdefault(path, value)
    return confirmed


NO_LITERALS = Literals()
