"""Verification of one integration: whether it exists, is as planned, and shows what was sent.

These reads precede and follow every write. Secrets are not compared, because the API never shows
them (`reconciler.planning.credentials`); a mask can only prove that a read is older than the write.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from reconciler.domain.facts import SubResource
from reconciler.domain.identifiers import differ_in_form
from reconciler.domain.instants import parse_instant
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.schema import fields_of, immutable_fields, show_path
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import Declared, LastApplied, Observed
from reconciler.domain.tree import Path, lookup
from reconciler.execution.cancellation import CancelToken, ChangedSincePlan, NotConfirmed
from reconciler.execution.secret_values import sent_secrets
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.comparison import Comparison, SecretLocation, compare
from reconciler.planning.diff import FieldChange, changed_fields
from reconciler.planning.normalize import fingerprint, normalize
from reconciler.remote.api import Clock, IntegrationsAPI
from reconciler.remote.errors import Forbidden, RemoteError
from reconciler.remote.observe import read_one

SETTLE_PAUSES = (0.5, 1.0, 2.0)
"""Seconds before each read that checks what a create may have created; each allows one POST."""

READ_BACK_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each read after a write; a difference in the last read is a warning."""

CLOCK_SKEW = 120.0
"""Seconds by which the API's clock may differ from ours when a creation time is compared."""

_IDENTIFYING = frozenset({"name", "ai_provider_id", "configurations", "workspace_id"})


@dataclass(frozen=True)
class ExistenceCheck:
    """Reader of single integrations that distinguishes absence from denial.

    A JSON 404 means absent. A 403 alone proves nothing, because the API also returns 403 for
    integrations that do not exist (remote/API.md §1.7). Together with a complete list without the
    slug, it means absent.

    `listed` are the slugs of the complete list that the plan was made from. `list_again` returns
    those of a new complete list; it is called only if a read proves nothing.
    """

    api: IntegrationsAPI
    listed: Collection[str]
    list_again: Callable[[], Awaitable[Collection[str]]]
    known_fields: KnownFields = field(default_factory=lambda: NO_KNOWN_FIELDS)

    async def read(
        self, slug: str, *, models: bool = False, workspaces: bool = False, certain: bool = False
    ) -> Observed | None:
        """Return the current state of an integration, None if it is certainly absent.

        Set `certain` for a slug that this run may have written: in that case, only a new list is
        proof. Raises `Forbidden` for an integration that is listed but that the key is not allowed
        to read.
        """
        try:
            return await read_one(
                self.api,
                slug,
                models=models,
                workspaces=workspaces,
                known_fields=self.known_fields,
            )
        except Forbidden:
            # The list takes a call for each page, so it is read again only if the old one proves
            # nothing.
            if (certain or slug in self.listed) and slug in await self.list_again():
                raise
            return None

    async def read_live(self, slug: str) -> Observed | None:
        """Return an integration that this run may have created; an archived one was deleted."""
        found = await self.read(slug, certain=True)
        return None if found is None or found.is_archived else found

    async def appearing(self, slug: str, clock: Clock) -> Observed | None:
        """Read a created integration until the API shows it; reads may be denied until then."""
        denied: Forbidden | None = None
        for pause in (0.0, *SETTLE_PAUSES):
            if pause:
                await clock.sleep(pause)
            try:
                found = await self.read_live(slug)
            except Forbidden as problem:
                denied = problem
                continue
            if found is not None:
                return found
        if denied is not None:
            raise denied
        return None

    async def exists(self, slug: str, *, certain: bool = False) -> bool:
        """Whether a slug is in use and not archived; a slug that the key cannot read is in use."""
        try:
            found = await self.read(slug, certain=certain)
        except Forbidden:
            return True
        return found is not None and not found.is_archived


