"""Prober of a run: checks what the environment allows, before the ledger records anything.

A pull request can edit the probe of a target. The environment therefore lists the commands that may
run, the secrets that a command may receive, and the hosts that may receive a key.
"""

import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.allowed_command import (
    AllowedCommands,
    command_environment,
    find_program_outside,
    path_outside,
    repository_around,
)
from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.desired.config import CONFIG_FILE
from reconciler.desired.load import api_key_location
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import SourceLocation, error
from reconciler.domain.policy import GatewayProbe, Probe, Target
from reconciler.domain.secrets import SecretRef
from reconciler.errors import InvalidInput, Refused
from reconciler.execution.credential_probe import Prober
from reconciler.execution.probers import CommandProber, GatewayProber
from reconciler.frozen_dataclass import dataclass
from reconciler.limited_process import TimeLimit
from reconciler.remote.api import Clock
from reconciler.remote.gateway import GatewayClient
from reconciler.secrets.allowlist import AllowList, refuse_unknown_host
from reconciler.secrets.registry import Secrets

if TYPE_CHECKING:
    from reconciler.remote.exchange import Transport

VARIABLE = "RECONCILE_ALLOWED_PROBES"


@dataclass(frozen=True, slots=True)
class InProcess:
    """Base URL of the embedded simulator, and the function that connects to it."""

    base_url: str
    connect: Callable[[], "Transport"]


@asynccontextmanager
async def prober_of(
    invocation: Invocation,
    environment: Settings,
    target: Target,
    *,
    clock: Clock,
    in_process: InProcess,
) -> AsyncIterator[Prober]:
    """Open the prober of a target.

    Raises `InvalidInput` if the target has no probe or the probe cannot work, and `Refused` for a
    command that the environment does not allow or a host that may not receive the key.
    """
    probe = target.probe
    if probe is None:
        hint = f"add `probe` to the target in {CONFIG_FILE}, or omit --probe"
        summary = f"target {target.name} has no probe"
        at = _place(invocation, target)
        raise InvalidInput([error("no-probe", summary, hint=hint, at=at)])
    if probe.command is not None:
        at = _place(invocation, target, "command")
        program, environ = _checked(probe, probe.command, environment, folder=invocation.dir, at=at)
        limits = TimeLimit(probe.timeout_seconds, clock.clock, clock.sleep)
        yield CommandProber((program, *probe.command[1:]), environ, limits)
        return
    gateway = probe.gateway or GatewayProbe()
    asked = target.model_copy(update={"base_url": gateway.base_url or target.base_url})
    # The gateway receives a key as well, so its host is checked like that of the API.
    refuse_unknown_host(asked, allowed_hosts=environment.allowed_hosts)
    key = None
    if gateway.api_key is not None:
        allowed = environment.allowed_secrets
        secrets = Secrets(environment.environment, invocation.dir, allowed=allowed)
        key = secrets.key_from(gateway.api_key, target, ("probe", "gateway", "api_key"))
    async with GatewayClient(
        base_url=in_process.base_url if asked.is_simulator else asked.base_url,
        api_key=key,
        clock=clock,
        timeout_seconds=probe.timeout_seconds,
        transport=in_process.connect() if asked.is_simulator else None,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
    ) as client:
        yield GatewayProber(client, clock)


def _place(invocation: Invocation, target: Target, *steps: str) -> SourceLocation:
    return api_key_location(DirectorySource(invocation.dir), target.name, "probe", *steps)


def _checked(
    probe: Probe,
    command: tuple[str, ...],
    environment: Settings,
    *,
    folder: Path,
    at: SourceLocation,
) -> tuple[str, dict[str, str]]:
    """Return the path of the program of a command, and its environment."""
    allowed = AllowedCommands.parse(environment.allowed_probes, variable=VARIABLE)
    if not allowed.permits(command):
        summary = f"the probe {shlex.join(command)} is not allowed in this environment"
        hint = allowed.hint_for(command)
        raise Refused([error("probe-not-allowed", summary, hint=hint, at=at)])
    secrets = AllowList.parse(environment.allowed_secrets)
    problems = secrets.problems(SecretRef("env", name) for name in probe.variables)
    if problems:
        raise InvalidInput([problem.as_diagnostic(at, strict=True) for problem in problems])
    # A pull request can add a file with the name of a program.
    repository = repository_around(folder)
    environ = command_environment(environment.environment, probe.variables)
    environ["PATH"] = path_outside(environ["PATH"], repository)
    # Checked before the first write, because afterwards the credential could only be reported as
    # unproven.
    program = find_program_outside(repository, command[0], path=environ["PATH"])
    if program is None:
        summary = f"the program `{command[0]}` of the probe is not installed"
        hint = "install it outside of the repository, or name its absolute path"
        raise InvalidInput([error("missing-program", summary, hint=hint, at=at)])
    unset = [name for name in probe.variables if name not in environ]
    if unset:
        summary = f"the probe needs variables that are not set: {', '.join(unset)}"
        hint = "set them in the environment of this command"
        raise InvalidInput([error("missing-value", summary, hint=hint, at=at)])
    return program, environ
