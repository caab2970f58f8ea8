"""The composition root: the only place that knows every part and puts them together.

A command opens a `Session` here, hands it to a function of `reconciler.workflows`, and shows what
comes back. Nothing here decides anything about integrations.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from reconciler import git
from reconciler.cli import secret_values, settings
from reconciler.cli.allowed_hosts import refuse_unknown_host
from reconciler.cli.checkout import repository_of
from reconciler.cli.desired_source import (
    DesiredSource,
    FolderSource,
    read_target,
)
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import facts_of, known_organisation, records_of, state_folder
from reconciler.cli.older_commit import refuse_older_commit
from reconciler.cli.options import ReadingOptions
from reconciler.cli.settings import Settings
from reconciler.diagnostics import Diagnostic
from reconciler.domain.policy import Target
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.threads import entered, in_thread
from reconciler.ledger.fingerprint_key import NO_PEPPER
from reconciler.ledger.snapshot import LedgerSnapshot
from reconciler.planning.options import Selection
from reconciler.planning.plan import PlanTarget
from reconciler.remote.api import RequestRecord
from reconciler.remote.client import Client, make_client
from reconciler.remote.clock import Clock
from reconciler.views.escape import visible
from reconciler.workflows import Session, timestamp

if TYPE_CHECKING:
    import httpx

    from reconciler.simulator.factory import Dependencies

__all__ = [
    "IN_PROCESS",
    "client",
    "client_of",
    "clockwork",
    "ledger_state",
    "new_run",
    "open_client",
    "plan_target",
    "read_target",
    "records_of",
    "run",
    "session",
    "simulator_file",
    "state_folder",
    "timing",
]

IN_PROCESS = "http://simulator/v1"
"""What the client calls an embedded simulator; no such host is ever looked up."""


@asynccontextmanager
async def session(
    invocation: Invocation,
    reading: ReadingOptions,
    *,
    selection: Selection = Selection(),
    source: DesiredSource | None = None,
) -> AsyncIterator[Session]:
    """Open everything that a command needs that only reads; its client can send nothing but GET.

    Raises `InvalidInput` for files and settings that cannot be used, all their problems at once,
    and `Refused` for a host that the key may not go to.
    """
    source = source or FolderSource(invocation, reading)
    records, target = records_of(invocation, source.environment), source.target
    past = await in_thread(lambda: records.recall(target, limit_seconds=reading.deadline))
    async with _open(invocation, reading, source, past, selection=selection) as opened:
        yield opened


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
) -> AsyncIterator[tuple[Session, LedgerListener | None]]:
    """Open everything that a run needs that writes, its ledger and the lock of its target first.

    Raises what `session` raises, `Refused` where another run holds the lock or has applied a newer
    commit, and `LedgerError` where nothing can be recorded; without `keeps_records` there are no
    books.
    """
    # A source of its own, an undo, does not come from the commit that is checked out.
    compares_commits = source is None and not allow_older_commit
    source = source or FolderSource(invocation, reading)
    records, target = records_of(invocation, source.environment), source.target
    repository = repository_of(invocation, source.environment)
    facts = facts_of(source.environment, name)
    commit = facts.commit or await in_thread(lambda: git.head(repository))
    facts = replace(facts, commit=commit, shard=selection.shard_label)
    async with AsyncExitStack() as held:
        books = None
        limit = reading.deadline
        if keeps_records:
            keeping = records.keeping(target, facts, _time, limit_seconds=limit)
            past, books = await held.enter_async_context(entered(keeping))
        else:
            locking = records.locking(target, facts, _time, limit_seconds=limit)
            past = await held.enter_async_context(entered(locking))
        if compares_commits:
            found = await in_thread(
                lambda: refuse_older_commit(repository, past.commits, source.environment)
            )
            past = replace(past, diagnostics=(*past.diagnostics, *found))
        async with _open(
            invocation, reading, source, past, selection=selection, writes=True
        ) as opened:
            if books is not None:
                books.values = opened.secrets
                books.by_git = opened.undo.by_git if opened.undo else None
            yield opened, books


@asynccontextmanager
async def _open(
    invocation: Invocation,
    reading: ReadingOptions,
    source: DesiredSource,
    past: LedgerSnapshot,
    *,
    selection: Selection,
    writes: bool = False,
) -> AsyncIterator[Session]:
    wish, environment = source.wish(past), source.environment
    desired = wish.desired
    secrets = secret_values.Secrets(environment, invocation.dir)
    api = open_client(invocation, environment, desired.target, reading, secrets, writes=writes)
    async with api:
        selected = [d for s, d in desired.integrations.items() if selection.includes(s)]
        resolution = secrets.of(selected, simulated=desired.target.is_simulator, strict=writes)
        api.keep_secret(resolution.values.values())
        yield Session(
            desired=desired,
            api=api,
            timing=timing(),
            secrets=resolution.values,
            missing=resolution.missing,
            memory=wish.memory,
            diagnostics=(
                *wish.diagnostics,
                *_relevant(past.diagnostics, has_values=writes or bool(resolution.values)),
                *secrets.findings,
            ),
            known_organisation=known_organisation(past),
            ledger=past.state,
            commit=environment.commit,
            parallelism=reading.parallelism,
            require_secrets=reading.require_secrets,
            undo=wish.undo,
        )


def _relevant(found: tuple[Diagnostic, ...], *, has_values: bool) -> tuple[Diagnostic, ...]:
    """Return what applies to a run; without values there is nothing to take a fingerprint of."""
    return tuple(item for item in found if has_values or item.code != NO_PEPPER)


@asynccontextmanager
async def client(
    invocation: Invocation, reading: ReadingOptions
) -> AsyncIterator[tuple[Target, Client]]:
    """Open a client that only reads, for a target; the integrations' files do not matter."""
    environment = settings.from_environment()
    target = read_target(invocation, environment)
    secrets = secret_values.Secrets(environment, invocation.dir)
    api = open_client(invocation, environment, target, reading, secrets, writes=False)
    async with api:
        yield target, api


