"""Reports of `doctor` and `history`, for terminals and as JSON.

The runs of a history come from the ledger in their JSON form (`reconciler.ledger.run_history`);
only the JSON has the details of a run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any

from reconciler.diagnostics import Diagnostic, named
from reconciler.doctor.checks import Check, CheckStatus, Health
from reconciler.execution.result import Status
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import Anchor
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.result_outline import anchor_lines
from reconciler.views.text_layout import TextLayout, table_lines

PublicRun = Mapping[str, Any]
"""A run as `reconciler.ledger.run_history` publishes it."""

_NO_RUNS = "No runs."
_COLUMNS = ("run", "started", "by", "commit", "result", "integrations")
_SLUGS_NAMED = 3
_UNFINISHED = "unfinished"
_MORE_RUNS = "Showing the newest {} of {} runs; list more with --before RUN, --limit N or --all."

_CHECK_SYMBOLS = {CheckStatus.OK: "✓", CheckStatus.WARN: "!", CheckStatus.FAIL: "✗"}
_CHECK_STYLES = {CheckStatus.OK: "green", CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red"}
_CHECK_NAME_WIDTH = 6
_ANSWERS = "Behaviour of the API, as probed"


@dataclass(frozen=True, slots=True)
class RunList:
    """Runs in their JSON form, oldest first.

    `total` counts the runs before a limit was applied; `anchors` are the ends of the hash chains,
    by shard.
    """

    ledger: str
    runs: Sequence[PublicRun] = ()
    total: int = 0
    anchors: Mapping[str | None, Anchor] = field(default_factory=lambda: MappingProxyType({}))


def doctor_json(health: Health) -> str:
    """Return the checks as one JSON document."""
    return json.document(health.as_json())


def doctor_text(
    health: Health, *, header: str, width: int | None = None, color: bool = False
) -> str:
    """Return the checks, each as a symbol and a word with its hint below, then the answers.

    The answers are those of a probe of the API.
    """
    page = TextLayout(width=width, color=color)
    page.line(header)
    page.blank()
    name_width = max([_CHECK_NAME_WIDTH, *(len(check.name) for check in health.checks)])
    for check in health.checks:
        _check(page, check, name_width)
    if health.answers:
        page.blank()
        page.line(_ANSWERS)
        for question, answer in sorted(health.answers.items()):
            page.line(f"{visible(question)}: {visible(answer)}", indent=4)
    return page.text()


def history_json(
    listing: RunList, runs: Iterable[PublicRun], *, problems: Iterable[Diagnostic] | None = None
) -> Iterator[str]:
    """Yield the parts of the document of a listing; with `problems`, also whether hashes match.

    `runs` are those of the document, which need not all be in memory.
    """
    document: dict[str, object] = {
        "format_version": "1",
        "kind": "history",
        "ledger": listing.ledger,
        "total": listing.total,
        "anchors": [
            {"shard": shard, "head": anchor.head, "length": anchor.length, "state": anchor.state}
            for shard, anchor in listing.anchors.items()
        ],
    }
    # Without --verify, the document makes no claim about the hashes.
    if problems is not None:
        found = [problem.as_json() for problem in problems]
        document |= {"verified": not found, "diagnostics": found}
    return json.streamed(document, "runs", runs)


def history_text(
    listing: RunList, *, header: str, width: int | None = None, color: bool = False
) -> str:
    """Return the runs as a table, newest last, each with its unapplied actions below it."""
    page = TextLayout(width=width, color=color)
    page.line(header)
    page.blank()
    if not listing.runs:
        page.line(_NO_RUNS)
        return page.text()
    heading, *lines = table_lines([_COLUMNS, *(_row(run) for run in listing.runs)])
    page.line((heading, "bold"))
    for run, line in zip(listing.runs, lines, strict=True):
        page.line((line, "" if _went_well(run) else "yellow"))
        for note in _notes(run):
            page.line(note, indent=4)
    page.blank()
    if listing.total > len(listing.runs):
        page.line(_MORE_RUNS.format(len(listing.runs), listing.total))
    for shard, anchor in listing.anchors.items():
        for line in anchor_lines(anchor, shard=shard):
            page.line(line)
    return page.text()


def _check(page: TextLayout, check: Check, width: int) -> None:
    verdict = f"{_CHECK_SYMBOLS[check.status]} {check.status.value:<4}"
    name = f"{check.name:<{width}}"
    summary = visible(check.summary, limit=400)
    page.line((verdict, _CHECK_STYLES[check.status]), f"  {name}  {summary}")
    if check.hint and check.status is not CheckStatus.OK:
        page.line(f"hint: {visible(check.hint, limit=400)}", indent=8)


def _row(run: PublicRun) -> tuple[str, ...]:
    pull_request = f"#{run['pull_request']} " if run.get("pull_request") else ""
    cells = tuple(
        visible(text, limit=40)
        for text in (
            str(run["run"]),
            # Date, hour and minute of an ISO 8601 timestamp.
            str(run["started_at"])[:16].replace("T", " "),
            str(run.get("actor") or "-"),
            pull_request + str(run.get("commit") or "-")[:9] + _changed(run),
            _result(run),
        )
    )
    # A slug is copied into commands, so it is never truncated.
    slugs = [visible(slug, limit=None) for slug in slugs_of(run)]
    return (*cells, named(slugs, limit=_SLUGS_NAMED) if slugs else "-")


def _changed(run: PublicRun) -> str:
    """Return the mark of files that differed from their commit, which the notes explain."""
    return "+" if run.get("uncommitted_changes") else ""


def slugs_of(run: PublicRun) -> list[str]:
    """Return the slugs of the integrations that a run acted on, in order."""
    acted = {str(outcome["slug"]) for outcome in run["outcomes"]}
    return sorted(acted | {str(call["slug"]) for call in run["unanswered"]})


def _result(run: PublicRun) -> str:
    summary = run["summary"]
    counts = [f"{summary[status]} {status.value}" for status in Status if summary.get(status)]
    if run["finished_at"] is None:
        counts.append(_UNFINISHED)
    return ", ".join(counts) or "no changes"


def _went_well(run: PublicRun) -> bool:
    counts = run["summary"]
    return run["finished_at"] is not None and not any(
        counts.get(status, 0) for status in Status if status is not Status.APPLIED
    )


def _notes(run: PublicRun) -> Iterable[str]:
    if run.get("undoes"):
        yield f"undoes run {visible(str(run['undoes']))}"
    if run.get("uncommitted_changes"):
        yield "the files had uncommitted changes"
    # An interrupted run can have hundreds of actions with one reason; `history RUN` lists them all.
    same: dict[tuple[str, str, str], list[str]] = {}
    for outcome in run["outcomes"]:
        if outcome["status"] != Status.APPLIED:
            error = outcome["error"] or {"message": ""}
            key = (str(outcome["status"]), str(outcome["action"]), str(error["message"]))
            same.setdefault(key, []).append(str(outcome["slug"]))
    for (status, action, message), slugs in same.items():
        yield f"{visible(status)}: {visible(action)} {_named(slugs)}: {visible(message)}"
    unanswered: dict[str, list[str]] = {}
    for call in run["unanswered"]:
        unanswered.setdefault(str(call["operation"]), []).append(str(call["slug"]))
    for operation, slugs in unanswered.items():
        yield f"no response recorded: {visible(operation)} {_named(slugs)}"


def _named(slugs: list[str]) -> str:
    return named([visible(slug, limit=None) for slug in slugs], limit=_SLUGS_NAMED)
