"""Record a run in the ledger while it happens, and confirm what it applied.

A record is on disk when the listener returns, so a call is recorded before it is sent. If the
ledger fails during a run, `emit` raises. Confirmed values become the last-applied state of the next
plan: declarations, and only fingerprints and masks of written secrets, which
`reconciler.planning.credentials` compares.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.facts import SubResource
from reconciler.domain.schema import fields_of, show_path
from reconciler.domain.secrets import Mask, MaskVerdict, Pepper, Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    DesiredState,
    LastApplied,
    Observed,
    ObservedState,
    SecretRecord,
    with_entries,
)
from reconciler.domain.tree import Path, Tree, leaves, lookup
from reconciler.execution.events import (
    ActionEnded,
    ActionStarted,
    CallEnded,
    CallStarted,
    Emit,
    Event,
    RunEnded,
    RunStarted,
)
from reconciler.execution.result import CREDENTIAL_UNPROVEN, UNPROVEN_CODES, Outcome, Status
from reconciler.execution.secret_values import sent_secrets
from reconciler.execution.verification import unshown_paths
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import Anchor, Confirmed, RunFacts, SeenState
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Plan, Selection

if TYPE_CHECKING:
    from reconciler.ledger.run_recorder import Recorder
    from reconciler.ledger.store import Ledger


_PARTS = {
    OperationName.UPDATE_MODELS: fields_of(SubResource.MODELS),
    OperationName.UPDATE_WORKSPACES: fields_of(SubResource.WORKSPACES),
}
"""Fields that a create leaves to separate writes."""

_CREATING = frozenset({ActionKind.CREATE, ActionKind.REPLACE})
Fingerprints: TypeAlias = Callable[[Call], Mapping[Path, str]]


def _no_fingerprints(_: Call) -> Mapping[Path, str]:
    return {}


def record_in(recorder: "Recorder", *, fingerprints: Fingerprints = _no_fingerprints) -> Emit:
    """Build a listener that writes every event of one run to its record.

    `fingerprints` returns the fingerprints of the secrets that a call carries, by path.
    """

    def listen(event: Event) -> None:
        match event:
            case RunStarted(plan=plan):
                recorder.run_started(plan, overrides=event.overrides)
            case CallStarted(action=action, call=call, last_seen=last_seen):
                # The secrets of a shadow prove nothing about the secrets of its integration.
                secrets = {} if event.of_shadow else fingerprints(call)
                recorder.call_started(action, call, last_seen, secrets=secrets)
            case CallEnded(action=action):
                recorder.call_ended(
                    action,
                    request_id=event.request_id,
                    error=event.error,
                    refused=event.refused,
                    made=event.made,
                )
            case ActionEnded(action=action, outcome=outcome):
                # The id of an update belongs to an older integration. If it were recorded as
                # created, an undo would delete it.
                made = outcome.identity if action.kind in _CREATING else None
                recorder.action_ended(action, outcome.as_json(), made=made)
            case RunEnded(result=result):
                recorder.run_ended(result.summary)
            case ActionStarted():
                pass  # implied by the record of its first call
            case _:
                assert_never(event)

    return listen


class LedgerListener:
    """The ledger's listener of one apply.

    `values` are the secret values of the run; only their fingerprints are stored. A run without any
    action is not recorded, but integrations that it found in sync are confirmed. `declared_in_git`
    is what Git declares if the run applies something else, as an undo does. With
    `probes_credentials`, secrets count as sent even where no fingerprint can be stored. `soaks` is
    True if other targets are promoted from this one.
    """

    def __init__(
        self, ledger: "Ledger", *, key: TargetKey, facts: RunFacts, now: Callable[[], str]
    ) -> None:
        self._ledger = ledger
        self._key = key
        self._facts = facts
        self._now = now
        self._recorder: Recorder | None = None
        self._listen: Emit | None = None
        self._acted: dict[str, Observed | None] = {}
        self.values: Mapping[SecretRef, Redacted] = {}
        self.declared_in_git: Mapping[str, Declared] | None = None
        self.probes_credentials = False
        self.soaks = False

    def emit(self, event: Event) -> None:
        """Record one event; an action's effects are confirmed as soon as it ends."""
        self.emit_all((event,))

    def emit_all(self, events: Sequence[Event]) -> None:
        """Record events in one transaction; all are on disk when this returns, or none is."""
        for event in events:
            # A run without any action changes nothing and would only fill the history.
            if isinstance(event, RunStarted) and event.plan.actions:
                # Before the recorder, because its rows belong to the target with its organisation.
                self._learn(event.plan.target.organisation_id)
                self._recorder = self._ledger.recorder(self._key, facts=self._facts, now=self._now)
                self._listen = record_in(self._recorder, fingerprints=self._fingerprints)
                self._end_soaking(event.plan)
        # A run without actions has no record to append to.
        if self._listen is None or self._recorder is None:
            return
        # Without the lock, another run may own the target, so nothing more may be confirmed.
        self._ledger.require_lock()
        ended = [event for event in events if isinstance(event, ActionEnded)]
        with self._ledger.transaction():
            self._recorder.require_open()
            for event in events:
                self._listen(event)
            self._confirm(ended)
        # After a failure, only a part was read, which is not the complete state of the integration.
        self._acted |= {e.action.slug: e.outcome.seen_after if _applied(e) else None for e in ended}

    def close(
        self,
        plan: Plan,
        *,
        desired: DesiredState,
        observed: ObservedState,
        selection: Selection,
        organisation: str | None = None,
    ) -> None:
        """Confirm what is in sync, store the state that was read, and remove what was deleted."""
        self._ledger.require_lock()
        self._learn(organisation or plan.target.organisation_id)
        self._store_seen(observed)
        # An undo is not planned from Git's declarations, so being in sync with it confirms nothing.
        if self.declared_in_git is not None:
            return
        known = self._ledger.last_applied(self._key).integrations
        self._ledger.store_confirmed(
            self._key,
            confirmed_in_sync(plan, desired=desired, observed=observed, selection=selection),
            gone=_gone(known, desired=desired, observed=observed, selection=selection),
            run=self._facts.run,
        )
        if self.soaks:
            from reconciler.execution.soak_check import after_run  # noqa: PLC0415  few targets

            done = frozenset(slug for slug, seen in self._acted.items() if seen is not None)
            check = after_run(plan, desired, selection, done=done)
            self._ledger.record_soak(self._key, check, now=self._now())

    def _end_soaking(self, plan: Plan) -> None:
        """Restart the soak time of what a run changes, before its first call."""
        if self.soaks:
            from reconciler.execution.soak_check import before_run  # noqa: PLC0415  few targets

            self._ledger.record_soak(self._key, before_run(plan), now=self._now())

    def anchor(self) -> Anchor | None:
        """Return the head of the ledger; a copy of it can prove that no run was removed."""
        return self._ledger.anchor(self._key, shard=self._facts.shard)

    def _learn(self, organisation: str | None) -> None:
        """Store the organisation, which an empty or missing list does not show."""
        if organisation is not None:
            self._key = TargetKey(self._key.name, self._key.host, organisation)

    def _store_seen(self, observed: ObservedState) -> None:
        """Store the state of all that was read, after the writes if there were any."""
        now = self._now()
        # State after an action replaces the state that was read before it; None removes it.
        states = {**observed.integrations, **self._acted}
        seen = {
            slug: SeenState(state, now)
            for slug, state in states.items()
            # A row of the list is not a full read, so a later check could not reuse it.
            if state is not None and state.detailed
        }
        self._ledger.store_seen_states(self._key, seen)

    def _confirm(self, ended: Sequence[ActionEnded]) -> None:
        """Confirm the effects of actions; for failed ones, only what is certain."""
        gone, confirmed, may_exist = [], [], {}
        for event in ended:
            observed = event.action.subject.observed
            if event.action.kind is not ActionKind.DELETE:
                confirmed += self._confirmed(event)
            # The ledger is the only proof that Git has declared it. Without it, `prune: managed`
            # would never delete an integration that the API has kept.
            elif _applied(event) and not event.outcome.is_unconfirmed:
                gone.append(event.action.slug)
            # Records of early releases have no id. Without it, the next plan would also delete an
            # integration that another client creates with the same slug.
            elif observed is not None and observed.id is not None:
                may_exist[event.action.slug] = observed.id
        if confirmed or gone or may_exist:
            self._ledger.store_confirmed(
                self._key, confirmed, gone=gone, may_exist=may_exist, run=self._facts.run
            )

    def _confirmed(self, ended: ActionEnded) -> list[Confirmed]:
        confirm = confirmed_by_action if _applied(ended) else confirmed_by_partial_create
        pepper = self._ledger.pepper
        found = confirm(ended.action, ended.outcome, values=self.values, pepper=pepper)
        if found is None:
            return []
        if self.declared_in_git is None:
            return [found]
        # The declaration of Git and not that of the undo, because the next plan compares the files
        # with it.
        declared = self.declared_in_git.get(found.declared.slug)
        return [replace(found, declared=declared)] if declared is not None else []

    def _fingerprints(self, call: Call) -> Mapping[Path, str]:
        pepper = self._ledger.pepper
        if pepper is None and self.probes_credentials:
            # Otherwise, the next plan could not detect that a credential was not proven.
            return dict.fromkeys(secret_paths(call), CREDENTIAL_UNPROVEN)
        return secret_fingerprints(call, values=self.values, pepper=pepper)


