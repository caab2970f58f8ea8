"""Attribution as text: one line per field, or one per integration if all are the same.

Ids come from the API's audit log and are untrusted text: they are made visible here, and the view
of a format escapes them like every other value.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from reconciler.domain.instants import parse_instant
from reconciler.drift.who import Certainty, FieldWho, Reason, Who, Writer
from reconciler.planning.actions import Action
from reconciler.views.escape import visible
from reconciler.views.plan_outline import ActionItem

WRITERS_SHOWN = 3

_LINE = "who: {}"
_ACTORS = MappingProxyType(
    {"user": "user {}", "api_key": "API key {}", "run": "run {}", "unknown": "actor {}"}
)
_NAMELESS = MappingProxyType(
    {
        "user": "a user without an id",
        "api_key": "an API key without an id",
        "run": "a run",
        "unknown": "an unknown actor",
    }
)
_SOURCES = MappingProxyType({"ui": "UI", "api": "API"})
_OTHERS = MappingProxyType(
    {
        Reason.EARLIER_CHANGE: "an earlier change",
        Reason.UNKNOWN_EFFECT: "a change that the log does not show",
    }
)
_UNKNOWN = MappingProxyType(
    {
        Reason.LOG_BEGINS_LATER: "the log begins later",
        Reason.NO_RECORD: "no record of the log matches",
        Reason.LOG_INCOMPLETE: "the log could not be read completely",
    }
)
_PLAIN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def with_who(item: ActionItem, action: Action, who: Who) -> ActionItem:
    """Return the outline of an action with the writers of its changes."""
    whole = who.by_place.get((action.slug, None))
    if whole is not None:
        return replace(item, who=line_of(whole))
    found = [who.by_place.get((action.slug, change.path)) for change in action.changes]
    lines = ["" if answer is None else line_of(answer) for answer in found]
    named = {line for line in lines if line}
    # One line is sufficient for the changes of one request.
    if len(named) == 1:
        return replace(item, who=named.pop())
    changes = tuple(
        replace(change, who=line) for change, line in zip(item.changes, lines, strict=True)
    )
    return replace(item, changes=changes)


def line_of(answer: FieldWho) -> str:
    """Return the answer for a field in one line."""
    if answer.verdict is Certainty.UNKNOWN:
        why = _UNKNOWN.get(answer.reason or Reason.NO_RECORD, _UNKNOWN[Reason.NO_RECORD])
        return _LINE.format(f"unknown: {why}")
    parts = [_writer(writer) for writer in answer.writers[:WRITERS_SHOWN]]
    more = len(answer.writers) - len(parts)
    if more > 0:
        parts.append(f"{more} more")
    if answer.reason is not None and answer.reason in _OTHERS:
        parts.append(_OTHERS[answer.reason])
    text = " or ".join(parts)
    return _LINE.format(text if answer.verdict is Certainty.KNOWN else f"ambiguous: {text}")


def plain_writer(answers: Sequence[FieldWho]) -> str:
    """Return the only writer of these fields for a chat, empty if there is not exactly one.

    Only an id of letters, digits and hyphens is returned, because a chat would resolve mentions and
    links in other text.
    """
    writers = {(w.actor, w.id) for answer in answers for w in answer.writers}
    is_known = all(answer.verdict is Certainty.KNOWN for answer in answers)
    if not is_known or len(writers) != 1:
        return ""
    actor, identity = writers.pop()
    if identity is None or not _PLAIN_ID.fullmatch(identity):
        return ""
    return _actor(actor, identity)


def _writer(writer: Writer) -> str:
    at = parse_instant(writer.time)
    facts = [
        visible(writer.method) if writer.method else "",
        _SOURCES.get(writer.source, ""),
        f"{at:%Y-%m-%d %H:%M:%S} UTC" if at is not None else "",
    ]
    shown = ", ".join(fact for fact in facts if fact)
    return _actor(writer.actor, writer.id) + (f" ({shown})" if shown else "")


def _actor(kind: str, identity: str | None) -> str:
    if identity is None:
        return _NAMELESS[kind]
    return _ACTORS[kind].format(visible(identity, limit=None))
