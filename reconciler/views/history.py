"""Past runs as a table for people; what a run did in detail is in the JSON of `history`.

The runs come from the ledger in their public form (`reconciler.ledger.history`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.cells import cell_len

from reconciler.diagnostics import Diagnostic
from reconciler.execution.outcome import Status
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.page import Page

NO_RUNS = "No runs."
_COLUMNS = ("run", "started", "by", "commit", "result")
_UNFINISHED = "unfinished"


def as_json(
    runs: Iterable[Mapping[str, Any]], *, ledger: str, problems: Iterable[Diagnostic] | None = None
) -> str:
    """Write the runs, oldest first; with `problems` also whether the records are as written."""
    document: dict[str, Any] = {
        "format_version": "1",
        "kind": "history",
        "ledger": ledger,
        "runs": list(runs),
    }
    if problems is not None:
        found = [problem.as_json() for problem in problems]
        document |= {"verified": not found, "diagnostics": found}
    return json.document(document)


def as_text(
    runs: Iterable[Mapping[str, Any]], *, header: str, width: int = 80, color: bool = False
) -> str:
    """Write the runs as a table, the newest last, and under each what did not go well."""
    page = Page(width=width, color=color)
    page.line(header)
    page.blank()
    listed = list(runs)
    if not listed:
        page.line(NO_RUNS)
        return page.text()
    rows = [_COLUMNS, *(_row(run) for run in listed)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    page.line((_aligned(rows[0], widths), "bold"))
    for run, row in zip(listed, rows[1:], strict=True):
        page.line((_aligned(row, widths), "" if _went_well(run) else "yellow"))
        for remark in _remarks(run):
            page.line(remark, indent=4)
    return page.text()


def _row(run: Mapping[str, Any]) -> tuple[str, ...]:
    pull_request = f"#{run['pull_request']} " if run.get("pull_request") else ""
    return tuple(
        visible(text, limit=40)
        for text in (
            str(run["run"]),
            str(run["started_at"])[:16].replace("T", " "),
            str(run.get("actor") or "-"),
            pull_request + str(run.get("commit") or "-")[:9],
            _result(run),
        )
    )


def _result(run: Mapping[str, Any]) -> str:
    counts = [
        f"{count} {status.value}" for status in Status if (count := run["summary"].get(status, 0))
    ]
    if run["finished_at"] is None:
        counts.append(_UNFINISHED)
    return ", ".join(counts) or "nothing done"


def _went_well(run: Mapping[str, Any]) -> bool:
    counts = run["summary"]
    return run["finished_at"] is not None and not any(
        counts.get(status, 0) for status in Status if status is not Status.APPLIED
    )


def _remarks(run: Mapping[str, Any]) -> Iterable[str]:
    if run.get("undoes"):
        yield f"undid run {visible(str(run['undoes']))}"
    for outcome in run["outcomes"]:
        if outcome["status"] != Status.APPLIED:
            error = outcome["error"] or {"message": ""}
            what = f"{outcome['status']}: {outcome['action']} {outcome['slug']}: {error['message']}"
            yield visible(what)
    for call in run["unanswered"]:
        yield visible(f"no answer on record: {call['operation']} {call['slug']}")


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()
