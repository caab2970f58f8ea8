"""Fit a text into a limit: the head always, then what matters most, and the cut is named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_RESERVE = 800
"""Bytes that are kept free for the sentences about what was left out."""


@dataclass(frozen=True, slots=True)
class BudgetedPart:
    """A part with a short form that takes its place where room is scarce.

    The short form of an `essential` piece is worth more room than anything else: a reader who does
    not see it must not approve.
    """

    full: str
    short: str
    essential: bool = False


def fit(
    *,
    head: str,
    notes: Iterable[str],
    details: Sequence[BudgetedPart],
    tail: Iterable[str],
    limit: int,
) -> str:
    """Join paragraphs within `limit` bytes of UTF-8; each argument's parts end with a newline.

    Short forms of essential details come first, then notes and tail, then the other details. Of
    those the first have half of the room in full; the rest is for short forms, and what then
    remains for more full ones.
    """
    selection = _Selection(details, room=limit - _size(head) - _RESERVE)
    selection.add_essential()
    kept_notes, lost_notes = selection.keep(notes)
    kept_tail, lost_tail = selection.keep(tail)
    selection.add_full(share=2)
    selection.add_short()
    selection.add_full(share=1)
    lost = lost_notes + lost_tail
    return "\n".join([head, *selection.cut(lost), *kept_notes, *selection.shown(), *kept_tail])


class _Selection:
    """Which details are shown, and in which form, while the room lasts."""

    def __init__(self, details: Sequence[BudgetedPart], *, room: int) -> None:
        self._details = details
        self._room = room
        self._forms: dict[int, str] = {}

    def keep(self, texts: Iterable[str]) -> tuple[list[str], int]:
        """Return the texts that fit, and how many do not."""
        kept: list[str] = []
        lost = 0
        for text in texts:
            if _size(text) <= self._room:
                self._room -= _size(text)
                kept.append(text)
            else:
                lost += 1
        return kept, lost

    def add_essential(self) -> None:
        """Show the short form of each essential detail that fits."""
        for index, piece in enumerate(self._details):
            if piece.essential:
                self._take(index, piece.short, self._room)

    def add_short(self) -> None:
        """Show the short form of what is not shown yet, up to the first that does not fit."""
        for index, piece in enumerate(self._details):
            if index in self._forms or piece.essential:
                continue
            if not self._take(index, piece.short, self._room):
                break

    def add_full(self, *, share: int) -> None:
        """Show details in full, in their order, within a part of the room that is left."""
        left = self._room // share
        for index, piece in enumerate(self._details):
            if self._forms.get(index) == piece.full or (piece.essential and self._is_hidden(index)):
                continue
            before = self._room
            if self._take(index, piece.full, left):
                left -= before - self._room

    def shown(self) -> list[str]:
        """Return what is shown, in the order of the details."""
        return [self._forms[index] for index in sorted(self._forms)]

    def cut(self, lost: int) -> list[str]:
        """Return what has to be said about what is left out; nothing where all of it is shown."""
        hidden = [i for i in range(len(self._details)) if self._is_hidden(i)]
        folded = sum(form != self._details[i].full for i, form in self._forms.items())
        of = len(self._details)
        said = []
        unseen = sum(self._details[index].essential for index in hidden)
        if unseen:
            said.append(
                "> [!CAUTION]\n> The plan cannot be shown whole here and must be reviewed from the "
                f"artifact: the hosts of {unseen} of {of} actions do not fit.\n"
            )
        parts = []
        if folded:
            parts.append(f"{folded} of {of} actions are shown without their details")
        if hidden:
            parts.append(f"{len(hidden)} of {of} actions are not shown")
        if lost:
            parts.append(f"{lost} notes are left out")
        if parts:
            said.append(f"> Cut to fit: {', '.join(parts)}. `reconcile show` gives everything.\n")
        return said

    def _is_hidden(self, index: int) -> bool:
        return index not in self._forms

    def _take(self, index: int, form: str, room: int) -> bool:
        """Show a form in place of the one before, if that fits."""
        extra = _size(form) - (_size(self._forms[index]) if index in self._forms else 0)
        if extra > room:
            return False
        self._forms[index] = form
        self._room -= extra
        return True


def _size(text: str) -> int:
    # One more for the newline that joins it to the next.
    return len(text.encode()) + 1
