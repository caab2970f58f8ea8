"""Keep a run in the ledger while it happens, and what it made true afterwards.

The record is complete on disk when the listener returns, so a call is announced before it is sent.
A ledger that fails in the middle of a run raises out of `emit`. What is remembered of an action
that was applied: `reconciler.execution.confirmed_state`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

from reconciler.domain.calls import Call
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState, Observed, ObservedState
from reconciler.domain.tree import Path
from reconciler.execution.confirmed_state import announced, by_action, by_beginning, gone, in_sync
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
from reconciler.execution.result import Status
from reconciler.ledger.models import Anchor, Confirmed, RunFacts, SeenState, TargetKey
from reconciler.planning.actions import ActionKind
from reconciler.planning.options import Selection
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.ledger.run_recorder import Recorder
    from reconciler.ledger.store import Ledger


_MAKING = frozenset({ActionKind.CREATE, ActionKind.REPLACE})
Fingerprints: TypeAlias = Callable[[Call], Mapping[Path, str]]


def _no_fingerprints(_: Call) -> Mapping[Path, str]:
    return {}


def record_in(recorder: "Recorder", *, fingerprints: Fingerprints = _no_fingerprints) -> Emit:
    """Make a listener that writes every event of one run to its record.

    `fingerprints` gives those of the secrets that a call carries, by path.
    """

    def listen(event: Event) -> None:
        match event:
            case RunStarted(plan=plan):
                recorder.run_started(plan)
            case CallStarted(action=action, call=call, last_seen=last_seen):
                recorder.call_started(action, call, last_seen, secrets=fingerprints(call))
            case CallEnded(action=action):
                recorder.call_ended(
                    action,
                    request_id=event.request_id,
                    error=event.error,
                    refused=event.refused,
                    made=event.made,
                )
            case ActionEnded(action=action, outcome=outcome):
                made = outcome.identity if action.kind in _MAKING else None
                recorder.action_ended(action, outcome.as_json(), made=made)
            case RunEnded(result=result):
                recorder.run_ended(result.summary)
            case ActionStarted():
                pass  # the calls that follow say it
            case _:
                assert_never(event)

    return listen


class LedgerListener:
    """What the ledger is told in one apply.

    `values` are the secrets of the run; only their fingerprints get out. A run without any action
    is no run in history, yet what it found in sync is remembered. `by_git` is what Git declares
    where that is not what the run makes true, as in an undo.
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
        self.by_git: Mapping[str, Declared] | None = None

    def emit(self, event: Event) -> None:
        """Take an event of the run; what an action made true is remembered as soon as it ends."""
        self.emit_all((event,))

    def emit_all(self, events: Sequence[Event]) -> None:
        """Take some events at once; they are on disk when this returns, or none of them is."""
        for event in events:
            if isinstance(event, RunStarted) and event.plan.actions:
                self._learn(event.plan.target.organisation_id)
                self._recorder = self._ledger.recorder(self._key, facts=self._facts, now=self._now)
                self._listen = record_in(self._recorder, fingerprints=self._fingerprints)
        if self._listen is None or self._recorder is None:
            return
        self._ledger.require_lock()
        ended = [event for event in events if isinstance(event, ActionEnded)]
        with self._ledger.transaction():
            self._recorder.require_open()
            for event in events:
                self._listen(event)
            self._fulfilled(ended)
        # Of what did not end well only a part was read, which is no picture of how it looks.
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
        """Remember what needed no action and how all looks; forget what is gone."""
        self._ledger.require_lock()
        self._learn(organisation or plan.target.organisation_id)
        self._sight(observed)
        if self.by_git is not None:
            return
        known = self._ledger.last_applied(self._key).integrations
        self._ledger.store_confirmed(
            self._key,
            in_sync(plan, desired=desired, observed=observed, selection=selection),
            gone=gone(known, desired=desired, observed=observed, selection=selection),
            run=self._facts.run,
        )

    def anchor(self) -> Anchor | None:
        """Return what can be kept elsewhere to prove later that nothing was taken out."""
        return self._ledger.anchor(self._key, shard=self._facts.shard)

    def _learn(self, organisation: str | None) -> None:
        """Note whose API this is; before the first list, and with an empty one, nobody knows."""
        if organisation is not None:
            self._key = TargetKey(self._key.name, self._key.host, organisation)

    def _sight(self, observed: ObservedState) -> None:
        """Take down how everything looks that was read, after the writes where there were any."""
        now = self._now()
        looks = {**observed.integrations, **self._acted}
        self._ledger.store_seen_states(
            self._key,
            {s: SeenState(o, now) for s, o in looks.items() if o is not None and o.detailed},
        )

    def _fulfilled(self, ended: Sequence[ActionEnded]) -> None:
        """Remember what some actions made true, of those that did not end well what is certain."""
        gone = [e.action.slug for e in ended if _applied(e) and e.action.kind is ActionKind.DELETE]
        done = [
            item
            for e in ended
            if e.action.kind is not ActionKind.DELETE
            and (item := self._made_true(e, by_action if _applied(e) else by_beginning))
        ]
        if self.by_git is not None:
            by_git = self.by_git
            done = [
                replace(item, declared=by_git[item.declared.slug])
                for item in done
                if item.declared.slug in by_git
            ]
        if done or gone:
            self._ledger.store_confirmed(self._key, done, gone=gone, run=self._facts.run)

    def _fingerprints(self, call: Call) -> Mapping[Path, str]:
        return announced(call, values=self.values, pepper=self._ledger.pepper)

    def _made_true(
        self, ended: ActionEnded, tell: Callable[..., Confirmed | None]
    ) -> Confirmed | None:
        pepper = self._ledger.pepper
        return tell(ended.action, ended.outcome, values=self.values, pepper=pepper)


def _applied(ended: ActionEnded) -> bool:
    return ended.outcome.status is Status.APPLIED
