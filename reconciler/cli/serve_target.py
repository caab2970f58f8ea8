"""Target of the adapter: its clients, its files and its past runs."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.cli import settings, wiring
from reconciler.cli.desired_source import checkout_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import known_organisation
from reconciler.cli.settings import Settings
from reconciler.desired.load import Loaded
from reconciler.domain.policy import Target
from reconciler.errors import InvalidInput
from reconciler.execution.threads import in_thread
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.errors import NoLedger
from reconciler.remote.client import Client
from reconciler.secrets.allowlist import refuse_unknown_host
from reconciler.workflows import Session, timestamp

if TYPE_CHECKING:
    from reconciler.adapter.declared_files import DeclaredFiles
    from reconciler.adapter.ui.snapshot import StateCache


@dataclass(frozen=True, slots=True)
class ServedTarget:
    """Served target, with the settings of its clients.

    `connections` limits the concurrent calls of each client.
    """

    invocation: Invocation
    environment: Settings
    target: Target
    call_timeout: float
    connections: int

    @classmethod
    def of(cls, invocation: Invocation, *, call_timeout: float, connections: int) -> "ServedTarget":
        """Read reconcile.yaml; raise `InvalidInput` for mistakes, `Refused` for an unknown host."""
        environment = settings.from_environment()
        target = wiring.read_target(invocation, environment)
        refuse_unknown_host(target, allowed_hosts=environment.allowed_hosts)
        return cls(invocation, environment, target, call_timeout, connections)

    def client(self, *, read_only: bool) -> Client:
        """Return a client without a deadline, because the adapter runs until it is stopped."""
        return wiring.client_of(
            self.invocation,
            self.environment,
            self.target,
            wiring.secrets_of(self.environment, self.invocation),
            read_only=read_only,
            concurrency=self.connections,
            deadline=math.inf,
            call_timeout=self.call_timeout,
        )

    def files(self) -> "DeclaredFiles":
        """Return the files of the target, which are read at each use."""
        from reconciler.adapter.declared_files import DeclaredFiles

        return DeclaredFiles(
            source=lambda: checkout_of(self.invocation, self.environment).files,
            target=self.invocation.target,
            today=lambda: settings.now().date(),
            base_url=self.environment.base_url,
        )

    @asynccontextmanager
    async def session(self, loaded: Loaded) -> AsyncIterator[Session]:
        """Open a read-only session without secrets."""
        if loaded.state is None:
            raise InvalidInput(loaded.diagnostics)
        ledger_access = wiring.ledger_access_of(self.invocation, self.environment)
        past = await in_thread(lambda: ledger_access.read_snapshot(self.target))
        target = loaded.state.target
        async with self.client(read_only=True) as api:
            yield Session(
                desired=loaded.state,
                api=api,
                clock=wiring.clock(),
                last_applied=past.last_applied,
                diagnostics=(*loaded.diagnostics, *past.diagnostics),
                known_organisation=known_organisation(past),
                ledger=past.state,
                commit=self.environment.commit,
                soak=await wiring.soak_evidence(self.invocation, self.environment, target),
                with_shadows=partial(wiring.with_shadow_records, ledger_access, target),
            )

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Client]:
        """Open a read-only client."""
        async with self.client(read_only=True) as api:
            yield api

    async def runs(self) -> list[dict[str, Any]]:
        """Return the runs on this target, oldest first; none without a ledger."""
        return await in_thread(self._runs)

    def _runs(self) -> list[dict[str, Any]]:
        from reconciler.adapter.ui.pages import MAX_RUNS

        try:
            with wiring.ledger_access_of(self.invocation, self.environment).open(
                read_only=True
            ) as ledger:
                # One more than is shown, so that the page knows whether there are earlier runs.
                everything = ledger.history(target=self.target.name, limit=MAX_RUNS + 1)
        except NoLedger:
            return []
        # A target of the same name can have had another URL before.
        ours = (self.target.name, self.target.base_url)
        return [run for run in everything if _target_of(run) == ours]

    def state_cache(self) -> "StateCache":
        """Return the cached state that the web page shows."""
        from reconciler.adapter.ui.snapshot import StateCache

        return StateCache(
            target=self.target,
            files=self.files(),
            open_session=self.session,
            open_api=self.reader,
            runs=self.runs,
            clock=settings.monotonic,
            now=lambda: timestamp(settings.now()),
        )


def _target_of(run: dict[str, Any]) -> tuple[Any, Any]:
    target = run.get("target") or {}
    return target.get("name"), target.get("base_url")
