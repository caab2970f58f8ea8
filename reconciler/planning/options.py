"""Options of a plan, and the selection of integrations that it covers."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from reconciler.domain.policy import Limits, Prune


@dataclass(frozen=True, slots=True)
class Selection:
    """Slugs that a run covers. `shard` is (I, N) with I counting from 1."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None

    def includes(self, slug: str) -> bool:
        """Return whether a slug is selected."""
        # Not `fnmatch`, which ignores case on some platforms and would select other slugs there.
        if self.only and not any(fnmatchcase(slug, pattern) for pattern in self.only):
            return False
        if any(fnmatchcase(slug, pattern) for pattern in self.exclude):
            return False
        return self.shard is None or _shard_of(slug, self.shard[1]) == self.shard[0]

    def unmatched(self, slugs: Collection[str]) -> tuple[str, ...]:
        """Return the patterns of `only` that match none of these slugs."""
        return tuple(p for p in self.only if not any(fnmatchcase(slug, p) for slug in slugs))

    @property
    def whole(self) -> "Selection":
        """Return the selection of all shards together."""
        return replace(self, shard=None)

    @property
    def shard_label(self) -> str | None:
        """Return the shard as `I/N`, None for the whole."""
        return f"{self.shard[0]}/{self.shard[1]}" if self.shard is not None else None

    def share(self, limit: int) -> int:
        """Return the part of a limit that this shard may use; all parts add up to the limit."""
        if self.shard is None:
            return limit
        index, count = self.shard
        # The remainder goes to the first shards, one each.
        return limit // count + (index <= limit % count)

    def limit_for(self, needed: int) -> int:
        """Return the least limit of the whole whose share for this shard is as large as needed."""
        if self.shard is None or needed < 1:
            return needed
        index, count = self.shard
        # The inverse of `share`: one less, and the share of this shard is `needed - 1`.
        return (needed - 1) * count + index


def _shard_of(slug: str, count: int) -> int:
    """Return the shard of a slug: stable over machines, versions and hash seeds."""
    return int.from_bytes(hashlib.sha256(slug.encode()).digest()[:8], "big") % count + 1


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Flags that change what is planned or what is allowed; None leaves the target's rule.

    `audit` reads models and workspaces that no file declares, for findings alone: the actions and
    the digest are the same without it. Without `expects_values` no warning says that a secret has
    no value.
    """

    selection: Selection = Selection()
    prune: Prune | None = None
    push_secrets: bool = False
    max_deletes: int | None = None
    max_credential_changes: int | None = None
    max_access_removals: int | None = None
    allow_replace: bool = False
    allow_empty: bool = False
    audit: bool = False
    expects_values: bool = True

    def replaces_allowed(self, limits: Limits) -> int | None:
        """Return the number of replaces that are allowed, None for any."""
        if self.allow_replace:
            # With the flag a limit of 0, the default, stands for no limit.
            return limits.replaces or None
        return limits.replaces
