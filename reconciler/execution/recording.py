"""Keep a run in the ledger while it happens, and what it made true afterwards.

The record is complete on disk when the listener returns, so a call is announced before it is sent.
A ledger that fails in the middle of a run raises out of `emit`. What is remembered of an action
that was applied: `reconciler.execution.fulfilment`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState, Observed, ObservedState
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
from reconciler.execution.fulfilment import by_action, gone, in_sync
from reconciler.execution.outcome import Status
from reconciler.ledger.entries import RunFacts, Seen, TargetKey
from reconciler.planning.actions import ActionKind
from reconciler.planning.options import Selection
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.ledger.recorder import Recorder
    from reconciler.ledger.store import Ledger


def record_in(recorder: "Recorder") -> Emit:
    """Make a listener that writes every event of one run to its record."""

    def listen(event: Event) -> None:
        match event:
            case RunStarted(plan=plan):
                recorder.run_started(plan)
            case CallStarted(action=action, call=call, last_seen=last_seen):
                recorder.call_started(action, call, last_seen)
            case CallEnded(action=action, request_id=request_id, error=error):
                recorder.call_ended(action, request_id=request_id, error=error)
            case ActionEnded(action=action, outcome=outcome):
                recorder.action_ended(action, outcome.as_json())
            case RunEnded(result=result):
                recorder.run_ended(result.summary)
            case ActionStarted():
                pass  # the calls that follow say it
            case _:
                assert_never(event)

    return listen


class Books:
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
        self._listen: Emit | None = None
        self._acted: dict[str, Observed | None] = {}
        self.values: Mapping[SecretRef, Redacted] = {}
        self.by_git: Mapping[str, Declared] | None = None

    def emit(self, event: Event) -> None:
        """Take an event of the run; what an action made true is remembered as soon as it ends."""
        if isinstance(event, RunStarted) and event.plan.actions:
            self._learn(event.plan.target.organisation_id)
            self._listen = record_in(
                self._ledger.recorder(self._key, facts=self._facts, now=self._now)
            )
        if self._listen is None:
            return
        self._listen(event)
        if isinstance(event, ActionEnded):
            self._acted[event.action.slug] = event.outcome.seen_after
        if isinstance(event, ActionEnded) and event.outcome.status is Status.APPLIED:
            self._fulfilled(event)

    def emit_all(self, events: Sequence[Event]) -> None:
        """Take some events at once; they are on disk when this returns, or none of them is."""
        with self._ledger.together():
            for event in events:
                self.emit(event)

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
        self._learn(organisation or plan.target.organisation_id)
        self._sight(observed)
        if self.by_git is not None:
            return
        known = self._ledger.memory(self._key).integrations
        self._ledger.remember(
            self._key,
            in_sync(plan, desired=desired, selection=selection),
            gone=gone(known, desired=desired, observed=observed, selection=selection),
            run=self._facts.run,
        )

    def _learn(self, organisation: str | None) -> None:
        """Note whose API this is; before the first list, and with an empty one, nobody knows."""
        if organisation is not None:
            self._key = TargetKey(self._key.name, self._key.host, organisation)

    def _sight(self, observed: ObservedState) -> None:
        """Take down how everything looks that was read, after the writes where there were any."""
        now = self._now()
        looks = {**observed.integrations, **self._acted}
        self._ledger.remember_seen(
            self._key, {s: Seen(o, now) for s, o in looks.items() if o is not None and o.detailed}
        )

    def _fulfilled(self, event: ActionEnded) -> None:
        action = event.action
        if action.kind is ActionKind.DELETE:
            self._ledger.remember(self._key, [], gone=[action.slug])
            return
        done = by_action(action, event.outcome, values=self.values, pepper=self._ledger.pepper)
        if self.by_git is None:
            self._ledger.remember(self._key, [done], run=self._facts.run)
        elif action.slug in self.by_git:
            known = replace(done, declared=self.by_git[action.slug])
            self._ledger.remember(self._key, [known], run=self._facts.run)
