"""Recorder of a run in progress: an intent before each call, an outcome after it.

Every method commits before it returns. `reconciler.execution.ledger_listener` calls them with the
content of events.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from sqlalchemy import Connection, bindparam, insert, select, update

from reconciler import __version__
from reconciler.domain.calls import Call
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import LastApplied, Observed
from reconciler.domain.tree import Path, leaves, lookup
from reconciler.ledger import hash_chain, target_rows
from reconciler.ledger.codec import parse_document, preimage_to_document, to_ascii, to_json
from reconciler.ledger.database import Database
from reconciler.ledger.last_applied import remove_intents, store_intents
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import PreImage, RunFacts
from reconciler.ledger.recorded_changes import CHANGES, changes_to_document
from reconciler.ledger.tables import calls, outcomes, pre_images, runs
from reconciler.planning.actions import Action, ChangeKind
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Plan

# Built once, because building a statement costs as much as running it, and a call needs several.
_CALL_STARTED = insert(calls)
_CALL_ENDED = update(calls).where(calls.c.id == bindparam("call_id"))
_ACTION_ENDED = insert(outcomes)
_OF_SLUG = (pre_images.c.run == bindparam("the_run"), pre_images.c.slug == bindparam("the_slug"))
_READ_IMAGE = select(pre_images.c.document).where(*_OF_SLUG)
_STORE_IMAGE = update(pre_images).where(*_OF_SLUG)

_TOP_LEVEL = re.compile(r"[.\[]")
"""Characters that end a top-level field's name in the text of a path."""


