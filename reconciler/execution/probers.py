"""The two ways to probe a credential: a command, and the gateway's list of models.

Neither shows what it received: the output of a command is discarded, and only the status of a
response is used. Every unclear result is `unknown`.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from reconciler.execution.credential_probe import Prober, ProbeRequest, ProbeResult, ProbeVerdict
from reconciler.frozen_dataclass import dataclass
from reconciler.limited_process import ProcessFailure, TimeLimit, run
from reconciler.remote.api import Clock
from reconciler.remote.errors import RemoteError
from reconciler.remote.gateway import GatewayAnswer, GatewayClient
from reconciler.remote.retry import Deadline

RETRY_PAUSES = (1.0, 3.0)
"""Seconds before each further request after a response that may be temporary."""

_NO_TIME = "the deadline of the run has passed"
_REFUSED = frozenset({401, 403})
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class CommandProber:
    """Probe by an allowed command, which reads the request as JSON and exits with 0 if alive.

    The first word of the command is the absolute path of the program.
    """

    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    limits: TimeLimit

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        """Run the command; a cancellation kills it."""
        try:
            ended = await run(
                self.command,
                stdin=json.dumps(request.as_json()).encode(),
                environ=self.environ,
                # Not a folder that a pull request can write to.
                folder=Path("/"),
                limits=self.limits,
                keeps_output=False,
            )
        except ProcessFailure as failure:
            return ProbeResult(ProbeVerdict.UNKNOWN, f"the probe {failure.summary}")
        # A process that was killed by a signal has no result.
        if ended.status < 0:
            reason = f"the probe was killed by signal {-ended.status}"
            return ProbeResult(ProbeVerdict.UNKNOWN, reason)
        # Any other status means that the credential does not work, as documented for
        # `probe.command`.
        if ended.status:
            return ProbeResult(ProbeVerdict.DEAD, f"the probe exited with {ended.status}")
        return ProbeResult(ProbeVerdict.ALIVE)

    async def obstacle(self, _request: ProbeRequest) -> str:
        """Return an empty string: only the command knows how it reaches a shadow."""
        return ""


@dataclass(frozen=True, slots=True)
class GatewayProber:
    """Probe by the gateway, which forwards a request for models with the stored credential."""

    gateway: GatewayClient
    clock: Clock

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        """Request the models of the integration's provider."""
        try:
            answer = await self._models(request.gateway_slug)
            if answer.models:
                return ProbeResult(ProbeVerdict.ALIVE)
            if answer.models == 0:
                # Anyone may read such a list, so it does not prove that the credential was
                # accepted.
                return ProbeResult(ProbeVerdict.UNKNOWN, "the provider lists no model")
            if answer.status not in _REFUSED:
                reason = f"the gateway responded with {answer.status} for @{request.gateway_slug}"
                return ProbeResult(ProbeVerdict.UNKNOWN, reason)
            # The gateway may have refused its own key, so this request uses only that key.
            control = await self._models(None)
        except RemoteError as problem:
            return ProbeResult(ProbeVerdict.UNKNOWN, problem.summary)
        if control.models is None:
            return ProbeResult(ProbeVerdict.UNKNOWN, "the gateway does not accept its own key")
        return ProbeResult(ProbeVerdict.DEAD, f"the provider refused it with {answer.status}")

    async def obstacle(self, request: ProbeRequest) -> str:
        """Request the models of a provider that must not exist yet.

        If there are any, another provider has the name, or the gateway still uses a deleted one.
        Its credential would be probed in place of the new one.
        """
        name = f"@{request.gateway_slug}"
        try:
            for pause in (*RETRY_PAUSES, 0.0):
                answer = await self._models(request.gateway_slug)
                if answer.status in _TEMPORARY:
                    return f"the gateway responded with {answer.status} for {name}"
                if answer.models is None:
                    return ""
                await self.clock.sleep(pause)
        except RemoteError as problem:
            return problem.summary
        return f"the gateway has another provider {name}, or still uses a deleted one"

    async def _models(self, provider: str | None) -> GatewayAnswer:
        for pause in RETRY_PAUSES:
            try:
                answer = await self.gateway.models(provider)
            # A temporary failure would stop every further credential of the run, so the probe is
            # repeated.
            except RemoteError:
                pass
            else:
                if answer.status not in _TEMPORARY:
                    return answer
            await self.clock.sleep(pause)
        return await self.gateway.models(provider)


@dataclass(frozen=True, slots=True)
class ProberWithDeadline:
    """Prober that stops at the deadline of the run, which may be before its own time limit."""

    prober: Prober
    deadline: Deadline

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        """Probe as long as time is left; the probe is cancelled at the deadline."""
        # Otherwise the program would be started, and stopped in the middle of its work.
        if not self.deadline.remaining:
            return ProbeResult(ProbeVerdict.UNKNOWN, _NO_TIME)
        try:
            async with asyncio.timeout(self.deadline.remaining):
                return await self.prober.probe(request)
        except TimeoutError:
            return ProbeResult(ProbeVerdict.UNKNOWN, _NO_TIME)

    async def obstacle(self, request: ProbeRequest) -> str:
        """Look for an obstacle as long as time is left."""
        if not self.deadline.remaining:
            return _NO_TIME
        try:
            async with asyncio.timeout(self.deadline.remaining):
                return await self.prober.obstacle(request)
        except TimeoutError:
            return _NO_TIME
