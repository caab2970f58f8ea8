"""Values that a ledger accepts and returns; importing them loads no database code."""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TypedDict

from reconciler.domain.state import Declared, Observed, SecretRecord
from reconciler.domain.tree import Path, Tree
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.location import TargetKey
from reconciler.planning.actions import ActionKind, Change


class Filters(TypedDict, total=False):
    """The fields of `RunFilter`, as the methods of a ledger take them."""

    key: TargetKey | None
    target: str | None
    since: str | None
    run: str | None
    before: str | None
    after: str | None
    slug: str | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Filter of runs, which by default matches all.

    `key` or `target` (only a name) selects the target; `since` is a date or a time as UTC text;
    `before` and `after` select runs older or newer than the named one. `slug` selects runs that set
    out to change one integration, and of these only its outcomes and calls. `limit` keeps the
    newest of them; None keeps all.
    """

    key: TargetKey | None = None
    target: str | None = None
    since: str | None = None
    run: str | None = None
    before: str | None = None
    after: str | None = None
    slug: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Who started a run and who approved it, from the environment of the CI system.

    `shard` is `I/N` for a run of a part of the target.
    """

    run: str
    actor: str | None = None
    commit: str | None = None
    pull_request: str | None = None
    author: str | None = None
    approver: str | None = None
    environment: str | None = None
    workflow: str | None = None
    shard: str | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """End of a target's chain of runs, and digest of its last-applied state.

    A copy elsewhere can later show whether runs were removed or either was changed. `head` is None
    before the first run.
    """

    head: str | None
    length: int
    state: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Holder of a lock, as a refused run shows it; `since` is UTC text.

    The holder of a shard, `I/N`, shares the lock with the other shards.
    """

    pid: int
    host: str
    since: str
    run: str | None = None
    actor: str | None = None
    shard: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Integration that is now as declared, and the secrets that were written.

    A secret that was not written keeps its record. Paths refer to the canonical form; `removed` are
    the paths of removed secrets, and `identity` is the id of the object.
    """

    declared: Declared
    secrets: Mapping[Path, SecretRecord] = field(default_factory=lambda: MappingProxyType({}))
    removed: frozenset[Path] = frozenset()
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class SeenState:
    """Integration as it was last read in full, and the time of that read in UTC."""

    observed: Observed
    read_at: str


@dataclass(frozen=True, slots=True)
class PreImage:
    """Integration before a run changed it; `observed` is None if it did not exist.

    `declared` is what Git was known to declare, references included, because the API shows only
    masks of secrets. `changed` are the paths, in canonical form, that the run set out to change;
    of those `resent` are secrets that were sent unchanged, and `added` and `removed` are paths that
    did not exist before the run or after it. `fingerprints` are those of the stored secrets before
    the run, as far as they are known. `made` is the id of the object created under the slug.
    """

    slug: str
    kind: ActionKind
    observed: Observed | None
    declared: Tree | None = None
    changed: tuple[Path, ...] = ()
    resent: tuple[Path, ...] = ()
    added: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    fingerprints: Mapping[Path, str] = field(default_factory=lambda: MappingProxyType({}))
    made: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedAction:
    """Action that a run planned, with any outcome.

    `has_values` is False if the record has only the paths of the changes.
    """

    slug: str
    kind: ActionKind
    changes: tuple[Change, ...] = ()
    has_values: bool = True


@dataclass(frozen=True, slots=True)
class OwnCall:
    """Write that a run sent: names of top-level fields, no values.

    `is_done` is False if the write failed, or if no response is known.
    """

    run: str
    slug: str
    operation: str
    fields: frozenset[str]
    started_at: str
    ended_at: str | None = None
    request_id: str | None = None
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Last run that found or made an integration as declared, and its start time."""

    run: str
    began_at: str


@dataclass(frozen=True, slots=True)
class OwnWrites:
    """Records of our own writes since the oldest of the confirmations."""

    confirmations: Mapping[str, Confirmation] = field(default_factory=lambda: MappingProxyType({}))
    calls: tuple[OwnCall, ...] = ()
