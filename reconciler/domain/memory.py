"""What Git used to declare and what was last applied: the plan's knowledge of the past.

It comes from the ledger, from a commit (`--base`), or from both; an empty memory is always
allowed, and then origins are unknown and nothing counts as withdrawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.domain.secrets import Mask, Pepper, SecretRef
from reconciler.domain.tree import Path, Tree


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """What is known of a secret after our last write of it; never the value.

    `fingerprint` is `pepper id:hex` or None where none could be stored; `mask` is the one the API
    showed after the write, and `mask_agreed` whether it fitted the value that was sent.
    """

    reference: SecretRef
    fingerprint: str | None = None
    mask: Mask | None = None
    mask_agreed: bool = True


@dataclass(frozen=True, slots=True)
class Remembered:
    """The past of one integration.

    `declared` is the tree that Git declared (None when unknown); `secrets` is keyed by path.
    """

    declared: Tree | None = None
    protected: bool = False
    secrets: Mapping[Path, SecretRecord] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Memory:
    """The past of a target. `pepper` is None where fingerprints cannot be checked.

    `complete` tells whether a slug that is not in it was certainly not declared.
    """

    integrations: Mapping[str, Remembered] = field(default_factory=lambda: MappingProxyType({}))
    pepper: Pepper | None = None
    complete: bool = False

    def of(self, slug: str) -> Remembered:
        """Give what is remembered of a slug; nothing known is an empty `Remembered`."""
        return self.integrations.get(slug, _NOTHING)


_NOTHING = Remembered()
