"""What a caller may decide about a plan, and which integrations it is about."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from reconciler.domain.policy import Limits, Prune


@dataclass(frozen=True, slots=True)
class Selection:
    """Which slugs a run looks at. `shard` is (I, N) with I counting from 1."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None

    def includes(self, slug: str) -> bool:
        """Tell whether a slug takes part."""
        if self.only and not any(fnmatchcase(slug, pattern) for pattern in self.only):
            return False
        if any(fnmatchcase(slug, pattern) for pattern in self.exclude):
            return False
        return self.shard is None or _shard_of(slug, self.shard[1]) == self.shard[0]

    def idle(self, slugs: Collection[str]) -> tuple[str, ...]:
        """Give the patterns of `only` that match none of these slugs."""
        return tuple(p for p in self.only if not any(fnmatchcase(slug, p) for slug in slugs))

    @property
    def whole(self) -> "Selection":
        """Give what all shards together look at."""
        return replace(self, shard=None)

    @property
    def part(self) -> str | None:
        """Write the shard as people do, `I/N`; None for the whole."""
        return f"{self.shard[0]}/{self.shard[1]}" if self.shard is not None else None

    def share(self, limit: int) -> int:
        """Give the part of a limit that this shard may use; all shards' parts sum up to it."""
        if self.shard is None:
            return limit
        index, count = self.shard
        return limit // count + (index <= limit % count)

    def limit_for(self, needed: int) -> int:
        """Give the least limit of the whole whose share, for this shard, is as large as needed."""
        if self.shard is None or needed < 1:
            return needed
        index, count = self.shard
        return (needed - 1) * count + index


def _shard_of(slug: str, count: int) -> int:
    """Give the shard of a slug: stable over machines, versions and hash seeds."""
    return int.from_bytes(hashlib.sha256(slug.encode()).digest()[:8], "big") % count + 1


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The flags that change what is planned or what is allowed; None leaves the target's rule.

    `audit` reads models and workspaces that no file declares, for findings alone: the actions and
    the digest are the same without it.
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

    def replaces_allowed(self, limits: Limits) -> int | None:
        """Give the number of replaces that are allowed, None for any."""
        if self.allow_replace:
            return limits.replaces or None
        return limits.replaces