@dataclass
class ResourceVerifier:
    """Reads of one action, before and after its writes.

    `last_seen` is the most complete state read before the writes, `seen_after` the last one shown
    after them; `warnings` are sentences about failed reads. `identity` is the id of the written
    integration, if it is known: another id with the same slug is another integration. `values` are
    the available secret values. `stale_secrets` are those of which the last read showed the old
    value. `is_unconfirmed` is True after the writes, until a read shows their effect.
    """

    action: Action
    existence: ExistenceCheck
    clock: Clock
    cancel: CancelToken
    values: Mapping[SecretRef, Redacted] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    last_seen: Observed | None = None
    seen_after: Observed | None = None
    identity: str | None = None
    stale_secrets: list[str] = field(default_factory=list)
    is_unconfirmed: bool = False

    async def read(self) -> Observed | None:
        """Return the current integration, None if it is certainly absent."""
        models, workspaces = self._parts()
        return await self.existence.read(self.action.slug, models=models, workspaces=workspaces)

    def _parts(self) -> tuple[bool, bool]:
        """Return whether models and workspaces are part of what this action compares."""
        seen, declared = self.action.subject.observed, self.action.subject.declared
        if seen is not None:
            # The precondition is a fingerprint of what the plan has read, so exactly the same parts
            # are read.
            return seen.models_read, seen.workspaces_read
        fields = declared.fields.keys() if declared is not None else frozenset()
        return (
            bool(fields & fields_of(SubResource.MODELS)),
            bool(fields & fields_of(SubResource.WORKSPACES)),
        )

    def is_namesake(self, found: Observed | None) -> bool:
        """Whether another integration now has the slug; ids in different forms prove nothing."""
        if found is None or self.identity is None or found.id is None:
            return False
        return found.id != self.identity and not differ_in_form(found.id, self.identity)

    def expect(self, identity: str | None) -> None:
        """Set the id of the integration that is written from now on, None if it is unknown."""
        self.identity = identity

    # -- before the writes ---------------------------------------------------------------

    async def confirm_absent(self) -> None:
        """Raise `ChangedSincePlan` if the integration exists."""
        if await self.existence.exists(self.action.slug):
            raise _changed("the integration exists now, although the list did not contain it")

    def confirm_unchanged(self, found: Observed | None) -> None:
        """Raise `ChangedSincePlan` unless the integration is what the plan was made from."""
        if found is None:
            raise _changed("the integration no longer exists")
        before, planned = self.action.precondition, self.action.subject.observed
        # The state that `read_whole` kept is more complete, and an undo restores from it.
        self.last_seen = self.last_seen or found
        # Ids come first: a re-created integration can equal the old one in every field.
        if planned is not None and None not in (planned.id, found.id) and planned.id != found.id:
            raise _changed("the integration was deleted and re-created after the plan was made")
        same_fingerprint = before.fingerprint in {None, fingerprint(found)}
        if not same_fingerprint or before.last_updated_at != found.last_updated_at:
            raise _changed("the integration was changed after the plan was made")
        self.identity = found.id

    async def read_whole(self) -> None:
        """Read the whole integration before a delete, so that an undo can restore it.

        Parts that the plan has read are in any case read immediately before the write.
        """
        if self.action.subject.observed is not None and self.action.subject.observed.is_whole:
            return
        try:
            self.last_seen = await self.existence.read(
                self.action.slug, models=True, workspaces=True
            )
        except RemoteError:
            # The delete is not refused: a key that may delete need not be allowed to read access.
            self.warnings.append("access could not be read, so undo cannot restore it")

    # -- after the writes ----------------------------------------------------------------

    async def read_back(self) -> None:
        """Read until the API shows what was sent; warn about what it does not show.

        Raises `NotConfirmed` if the last read shows another integration with the slug. Earlier
        reads can be stale and show the integration from before the write.
        """
        left, found = ["everything"], None
        self.is_unconfirmed = True
        # The first pause is 0, so that a run that is stopping also reads once.
        for pause in READ_BACK_PAUSES:
            if pause and not await self._wait(pause):
                break
            try:
                found = await self.read()
                self._keep(found)
            except Forbidden:
                found = None  # some servers deny what they do not show yet
            except RemoteError as problem:
                # Every write was answered, so a failed read is not a failure of the action.
                self.warnings.append(f"the result could not be read back: {problem.summary}")
                return
            # A mask is compared last: as long as other fields are stale, the mask is also stale.
            self.stale_secrets = self._unseen_secrets(found)
            left = self.missing(found) or self.stale_secrets
            if not left:
                self.is_unconfirmed = False
                return
        if self.is_namesake(found):
            raise _replaced()
        self.warnings.append(f"the API does not show yet: {', '.join(left)}")

    async def read_once(self) -> None:
        """Read the state after interrupted writes, without waiting for all of them."""
        self._keep(await self.existence.read(self.action.slug))

    def _keep(self, found: Observed | None) -> None:
        self.seen_after = None if self.is_namesake(found) else found

    def missing(self, found: Observed | None) -> list[str]:
        """Return the paths that are declared but not shown."""
        subject = self.action.subject
        # A delete declares nothing, but never gets here; None is for the type checker.
        if found is None or found.is_archived or subject.declared is None:
            return ["everything"]
        if self.is_namesake(found):
            return ["everything"]
        return missing_paths(subject.declared, found, subject.remembered)

    def _unseen_secrets(self, found: Observed | None) -> list[str]:
        """Return the secrets whose mask is still the old one; a later plan compares this mask."""
        return unseen_secrets(self.action, found, self.values) if found is not None else []

    async def confirm_gone(self) -> None:
        """Read until the integration is deleted; warn if the last read still shows it."""
        self.is_unconfirmed = True
        try:
            self.is_unconfirmed = not await self._is_gone()
            if self.is_unconfirmed:
                self.warnings.append("the API still returns the integration")
        except RemoteError as problem:
            self.warnings.append(f"the deletion could not be verified: {problem.summary}")

    async def prove_gone(self) -> None:
        """Read until the integration is gone, or raise `NotConfirmed`: a create needs the slug."""
        if not await self._is_gone():
            raise NotConfirmed(
                "the API still returns the deleted integration, so it was not re-created",
                code="not-confirmed",
                hint="wait a moment and run apply again",
            )

    async def _is_gone(self) -> bool:
        for pause in READ_BACK_PAUSES:
            if pause and not await self._wait(pause):
                break
            # This run has written the slug, so the list that the plan was made from proves nothing.
            if not await self.existence.exists(self.action.slug, certain=True):
                return True
        return False

    async def _wait(self, seconds: float) -> bool:
        """Pause between two reads; return False at once if the run is stopping."""
        if self.cancel.requested:
            return False
        await self.clock.sleep(seconds)
        return True


