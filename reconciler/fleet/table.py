"""Table of a fleet's result in the terminal; its JSON form is `FleetResult.as_json`."""

from collections import Counter
from collections.abc import Iterable, Sequence

from reconciler.diagnostics import counted
from reconciler.fleet.outcome import (
    NOT_NOW,
    FleetOperation,
    FleetResult,
    MemberOutcome,
    MemberStatus,
)
from reconciler.planning.actions import ActionKind
from reconciler.views import phrases
from reconciler.views.escape import visible
from reconciler.views.phrases import AND_MORE
from reconciler.views.result_outline import duration
from reconciler.views.sections import suggested_command
from reconciler.views.text_layout import TextLayout, columns, padded

SYMBOLS = {
    MemberStatus.IN_SYNC: ("=", "green"),
    MemberStatus.DIFFERENT: ("~", "yellow"),
    MemberStatus.APPLIED: ("✓", "green"),
    MemberStatus.INCOMPLETE: ("✗", "bold red"),
    MemberStatus.FAILED: ("✗", "bold red"),
    MemberStatus.INVALID: ("✗", "bold red"),
    MemberStatus.REFUSED: ("✗", "bold red"),
    MemberStatus.INTERRUPTED: ("○", "yellow"),
    MemberStatus.NOT_RUN: ("○", "yellow"),
}
_COUNTED = (
    "create",
    "update",
    "replace",
    "delete",
    "blocked",
    "applied",
    "probed",
    "failed",
    "unknown",
)
_MAX_NAME_WIDTH = 40
DETAILED_EXITCODE = "--detailed-exitcode"
_SHOWN_ERRORS = 3
"""Maximum number of errors of a member in the table."""


def table(
    result: FleetResult,
    *,
    options: Sequence[str] = (),
    width: int | None = None,
    color: bool = False,
    asks: bool = False,
    can_resume: bool = True,
) -> str:
    """Return the whole result: each member with its errors, then the totals.

    `options` are those that a suggested command repeats. With `asks`, the question whether to apply
    follows, so no command is suggested. `can_resume` states whether the run can be resumed.
    """
    page = TextLayout(width=width, color=color)
    page.line(
        f"fleet {result.operation.value} · run {visible(result.run)} · engine {result.engine}"
    )
    page.blank()
    column = min(
        max((columns(visible(m.member)) for m in result.members), default=0), _MAX_NAME_WIDTH
    )
    for member in result.members:
        _add_member(page, member, column)
    page.blank()
    counts = ", ".join(f"{n} {status}" for status, n in result.summary.items() if n)
    count = len(result.members)
    page.line((f"{counted(count, 'member')}: {counts or 'none'}.", "bold"))
    if not asks:
        _add_next_step(page, result, options, can_resume=can_resume)
    return page.text()


def _add_next_step(
    page: TextLayout, result: FleetResult, options: Sequence[str], *, can_resume: bool
) -> None:
    # Members that were not run do not change the exit code.
    if result.exit_code not in {0, 2} or result.summary["not-run"]:
        if not can_resume:
            return
        words = (result.operation.value, *options, "--resume", result.run)
        page.line("To finish the run:")
        page.whole(suggested_command(None, "fleet", *words), indent=4)
    elif result.operation is FleetOperation.PLAN and result.summary["different"]:
        # An apply has no gate for models, and no other exit code for changes.
        kept = [
            word
            for word in options
            if word != DETAILED_EXITCODE and not word.startswith("--fail-on=")
        ]
        command = suggested_command(None, "fleet", "apply", *kept)
        page.whole(f"To apply, run: {command}")


def line_of(member: MemberOutcome) -> str:
    """Return one member's outcome as one line, for a log."""
    symbol, _ = SYMBOLS[member.status]
    errors = "; ".join(errors_of(member))
    parts = [f"{symbol} {visible(member.member)}: {member.status.value}", counts_of(member), errors]
    return ", ".join(part for part in parts if part)


def action_counts(members: Iterable[MemberOutcome]) -> str:
    """Return the number of planned actions of all members, by kind."""
    totals: Counter[str] = Counter()
    for member in members:
        totals.update({kind.value: member.summary.get(kind.value, 0) for kind in ActionKind})
    return ", ".join(f"{totals[kind]} to {kind}" for kind in ActionKind if totals[kind])


def _add_member(page: TextLayout, member: MemberOutcome, column: int) -> None:
    symbol, style = SYMBOLS[member.status]
    time = duration(member.duration_ms) if member.duration_ms else ""
    if member.resumed:
        time = "done before"
    details = "  ".join(part for part in (counts_of(member), time) if part)
    name = padded(visible(member.member), column)
    page.line((f"{symbol} {member.status.value:<11}", style), f"  {name}  {details}".rstrip())
    for text in notes_of(member):
        page.line(text, indent=4)


def counts_of(member: MemberOutcome) -> str:
    """Return the counts of a member that are not zero."""
    counts = member.summary
    return ", ".join(f"{counts[name]} {name}" for name in _COUNTED if counts.get(name))


def overrides_of(member: MemberOutcome) -> list[str]:
    """Return why a member was applied outside its change window or before its soak time."""
    given = (
        (phrases.BROKEN_FREEZE, member.break_freeze),
        (phrases.UNSOAKED, member.allow_unsoaked),
    )
    return [phrase.format(visible(reason, 300)) for phrase, reason in given if reason is not None]


def notes_of(member: MemberOutcome) -> list[str]:
    """Return everything that is shown below a member: overrides, times and errors."""
    times = [note for note in member.notes if note.code in NOT_NOW and note.severity == "notice"]
    waiting = [f"{note.code}: {visible(note.summary, 300)}".removesuffix(": ") for note in times]
    return [*overrides_of(member), *waiting, *errors_of(member)]


def errors_of(member: MemberOutcome) -> list[str]:
    """Return the first errors of a member; the separate command shows its warnings."""
    errors = [note for note in member.notes if note.severity == "error"]
    lines = [
        f"{visible(note.code)}: {visible(note.summary, 300)}".removesuffix(": ")
        for note in errors[:_SHOWN_ERRORS]
    ]
    if len(errors) > _SHOWN_ERRORS:
        lines.append(AND_MORE.format(len(errors) - _SHOWN_ERRORS))
    return lines
