"""Fit a text into a limit by importance, with a note on what is left out."""

from collections.abc import Iterable, Sequence

from reconciler.frozen_dataclass import dataclass

_RESERVE = 800
"""Bytes reserved for the note on what is left out."""


@dataclass(frozen=True, slots=True)
class BudgetedPart:
    """Part of a text, with a short form if there is not enough room.

    The short form of an `essential` part has priority over everything else: without it, a reader
    must not approve the plan.
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

    Short forms of essential details come first, then notes and tail, then the other details. The
    first of those take up to half of the remaining room in full; the rest is for short forms, and
    what then remains for more full ones.
    """
    selection = _Selection(details, room=limit - _size(head) - _RESERVE)
    selection.add_essential()
    kept_notes, lost_notes = selection.keep(notes)
    kept_tail, lost_tail = selection.keep(tail)
    # Half of the room for full forms, so that some actions are shown whole and all by name.
    selection.add_full(share=2)
    selection.add_short()
    selection.add_full(share=1)
    lost = lost_notes + lost_tail
    return "\n".join([head, *selection.cut(lost), *kept_notes, *selection.shown(), *kept_tail])


class _Selection:
    """Selection of the details to show, and in which form, within the remaining room."""

    def __init__(self, details: Sequence[BudgetedPart], *, room: int) -> None:
        self._details = details
        self._room = room
        self._forms: dict[int, str] = {}

    def keep(self, texts: Iterable[str]) -> tuple[list[str], int]:
        """Return the texts that fit, and the number of the others."""
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
        for index, part in enumerate(self._details):
            if part.essential:
                self._take(index, part.short, self._room)

    def add_short(self) -> None:
        """Show the short form of other details, up to the first that does not fit."""
        for index, part in enumerate(self._details):
            if index in self._forms or part.essential:
                continue
            if not self._take(index, part.short, self._room):
                break

    def add_full(self, *, share: int) -> None:
        """Show details in full, in order, within a part of the remaining room."""
        left = self._room // share
        for index, part in enumerate(self._details):
            # An essential part whose short form did not fit is reported as missing, not shown late.
            if self._forms.get(index) == part.full or (part.essential and self._is_hidden(index)):
                continue
            before = self._room
            if self._take(index, part.full, left):
                left -= before - self._room

    def shown(self) -> list[str]:
        """Return the shown texts, in the order of the details."""
        return [self._forms[index] for index in sorted(self._forms)]

    def cut(self, lost: int) -> list[str]:
        """Return the notes about omitted parts; none if everything is shown."""
        hidden = [i for i in range(len(self._details)) if self._is_hidden(i)]
        folded = sum(form != self._details[i].full for i, form in self._forms.items())
        total = len(self._details)
        notes = []
        unseen = sum(self._details[index].essential for index in hidden)
        if unseen:
            notes.append(
                "> [!CAUTION]\n> The plan is too long for this text and must be reviewed from the "
                f"artifact: host changes of {unseen} of {total} actions are missing.\n"
            )
        parts = []
        if folded:
            parts.append(f"{folded} of {total} actions are shown without their details")
        if hidden:
            parts.append(f"{len(hidden)} of {total} actions are not shown")
        if lost:
            parts.append(f"{lost} notes are not shown")
        if parts:
            notes.append(
                f"> Shortened to fit: {', '.join(parts)}. `reconcile show` shows everything.\n"
            )
        return notes

    def _is_hidden(self, index: int) -> bool:
        return index not in self._forms

    def _take(self, index: int, form: str, room: int) -> bool:
        """Replace the current form by another, if it fits."""
        extra = _size(form) - (_size(self._forms[index]) if index in self._forms else 0)
        if extra > room:
            return False
        self._forms[index] = form
        self._room -= extra
        return True


def _size(text: str) -> int:
    # One more byte for the newline after it.
    return len(text.encode()) + 1
