"""Composition root: the only module that creates and connects all parts.

A command opens a `Session` here, passes it to a function of `reconciler.workflows`, and shows the
result. This module makes no decisions about integrations.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.desired_source import DesiredSource, FolderSource, read_target, repository_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import (
    LedgerSnapshot,
    known_organisation,
    ledger_access_of,
    paced,
    state_folder,
)
from reconciler.cli.options import ReadingOptions
from reconciler.cli.settings import Settings
from reconciler.cli.shadow_records import with_shadow_records
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.policy import Target
from reconciler.domain.state import DesiredState
from reconciler.errors import InvalidInput
from reconciler.execution.threads import entered, in_thread
from reconciler.ledger.fingerprint_key import NO_PEPPER
from reconciler.ledger.location import LedgerState
from reconciler.planning.plan import Selection
from reconciler.remote.api import Clock, MeasuredRate
from reconciler.remote.client import Client, make_client
from reconciler.remote.pagination import first_page
from reconciler.secrets.allowlist import refuse_unknown_host
from reconciler.secrets.registry import Resolution, Secrets
from reconciler.views.escape import visible
from reconciler.workflows import Session, timestamp

if TYPE_CHECKING:
    from reconciler.execution.credential_probe import Prober
    from reconciler.execution.ledger_listener import LedgerListener
    from reconciler.ledger.models import RunFacts
    from reconciler.planning.soak_guard import SoakEvidence
    from reconciler.policies.runner import PolicyRunner
    from reconciler.remote.exchange import Transport
    from reconciler.simulator.factory import Dependencies

__all__ = [
    "client",
    "client_of",
    "clock",
    "ledger_access_of",
    "ledger_state",
    "new_run_id",
    "open_client",
    "read_target",
    "run",
    "session",
    "simulator_dependencies",
    "soak_evidence",
    "with_shadow_records",
]

IN_PROCESS = "http://simulator/v1"
"""Base URL of an embedded simulator for the client; the host is never resolved."""


@asynccontextmanager
async def session(
    invocation: Invocation,
    reading: ReadingOptions,
    *,
    selection: Selection = Selection(),
    source: DesiredSource | None = None,
) -> AsyncIterator[Session]:
    """Open a session for a command that only reads; its client can only send GET requests.

    Raises `InvalidInput` with all problems of files and settings, and `Refused` for a host that may
    not receive the key.
    """
    source = source or FolderSource(invocation, reading)
    ledger_access, target = ledger_access_of(invocation, source.environment), source.target
    state = ledger_access.state

    async def snapshot(api: Client) -> LedgerSnapshot:
        if state is LedgerState.FRESH:
            return LedgerSnapshot(state)
        # A database can take as long as the API, so both are read at the same time.
        api.begin(first_page())
        # In a thread, because a database may hang.
        return await in_thread(
            lambda: ledger_access.read_snapshot(target, limit_seconds=reading.deadline)
        )

    async with _open(
        invocation,
        reading,
        source,
        snapshot,
        selection=selection,
        save_rate=partial(ledger_access.save_rate, target, writes=False),
    ) as opened:
        shadows = partial(with_shadow_records, ledger_access, target)
        yield replace(opened, with_shadows=shadows)


@asynccontextmanager
async def run(
    invocation: Invocation,
    reading: ReadingOptions,
    *,
    selection: Selection,
    name: str,
    keeps_records: bool,
    source: DesiredSource | None = None,
    allow_older_commit: bool = False,
    probe: bool = False,
) -> AsyncIterator[tuple[Session, "LedgerListener | None"]]:
    """Open a session for a run that writes, after opening its ledger and locking its target.

    Raises what `session` raises, `Refused` if another run holds the lock or has applied a newer
    commit, and `LedgerError` if nothing can be recorded; without `keeps_records`, there is no
    ledger listener. `probe` probes credentials.
    """
    compares_commits = source is None and not allow_older_commit  # an undo has a source
    source = source or FolderSource(invocation, reading)
    opens_prober = _is_probed(source.target, wanted=probe, keeps_records=keeps_records)
    ledger_access, target = ledger_access_of(invocation, source.environment), source.target
    repository = repository_of(invocation, source.environment)
    facts = await _facts_of(source, name, repository=repository, selection=selection)
    async with AsyncExitStack() as held:
        begun = ledger_access.recorded_run if keeps_records else ledger_access.locked_run
        snapshot, ledger_listener = await held.enter_async_context(
            entered(begun(target, facts, _timestamp, limit_seconds=reading.deadline))
        )
        # Under the lock, because another run could otherwise still apply a newer commit.
        if compares_commits:
            snapshot = await _compared(snapshot, repository, source.environment)
        save_rate = partial(ledger_access.save_rate, target, writes=True)
        async with _open(
            invocation,
            reading,
            source,
            partial(_already_read, snapshot),
            selection=selection,
            save_rate=save_rate if keeps_records else None,
            writes=True,
        ) as opened:
            opens = partial(_prober, wanted=opens_prober, deadline=reading.deadline)
            prober = await held.enter_async_context(
                opens(invocation, source.environment, opened.desired.target)
            )
            if ledger_listener is not None:
                _inform(ledger_listener, opened, probes=opens_prober)
            shadows = partial(with_shadow_records, ledger_access, target, is_locked=keeps_records)
            probing = replace(opened, prober=prober, probes_writes=probe, with_shadows=shadows)
            yield probing, ledger_listener


async def _already_read(snapshot: LedgerSnapshot, _api: Client) -> LedgerSnapshot:
    """Return a snapshot that was read under the lock, before anything is read from the API."""
    return snapshot


async def _compared(
    snapshot: LedgerSnapshot, repository: git.Repository, environment: Settings
) -> LedgerSnapshot:
    """Return a snapshot with the diagnostics on its commits; raises `Refused` for a newer one."""
    from reconciler.cli.older_commit import refuse_older_commit  # only runs that write need it

    found = await in_thread(lambda: refuse_older_commit(repository, snapshot.commits, environment))
    return replace(snapshot, diagnostics=(*snapshot.diagnostics, *found))


def _is_probed(target: Target, *, wanted: bool, keeps_records: bool) -> bool:
    """Return whether a run probes credentials; staged ones are probed in any case."""
    if target.rotation.staged and not keeps_records:
        # Only the ledger identifies a shadow that a killed run has left behind.
        summary = f"target {target.name} stages its rotations, which needs the ledger"
        hint = "omit --no-ledger, or set `rotation: {staged: false}` for this run"
        raise InvalidInput([error("staging-needs-ledger", summary, hint=hint)])
    return wanted or target.rotation.staged


def _inform(ledger_listener: "LedgerListener", opened: Session, *, probes: bool) -> None:
    """Passed only now, because the ledger is opened and locked before secrets are read."""
    ledger_listener.values = opened.secrets
    ledger_listener.probes_credentials = probes
    ledger_listener.soaks = opened.desired.target.soaks
    ledger_listener.declared_in_git = opened.undo.declared_in_git if opened.undo else None


@asynccontextmanager
async def _prober(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    *,
    wanted: bool,
    deadline: float | None = None,
) -> AsyncIterator["Prober | None"]:
    """Open the prober of a target, None if it is not wanted; `deadline` is in seconds from now."""
    if not wanted:
        yield None
        return
    from reconciler.cli.probing import InProcess, prober_of  # few runs probe
    from reconciler.execution.probers import ProberWithDeadline
    from reconciler.remote.retry import Deadline

    in_process = InProcess(IN_PROCESS, lambda: simulator_connection(invocation))
    ends_at = Deadline(settings.monotonic, deadline)
    opened = prober_of(invocation, environment, target, clock=clock(), in_process=in_process)
    async with opened as prober:
        yield ProberWithDeadline(prober, ends_at)


async def _facts_of(
    source: DesiredSource, name: str, *, repository: git.Repository, selection: Selection
) -> "RunFacts":
    from reconciler.cli.run_facts import run_facts  # only runs that write are recorded

    facts = run_facts(source.environment, name)
    # The source of the files has already looked up the commit; the source of an undo has not.
    commit = facts.commit or await in_thread(lambda: git.head(repository))
    return replace(facts, commit=commit, shard=selection.shard_label)


def _resolved(
    secrets: Secrets,
    desired: DesiredState,
    selection: Selection,
    reading: ReadingOptions,
    *,
    strict: bool,
) -> Resolution:
    # Integrations outside the selection can refer to secrets that this job does not have.
    selected = [d for s, d in desired.integrations.items() if selection.includes(s)]
    return secrets.of(
        selected,
        desired=desired,
        simulated=desired.target.is_simulator,
        strict=strict,
        without_values=reading.without_values,
    )


@asynccontextmanager
async def _open(
    invocation: Invocation,
    reading: ReadingOptions,
    source: DesiredSource,
    read_snapshot: Callable[[Client], Awaitable[LedgerSnapshot]],
    *,
    selection: Selection,
    save_rate: Callable[[MeasuredRate], None] | None,
    writes: bool = False,
) -> AsyncIterator[Session]:
    environment = source.environment
    secrets = secrets_of(environment, invocation)
    async with AsyncExitStack() as held:
        status = await held.enter_async_context(invocation.console.show_status())
        api = open_client(invocation, environment, source.target, reading, secrets, writes=writes)
        await held.enter_async_context(api)
        snapshot = await read_snapshot(api)
        desired_input = source.desired_input(snapshot)
        desired = desired_input.desired
        resolution = _resolved(secrets, desired, selection, reading, strict=writes)
        # An error of the API can quote a value that no call of this run has sent.
        api.keep_secret(resolution.values.values())
        held.enter_context(paced(api.rate_limiter, snapshot.rate, save_rate))
        yield Session(
            desired=desired,
            api=api,
            clock=clock(),
            secrets=resolution.values,
            missing=resolution.missing,
            last_applied=desired_input.last_applied,
            diagnostics=(
                *desired_input.diagnostics,
                *_relevant(snapshot.diagnostics, has_values=writes or bool(resolution.values)),
                *secrets.findings,
            ),
            known_organisation=known_organisation(snapshot),
            ledger=snapshot.state,
            commit=environment.commit,
            uncommitted=environment.uncommitted,
            parallelism=reading.parallelism,
            require_secrets=reading.require_secrets,
            undo=desired_input.undo,
            on_progress=status.update if status is not None else None,
            soak=await soak_evidence(invocation, environment, desired.target),
            policies=_policies(invocation, environment, desired.target, secrets, resolution),
        )


async def soak_evidence(
    invocation: Invocation, environment: Settings, target: Target
) -> "SoakEvidence | None":
    """Return the records of the source of a promotion; None without a promotion."""
    if target.promotion is None:
        return None
    from reconciler.cli.soaking import evidence_for

    return await in_thread(lambda: evidence_for(invocation, environment, target))


def _policies(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    secrets: Secrets,
    resolution: Resolution,
) -> "PolicyRunner | None":
    """Return the runner of a target's policies, None if there are none."""
    if not target.policies:
        return None
    from reconciler.cli.policy_access import policy_runner

    hidden = list(resolution.values.values())
    # The simulator has no key.
    if not target.is_simulator:
        hidden.append(secrets.key_of(target))
    return policy_runner(invocation, environment, hidden=hidden)


