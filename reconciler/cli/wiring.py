"""The composition root: the only place that knows every part and puts them together.

A command opens a `Session` here, hands it to a function of `reconciler.workflows`, and shows what
comes back. Nothing here decides anything about integrations.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from reconciler import git
from reconciler.cli import credentials, settings
from reconciler.cli.address import refuse_unknown_host
from reconciler.cli.command import Invocation
from reconciler.cli.options import Reading
from reconciler.cli.records import Records, facts_of, known_organisation
from reconciler.cli.settings import Settings
from reconciler.desired.config import choose_target, override_base_url
from reconciler.desired.load import Loaded, load, load_config
from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.domain.memory import Memory, merged
from reconciler.domain.policy import Target
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.state import DesiredState
from reconciler.execution.recording import Books
from reconciler.ledger.recall import Recollection
from reconciler.planning.options import Selection
from reconciler.planning.plan import PlanTarget
from reconciler.remote.client import Client, Exchange, make_client
from reconciler.remote.timing import Timing
from reconciler.simulator.serving import Clockwork, simulator_transport
from reconciler.views.escape import visible
from reconciler.workflows import Session, timestamp

IN_PROCESS = "http://simulator/v1"
"""What the client calls an embedded simulator; no such host is ever looked up."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files say now, what Git said at `--base`, and the environment they are used in."""

    environment: Settings
    desired: DesiredState
    past: git.Past
    diagnostics: tuple[Diagnostic, ...]


@asynccontextmanager
async def session(
    invocation: Invocation, reading: Reading, *, selection: Selection = Selection()
) -> AsyncIterator[Session]:
    """Open everything that a command needs that only reads; its client can send nothing but GET.

    Raises `InvalidInput` for files and settings that cannot be used, all their problems at once,
    and `Refused` for a host that the key may not go to.
    """
    files = _read(invocation, reading)
    past = records_of(invocation, files.environment).recall(files.desired.target)
    async with _open(invocation, reading, files, past, selection=selection) as opened:
        yield opened


@asynccontextmanager
async def run(
    invocation: Invocation,
    reading: Reading,
    *,
    selection: Selection,
    name: str,
    keeps_records: bool,
) -> AsyncIterator[tuple[Session, Books | None]]:
    """Open everything that a run needs that writes, its ledger and the lock of its target first.

    Raises what `session` raises, `Refused` where another run holds the lock, and `LedgerError`
    where nothing can be recorded; without `keeps_records` there are no books.
    """
    files = _read(invocation, reading)
    records, target = records_of(invocation, files.environment), files.desired.target
    facts = facts_of(files.environment, name)
    with ExitStack() as held:
        books = None
        if keeps_records:
            past, books = held.enter_context(records.keeping(target, facts, _time))
        else:
            past = held.enter_context(records.locking(target, facts, _time))
        async with _open(
            invocation, reading, files, past, selection=selection, writes=True
        ) as opened:
            if books is not None:
                books.values = opened.secrets
            yield opened, books


@asynccontextmanager
async def _open(
    invocation: Invocation,
    reading: Reading,
    files: _Files,
    past: Recollection,
    *,
    selection: Selection,
    writes: bool = False,
) -> AsyncIterator[Session]:
    environment, desired = files.environment, files.desired
    secrets = credentials.Secrets(environment, invocation.dir)
    api = open_client(invocation, environment, desired.target, reading, secrets, writes=writes)
    async with api:
        selected = [d for s, d in desired.integrations.items() if selection.includes(s)]
        resolution = secrets.of(selected, simulated=desired.target.is_simulator, strict=writes)
        yield Session(
            desired=desired,
            api=api,
            timing=timing(),
            secrets=resolution.values,
            missing=resolution.missing,
            memory=merged(past.memory, files.past.memory),
            diagnostics=(*files.diagnostics, *past.diagnostics, *secrets.findings),
            known_organisation=known_organisation(past),
            ledger=past.state,
            commit=environment.commit,
            parallelism=reading.parallelism,
            require_secrets=reading.require_secrets,
        )


def _read(invocation: Invocation, reading: Reading) -> _Files:
    environment = settings.from_environment()
    loaded, desired = read_files(invocation, environment)
    past = read_past(invocation, reading.base, loaded, desired)
    return _Files(environment, desired, past, (*loaded.diagnostics, *past.diagnostics))


@asynccontextmanager
async def client(invocation: Invocation, reading: Reading) -> AsyncIterator[tuple[Target, Client]]:
    """Open a client that only reads, for a target; the integrations' files do not matter."""
    environment = settings.from_environment()
    target = read_target(invocation, environment)
    secrets = credentials.Secrets(environment, invocation.dir)
    api = open_client(invocation, environment, target, reading, secrets, writes=False)
    async with api:
        yield target, api