def _applied(ended: ActionEnded) -> bool:
    return ended.outcome.status is Status.APPLIED


# -- last-applied state -------------------------------------------------------------------


def confirmed_by_action(
    action: Action,
    outcome: Outcome,
    *,
    values: Mapping[SecretRef, Redacted],
    pepper: Pepper | None,
) -> Confirmed:
    """Return the effects of an applied action on a declared integration."""
    subject = action.subject
    assert subject.declared is not None  # noqa: S101 - only a delete declares nothing
    before, after = _tree(subject.observed), _tree(outcome.seen_after)
    records = {
        path: _record(
            reference,
            value,
            masks=(lookup(before, path), lookup(after, path)),
            known=subject.remembered.secrets.get(path),
            pepper=pepper,
        )
        for path, reference, value in sent_secrets(action, values)
    }
    removed = {change.path for change in action.changes if _removes_secret(change)}
    fields = normalize(subject.declared.fields)
    paths = {path for path, _ in itertools.chain(leaves(before), leaves(fields))}
    # Only an update keeps the object, and therefore the id that the plan read.
    seen = subject.observed if action.kind is ActionKind.UPDATE else None
    return Confirmed(
        _with_remaining_entries(action, outcome) if outcome.is_unconfirmed else subject.declared,
        records,
        removed=frozenset(path for path in paths if show_path(path) in removed),
        identity=outcome.identity or (seen.id if seen is not None else None),
    )


