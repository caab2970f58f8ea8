"""The ledger as its users see it; each method is one transaction.

`open_ledger` is for commands that write, and raises when it cannot promise to record. Commands that
only read ask `recall.consult`, which never stops a plan.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from reconciler.diagnostics import Diagnostic
from reconciler.domain.last_applied import LastAppliedState
from reconciler.domain.secrets import Pepper
from reconciler.ledger import hash_chain, last_applied, target_rows
from reconciler.ledger.database import (
    Database,
    open_for_reading,
    open_for_writing,
    prepare_file,
)
from reconciler.ledger.errors import NoLedger, explain
from reconciler.ledger.fingerprint_key import (
    forget_pepper_beside,
    pepper_beside,
    pepper_of,
    without_pepper,
)
from reconciler.ledger.location import LIMIT_SECONDS, LedgerState, Location
from reconciler.ledger.lock import Check, file_lock, shared_lock
from reconciler.ledger.models import (
    Anchor,
    Confirmed,
    Filters,
    Holder,
    PreImage,
    RunFacts,
    RunFilter,
    SeenState,
    TargetKey,
)
from reconciler.ledger.run_history import count, history, images_of, made_by_runs
from reconciler.ledger.run_recorder import Recorder
from reconciler.ledger.verification import verify


class Ledger:
    """An open ledger. `state` is what it was before it was opened; close it, or use `with`."""

    def __init__(
        self,
        database: Database,
        *,
        state: LedgerState,
        pepper: Pepper | None,
        lock_folder: Path | None,
        on_runner: bool = False,
    ) -> None:
        self._database = database
        self._lock_folder = lock_folder
        self._on_runner = on_runner
        self._check: Check | None = None
        self.state = state
        self.pepper = pepper

    @property
    def where(self) -> str:
        """Give the file or the URL without its password."""
        return self._database.where

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Give what a user should know about this ledger."""
        if self.pepper is not None:
            return ()
        shared = self._database.is_shared
        return (without_pepper(shared=shared, on_runner=self._on_runner and not shared),)

    def memory(self, key: TargetKey) -> LastAppliedState:
        """Give what is known of a target's past."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            known = {} if target is None else last_applied.read(connection, target)
        return LastAppliedState(integrations=known, pepper=self.pepper, complete=target is not None)

    def organisations(self, key: TargetKey) -> frozenset[str]:
        """Give the organisations that have answered under this name and host so far."""
        with self._database.reading() as connection:
            return target_rows.organisations(connection, key)

    def seen(self, key: TargetKey) -> Mapping[str, SeenState]:
        """Give how each integration looked when all of it was last read."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return {} if target is None else last_applied.read_seen(connection, target)

    def history(self, **filters: Unpack[Filters]) -> list[dict[str, Any]]:
        """Return runs in the public form, oldest first; see `RunFilter`."""
        with self._database.reading() as connection:
            return history(connection, RunFilter(**filters))

    def count(self, **filters: Unpack[Filters]) -> int:
        """Return how many runs there are, whatever the limit."""
        with self._database.reading() as connection:
            return count(connection, RunFilter(**filters))

    def pre_images(self, run: str) -> list[PreImage]:
        """Give how everything looked that a run set out to change."""
        with self._database.reading() as connection:
            return images_of(connection, run)

    def made_by_runs(self, run: str, slugs: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return, by slug, the ids of what runs on the same target as this one have created."""
        with self._database.reading() as connection:
            return made_by_runs(connection, run, slugs)

    def answers(self, key: TargetKey) -> Mapping[str, str]:
        """Give what a probe has learned of a target's API; nothing where there was none."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return {} if target is None else target_rows.read_probe_answers(connection, target)

    def remember_answers(self, key: TargetKey, answers: Mapping[str, str]) -> None:
        """Store what a probe has learned, in place of what an earlier one had."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            target_rows.write_probe_answers(connection, target, answers)

    def verify(self, *, expected_head: str | None = None) -> list[Diagnostic]:
        """Return a finding for everything that was edited or taken out.

        `expected_head` is the hash of a run that was kept elsewhere and has to be on record.
        """
        with self._database.reading() as connection:
            return verify(connection, expected_head=expected_head)

    def anchor(self, key: TargetKey, *, shard: str | None = None) -> Anchor | None:
        """Return what can be kept elsewhere of a target's runs; None where nothing is known."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return None if target is None else hash_chain.anchor_of(connection, target, shard)

    def anchors(self, key: TargetKey) -> Mapping[str | None, Anchor]:
        """Return the same for each shard that a target has ever had; None is the whole."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return {} if target is None else hash_chain.anchors_of(connection, target)

    def recorder(
        self,
        key: TargetKey,
        *,
        facts: RunFacts,
        now: Callable[[], str],
    ) -> Recorder:
        """Give the record of a run that is about to begin; `now` tells the time as text in UTC."""
        return Recorder(self._database, key=key, facts=facts, now=now)

    def remember(
        self,
        key: TargetKey,
        fulfilled: Iterable[Confirmed],
        *,
        gone: Collection[str] = (),
        run: str | None = None,
    ) -> None:
        """Store what is now as Git declares it; `gone` are slugs that no longer exist."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            last_applied.remove(connection, target, gone)
            last_applied.store(connection, target, fulfilled, run=run)

    def remember_seen(self, key: TargetKey, items: Mapping[str, SeenState]) -> None:
        """Store how integrations looked, for the next incremental drift check."""
        with self._database.writing() as connection:
            last_applied.store_seen(connection, target_rows.find_or_create(connection, key), items)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of what is stored meanwhile, by one thread."""
        with self._database.joined():
            yield

    @contextmanager
    def run_lock(self, key: TargetKey, holder: Holder) -> Iterator[None]:
        """Hold the lock of a target while a run lasts, or refuse with `locked`."""
        folder = self._lock_folder
        lock = (
            shared_lock(self._database, key, holder)
            if folder is None
            else file_lock(folder, key, holder)
        )
        with lock as check:
            self._check = check
            try:
                yield
            finally:
                self._check = None

    def require_lock(self) -> None:
        """Raise `LockLost` if the lock that was taken is no longer held."""
        if self._check is not None:
            self._check()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_ledger(
    url: str | None,
    *,
    path: Path,
    pepper: str | None,
    read_only: bool = False,
    on_runner: bool = False,
    limit_seconds: float = LIMIT_SECONDS,
) -> Ledger:
    """Open the ledger at a URL, else the file at `path`; raises `LedgerError`.

    It is created unless `read_only`, and brought up to date in any case. `pepper` is the value of
    RECONCILE_LEDGER_PEPPER, the only one that counts `on_runner`: what lies beside a ledger there
    goes into the same cache, and the two together let weak secrets be guessed.
    """
    location = Location.of(url, default=path)
    state = location.state
    if read_only and state is LedgerState.FRESH:
        raise NoLedger(location.where)
    key = _pepper(location, pepper, create=state is LedgerState.FRESH, on_runner=on_runner)
    try:
        if location.file is not None:
            is_new = state is LedgerState.FRESH
            prepare_file(location.file, is_new=is_new, read_only=read_only)
        open_database = open_for_reading if read_only else open_for_writing
        database = open_database(location, limit_seconds)
    except OSError as problem:
        raise explain(problem, where=location.where) from None
    folder = None if location.file is None else location.file.parent
    return Ledger(database, state=state, pepper=key, lock_folder=folder, on_runner=on_runner)


def _pepper(
    location: Location, variable: str | None, *, create: bool, on_runner: bool
) -> Pepper | None:
    try:
        if on_runner and location.file is not None:
            forget_pepper_beside(location.file)
        if variable and variable.strip():
            return pepper_of(variable.strip())
        if location.file is None or on_runner:
            return None
        return pepper_beside(location.file, create=create)
    except OSError as problem:
        raise explain(problem, where=location.where) from None
