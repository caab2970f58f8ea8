"""Probe of written credentials: which actions are probed, one at a time, and what stops a run.

Only a positive result proves that a credential works. Actions that write a credential take turns,
so that at most one credential is unproven. After the first credential that is not proven to work,
no further credential is written. `reconciler.execution.probers` sends the probes.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from enum import StrEnum
from typing import NoReturn, Protocol

from reconciler.domain.policy import Probe
from reconciler.domain.tree import Tree, as_mapping, is_enabled, references
from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import Interrupted
from reconciler.execution.result import CREDENTIAL_DEAD, CREDENTIAL_UNPROVEN
from reconciler.execution.secret_values import carries_secret
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind, Risk
from reconciler.planning.normalize import normalize


class ProbeVerdict(StrEnum):
    """Result of a probe; `unknown` does not count as alive."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Integration to probe; `integration` is the declared one that it belongs to.

    `provider` is its `ai_provider_id`, `workspace` where it is used, None if that is unknown.
    `gateway_slug` is the slug of the provider in the gateway.
    """

    slug: str
    integration: str
    provider: str
    workspace: str | None
    gateway_slug: str

    def as_json(self) -> dict[str, str | None]:
        """Return what a command reads."""
        return {
            "slug": self.slug,
            "integration": self.integration,
            "provider": self.provider,
            "workspace": self.workspace,
        }


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Verdict with its reason, which contains neither output nor a secret."""

    verdict: ProbeVerdict
    reason: str = ""


class Prober(Protocol):
    """Interface of a prober; it returns every result instead of raising."""

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        """Return whether the stored credential of an integration works."""
        ...

    async def obstacle(self, request: ProbeRequest, /) -> str:
        """Return why a shadow that does not exist yet could not be probed, else an empty string."""
        ...


class CredentialUnproven(ReconcilerError):
    """A written credential does not work, or could not be proven to work."""


def writes_credential(action: Action) -> bool:
    """Return whether an action sends a secret, or changes which one is used and where."""
    if action.kind is ActionKind.DELETE:
        return False
    # A create and a replace store every credential, regardless of their list of changes.
    if action.kind is not ActionKind.UPDATE:
        return True
    if any(change.risk is Risk.CREDENTIAL for change in action.changes):
        return True
    return any(carries_secret(call) for call in action.calls)


@dataclass
class CredentialProbe:
    """Probe that the actions of a run share; `stopped` is why no further credential is written.

    With `after_writes`, each written credential is probed, otherwise only shadows.
    """

    prober: Prober
    settings: Probe
    after_writes: bool = True
    stopped: str = ""
    # One action at a time, so that a credential that does not work stops the others before they are
    # written.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of an action; raise `Interrupted` if no credential may be written."""
        async with self._turn:
            if self.stopped:
                raise Interrupted(self.stopped, code="skipped", hint="run apply again")
            yield

    async def require_alive(
        self, action: Action, *, in_shadow: str | None = None, stale: Sequence[str] = ()
    ) -> None:
        """Probe the integration of an action; raise `CredentialUnproven` unless it is alive.

        With `in_shadow`, the shadow of this slug is probed, and only it has the credential. Of the
        secrets at `stale`, the API still shows the old value.
        """
        request = request_for(action, self.settings, in_shadow=in_shadow)
        found = await self.prober.probe(request)
        if stale and found.verdict is ProbeVerdict.ALIVE:
            reason = (
                f"the API still shows the old {', '.join(stale)}, which the probe may have used"
            )
            found = ProbeResult(ProbeVerdict.UNKNOWN, reason)
        if found.verdict is not ProbeVerdict.ALIVE:
            self._refuse(action, found, in_shadow=in_shadow)

    async def require_free_name(self, action: Action, *, in_shadow: str) -> None:
        """Raise `CredentialUnproven` if the probe of a shadow would reach another credential."""
        request = request_for(action, self.settings, in_shadow=in_shadow)
        obstacle = await self.prober.obstacle(request)
        if obstacle:
            self._refuse(action, ProbeResult(ProbeVerdict.UNKNOWN, obstacle), in_shadow=in_shadow)

    def _refuse(self, action: Action, found: ProbeResult, *, in_shadow: str | None) -> NoReturn:
        # No further credential is written, because the same cause may affect it as well.
        is_dead = found.verdict is ProbeVerdict.DEAD
        what = "does not work" if is_dead else "could not be proven to work"
        self.stopped = (
            f"the credential of {action.slug} {what}, so no further credential is written"
        )
        reason = f": {found.reason}" if found.reason else ""
        if in_shadow is None:
            summary = f"the credential was written and {what}{reason}"
            hint = _way_back(action, is_dead=is_dead)
        else:
            kept = "" if action.kind is ActionKind.CREATE else "; the old one stays in use"
            summary = f"the new credential {what}{reason}{kept}"
            hint = f"set {_sources(action)} to a working credential, then apply again"
        code = CREDENTIAL_DEAD if is_dead else CREDENTIAL_UNPROVEN
        raise CredentialUnproven(summary, code=code, hint=hint)


def _way_back(action: Action, *, is_dead: bool) -> str:
    source = _sources(action)
    if is_dead:
        return f"set {source} to the previous value or to a working one, then apply again"
    return f"correct the probe and apply again; or set {source} to the previous value first"


def _sources(action: Action) -> str:
    """Return the references of an integration, at which its credential can be corrected."""
    declared = action.subject.declared
    fields = normalize(declared.fields) if declared is not None else {}
    names = ", ".join(sorted({str(reference) for _, reference in references(fields)}))
    return names or "the credential at its source"


def request_for(action: Action, settings: Probe, *, in_shadow: str | None = None) -> ProbeRequest:
    """Return what is probed: the integration as the files declare it, or its shadow."""
    subject = action.subject
    declared = normalize(subject.declared.fields) if subject.declared is not None else {}
    observed = normalize(subject.observed.fields) if subject.observed is not None else {}
    workspace = settings.workspace or _workspace(declared) or _workspace(observed)
    return ProbeRequest(
        slug=in_shadow or action.slug,
        integration=action.slug,
        provider=str(declared.get("ai_provider_id") or observed.get("ai_provider_id") or ""),
        workspace=workspace,
        gateway_slug=in_shadow or _gateway_slug(declared, workspace) or action.slug,
    )


def _workspace(fields: Tree) -> str | None:
    """Return the workspace of an integration, or the first one that may use it."""
    own = fields.get("workspace_id")
    if isinstance(own, str) and own:
        return own
    entries = as_mapping(fields.get("workspaces"))
    # Sorted, so that each run probes in the same workspace.
    return next((id_ for id_ in sorted(entries) if is_enabled(entries[id_])), None)


def _gateway_slug(fields: Tree, workspace: str | None) -> str | None:
    """Return the declared slug of the default provider, None if the files name none."""
    entries: Mapping[str, object] = as_mapping(fields.get("workspaces"))
    entry = as_mapping(entries.get(workspace or ""))  # type: ignore[arg-type]
    for tree in (entry, fields):
        # The entry of the workspace comes first: it overrides the common value (remote/API.md §4).
        slug = tree.get("default_provider_slug")
        if isinstance(slug, str) and slug:
            return slug
    return None
