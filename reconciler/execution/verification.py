"""Look at one integration: is it still what was planned for, and does it show what was sent?

Every write comes between two such looks. Whether a slug is there at all: `execution.presence`. How
much of a declaration something shows: `likeness`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.domain.facts import SubResource
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.schema import fields_of
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Observed
from reconciler.execution import similarity
from reconciler.execution.cancellation import CancelToken, ChangedSincePlan, NotConfirmed
from reconciler.execution.existence import ExistenceCheck
from reconciler.planning.actions import Action
from reconciler.planning.normalize import fingerprint
from reconciler.remote.clock import Clock
from reconciler.remote.errors import Forbidden, RemoteError

READ_BACK_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each look after a write; then a difference is a warning."""


@dataclass
class ResourceVerifier:
    """What one action sees of its integration.

    `last_seen` is all there was before the writes, `seen_after` what was shown last after them;
    `warnings` are sentences about what could not be seen. `identity` is the id of what is written,
    where it is known: under the same slug, another id is somebody else's integration. `values` are
    those that its writes send.
    """

    action: Action
    presence: ExistenceCheck
    timing: Clock
    stop: CancelToken
    values: Mapping[SecretRef, Redacted] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    last_seen: Observed | None = None
    seen_after: Observed | None = None
    identity: str | None = None

    async def now(self) -> Observed | None:
        """Read what the action is about, None where it is certainly absent."""
        models, workspaces = self._parts()
        return await self.presence.read(self.action.slug, models=models, workspaces=workspaces)

    def is_a_namesake(self, now: Observed | None) -> bool:
        """Tell whether another integration has taken the slug; ids of two forms prove nothing."""
        if now is None or self.identity is None or now.id is None:
            return False
        return now.id != self.identity and is_uuid(now.id) == is_uuid(self.identity)

    def _parts(self) -> tuple[bool, bool]:
        """Tell whether models and workspaces belong to what this action is about."""
        seen, declared = self.action.subject.observed, self.action.subject.declared
        if seen is not None:
            return seen.models_read, seen.workspaces_read
        fields = declared.fields.keys() if declared is not None else frozenset()
        return (
            bool(fields & fields_of(SubResource.MODELS)),
            bool(fields & fields_of(SubResource.WORKSPACES)),
        )

    async def confirm_absent(self) -> None:
        """Raise `ChangedSincePlan` if it exists by now."""
        if await self.presence.serves(self.action.slug):
            raise _changed("it exists now, although the list did not have it")

    def confirm_unchanged(self, now: Observed | None) -> None:
        """Compare with what the plan was made from; a later namesake is not the same thing."""
        if now is None:
            raise _changed("it no longer exists")
        before, seen = self.action.precondition, self.action.subject.observed
        self.last_seen = self.last_seen or now
        if seen is not None and None not in (seen.id, now.id) and seen.id != now.id:
            raise _changed("somebody deleted it after the plan was made and created it anew")
        same_print = before.fingerprint in {None, fingerprint(now)}
        if not same_print or before.last_updated_at != now.last_updated_at:
            raise _changed("somebody changed it after the plan was made")
        self.identity = now.id

    async def keep_whole(self) -> None:
        """Read all of what is about to be deleted, so that it can be asked for again.

        What the plan read whole is read whole once more right before the write in any case.
        """
        if self.action.subject.observed is not None and self.action.subject.observed.is_whole:
            return
        try:
            self.last_seen = await self.presence.read(
                self.action.slug, models=True, workspaces=True
            )
        except RemoteError:
            self.warnings.append("its access could not be read; undo will not bring that back")

    async def read_back(self) -> None:
        """Look until the API shows what was sent; what it does not show is a warning.

        Raises `NotConfirmed` if in the end it shows a namesake. At first that may be the one
        before: a read can be stale.
        """
        left, now = ["everything"], None
        for pause in READ_BACK_PAUSES:
            if pause and not await self._wait(pause):
                break
            try:
                now = await self.now()
                self.seen_after = None if self.is_a_namesake(now) else now
            except Forbidden:
                now = None  # some servers deny what they do not show yet
            except RemoteError as problem:
                self.warnings.append(f"it could not be read back: {problem.summary}")
                return
            left = self.missing(now) or self._unseen_secrets(now)
            if not left:
                return
        if self.is_a_namesake(now):
            raise _replaced()
        self.warnings.append(f"the API does not show yet: {', '.join(left)}")

    def missing(self, now: Observed | None) -> list[str]:
        """Name what is declared and not shown."""
        subject = self.action.subject
        if now is None or now.is_archived or subject.declared is None or self.is_a_namesake(now):
            return ["everything"]
        return similarity.missing(subject.declared, now, subject.remembered)

    def _unseen_secrets(self, now: Observed | None) -> list[str]:
        """Name what only a mask can show, and does not yet; a later plan judges by this mask."""
        return similarity.unseen_secrets(self.action, now, self.values) if now is not None else []

    async def confirm_gone(self) -> None:
        """Look until it is gone; if it is still shown after that, say so."""
        try:
            if not await self._is_gone():
                self.warnings.append("the API still shows it")
        except RemoteError as problem:
            self.warnings.append(f"its absence could not be read: {problem.summary}")

    async def prove_gone(self) -> None:
        """Look until it is gone, or raise: what is to be created anew has to be absent."""
        if not await self._is_gone():
            raise NotConfirmed(
                "it was deleted and is still shown, so it was not created anew",
                code="not-confirmed",
                hint="wait a moment and run apply again",
            )

    async def _is_gone(self) -> bool:
        for pause in READ_BACK_PAUSES:
            if pause and not await self._wait(pause):
                break
            if not await self.presence.serves(self.action.slug, certain=True):
                return True
        return False

    async def _wait(self, seconds: float) -> bool:
        """Pause between two looks; a run that was asked to stop does not wait any more."""
        if self.stop.requested:
            return False
        await self.timing.sleep(seconds)
        return True


def _changed(what: str) -> ChangedSincePlan:
    return ChangedSincePlan(
        what,
        code="changed-since-plan",
        hint="plan again to see what moved; nothing was written to it",
    )


def _replaced() -> NotConfirmed:
    return NotConfirmed(
        "somebody deleted it and created it anew while it was written; "
        "what was sent may have reached the new one",
        code="changed-since-plan",
        hint="plan again, and compare who may use the new one",
    )