def _with_remaining_entries(action: Action, outcome: Outcome) -> Declared:
    """Return the declaration, and the withdrawn entries that the API still shows.

    Without them, the next plan would not know that Git has declared the entries, and would leave
    a revoked workspace its access.
    """
    declared, remembered = action.subject.declared, action.subject.remembered
    seen = outcome.seen_after or action.subject.observed
    assert declared is not None  # noqa: S101 - only a delete declares nothing
    if action.kind is not ActionKind.UPDATE or seen is None or remembered.declared is None:
        return declared
    left = unshown_paths(declared, seen, remembered)
    return replace(declared, fields=with_entries(declared.fields, remembered.declared, left))


def secret_fingerprints(
    call: Call, *, values: Mapping[SecretRef, Redacted], pepper: Pepper | None
) -> dict[Path, str]:
    """Return the fingerprints of the secrets in a call, by path."""
    if call.body is None or pepper is None:
        return {}
    found = {}
    for path, leaf in leaves(normalize(call.body)):
        value = values.get(leaf) if isinstance(leaf, SecretRef) else leaf
        if isinstance(value, Redacted):
            found[path] = value.fingerprint(pepper)
    return found


def secret_paths(call: Call) -> list[Path]:
    """Return the paths of the secrets in a call."""
    tree = normalize(call.body) if call.body is not None else {}
    return [path for path, leaf in leaves(tree) if isinstance(leaf, SecretRef | Redacted)]