class Recorder:
    """Recorder of one run; `now` returns the time as UTC text, `2026-01-31T09:30:00Z`."""

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
        self._run_id = 0
        self._target = 0
        self._open_calls: dict[str, int] = {}
        self._created_ids: dict[str, str] = {}

    def run_started(
        self, plan: Plan, *, overrides: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Record who runs which plan, and the current state of everything that it will change.

        `overrides` are the reasons with which it overrides rules of its target, by rule.
        """
        with self._database.writing() as connection:
            target = target_rows.find_or_create(connection, self._key)
            # A crashed run is added to the chain first, because nothing may be recorded for it
            # after this run.
            hash_chain.close_abandoned(connection, target, shard=self._facts.shard)
            values = {
                "target": target,
                "run": self._facts.run,
                "started_at": self._now(),
                "plan_digest": plan.digest,
                "facts": to_json(self._facts_of(plan, overrides)),
            }
            inserted = connection.execute(insert(runs).values(values)).inserted_primary_key
            assert inserted is not None  # noqa: S101 - a single-row insert has a key
            self._run_id, self._target = int(inserted[0]), target
            images = [self._image_row(action) for action in plan.actions]
            if images:
                connection.execute(insert(pre_images), images)

    def require_open(self) -> None:
        """Raise `LockLost` if another run has closed this one."""
        # Until its start is recorded, no other run can have closed it.
        if self._run_id:
            with self._database.writing() as connection:
                self._require_open(connection)

    def _require_open(self, connection: Connection) -> None:
        hash_chain.require_open(connection, self._target, self._run_id, name=self._key.name)

    def call_started(
        self,
        action: Action,
        call: Call,
        last_seen: Observed | None = None,
        *,
        secrets: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        """Record an intent, with names of fields and fingerprints of secrets, but no values.

        `last_seen` is a more complete read of the integration that the call will delete.
        """
        fields = [show_path(path) for path, _ in leaves(call.body)] if call.body else []
        values = {
            "run": self._run_id,
            "slug": action.slug,
            "operation": call.operation.value,
            "fields": to_json({"query": dict(call.query), "body": fields}),
            "started_at": self._now(),
        }
        with self._database.writing() as connection:
            inserted = connection.execute(_CALL_STARTED, values).inserted_primary_key
            assert inserted is not None  # noqa: S101 - a single-row insert has a key
            call_id = int(inserted[0])
            if secrets:
                store_intents(
                    connection, self._target, call=call_id, slug=action.slug, fingerprints=secrets
                )
            if last_seen is not None:
                # In the transaction of the intent: without the image, a delete could not be undone.
                self._store_image(connection, action.slug, _image_document(action, last_seen))
        self._open_calls[action.slug] = call_id

    def call_ended(
        self,
        action: Action,
        *,
        request_id: str | None,
        error: str | None,
        refused: bool = False,
        made: str | None = None,
    ) -> None:
        """Record the answer to the latest call for this integration.

        `refused` means that it was certainly not carried out; `made` is the id of the created
        object.
        """
        # Identified by slug: the calls of one action run in sequence, those of several actions
        # concurrently.
        call_id = self._open_calls.pop(action.slug, None)
        values = {
            "ended_at": self._now(),
            "request_id": None if request_id is None else to_ascii(request_id),
            "error": None if error is None else to_ascii(error),
        }
        with self._database.writing() as connection:
            connection.execute(_CALL_ENDED, {"call_id": call_id, **values})
            # A refused call sent nothing that might be stored, so its fingerprints are not in
            # doubt.
            if refused and call_id is not None:
                remove_intents(connection, call=call_id)
            if made is not None:
                self._store_created_id(connection, action.slug, made)

    def action_ended(
        self, action: Action, outcome: Mapping[str, object], *, made: str | None = None
    ) -> None:
        """Record the outcome of an action in its JSON form.

        `made` is the id of the object that the action created.
        """
        values = {
            "run": self._run_id,
            "slug": action.slug,
            "document": to_json(dict(outcome)),
        }
        with self._database.writing() as connection:
            connection.execute(_ACTION_ENDED, values)
            if made is not None:
                self._store_created_id(connection, action.slug, made)

    def run_ended(self, summary: Mapping[str, int]) -> None:
        """Close the run and add it to the hash chain."""
        values = {"finished_at": self._now(), "summary": to_json(dict(summary))}
        with self._database.writing() as connection:
            # In the same transaction, so that no other run can close this one in between.
            self._require_open(connection)
            connection.execute(update(runs).where(runs.c.id == self._run_id).values(values))
            hash_chain.append_to_chain(connection, self._run_id)

    def _facts_of(self, plan: Plan, overrides: Mapping[str, str]) -> dict[str, object]:
        facts = asdict(self._facts)
        # It has a separate column.
        del facts["run"]
        facts |= overrides
        if plan.policies:
            # Without the findings, which can be long and are in the result.
            facts["policies"] = [
                {"name": p.name, "digest": p.digest, "verdict": p.verdict.value}
                for p in plan.policies
            ]
        if self._facts.shard is None:
            del facts["shard"]
        if plan.uncommitted:
            facts["uncommitted_changes"] = True
        return facts | {
            "commit": self._facts.commit or plan.commit,
            "tool": f"reconcile {__version__}",
            "target": plan.target.as_json(),
            "undoes": plan.run,
        }

    def _image_row(self, action: Action) -> dict[str, object]:
        document = _image_document(action, action.subject.observed)
        return {"run": self._run_id, "slug": action.slug, "document": to_json(document)}

    def _store_created_id(self, connection: Connection, slug: str, identity: str) -> None:
        """Add the id of the created object to the pre-image of the slug."""
        # Both the response and the outcome of a create contain the id; the second time, it is
        # already stored.
        if self._created_ids.get(slug) == identity:
            return
        found = connection.scalar(_READ_IMAGE, {"the_run": self._run_id, "the_slug": slug})
        known = parse_document(found) if found is not None else {}
        self._store_image(connection, slug, known | {"made": identity})
        self._created_ids[slug] = identity

    def _store_image(
        self, connection: Connection, slug: str, document: Mapping[str, object]
    ) -> None:
        # The new document may not contain it.
        self._created_ids.pop(slug, None)
        values = {"the_run": self._run_id, "the_slug": slug, "document": to_json(document)}
        connection.execute(_STORE_IMAGE, values)


def _image_document(action: Action, observed: Observed | None) -> dict[str, object]:
    """Return the stored form of an integration before an action."""
    changed = _changed_paths(action)
    last_applied = action.subject.remembered

    def changed_by(op: ChangeKind) -> tuple[Path, ...]:
        shown = {change.path for change in action.changes if change.op is op}
        return tuple(path for path in changed if show_path(path) in shown)

    image = PreImage(
        slug=action.slug,
        kind=action.kind,
        observed=observed,
        declared=last_applied.declared,
        changed=changed,
        resent=changed_by(ChangeKind.RESEND),
        added=changed_by(ChangeKind.ADD),
        removed=changed_by(ChangeKind.REMOVE),
        fingerprints=_stored_fingerprints(last_applied, observed),
    )
    return preimage_to_document(image) | {CHANGES: changes_to_document(action.changes)}


def _stored_fingerprints(last_applied: LastApplied, observed: Observed | None) -> dict[Path, str]:
    """Return the fingerprints of stored secrets whose masks are the same as after our write."""
    stored = normalize(observed.fields) if observed is not None else {}
    found = {}
    for path, record in last_applied.secrets.items():
        shown = lookup(stored, path)
        # A different mask means that the secret was changed outside our runs.
        as_written = shown == record.mask or (
            record.mask is None and isinstance(shown, str | Redacted)
        )
        is_settled = path not in last_applied.unsettled
        if record.fingerprint is not None and as_written and is_settled:
            found[path] = record.fingerprint
    return found


def _changed_paths(action: Action) -> tuple[Path, ...]:
    """Return the paths of an action's changes; the plan has them only as text.

    A path that neither side contains is recorded as its whole top-level field.
    """
    subject = action.subject
    trees = [side.fields for side in (subject.declared, subject.observed) if side is not None]
    if subject.remembered.declared is not None:
        trees.append(subject.remembered.declared)
    known: dict[str, Path] = {}
    for tree in trees:
        for path, _ in leaves(normalize(tree)):
            for length in range(1, len(path) + 1):
                known[show_path(path[:length])] = path[:length]
    return tuple(
        # In doubt, too much is recorded; an undo then restores the whole field.
        known.get(change.path) or (_TOP_LEVEL.split(change.path, maxsplit=1)[0],)
        for change in action.changes
    )
