"""Interface of the ledger for other packages; each method is one transaction.

`open_ledger` raises unless a run can be recorded. Commands that only read call
`reconciler.cli.ledger_access.read_snapshot`, which never stops a plan.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from reconciler.diagnostics import Diagnostic
from reconciler.domain.secrets import Pepper
from reconciler.domain.state import LastAppliedState, SecretRecord
from reconciler.domain.tree import Path as FieldPath
from reconciler.ledger import hash_chain, last_applied, measured_rate, target_rows
from reconciler.ledger.database import (
    Database,
    open_for_reading,
    open_for_writing,
    prepare_file,
)
from reconciler.ledger.errors import NoLedger, explain
from reconciler.ledger.fingerprint_key import choose_pepper, no_pepper_warning
from reconciler.ledger.location import LIMIT_SECONDS, LedgerState, Location, TargetKey
from reconciler.ledger.lock import (
    Check,
    file_lock,
    is_file_lock_held,
    is_shared_lock_held,
    shared_lock,
)
from reconciler.ledger.models import (
    Anchor,
    Confirmed,
    Filters,
    Holder,
    OwnWrites,
    PreImage,
    RecordedAction,
    RunFacts,
    RunFilter,
    SeenState,
)
from reconciler.ledger.run_history import (
    ShadowRuns,
    actions_of,
    calls_of,
    count,
    finished_commits,
    history,
    history_pages,
    images_of,
    made_by_runs,
    shadow_runs,
)
from reconciler.ledger.run_recorder import Recorder
from reconciler.ledger.sqlite_snapshot import MAX_FINISHED_RUNS
from reconciler.ledger.verification import verify

if TYPE_CHECKING:
    from reconciler.ledger.soak_record import SoakCheck, SoakEntry


class Ledger:
    """Open ledger; `state` is the state before it was opened. Close it, or use `with`."""

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
        """The file, or the URL without its password."""
        return self._database.where

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Warnings about this ledger."""
        if self.pepper is not None:
            return ()
        shared = self._database.is_shared
        return (no_pepper_warning(shared=shared, on_runner=self._on_runner and not shared),)

    def last_applied(self, key: TargetKey) -> LastAppliedState:
        """Return the last-applied state of a target."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            known = {} if target is None else last_applied.read(connection, target)
        # Without a record of the target, Git may have declared anything before.
        return LastAppliedState(integrations=known, pepper=self.pepper, complete=target is not None)

    def with_shadows(
        self, key: TargetKey, state: LastAppliedState, *, is_locked: bool = False
    ) -> LastAppliedState:
        """Return a state with the shadows that runs announced to create, for staged rotations.

        With `is_locked`, the caller holds the lock, so none of these runs is in progress.
        """
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            found = shadow_runs(connection, target) if target is not None else ShadowRuns({})
        # A crashed run leaves the same rows as a run in progress; only the lock distinguishes them.
        rotating = found.unfinished
        if rotating and (is_locked or not self._is_lock_held(key)):
            rotating = frozenset()
        return replace(state, shadows=found.by_slug, rotating=rotating)

    def _is_lock_held(self, key: TargetKey) -> bool:
        if self._lock_folder is None:
            return is_shared_lock_held(self._database, key)
        return is_file_lock_held(self._lock_folder, key)

    def organisations(self, key: TargetKey) -> frozenset[str]:
        """Return the organisations that have been read under this name and host so far."""
        with self._database.reading() as connection:
            return target_rows.organisations(connection, key)

    def seen_states(self, key: TargetKey) -> Mapping[str, SeenState]:
        """Return each integration as it was last read in full."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return {} if target is None else last_applied.read_seen(connection, target)

    def history(self, **filters: Unpack[Filters]) -> list[dict[str, Any]]:
        """Return runs in the JSON form, oldest first; see `RunFilter`."""
        with self._database.reading() as connection:
            return history(connection, RunFilter(**filters))

    def history_pages(
        self, **filters: Unpack[Filters]
    ) -> Iterator[tuple[list[dict[str, Any]], dict[str, list[RecordedAction]]]]:
        """Yield the runs as `history` returns them, and their actions as `actions` does, in pages.

        Memory does not grow with the number of runs. All pages are of one state of the ledger.
        """
        slug = filters.get("slug")
        with self._database.reading() as connection:
            for page in history_pages(connection, RunFilter(**filters)):
                yield page, actions_of(connection, [run["run"] for run in page], slug=slug)

    def count(self, **filters: Unpack[Filters]) -> int:
        """Return the number of matching runs, ignoring the limit."""
        with self._database.reading() as connection:
            return count(connection, RunFilter(**filters))

    def finished_commits(self, key: TargetKey) -> tuple[str, ...]:
        """Return the commits of a target's newest finished runs, newest first."""
        with self._database.reading() as connection:
            return finished_commits(connection, key, limit=MAX_FINISHED_RUNS)

    def pre_images(self, run: str) -> list[PreImage]:
        """Return the pre-images of everything that a run planned to change."""
        with self._database.reading() as connection:
            return images_of(connection, run)

    def actions(
        self, runs: Sequence[str], *, slug: str | None = None
    ) -> Mapping[str, list[RecordedAction]]:
        """Return the planned actions of runs, by run and by slug; `slug` limits them to one."""
        with self._database.reading() as connection:
            return actions_of(connection, runs, slug=slug)

    def calls(self, run: str) -> list[dict[str, Any]]:
        """Return the calls of a run in the order in which they began."""
        with self._database.reading() as connection:
            return calls_of(connection, run)

    def made_by_runs(self, run: str, slugs: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return the ids of objects that any run on the target of this one created, by slug."""
        with self._database.reading() as connection:
            return made_by_runs(connection, run, slugs)

    def rate(self, key: TargetKey) -> str | None:
        """Return the row of `reconciler.ledger.measured_rate` for a target."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            if target is None:
                return None
            return target_rows.read_meta(connection, measured_rate.name_of(target))

    def store_rate(self, key: TargetKey, text: str) -> None:
        """Store the rate of a target, in place of an older one."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            target_rows.write_meta(connection, measured_rate.name_of(target), text)

    def soak_entries(self, key: TargetKey) -> "Mapping[str, SoakEntry]":
        """Return how long the integrations of a target have had their content without drift."""
        from reconciler.ledger import soak_record  # noqa: PLC0415  few targets are promoted

        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            if target is None:
                return {}
            text = target_rows.read_meta(connection, soak_record.name_of(target))
        return soak_record.from_text(text)

    def record_soak(self, key: TargetKey, check: "SoakCheck", *, now: str) -> None:
        """Record the findings of a run or a check on the source of a promotion."""
        from reconciler.ledger import soak_record  # noqa: PLC0415  few targets are promoted

        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            name = soak_record.name_of(target)
            known = last_applied.read(connection, target)
            before = target_rows.read_meta(connection, name)
            after = soak_record.updated(before, check, last_applied=known, now=now)
            # In one transaction with the read, because a run and a drift check can record at the
            # same time.
            target_rows.write_meta(connection, name, after)

    def own_writes(self, key: TargetKey, slugs: Collection[str]) -> OwnWrites:
        """Return when runs last confirmed these integrations, and what runs sent since then."""
        from reconciler.ledger.own_writes import read  # noqa: PLC0415  for drift --who alone

        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return OwnWrites() if target is None else read(connection, target, slugs)

    def probe_answers(self, key: TargetKey) -> Mapping[str, str]:
        """Return the answers of the last probe of a target's API, empty without a probe."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return {} if target is None else target_rows.read_probe_answers(connection, target)

    def store_probe_answers(self, key: TargetKey, answers: Mapping[str, str]) -> None:
        """Store the answers of a probe in place of older ones."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            target_rows.write_probe_answers(connection, target, answers)

    def announced(self, key: TargetKey) -> Mapping[str, int]:
        """Return the last announced threshold of each retirement of a model."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return {} if target is None else target_rows.read_announced(connection, target)

    def store_announced(self, key: TargetKey, thresholds: Mapping[str, int]) -> None:
        """Store announced thresholds in place of older ones."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            target_rows.write_announced(connection, target, thresholds)

    def verify(self, *, expected_head: str | None = None) -> list[Diagnostic]:
        """Return a finding for everything that was changed or removed.

        `expected_head` is the hash of a run that was stored elsewhere and must be recorded.
        """
        with self._database.reading() as connection:
            return verify(connection, expected_head=expected_head)

    def anchor(self, key: TargetKey, *, shard: str | None = None) -> Anchor | None:
        """Return the anchor of a target's runs, None for an unknown target."""
        with self._database.reading() as connection:
            target = target_rows.find(connection, key)
            return None if target is None else hash_chain.anchor_of(connection, target, shard)

    def anchors(self, key: TargetKey) -> Mapping[str | None, Anchor]:
        """Return the anchor of each shard that a target has ever had; None is the whole target."""
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
        """Return the recorder of a run that is about to begin; `now` returns a time as UTC text."""
        return Recorder(self._database, key=key, facts=facts, now=now)

    def store_confirmed(
        self,
        key: TargetKey,
        confirmed: Iterable[Confirmed],
        *,
        gone: Collection[str] = (),
        may_exist: Mapping[str, str] = MappingProxyType({}),
        run: str | None = None,
    ) -> None:
        """Store integrations that are now as declared.

        `gone` are slugs that no longer exist; `may_exist` are the ids of integrations, by slug,
        that a delete may or may not have removed.
        """
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            last_applied.remove(connection, target, gone)
            if may_exist:
                last_applied.store_identities(connection, target, may_exist)
            last_applied.store(connection, target, confirmed, run=run)

    def store_secrets(
        self, key: TargetKey, records: Mapping[str, Mapping[FieldPath, SecretRecord]]
    ) -> None:
        """Store records of secrets that another tool wrote; an existing fingerprint is kept."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, key)
            last_applied.store_secrets(connection, target, records)

    def store_seen_states(self, key: TargetKey, items: Mapping[str, SeenState]) -> None:
        """Store how integrations looked, for the next incremental drift check."""
        with self._database.writing() as connection:
            last_applied.store_seen(connection, target_rows.find_or_create(connection, key), items)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Combine everything that one thread stores in the block into one transaction."""
        with self._database.joined():
            yield

    @contextmanager
    def run_lock(self, key: TargetKey, holder: Holder) -> Iterator[None]:
        """Hold the lock of a target during a run, or refuse with `locked`."""
        folder = self._lock_folder
        lock = (
            shared_lock(self._database, key, holder)
            if folder is None
            else file_lock(folder, key, holder)
        )
        with lock as check:
            # The lock of a database can be lost with its connection, so `require_lock` checks it
            # before each write.
            self._check = check
            try:
                yield
            finally:
                self._check = None

    def require_lock(self) -> None:
        """Raise `LockLost` if the acquired lock is no longer held."""
        if self._check is not None:
            self._check()

    def close(self) -> None:
        """Close the database."""
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

    It is created unless `read_only`, and migrated in any case. `pepper` is the value of
    RECONCILE_LEDGER_PEPPER. With `on_runner`, no other key is used: a key file next to the ledger
    would be in the same cache, and both together would allow weak secrets to be guessed.
    """
    location = Location.of(url, default=path)
    state = location.state
    # Before the key file is created, because a command that only reads leaves nothing behind.
    if read_only and state is LedgerState.FRESH:
        raise NoLedger(location.where)
    # The key is created first, because a ledger without a key never gets one later.
    key = choose_pepper(location, pepper, create=state is LedgerState.FRESH, on_runner=on_runner)
    try:
        if location.file is not None:
            is_new = state is LedgerState.FRESH
            prepare_file(location.file, is_new=is_new, read_only=read_only)
        open_database = open_for_reading if read_only else open_for_writing
        database = open_database(location, limit_seconds)
    except OSError as problem:
        raise explain(problem, where=location.where, read_only=read_only) from None
    folder = None if location.file is None else location.file.parent
    return Ledger(database, state=state, pepper=key, lock_folder=folder, on_runner=on_runner)
