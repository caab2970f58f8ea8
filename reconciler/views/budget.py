"""Fit a text into a limit: the head always, then what matters most, and the cut is named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_RESERVE = 400
"""Bytes that are kept free for the sentence about what was left out."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part with a short form that takes its place where room is scarce."""

    full: str
    short: str


def fitted(
    *, head: str, notes: Iterable[str], details: Sequence[Piece], tail: Iterable[str], limit: int
) -> str:
    """Join paragraphs within `limit` bytes of UTF-8; each argument's parts end with a newline.

    Notes and tail come before details. Of the details the first have half of the room in full;
    the rest is for short forms, and what then remains for more full ones.
    """
    room = limit - _size(head) - _RESERVE
    kept_notes, room, lost_notes = _kept(notes, room)
    kept_tail, room, lost_tail = _kept(tail, room)
    shown, folded = _chosen(details, room)
    hidden = len(details) - len(shown)
    cut = _cut(folded=folded, hidden=hidden, notes=lost_notes + lost_tail, of=len(details))
    return "\n".join([head, *cut, *kept_notes, *shown, *kept_tail])


def _chosen(details: Sequence[Piece], room: int) -> tuple[list[str], int]:
    shown: list[str] = []
    folded: list[int] = []
    for_full = room // 2
    for index, piece in enumerate(details):
        full, short = _size(piece.full), _size(piece.short)
        if full <= min(for_full, room):
            for_full -= full
            room -= full
            shown.append(piece.full)
        elif short <= room:
            room -= short
            shown.append(piece.short)
            folded.append(index)
        else:
            break
    for index in tuple(folded):
        extra = _size(details[index].full) - _size(details[index].short)
        if extra <= room:
            room -= extra
            shown[index] = details[index].full
            folded.remove(index)
    return shown, len(folded)


def _kept(texts: Iterable[str], room: int) -> tuple[list[str], int, int]:
    kept: list[str] = []
    lost = 0
    for text in texts:
        if _size(text) <= room:
            room -= _size(text)
            kept.append(text)
        else:
            lost += 1
    return kept, room, lost


def _cut(*, folded: int, hidden: int, notes: int, of: int) -> list[str]:
    parts = []
    if folded:
        parts.append(f"{folded} of {of} actions are shown without their details")
    if hidden:
        parts.append(f"{hidden} of {of} actions are not shown")
    if notes:
        parts.append(f"{notes} notes are left out")
    if not parts:
        return []
    return [f"> Cut to fit: {', '.join(parts)}. `reconcile show` gives everything.\n"]


def _size(text: str) -> int:
    # One more for the newline that joins it to the next.
    return len(text.encode()) + 1
