"""Access of commands to the ledger: its location, its snapshots and the record of one run.

A command that only reads uses a snapshot; a broken ledger never stops such a command.
`reconciler.execution.ledger_listener` selects what is recorded, and `reconciler.ledger` stores it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import settings
from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.diagnostics import Diagnostic, SourceLocation, error, warning
from reconciler.domain.policy import Target
from reconciler.domain.state import LEDGER_UNREADABLE, LastAppliedState, Observed
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.errors import LedgerError, NoLedger
from reconciler.ledger.location import LIMIT_SECONDS, LedgerState, Location, TargetKey
from reconciler.planning.plan import PlanTarget

if TYPE_CHECKING:
    from reconciler.execution.ledger_listener import LedgerListener
    from reconciler.ledger.models import Holder, OwnWrites, RunFacts, SeenState
    from reconciler.ledger.store import Ledger
    from reconciler.remote.api import MeasuredRate
    from reconciler.remote.retry import RateLimiter


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """Last-applied state of a target, as far as it could be read.

    `organisations` are those that earlier reads of the target's name and host have returned.
    `commits` are those of the newest finished runs, newest first. `rate` is the row of
    `reconciler.ledger.measured_rate`.
    """

    state: LedgerState
    last_applied: LastAppliedState = LastAppliedState()
    organisations: frozenset[str] = frozenset()
    commits: tuple[str, ...] = ()
    rate: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


def read_snapshot(
    url: str | None,
    *,
    path: Path,
    pepper: str | None,
    key: TargetKey,
    on_runner: bool = False,
    limit_seconds: float = LIMIT_SECONDS,
    staged: bool = False,
) -> LedgerSnapshot:
    """Read the state of a target; a ledger that cannot be read is `unreachable`, not empty.

    With `staged`, the shadows of rotations are also read.
    """
    location = Location.of(url, default=path)
    state = location.state
    if state is LedgerState.FRESH:
        return LedgerSnapshot(state)
    try:
        # The fast path does not read shadows.
        fast = not staged and _snapshot_of_file(location, key, pepper=pepper, on_runner=on_runner)
        if fast:
            return fast
        from reconciler.ledger.store import open_ledger

        with open_ledger(
            url,
            path=path,
            pepper=pepper,
            read_only=True,
            on_runner=on_runner,
            limit_seconds=limit_seconds,
        ) as ledger:
            return _snapshot_of(ledger, key, staged=staged)
    # Only an open database shows whether it contains a ledger.
    except NoLedger:
        return LedgerSnapshot(state)
    except LedgerError as problem:
        summary = f"{problem.summary}; this run continues without it"
        found = warning(problem.code, summary, hint=problem.hint)
        gap = warning(LEDGER_UNREADABLE, problem.summary, hint=problem.hint)
        last_applied = LastAppliedState(unreadable=(gap,))
        return LedgerSnapshot(LedgerState.UNREACHABLE, last_applied, diagnostics=(found,))


def _snapshot_of(
    ledger: "Ledger", key: TargetKey, *, staged: bool, is_locked: bool = False
) -> LedgerSnapshot:
    """Read the state of a target from an open ledger; `is_locked` if the caller holds the lock."""
    last_applied = ledger.last_applied(key)
    if staged:
        last_applied = ledger.with_shadows(key, last_applied, is_locked=is_locked)
    return LedgerSnapshot(
        state=ledger.state,
        last_applied=last_applied,
        organisations=ledger.organisations(key),
        commits=ledger.finished_commits(key),
        rate=ledger.rate(key),
        diagnostics=ledger.diagnostics,
    )


def _snapshot_of_file(
    location: Location, key: TargetKey, *, pepper: str | None, on_runner: bool
) -> LedgerSnapshot | None:
    """Read a local ledger without SQLAlchemy; return None if that is not possible."""
    if location.file is None:
        return None
    from reconciler.ledger.fingerprint_key import choose_pepper, no_pepper_warning
    from reconciler.ledger.sqlite_snapshot import read_stored_state

    stored = read_stored_state(location.file, key)
    if stored is None:
        return None
    chosen = choose_pepper(location, pepper, create=False, on_runner=on_runner)
    known = stored.integrations
    last_applied = LastAppliedState(
        integrations=known or {}, pepper=chosen, complete=known is not None
    )
    return LedgerSnapshot(
        state=location.state,
        last_applied=last_applied,
        organisations=stored.organisations,
        commits=stored.commits,
        rate=stored.rate,
        diagnostics=() if chosen else (no_pepper_warning(shared=False, on_runner=on_runner),),
    )


@dataclass(frozen=True, slots=True)
class LedgerAccess:
    """Access to the ledger: the file in `folder`, unless the environment names a database."""

    folder: Path
    environment: Settings

    @property
    def file(self) -> Path:
        """Return the file of a local ledger."""
        return self.folder / "ledger.db"

    @property
    def url(self) -> str | None:
        """Return the value of RECONCILE_LEDGER_URL."""
        found = self.environment.ledger_url
        return found.reveal() if found is not None else None

    @property
    def pepper(self) -> str | None:
        """Return the value of RECONCILE_LEDGER_PEPPER."""
        found = self.environment.ledger_pepper
        return found.reveal() if found is not None else None

    @property
    def state(self) -> LedgerState:
        """Return the state of the ledger without opening it."""
        return Location.of(self.url, default=self.file).state

    def read_snapshot(
        self, target: Target, *, limit_seconds: float = LIMIT_SECONDS
    ) -> LedgerSnapshot:
        """Return the snapshot of a target; a ledger that cannot be read is `unreachable`.

        `limit_seconds` is the deadline of the whole command.
        """
        return read_snapshot(
            self.url,
            path=self.file,
            pepper=self.pepper,
            key=key_of(target),
            on_runner=self.environment.on_runner,
            limit_seconds=min(limit_seconds, LIMIT_SECONDS),
            staged=target.rotation.staged,
        )

    def seen(self, target: Target) -> "Mapping[str, SeenState] | None":
        """Return the integrations as they were last read, None without a ledger.

        An unreadable ledger counts as none; `read_snapshot` reports it.
        """
        location = Location.of(self.url, default=self.file)
        if location.state is LedgerState.FRESH:
            return None
        if location.file is not None:
            # Read without SQLAlchemy, which takes long to import; what this cannot read is read
            # below.
            from reconciler.ledger.sqlite_snapshot import read_seen_states

            seen = read_seen_states(location.file, key_of(target))
            if seen is not None:
                return seen
        try:
            with self.open(read_only=True) as ledger:
                return ledger.seen_states(key_of(target))
        except LedgerError:
            return None

    def own_writes(self, target: Target, slugs: Collection[str]) -> "OwnWrites | None":
        """Return what our runs confirmed and sent: nothing without a ledger, None if unreadable."""
        if self.state is LedgerState.FRESH:
            from reconciler.ledger.models import OwnWrites

            return OwnWrites()
        try:
            with self.open(read_only=True) as ledger:
                return ledger.own_writes(key_of(target), slugs)
        except LedgerError:
            # Without it, our own writes would look like those of another key.
            return None

    def save_seen_states(
        self, target: PlanTarget, observed: Iterable[Observed], *, now: str
    ) -> tuple[Diagnostic, ...]:
        """Store integrations as they were read; a failure of the ledger is a warning."""
        from reconciler.ledger.models import SeenState

        key = key_of_planned(target)
        items = {each.slug: SeenState(each, now) for each in observed}
        file = Location.of(self.url, default=self.file).file
        if file is not None:
            from reconciler.ledger.sqlite_snapshot import store_seen_states

            if store_seen_states(file, key, items):
                return ()
        return self.store(
            lambda ledger: ledger.store_seen_states(key, items),
            if_lost="the next check reads the same integrations again",
        )

    def save_rate(self, target: Target, rate: "MeasuredRate", *, writes: bool) -> None:
        """Store the rate with which the next run starts, if the ledger can be written.

        A run that only reads neither creates nor migrates a ledger, and opens no database.
        """
        from reconciler.ledger import measured_rate
        from reconciler.ledger.sqlite_snapshot import store_rate

        text = measured_rate.to_text(rate, now=settings.now())
        file = Location.of(self.url, default=self.file).file
        if file is not None:
            store_rate(file, key_of(target), text)
        elif writes:
            # Without it, the next run measures the rate again.
            with suppress(LedgerError), self.open(read_only=False) as ledger:
                ledger.store_rate(key_of(target), text)

    def announced(self, target: Target) -> Mapping[str, int] | None:
        """Return the retirements that were announced, None without a ledger that can be read."""
        if self.state is LedgerState.FRESH:
            return None
        try:
            with self.open(read_only=True) as ledger:
                return ledger.announced(key_of(target))
        except LedgerError:
            return None

    def save_announced(
        self, target: PlanTarget, thresholds: Mapping[str, int]
    ) -> tuple[Diagnostic, ...]:
        """Store the announced retirements; a failure of the ledger is a warning."""
        return self.store(
            lambda ledger: ledger.store_announced(key_of_planned(target), thresholds),
            if_lost="the next check announces the same retirements again",
        )

    def store(self, write: Callable[["Ledger"], None], *, if_lost: str) -> tuple[Diagnostic, ...]:
        """Store data that only later runs need; a failure is a warning that ends with `if_lost`."""
        try:
            with self.open(read_only=False) as ledger:
                write(ledger)
        except LedgerError as problem:
            summary = f"{problem.summary}; {if_lost}"
            return (warning(problem.code, summary, hint=problem.hint),)
        return ()

    def open(self, *, read_only: bool, limit_seconds: float = LIMIT_SECONDS) -> "Ledger":
        """Open the ledger, or raise `LedgerError`."""
        from reconciler.ledger.store import open_ledger  # the database is only loaded to be opened

        return open_ledger(
            self.url,
            path=self.file,
            pepper=self.pepper,
            read_only=read_only,
            on_runner=self.environment.on_runner,
            limit_seconds=min(limit_seconds, LIMIT_SECONDS),
        )

    @contextmanager
    def locked_ledger(
        self, target: PlanTarget, *, run: str, since: str
    ) -> "Iterator[tuple[Ledger, TargetKey]]":
        """Open the ledger and hold the lock of a target, outside of any recorded run.

        Raises `LedgerError`, and `Refused` if a run holds the lock.
        """
        key = key_of_planned(target)
        from reconciler.cli.run_facts import run_facts

        holder = _holder(run_facts(self.environment, run), since=since)
        with self.open(read_only=False) as ledger, ledger.run_lock(key, holder):
            yield ledger, key

    def require_writable(self) -> None:
        """Raise `LedgerError` if a run could not be recorded."""
        from reconciler.ledger.database import require_writable

        require_writable(self.url, path=self.file)

    @contextmanager
    def recorded_run(
        self,
        target: Target,
        facts: "RunFacts",
        now: Callable[[], str],
        *,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> Iterator[tuple[LedgerSnapshot, "LedgerListener"]]:
        """Hold the lock of a target and its ledger during a run.

        Raises `LedgerError` if nothing can be recorded, and `Refused` if the lock is held.
        """
        from reconciler.execution.ledger_listener import LedgerListener

        key = key_of(target)
        with (
            self.open(read_only=False, limit_seconds=limit_seconds) as ledger,
            ledger.run_lock(key, _holder(facts, since=now())),
        ):
            # Read under the lock, because another run could change it before.
            past = _snapshot_of(ledger, key, staged=target.rotation.staged, is_locked=True)
            yield past, LedgerListener(ledger, key=key, facts=facts, now=now)

    @contextmanager
    def locked_run(
        self,
        target: Target,
        facts: "RunFacts",
        now: Callable[[], str],
        *,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> Iterator[tuple[LedgerSnapshot, None]]:
        """Hold the lock of a target on this machine without recording anything.

        Records of earlier runs still count, as far as they can be read.
        """
        from reconciler.ledger.lock import file_lock

        found: tuple[Diagnostic, ...] = ()
        with ExitStack() as held:
            holder = _holder(facts, since=now())
            try:
                # A lock that another run holds raises `Refused`, which is not caught here.
                held.enter_context(file_lock(self.folder, key_of(target), holder))
            except LedgerError as problem:
                summary = f"{problem.summary}; a second run at the same time is not prevented"
                found = (warning("not-locked", summary),)
            past = self.read_snapshot(target, limit_seconds=limit_seconds)
            yield replace(past, diagnostics=(*past.diagnostics, *found)), None


@contextmanager
def paced(
    rate_limiter: "RateLimiter", stored: str | None, save: Callable[["MeasuredRate"], None] | None
) -> Iterator[None]:
    """Let calls begin at the rate that an earlier run measured, and save what it measures."""
    if stored is not None:
        from reconciler.ledger import measured_rate

        known = measured_rate.from_text(stored, now=settings.now())
        if known is not None:
            rate_limiter.begin_at(known)
    try:
        yield
    finally:
        measured = rate_limiter.measured
        if measured is not None and save is not None:
            save(measured)


def state_folder(invocation: Invocation) -> Path:
    """Return `.reconcile`, which is next to the folder of the files; raises `InvalidInput`."""
    return state_folder_in(invocation.dir.absolute().parent)


def state_folder_in(parent: Path) -> Path:
    """Return `.reconcile` in a folder.

    Raises `InvalidInput` if it is a link, through which another ledger would be read.
    """
    # Not resolved, because a folder behind a link keeps its state next to the link.
    folder = parent / ".reconcile"
    if folder.is_symlink():
        summary = f"{folder} is a symbolic link, which is not followed"
        hint = "replace the link with a folder"
        raise InvalidInput([error("symlink", summary, hint=hint, at=SourceLocation(str(folder)))])
    return folder


def ledger_access_of(invocation: Invocation, environment: Settings) -> LedgerAccess:
    """Return the access to the ledger of a project."""
    return LedgerAccess(state_folder(invocation), environment)


def key_of(target: Target) -> TargetKey:
    """Return the key of a target whose organisation is not known yet."""
    return TargetKey.of(name=target.name, base_url=target.base_url, organisation=None)


def key_of_planned(target: PlanTarget) -> TargetKey:
    """Return the key of the target of a plan, with the organisation that the API returned."""
    return TargetKey.of(
        name=target.name, base_url=target.base_url, organisation=target.organisation_id
    )


def known_organisation(past: LedgerSnapshot) -> str | None:
    """Return the organisation that responded before, None unless there is exactly one."""
    return next(iter(past.organisations)) if len(past.organisations) == 1 else None


def _holder(facts: "RunFacts", *, since: str) -> "Holder":
    # Imported late: getpass and socket take a millisecond, and a plan takes no lock.
    from reconciler.cli.run_facts import holder_of

    return holder_of(facts, since=since)