def _changed(summary: str) -> ChangedSincePlan:
    return ChangedSincePlan(
        summary,
        code="changed-since-plan",
        hint="plan again to see the changes; this run did not write to the integration",
    )


def _replaced() -> NotConfirmed:
    return NotConfirmed(
        "another client deleted and re-created the integration during the write; "
        "the write may have reached the new one",
        code="changed-since-plan",
        hint="plan again, and check which workspaces can use the new one",
    )


# -- comparison with the declaration ----------------------------------------------------


def missing_paths(declared: Declared, found: Observed, remembered: LastApplied) -> list[str]:
    """Return the paths of declared fields that an integration does not show as declared."""
    return [show_path(path) for path in unshown_paths(declared, found, remembered)]


def unshown_paths(declared: Declared, found: Observed, remembered: LastApplied) -> list[Path]:
    """Return the paths of `missing_paths` as they are in the canonical form."""
    comparison = compare(declared, found, remembered, just_written=True)
    return [change.path for change in _differences(comparison)]


def unseen_secrets(
    action: Action, found: Observed, values: Mapping[SecretRef, Redacted]
) -> list[str]:
    """Return the paths of secrets that were sent and still have the mask from before the update.

    Only a mask that contradicts the new value counts: any other may belong to the new value.
    """
    planned = action.subject.observed
    if planned is None or action.kind is not ActionKind.UPDATE:
        return []
    if found.last_updated_at != planned.last_updated_at:
        return []  # the read is newer, so its mask has an unknown format
    before, now = normalize(planned.fields), normalize(found.fields)
    paths = []
    for path, _, value in sent_secrets(action, values):
        mask = lookup(now, path)
        if not isinstance(mask, Mask) or mask != lookup(before, path):
            continue
        if value.judged_by(mask) is MaskVerdict.CONTRADICTS:
            paths.append(show_path(path))
    return paths


def equals_declared(declared: Declared, found: Observed) -> bool:
    """Whether an integration has the declared name, provider, configurations and workspace.

    Secrets are compared only if both sides contain the value itself.
    """
    comparison = compare(declared, found, LastApplied(), just_written=True)
    if any(change.path[0] in _IDENTIFYING for change in _differences(comparison)):
        return False
    return not any(_has_another_value(site) for site in comparison.secrets)


def _has_another_value(site: SecretLocation) -> bool:
    """Whether the API shows a hidden value other than the declared one."""
    if site.path[0] not in _IDENTIFYING or isinstance(site.declared, SecretRef):
        return False
    if isinstance(site.declared, Redacted):
        return isinstance(site.stored, Redacted) and not site.declared.equals(site.stored)
    return isinstance(site.stored, Redacted)


def created_between(found: Observed, began: float, ended: float) -> bool:
    """Whether the API created it within a range of epoch seconds, allowing for clock skew."""
    created = parse_instant(found.created_at)
    # A time that is absent or cannot be parsed is no evidence of origin.
    if created is None:
        return False
    return began - CLOCK_SKEW <= created.timestamp() <= ended + CLOCK_SKEW


def _differences(comparison: Comparison) -> list[FieldChange]:
    changes = changed_fields(comparison.observed_diff, comparison.desired_diff)
    return [change for change in changes if not _is_other_form(change)]


def _is_other_form(change: FieldChange) -> bool:
    """Whether the API returns an id as a UUID if a slug was sent, or the reverse."""
    return (
        change.path[0] in immutable_fields()
        and change.had
        and change.has
        and differ_in_form(change.before, change.after)
    )
