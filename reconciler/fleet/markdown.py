"""Fleet result as GitHub-flavoured Markdown: a table of the members, and the errors below it.

Failed members come first. Names and errors are in code spans and fences, in which GitHub resolves
nothing: see `reconciler.views.markdown`.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from reconciler.diagnostics import counted
from reconciler.fleet.outcome import FleetResult, MemberOutcome, MemberStatus
from reconciler.fleet.table import SYMBOLS, counts_of, notes_of
from reconciler.views.escape import visible
from reconciler.views.markdown import code, fence, shown_name

_WORST_FIRST = (
    MemberStatus.INCOMPLETE,
    MemberStatus.FAILED,
    MemberStatus.INVALID,
    MemberStatus.REFUSED,
    MemberStatus.INTERRUPTED,
    MemberStatus.NOT_RUN,
    MemberStatus.DIFFERENT,
    MemberStatus.APPLIED,
    MemberStatus.IN_SYNC,
)
_SETTLED = frozenset({MemberStatus.IN_SYNC, MemberStatus.APPLIED})
_MAX_NAME = 80
_ROWS = 500
"""Maximum number of members in the table; the summary counts all of them."""

_NOTES = 200
"""Bytes reserved for the notes on what is left out."""


def is_settled(result: FleetResult) -> bool:
    """Return whether every member is in sync or was applied completely."""
    return all(m.status in _SETTLED and m.exit_code == 0 for m in result.members)


def fingerprint_of(result: FleetResult) -> str:
    """Return a digest of what readers act on: statuses, differences, and errors by code."""
    facts = [
        [m.member, m.status.value, m.digest, [n.code for n in m.notes if n.severity == "error"]]
        for m in sorted(result.members, key=lambda member: member.member)
    ]
    text = json.dumps([result.operation.value, facts], ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def sentence_of(result: FleetResult) -> str:
    """Return the result in one sentence of fixed phrases and numbers, failures first."""
    summary = result.summary
    counts = [f"{summary[s.value]} {s.value}" for s in _WORST_FIRST if summary[s.value]]
    return f"{counted(len(result.members), 'member')}: {', '.join(counts)}."


def markdown(result: FleetResult, *, environment: str, limit: int) -> str:
    """Return the result within `limit` bytes of UTF-8; what does not fit is counted."""
    ranked = sorted(result.members, key=lambda member: _WORST_FIRST.index(member.status))
    head = (
        f"### reconcile fleet {result.operation.value} · {shown_name(environment)}\n\n"
        f"**{sentence_of(result)}**\n\n"
        f"run {code(visible(result.run))} · engine {code(visible(result.engine))}\n\n"
        "| member | status | actions |\n|---|---|---|\n"
    )
    room = limit - len(head.encode()) - _NOTES
    # The table takes up to half of the room, so that errors are also shown.
    rows, hidden = _fitting([_row(member) for member in ranked[:_ROWS]], room // 2)
    hidden += max(0, len(ranked) - _ROWS)
    noted = [member for member in ranked if notes_of(member)]
    notes, unseen = _fitting([_details(member) for member in noted], room - _size(rows))
    text = head + "".join(rows)
    if hidden:
        text += f"\n{counted(hidden, 'further member')} not shown.\n"
    text += "".join(notes)
    if unseen:
        text += f"\nNotes on {counted(unseen, 'further member')} not shown.\n"
    return text


def _row(member: MemberOutcome) -> str:
    symbol, _ = SYMBOLS[member.status]
    # A cell ends at a bar, even in a code span.
    name = code(visible(member.member, limit=_MAX_NAME)).replace("|", "\\|")
    return f"| {name} | {symbol} {member.status.value} | {counts_of(member)} |\n"


def _details(member: MemberOutcome) -> str:
    name = code(visible(member.member, limit=_MAX_NAME))
    return f"\n{name}\n\n{fence(notes_of(member))}"


def _fitting(texts: Sequence[str], room: int) -> tuple[list[str], int]:
    """Return the first texts that fit, and the number of the others."""
    kept: list[str] = []
    for text in texts:
        room -= len(text.encode())
        if room < 0:
            break
        kept.append(text)
    return kept, len(texts) - len(kept)


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)
