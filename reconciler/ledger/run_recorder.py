"""Write a run down while it happens: intent before each call, outcome after it.

Every method has committed when it returns. They take what the events of `reconciler.execution`
carry; joining the two is `reconciler.execution.ledger_listener`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from reconciler import __version__
from reconciler.domain.calls import Call
from reconciler.domain.field_paths import show_path
from reconciler.domain.last_applied import LastApplied
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Path, leaves, lookup
from reconciler.ledger import hash_chain, target_rows
from reconciler.ledger.codec import parse_document, preimage_to_document, to_ascii, to_json
from reconciler.ledger.database import Database
from reconciler.ledger.last_applied import remove_intents, store_intents
from reconciler.ledger.models import PreImage, RunFacts, TargetKey
from reconciler.ledger.tables import calls, outcomes, pre_images, runs
from reconciler.planning.actions import Action, ChangeKind
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Plan

# Made once: a statement costs as much to build as to carry out, and there are several a call.
_CALL_STARTED = insert(calls)
_CALL_ENDED = update(calls).where(calls.c.id == bindparam("number"))
_ACTION_ENDED = insert(outcomes)

_TOP_LEVEL = re.compile(r"[.\[]")
"""Where the name of a top-level field ends in the text of a path."""


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
        self._target = 0
        self._open: dict[str, int] = {}

    def run_started(self, plan: Plan) -> None:
        """Write down who does what, and how everything looked that the plan will change."""
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, self._key)
            hash_chain.close_abandoned(connection, target, shard=self._facts.shard)
            values = {
                "target": target,
                "run": self._facts.run,
                "started_at": self._now(),
                "plan_digest": plan.digest,
                "facts": to_json(self._facts_of(plan)),
            }
            made = connection.execute(insert(runs).values(values)).inserted_primary_key
            assert made is not None  # noqa: S101 - a single-row insert has a key
            self._run, self._target = int(made[0]), target
            images = [self._image_row(action) for action in plan.actions]
            if images:
                connection.execute(insert(pre_images), images)

    def require_open(self) -> None:
        """Raise `LockLost` once another run has closed this one."""
        if self._run:
            with self._database.writing() as connection:
                self._require_open(connection)

    def _require_open(self, connection: Connection) -> None:
        hash_chain.require_open(connection, self._target, self._run, name=self._key.name)

    def call_started(
        self,
        action: Action,
        call: Call,
        last_seen: Observed | None = None,
        *,
        secrets: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        """Write the intent down; names of fields and fingerprints of secrets, no content.

        `last_seen` is a more complete picture of what the call is going to remove.
        """
        fields = [show_path(path) for path, _ in leaves(call.body)] if call.body else []
        values = {
            "run": self._run,
            "slug": action.slug,
            "operation": call.operation.value,
            "fields": to_json({"query": dict(call.query), "body": fields}),
            "started_at": self._now(),
        }
        with self._database.writing() as connection:
            made = connection.execute(_CALL_STARTED, values).inserted_primary_key
            assert made is not None  # noqa: S101 - a single-row insert has a key
            number = int(made[0])
            if secrets:
                store_intents(
                    connection, self._target, call=number, slug=action.slug, fingerprints=secrets
                )
            if last_seen is not None:
                self._picture(connection, action, last_seen)
        self._open[action.slug] = number

    def call_ended(
        self,
        action: Action,
        *,
        request_id: str | None,
        error: str | None,
        refused: bool = False,
        made: str | None = None,
    ) -> None:
        """Write down how the latest call for this integration was answered.

        `refused` says that it was certainly not carried out; `made` is the id of what it created.
        """
        number = self._open.pop(action.slug, None)
        values = {
            "ended_at": self._now(),
            "request_id": None if request_id is None else to_ascii(request_id),
            "error": None if error is None else to_ascii(error),
        }
        with self._database.writing() as connection:
            connection.execute(_CALL_ENDED, {"number": number, **values})
            if refused and number is not None:
                remove_intents(connection, call=number)
            if made is not None:
                self._made(connection, action.slug, made)

    def action_ended(
        self, action: Action, outcome: Mapping[str, Any], *, made: str | None = None
    ) -> None:
        """Write down what became of an action, in its public form.

        `made` is the id of what the action created.
        """
        values = {
            "run": self._run,
            "slug": action.slug,
            "document": to_json(dict(outcome)),
        }
        with self._database.writing() as connection:
            connection.execute(_ACTION_ENDED, values)
            if made is not None:
                self._made(connection, action.slug, made)

    def run_ended(self, summary: Mapping[str, int]) -> None:
        """Close the run and seal it into the chain."""
        values = {"finished_at": self._now(), "summary": to_json(dict(summary))}
        with self._database.writing() as connection:
            self._require_open(connection)
            connection.execute(update(runs).where(runs.c.id == self._run).values(values))
            hash_chain.append_to_chain(connection, self._run)

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
        image = preimage_to_document(_image(action, action.subject.observed))
        return {"run": self._run, "slug": action.slug, "document": to_json(image)}

    def _picture(self, connection: Connection, action: Action, seen: Observed) -> None:
        self._put_image(connection, action.slug, preimage_to_document(_image(action, seen)))

    def _made(self, connection: Connection, slug: str, identity: str) -> None:
        """Add the id of what the run created to the picture of what was there before."""
        found = connection.scalar(
            select(pre_images.c.document).where(
                pre_images.c.run == self._run, pre_images.c.slug == slug
            )
        )
        known = parse_document(found) if found is not None else {}
        if known.get("made") != identity:
            self._put_image(connection, slug, known | {"made": identity})

    def _put_image(self, connection: Connection, slug: str, image: Mapping[str, Any]) -> None:
        connection.execute(
            update(pre_images)
            .where(pre_images.c.run == self._run, pre_images.c.slug == slug)
            .values(document=to_json(image))
        )


def _image(action: Action, seen: Observed | None) -> PreImage:
    changed = _changed(action)
    remembered = action.subject.remembered

    def by(op: ChangeKind) -> tuple[Path, ...]:
        shown = {change.path for change in action.changes if change.op is op}
        return tuple(path for path in changed if show_path(path) in shown)

    return PreImage(
        slug=action.slug,
        kind=action.kind,
        observed=seen,
        declared=remembered.declared,
        changed=changed,
        resent=by(ChangeKind.RESEND),
        added=by(ChangeKind.ADD),
        removed=by(ChangeKind.REMOVE),
        fingerprints=_fingerprints(remembered, seen),
    )


def _fingerprints(remembered: LastApplied, seen: Observed | None) -> dict[Path, str]:
    """Return the fingerprints of the stored secrets that look as they did after our own write."""
    stored = normalize(seen.fields) if seen is not None else {}
    found = {}
    for path, record in remembered.secrets.items():
        shown = lookup(stored, path)
        as_written = shown == record.mask or (
            record.mask is None and isinstance(shown, str | Redacted)
        )
        if record.fingerprint is not None and as_written and path not in remembered.unsettled:
            found[path] = record.fingerprint
    return found


def _changed(action: Action) -> tuple[Path, ...]:
    """Return the paths of an action's changes; a plan has only their text.

    A path that none of the sides holds is recorded as its whole top-level field.
    """
    subject = action.subject
    trees = [side.fields for side in (subject.declared, subject.observed) if side is not None]
    if subject.remembered.declared is not None:
        trees.append(subject.remembered.declared)
    paths = [path for tree in trees for path, _ in leaves(normalize(tree))]
    known = {show_path(path[:n]): path[:n] for path in paths for n in range(1, len(path) + 1)}
    return tuple(
        known.get(change.path) or (_TOP_LEVEL.split(change.path, maxsplit=1)[0],)
        for change in action.changes
    )