def confirmed_by_partial_create(
    action: Action,
    outcome: Outcome,
    *,
    values: Mapping[SecretRef, Redacted],
    pepper: Pepper | None,
) -> Confirmed | None:
    """Return the effects of a partly failed create, None if nothing is certain.

    This run created the integration and sent its secrets. A write without a response adds nothing.
    """
    if not outcome.accepted:
        return None
    whole = confirmed_by_action(action, outcome, values=values, pepper=pepper)
    if outcome.error is not None and outcome.error.code in UNPROVEN_CODES:
        # The next plan must send the secret again, because it may not work. Without a record, the
        # secret counts as never sent.
        whole = replace(whole, secrets={})
    left: set[str] = set()
    for operation in _PARTS.keys() - outcome.accepted:
        # A part that was not written must stay undeclared in the record: the next plan would
        # otherwise treat its absence as a change in the API.
        left |= _PARTS[operation]
    fields = {name: value for name, value in whole.declared.fields.items() if name not in left}
    return Confirmed(
        replace(whole.declared, fields=fields),
        {path: record for path, record in whole.secrets.items() if path[0] not in left},
        identity=whole.identity,
    )


def confirmed_in_sync(
    plan: Plan, *, desired: DesiredState, observed: ObservedState, selection: Selection
) -> list[Confirmed]:
    """Return the declared and selected integrations that needed no action."""
    acted = {action.slug for action in plan.actions}
    ids = {slug: seen.id for slug, seen in observed.integrations.items()}
    return [
        Confirmed(declared, identity=ids.get(slug))
        for slug, declared in sorted(desired.integrations.items())
        # Integrations outside the selection were not compared, so nothing was found in sync.
        if slug not in acted and selection.includes(slug)
    ]


def _gone(
    known: Mapping[str, LastApplied],
    *,
    desired: DesiredState,
    observed: ObservedState,
    selection: Selection,
) -> list[str]:
    """Return the slugs that Git no longer declares and the API certainly no longer has."""
    # A row that cannot be read may have lost its slug, so it can be any of them.
    if observed.unreadable or observed.nameless:
        return []
    return sorted(
        slug
        for slug in known
        if slug not in desired.integrations
        and slug not in observed.live
        and selection.includes(slug)
    )


def _removes_secret(change: Change) -> bool:
    return change.sensitive and change.op is ChangeKind.REMOVE


def _tree(observed: Observed | None) -> Tree:
    return normalize(observed.fields) if observed is not None else {}


def _record(
    reference: SecretRef,
    value: Redacted,
    *,
    masks: tuple[object, object],
    known: SecretRecord | None,
    pepper: Pepper | None,
) -> SecretRecord:
    before, after = masks
    fingerprint = value.fingerprint(pepper) if pepper is not None else None
    if not isinstance(after, Mask):
        return SecretRecord(reference, fingerprint)
    agrees = value.judged_by(after) is not MaskVerdict.CONTRADICTS
    same_value = known is not None and known.fingerprint == fingerprint is not None
    if not agrees and after == before and not same_value:
        # Most likely a read from before our write, so the mask proves nothing about our value.
        return SecretRecord(reference, fingerprint)
    return SecretRecord(reference, fingerprint, after, mask_agreed=agrees)