def _relevant(found: tuple[Diagnostic, ...], *, has_values: bool) -> tuple[Diagnostic, ...]:
    """Return the diagnostics that apply to a run; without values, no fingerprint is needed."""
    return tuple(item for item in found if has_values or item.code != NO_PEPPER)


@asynccontextmanager
async def client(
    invocation: Invocation, reading: ReadingOptions
) -> AsyncIterator[tuple[Target, Client]]:
    """Open a read-only client of a target, without reading the files of integrations."""
    environment = settings.from_environment()
    target = read_target(invocation, environment)
    secrets = secrets_of(environment, invocation)
    async with invocation.console.show_status():
        api = open_client(invocation, environment, target, reading, secrets, writes=False)
        async with api:
            yield target, api


def secrets_of(environment: Settings, invocation: Invocation) -> Secrets:
    """Return the resolver of a run, limited to the references that the environment allows."""
    return Secrets(environment.environment, invocation.dir, allowed=environment.allowed_secrets)


def open_client(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    reading: ReadingOptions,
    secrets: Secrets,
    *,
    writes: bool,
) -> Client:
    """Return the client of a target, over the network or for the simulator's file."""
    refuse_unknown_host(target, allowed_hosts=environment.allowed_hosts)
    status = invocation.console.status
    invocation.console.debug(f"reading target {target.name} at {visible(target.base_url, None)}")
    return client_of(
        invocation,
        environment,
        target,
        secrets,
        read_only=not writes,
        concurrency=reading.parallelism,
        deadline=reading.deadline,
        on_request=invocation.request_listener(),
        on_pause=status.pause if status is not None else None,
    )


