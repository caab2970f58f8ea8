"""Write a run down while it happens: intent before each call, outcome after it.

Every method has committed when it returns. They take what the events of `reconciler.execution`
carry; joining the two is `reconciler.execution.recording`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from reconciler import __version__
from reconciler.domain.calls import Call
from reconciler.domain.fields import show_path
from reconciler.domain.state import Observed
from reconciler.domain.tree import Path, canonical_json, leaves
from reconciler.ledger import chain, rows
from reconciler.ledger.connect import Database
from reconciler.ledger.entries import RunFacts, TargetKey
from reconciler.ledger.preimages import PreImage, to_document
from reconciler.ledger.tables import calls, outcomes, pre_images, runs
from reconciler.planning.actions import Action, Op
from reconciler.planning.canonical import canonical
from reconciler.planning.plan import Plan

# Made once: a statement costs as much to build as to carry out, and there are several a call.
_CALL_STARTED = insert(calls)
_CALL_ENDED = update(calls).where(calls.c.id == bindparam("number"))
_ACTION_ENDED = insert(outcomes)


class Recorder:
    """The record of one run. `now` gives the time as text in UTC, `2026-01-31T09:30:00Z`."""

    def __init__(
        self,
        database: Database,
        *,
        key: TargetKey,
        facts: RunFacts,
        now: Callable[[], str],
    ) -> None:
        self._database = database
        self._key = key
        self._facts = facts
        self._now = now
        self._run = 0
        self._open: dict[str, int] = {}

    def run_started(self, plan: Plan) -> None:
        """Write down who does what, and how everything looked that the plan will change."""
        with self._database.writing() as connection:
            target = rows.find_or_make(connection, self._key)
            values = {
                "target": target,
                "run": self._facts.run,
                "started_at": self._now(),
                "plan_digest": plan.digest,
                "facts": canonical_json(self._facts_of(plan)),
                "previous": chain.previous_hash(connection, target, shard=self._facts.shard),
            }
            made = connection.execute(insert(runs).values(values)).inserted_primary_key
            assert made is not None  # noqa: S101 - a single-row insert has a key
            self._run = int(made[0])
            images = [self._image_row(action) for action in plan.actions]
            if images:
                connection.execute(insert(pre_images), images)

    def call_started(self, action: Action, call: Call, last_seen: Observed | None = None) -> None:
        """Write the intent down; only names of fields, no content.

        `last_seen` is a more complete picture of what the call is going to remove.
        """
        fields = [show_path(path) for path, _ in leaves(call.body)] if call.body else []
        values = {
            "run": self._run,
            "slug": action.slug,
            "operation": call.operation.value,
            "fields": canonical_json({"query": dict(call.query), "body": fields}),
            "started_at": self._now(),
        }
        with self._database.writing() as connection:
            made = connection.execute(_CALL_STARTED, values).inserted_primary_key
            if last_seen is not None:
                self._picture(connection, action, last_seen)
        assert made is not None  # noqa: S101 - a single-row insert has a key
        self._open[action.slug] = int(made[0])

    def call_ended(self, action: Action, *, request_id: str | None, error: str | None) -> None:
        """Write down how the latest call for this integration was answered."""
        number = self._open.pop(action.slug, None)
        values = {"ended_at": self._now(), "request_id": request_id, "error": error}
        with self._database.writing() as connection:
            connection.execute(_CALL_ENDED, {"number": number, **values})

    def action_ended(self, action: Action, outcome: Mapping[str, Any]) -> None:
        """Write down what became of an action, in its public form."""
        values = {
            "run": self._run,
            "slug": action.slug,
            "document": canonical_json(dict(outcome)),
        }
        with self._database.writing() as connection:
            connection.execute(_ACTION_ENDED, values)

    def run_ended(self, summary: Mapping[str, int]) -> None:
        """Close the run and seal it into the chain."""
        values = {"finished_at": self._now(), "summary": canonical_json(dict(summary))}
        with self._database.writing() as connection:
            connection.execute(update(runs).where(runs.c.id == self._run).values(values))
            chain.seal(connection, self._run)

    def _facts_of(self, plan: Plan) -> dict[str, Any]:
        facts = asdict(self._facts)
        del facts["run"]
        if self._facts.shard is None:
            del facts["shard"]
        return facts | {
            "commit": self._facts.commit or plan.commit,
            "tool": f"reconcile {__version__}",
            "target": plan.target.as_json(),
            "undoes": plan.run,
        }

    def _image_row(self, action: Action) -> dict[str, Any]:
        document = canonical_json(to_document(_image(action, action.subject.observed)))
        return {"run": self._run, "slug": action.slug, "document": document}

    def _picture(self, connection: Connection, action: Action, seen: Observed) -> None:
        document = canonical_json(to_document(_image(action, seen)))
        connection.execute(
            update(pre_images)
            .where(pre_images.c.run == self._run, pre_images.c.slug == action.slug)
            .values(document=document)
        )


def _image(action: Action, seen: Observed | None) -> PreImage:
    changed = _changed(action)
    resent = {change.path for change in action.changes if change.op is Op.RESEND}
    return PreImage(
        slug=action.slug,
        kind=action.kind,
        observed=seen,
        declared=action.subject.remembered.declared,
        changed=changed,
        resent=tuple(path for path in changed if show_path(path) in resent),
    )


def _changed(action: Action) -> tuple[Path, ...]:
    """Give the paths of an action's changes; a plan has only their text, which cannot be parsed."""
    subject = action.subject
    trees = [side.fields for side in (subject.declared, subject.observed) if side is not None]
    paths = [path for tree in trees for path, _ in leaves(canonical(tree))]
    known = {show_path(path[:n]): path[:n] for path in paths for n in range(1, len(path) + 1)}
    return tuple(known[change.path] for change in action.changes if change.path in known)