def read_target(invocation: Invocation, environment: Settings) -> Target:
    """Read reconcile.yaml alone and choose the target."""
    config, found = load_config(invocation.dir)
    if config is None or has_errors(found):
        raise InvalidInput(found)
    target, problems = choose_target(config, invocation.target)
    if target is not None and environment.base_url:
        target, problems = override_base_url(target, environment.base_url)
    if target is None:
        raise InvalidInput(problems)
    _announce_override(invocation, environment, target)
    return target


def read_files(invocation: Invocation, environment: Settings) -> tuple[Loaded, DesiredState]:
    """Read what the files declare for the chosen target, or raise all that is wrong with them."""
    loaded = load(
        invocation.dir,
        target_name=invocation.target,
        today=settings.now().date(),
        base_url_override=environment.base_url,
    )
    if loaded.state is None or has_errors(loaded.diagnostics):
        raise InvalidInput(loaded.diagnostics)
    _announce_override(invocation, environment, loaded.state.target)
    return loaded, loaded.state


def read_past(
    invocation: Invocation, base: str | None, loaded: Loaded, desired: DesiredState
) -> git.Past:
    """Read what Git declared at the commit of `--base`; without one nothing is remembered."""
    if base is None or loaded.config is None:
        return git.Past(Memory())
    return git.declared_at(base, folder=invocation.dir, config=loaded.config, target=desired.target)


def _announce_override(invocation: Invocation, environment: Settings, target: Target) -> None:
    if environment.base_url and not target.is_simulator:
        invocation.console.say(
            f"notice: PORTKEY_BASE_URL sends target {target.name} to {visible(target.base_url)}"
        )


def open_client(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    reading: Reading,
    secrets: credentials.Secrets,
    *,
    writes: bool,
) -> Client:
    """Make the client of a target: over the network, or onto the simulator's file."""
    refuse_unknown_host(target, allowed_hosts=environment.allowed_hosts)
    invocation.console.detail(f"reading target {target.name} at {visible(target.base_url)}")
    simulated = target.is_simulator
    return make_client(
        base_url=IN_PROCESS if simulated else target.base_url,
        api_key=None if simulated else secrets.key_of(target),
        timing=timing(),
        auth_header=target.auth_header,
        read_only=not writes,
        transport=simulator_transport(simulator_file(invocation), clockwork())
        if simulated
        else None,
        concurrency=reading.parallelism,
        deadline=reading.deadline,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
        listen=_listener(invocation),
    )


def state_folder(invocation: Invocation) -> Path:
    """Give `.reconcile`, which lies beside the folder of the files."""
    return invocation.dir.absolute().parent / ".reconcile"


def records_of(invocation: Invocation, environment: Settings) -> Records:
    """Give the place of the ledger."""
    return Records(state_folder(invocation), environment)


def ledger_state(invocation: Invocation) -> str:
    """Tell the state of the ledger to a command that asks it nothing else."""
    return records_of(invocation, settings.from_environment()).state


def simulator_file(invocation: Invocation) -> Path:
    """Give the file in which the embedded simulator keeps its state."""
    return state_folder(invocation) / "simulator.db"


def plan_target(target: Target, organisation_id: str | None = None) -> PlanTarget:
    """Name a target as outputs do."""
    return PlanTarget(target.name, target.base_url, organisation_id)


def timing() -> Timing:
    """Give the client the real time and real chance."""
    return Timing(
        clock=settings.monotonic,
        wall_clock=lambda: settings.now().timestamp(),
        sleep=asyncio.sleep,
        random=random.random,
    )


def clockwork() -> Clockwork:
    """Give the simulator its clock and its ids."""
    return Clockwork(
        now=_time,
        new_id=lambda: str(uuid4()),
        monotonic=settings.monotonic,
    )


def _time() -> str:
    return timestamp(settings.now())


def new_run() -> str:
    """Name a run: its time, and enough chance to be alone."""
    return f"{settings.now():%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"


def _listener(invocation: Invocation) -> Callable[[Exchange], None] | None:
    """With `-vv`, say every call: no header, no query, no body."""
    console = invocation.console
    if console.verbosity < 2:
        return None

    def say(exchange: Exchange) -> None:
        outcome = exchange.error or str(exchange.status)
        took = f"{exchange.seconds * 1000:.0f} ms"
        console.detail(f"{exchange.method} {visible(exchange.path)}: {visible(outcome)}, {took}")

    return say