def client_of(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    secrets: Secrets,
    **client_options: Any,
) -> Client:
    """Return a client for an allowed host; `client_options` are passed to `make_client`."""
    simulated = target.is_simulator
    return make_client(
        base_url=IN_PROCESS if simulated else target.base_url,
        api_key=None if simulated else secrets.key_of(target),
        clock=clock(),
        auth_header=target.auth_header,
        transport=simulator_connection(invocation) if simulated else None,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
        **client_options,
    )


def ledger_state(invocation: Invocation) -> str:
    """Return the state of the ledger, for a command that does not read it otherwise."""
    return ledger_access_of(invocation, settings.from_environment()).state


def simulator_file(invocation: Invocation) -> Path:
    """Return the file that holds the state of the embedded simulator."""
    return state_folder(invocation) / "simulator.db"


def clock() -> Clock:
    """Return the clock of this process, with real time and randomness."""
    return Clock(
        clock=settings.monotonic,
        wall_clock=settings.epoch_seconds,
        sleep=asyncio.sleep,
        random=random.random,
    )


def simulator_connection(invocation: Invocation) -> "Transport":
    """Return a transport to the embedded simulator of a project."""
    from reconciler.simulator.factory import simulator_transport  # no other target needs it

    return simulator_transport(simulator_file(invocation), simulator_dependencies())


def simulator_dependencies() -> "Dependencies":
    """Return the simulator's clock and id generator."""
    from reconciler.simulator.factory import Dependencies

    return Dependencies(
        now=_timestamp,
        new_id=lambda: str(uuid4()),
        monotonic=settings.monotonic,
    )


def _timestamp() -> str:
    return timestamp(settings.now())


def new_run_id() -> str:
    """Return a unique run id: the time and a random suffix."""
    return f"{settings.now():%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