def open_client(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    reading: ReadingOptions,
    secrets: secret_values.Secrets,
    *,
    writes: bool,
) -> Client:
    """Make the client of a target: over the network, or onto the simulator's file."""
    refuse_unknown_host(target, allowed_hosts=environment.allowed_hosts)
    invocation.console.detail(f"reading target {target.name} at {visible(target.base_url, None)}")
    return client_of(
        invocation,
        environment,
        target,
        secrets,
        read_only=not writes,
        concurrency=reading.parallelism,
        deadline=reading.deadline,
        on_request=_listener(invocation),
    )


def client_of(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    secrets: secret_values.Secrets,
    **manner: Any,
) -> Client:
    """Make a client whose host was found to be allowed; `manner` is what `make_client` takes."""
    simulated = target.is_simulator
    return make_client(
        base_url=IN_PROCESS if simulated else target.base_url,
        api_key=None if simulated else secrets.key_of(target),
        timing=timing(),
        auth_header=target.auth_header,
        transport=_simulated(invocation) if simulated else None,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
        **manner,
    )


def ledger_state(invocation: Invocation) -> str:
    """Tell the state of the ledger to a command that asks it nothing else."""
    return records_of(invocation, settings.from_environment()).state


def simulator_file(invocation: Invocation) -> Path:
    """Give the file in which the embedded simulator keeps its state."""
    return state_folder(invocation) / "simulator.db"


def plan_target(target: Target, organisation_id: str | None = None) -> PlanTarget:
    """Name a target as outputs do."""
    return PlanTarget(target.name, target.base_url, organisation_id)


def timing() -> Clock:
    """Give the client the real time and real chance."""
    return Clock(
        clock=settings.monotonic,
        wall_clock=lambda: settings.now().timestamp(),
        sleep=asyncio.sleep,
        random=random.random,
    )


def _simulated(invocation: Invocation) -> "httpx.AsyncBaseTransport":
    from reconciler.simulator.factory import simulator_transport  # no other target needs it

    return simulator_transport(simulator_file(invocation), clockwork())


def clockwork() -> "Dependencies":
    """Give the simulator its clock and its ids."""
    from reconciler.simulator.factory import Dependencies

    return Dependencies(
        now=_time,
        new_id=lambda: str(uuid4()),
        monotonic=settings.monotonic,
    )


def _time() -> str:
    return timestamp(settings.now())


def new_run() -> str:
    """Name a run: its time, and enough chance to be alone."""
    return f"{settings.now():%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"


def _listener(invocation: Invocation) -> Callable[[RequestRecord], None] | None:
    """Let a watch hear every call, and with `-vv` say it: no header, no query, no body."""
    console = invocation.console
    if console.verbosity < 2 or console.journal is not None:
        return invocation.on_request

    def say(exchange: RequestRecord) -> None:
        outcome = exchange.error or str(exchange.status)
        took = f"{exchange.seconds * 1000:.0f} ms"
        console.detail(f"{exchange.method} {visible(exchange.path)}: {visible(outcome)}, {took}")
        if invocation.on_request is not None:
            invocation.on_request(exchange)

    return say
