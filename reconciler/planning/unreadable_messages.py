"""The sentences about integrations that exist and could not be read.

Such a one is neither present nor absent: nothing is created, changed or deleted for it. How it is
found out: `reconciler.remote.damaged_rows`.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from reconciler.diagnostics import Diagnostic, counted, error, notice, warning
from reconciler.domain.state import Declared, UnreadableIntegration


class HasUnreadable(Protocol):
    """A reading or a list; see `ObservedState` for what each member means."""

    @property
    def unreadable(self) -> Mapping[str, UnreadableIntegration]:
        """Return what exists and could not be read, by slug."""

    @property
    def nameless(self) -> int:
        """Return the number of rows without a readable slug."""


def left_alone(record: UnreadableIntegration, *, deleted: bool) -> Diagnostic:
    """Report an undeclared integration; `deleted` if a plan would delete it."""
    if deleted:
        hint = "it would be deleted and is left alone; repair or delete it in the console"
        return warning(record.code, _summary(record.slug, record), hint=hint)
    hint = "no file declares it, so nothing is done; repair it in the console"
    return notice(record.code, _summary(record.slug, record), hint=hint)


def not_compared(declared: Declared, record: UnreadableIntegration) -> Diagnostic:
    """Report a declared integration that is neither compared nor created."""
    return error(
        record.code,
        _summary(declared.slug, record),
        hint="repair it in the console, or leave it out with --exclude",
        at=declared.source,
    )


def rows_without_slug(count: int) -> Diagnostic:
    """Report rows of the list of which not even the slug can be read."""
    return warning(
        "unreadable-record",
        f"the API's list has {counted(count, 'row')} without a readable slug",
        hint="repair it in the console; until then nothing is created, deleted or replaced",
    )


def left_out(
    observed: HasUnreadable, includes: Callable[[str], bool] = lambda _slug: True
) -> list[Diagnostic]:
    """Report what a reader that plans nothing had to leave out."""
    hint = "it is left out; repair it in the console"
    notes = [
        warning(record.code, _summary(record.slug, record), hint=hint)
        for slug, record in sorted(observed.unreadable.items())
        if includes(slug)
    ]
    return [*notes, rows_without_slug(observed.nameless)] if observed.nameless else notes


def _summary(slug: str, record: UnreadableIntegration) -> str:
    return f"{slug}: it exists and cannot be read: {record.reason}"
