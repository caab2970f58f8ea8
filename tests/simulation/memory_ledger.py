"""Ledger in memory for thousands of stories, which stores the same data as the real one.

`test_seeds` also plays a few stories with the real one, to check this one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Pepper, Redacted, SecretRef
from reconciler.domain.state import SHADOW_SUFFIX, LastApplied, LastAppliedState, Observed
from reconciler.domain.tree import Path, leaves
from reconciler.ledger.models import Confirmed, RunFacts, SeenState
from reconciler.planning.actions import Action
from reconciler.planning.normalize import normalize

Intent = tuple[str, dict[Path, str]]


@dataclass
class MemoryLedger:
    """Declarations and records by slug, and the secrets that calls were about to send."""

    pepper: Pepper = field(default_factory=lambda: Pepper("p1", Redacted("pepper")))
    known: dict[str, LastApplied] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    shadows: dict[str, frozenset[str]] = field(default_factory=dict)

    def last_applied(self, _key: object) -> LastAppliedState:
        """Return the last-applied state, with unknown outcomes of secrets."""
        open_: dict[str, dict[Path, frozenset[str]]] = {}
        for slug, secrets in self.intents:
            for path, fingerprint in secrets.items():
                at = open_.setdefault(slug, {})
                at[path] = at.get(path, frozenset()) | {fingerprint}
        slugs = self.known.keys() | open_.keys()
        known = {s: self.known.get(s, LastApplied()) for s in slugs}
        return LastAppliedState(
            {s: replace(item, unsettled=open_.get(s, {})) for s, item in known.items()},
            pepper=self.pepper,
            complete=True,
            shadows=dict(self.shadows),
        )

    def with_shadows(
        self, _key: object, state: LastAppliedState, *, is_locked: bool
    ) -> LastAppliedState:
        """Return the state, which has the shadows already; one run at a time has the ledger."""
        assert is_locked
        return state

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do nothing: no write of this ledger can fail halfway."""
        yield

    def require_lock(self) -> None:
        """Do nothing: only one run at a time uses it."""

    def anchor(self, _key: object, **_facts: object) -> None:
        """Return no anchor: there is no chain."""

    def recorder(self, _key: object, *, facts: RunFacts, **_more: object) -> "MemoryRecorder":
        """Return the record of a run."""
        return MemoryRecorder(self, facts.run)

    def store_confirmed(
        self,
        _key: object,
        confirmed: Iterable[Confirmed],
        *,
        gone: Collection[str] = (),
        may_exist: Mapping[str, str] = MappingProxyType({}),
        run: str | None = None,
    ) -> None:
        """Store the confirmed state, and resolve the outcomes of written secrets."""
        for slug in gone:
            self.known.pop(slug, None)
            self.intents = [intent for intent in self.intents if intent[0] != slug]
        for slug, identity in may_exist.items():
            known = self.known.get(slug)
            if known is not None and known.declared is not None and not known.identities:
                self.known[slug] = replace(known, identities=frozenset({identity}))
        for item in confirmed:
            slug = item.declared.slug
            before = self.known.get(slug, LastApplied())
            kept = {} if before.is_another(item.identity) else before.secrets
            secrets = {
                path: item.secrets.get(path) or kept[path]
                for path, leaf in leaves(normalize(item.declared.fields))
                if isinstance(leaf, SecretRef | Redacted) and (path in item.secrets or path in kept)
            }
            self.known[slug] = LastApplied(
                declared=item.declared.fields,
                secrets=secrets,
                identities=frozenset() if item.identity is None else frozenset({item.identity}),
            )
            for owner, open_ in self.intents:
                for path in item.secrets if owner == slug else ():
                    open_.pop(path, None)

    def store_seen_states(self, _key: object, items: Mapping[str, SeenState]) -> None:
        """Do nothing: no story reads observed states."""


@dataclass
class MemoryRecorder:
    """The intents of one run."""

    ledger: MemoryLedger
    run: str = ""
    open: dict[str, Intent] = field(default_factory=dict)

    def call_started(
        self,
        action: Action,
        call: Call,
        last_seen: Observed | None = None,
        *,
        secrets: Mapping[Path, str],
    ) -> None:
        """Store the secrets that a call is about to send, and the run that announced a shadow."""
        if call.operation is OperationName.CREATE and action.slug.endswith(SHADOW_SUFFIX):
            runs = self.ledger.shadows.get(action.slug, frozenset())
            self.ledger.shadows[action.slug] = runs | {self.run}
        self.open[action.slug] = (action.slug, dict(secrets))
        self.ledger.intents.append(self.open[action.slug])

    def call_ended(self, action: Action, *, refused: bool, **_answer: Any) -> None:
        """Drop the intent of a call that was certainly refused."""
        intent = self.open.pop(action.slug)
        if refused:
            intent[1].clear()

    def require_open(self) -> None:
        """Do nothing: no other run can have closed it."""

    def run_started(self, plan: object, **_consent: object) -> None:
        """Do nothing."""

    def action_ended(self, action: Action, outcome: object, **_made: object) -> None:
        """Do nothing: `store_confirmed` stores the state."""

    def run_ended(self, summary: object) -> None:
        """Do nothing."""
