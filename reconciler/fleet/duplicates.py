"""Members of a fleet that would reconcile one target twice.

Two members with one target would undo each other's changes. That also applies to two folders whose
targets have the same records in a ledger: what only one of them declares counts for the other as
no longer declared, and would be deleted.
"""

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from reconciler.desired.config import Config, choose_target
from reconciler.desired.load import load_config
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.location import TargetKey

_SAME_FILES = "has the same folder and target"
_SAME_RECORDS = "has a target of the same name and host in the same ledger"
_HINTS = {
    _SAME_FILES: "add a target for each organisation to the folder's reconcile.yaml",
    _SAME_RECORDS: (
        "name the target of each folder differently in its reconcile.yaml, such as "
        "`acme-production`"
    ),
}


class HasTarget(Protocol):
    """Member of a fleet, as far as it determines a target."""

    @property
    def name(self) -> str:
        """Name in outputs."""

    @property
    def dir(self) -> Path:
        """Folder of its files."""

    @property
    def target(self) -> str | None:
        """Name of its target, None for the default of the folder."""


@dataclass(frozen=True, slots=True)
class SharedRecords:
    """Settings that determine where the records of a target are kept.

    `is_shared` states that one ledger serves all folders; otherwise, it is next to the folder.
    `base_url` replaces that of each target that is not a simulator.
    """

    is_shared: bool = False
    base_url: str | None = None


OWN_RECORDS = SharedRecords()
"""Each folder has a ledger next to it."""


@dataclass(frozen=True, slots=True)
class _Ledger:
    """Ledger in this folder, or the shared one."""

    beside: Path | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Member with the same target as an earlier one; `index` is its place in the fleet."""

    index: int
    summary: str
    hint: str


def duplicates(members: Sequence[HasTarget], records: SharedRecords) -> Iterator[Duplicate]:
    """Yield the members that have the same target as an earlier one."""
    reader = _TargetReader(members, records)
    owners: dict[Hashable, str] = {}
    for index, member in enumerate(members):
        for what, key in reader.keys(member):
            first = owners.setdefault(key, member.name)
            if first != member.name:
                yield Duplicate(index, f"member `{first}` {what}", _HINTS[what])
                break


class _TargetReader:
    """Identifies the target of each member."""

    def __init__(self, members: Sequence[HasTarget], records: SharedRecords) -> None:
        self._records = records
        self._configs: dict[Path, Config | None] = {}
        self._counts: Counter[Hashable] = Counter()
        for member in members:
            self._counts.update(self._places(member))

    def keys(self, member: HasTarget) -> Iterator[tuple[str, Hashable]]:
        """Yield the common facts of members with one target, each with its description."""
        folder, ledger = places = self._places(member)
        if all(self._counts[place] == 1 for place in places):
            # No other member can have its target, so its files need not be read.
            return
        config = self._config(folder)
        target = choose_target(config, member.target)[0] if config is not None else None
        # Only the member with unreadable files fails, when it is run.
        yield _SAME_FILES, (folder, target.name if target is not None else member.target)
        if target is None:
            return
        url = target.base_url
        if self._records.base_url is not None and not target.is_simulator:
            url = self._records.base_url
        key = TargetKey.of(name=target.name, base_url=url, organisation=None)
        yield _SAME_RECORDS, (ledger, key)

    def _places(self, member: HasTarget) -> tuple[Path, _Ledger]:
        """Return the folder of a member, and where its ledger is."""
        # Next to the path as written, because a folder behind a link has its state next to the
        # link.
        beside = None if self._records.is_shared else _real(member.dir.absolute().parent)
        return _real(member.dir), _Ledger(beside)

    def _config(self, folder: Path) -> Config | None:
        if folder not in self._configs:
            self._configs[folder] = load_config(folder)[0]
        return self._configs[folder]


def _real(folder: Path) -> Path:
    """Return a path without links and `..`, also of a folder that does not exist."""
    return Path(os.path.realpath(folder))
