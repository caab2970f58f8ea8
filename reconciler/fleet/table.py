"""The result of a fleet as one table for people; JSON is `FleetResult.as_json`."""

from collections import Counter
from collections.abc import Iterable

from reconciler.diagnostics import counted
from reconciler.fleet.outcome import FleetOperation, FleetResult, MemberOutcome, MemberStatus
from reconciler.planning.actions import ActionKind
from reconciler.views.escape import visible
from reconciler.views.phrases import AND_MORE
from reconciler.views.result_outline import duration
from reconciler.views.text_layout import TextLayout

_SYMBOLS = {
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
_COUNTED = ("create", "update", "replace", "delete", "blocked", "applied", "failed", "unknown")
_WIDEST = 40
TOLD = 3
"""Errors of a member that stand in the table."""


def table(result: FleetResult, *, repeated: str = "", width: int = 80, color: bool = False) -> str:
    """Write the whole result: a line for each member, then what is wrong, then the sum.

    `repeated` are the options that the next command has to have, too.
    """
    page = TextLayout(width=width, color=color)
    page.line(f"fleet {result.verb.value} · run {visible(result.run)} · engine {result.engine}")
    page.blank()
    column = min(max((len(m.member) for m in result.members), default=0), _WIDEST)
    for member in result.members:
        _line(page, member, column)
    page.blank()
    counts = ", ".join(f"{n} {status}" for status, n in result.summary.items() if n)
    count = len(result.members)
    page.line((f"{counted(count, 'member')}: {counts or 'none'}.", "bold"))
    if result.exit_code not in {0, 2} or result.summary["not-run"]:
        words = f"{result.verb.value}{repeated} --resume {visible(result.run)}"
        page.line("To do what is left:")
        page.whole(f"reconcile fleet {words}", indent=4)
    elif result.verb is FleetOperation.PLAN and result.summary["different"]:
        page.whole(f"To carry it out: reconcile fleet apply{repeated}")
    return page.text()


def line_of(member: MemberOutcome) -> str:
    """Write one member's end as one line, for a log."""
    symbol, _ = _SYMBOLS[member.standing]
    told = "; ".join(_told(member))
    parts = [f"{symbol} {visible(member.member)}: {member.standing.value}", _counts(member), told]
    return ", ".join(part for part in parts if part)


def action_counts(members: Iterable[MemberOutcome]) -> str:
    """Return how many actions members have planned, all together and by kind."""
    totals: Counter[str] = Counter()
    for member in members:
        totals.update({kind.value: member.summary.get(kind.value, 0) for kind in ActionKind})
    return ", ".join(f"{totals[kind]} to {kind}" for kind in ActionKind if totals[kind])


def _line(page: TextLayout, member: MemberOutcome, column: int) -> None:
    symbol, style = _SYMBOLS[member.standing]
    again = "done before" if member.resumed else duration(member.duration_ms)
    effort = again if member.duration_ms or member.resumed else ""
    details = "  ".join(part for part in (_counts(member), effort) if part)
    name = visible(member.member).ljust(column)
    page.line((f"{symbol} {member.standing.value:<11}", style), f"  {name}  {details}".rstrip())
    for text in _told(member):
        page.line(text, indent=4)


def _counts(member: MemberOutcome) -> str:
    known = member.summary
    return ", ".join(f"{known[name]} {name}" for name in _COUNTED if known.get(name))


def _told(member: MemberOutcome) -> Iterable[str]:
    """Say what is wrong with a member; warnings of one that is well are for its own command."""
    errors = [remark for remark in member.remarks if remark.severity == "error"]
    for remark in errors[:TOLD]:
        yield f"{visible(remark.code)}: {visible(remark.summary, 300)}".removesuffix(": ")
    if len(errors) > TOLD:
        yield AND_MORE.format(len(errors) - TOLD)
