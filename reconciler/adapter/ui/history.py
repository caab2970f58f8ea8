"""The page's history: the runs of the ledger as a timeline, the latest first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.adapter.ui.overview import frame, text

MOST_RUNS: Final = 100
_SIGNS: Final = {"applied": "✓", "failed": "✗", "skipped": "–", "unknown": "?"}

Run = Mapping[str, Any]


def history(runs: Sequence[Run], *, problem: str | None, can_log_out: bool) -> str:
    """Show past runs, given oldest first."""
    latest = list(reversed(runs))[:MOST_RUNS]
    body = ["<h1>History</h1>", '<p class="faint">The runs on record, times in UTC.</p>']
    if problem:
        body.append(f'<p class="note error">{text(problem)}</p>')
    elif not latest:
        body.append('<p class="faint">No run is on record. `reconcile apply` writes the first.</p>')
    else:
        body.append(f'<ol class="timeline">{"".join(map(_run, latest))}</ol>')
    if len(runs) > MOST_RUNS:
        body.append('<p class="faint">`reconcile history` shows earlier runs.</p>')
    return frame("History", body, here="/history", can_log_out=can_log_out)


def _run(run: Run) -> str:
    summary = run.get("summary") or {}
    counts = [(word, summary.get(word, 0)) for word in _SIGNS]
    marks = " ".join(_mark(word, count) for word, count in counts if count) or "nothing to do"
    return (
        f'<li class="{_kind(run)}"><p><strong>{_moment(run.get("started_at"))}</strong> '
        f'<code class="faint">{text(run.get("run") or "")}</code></p>'
        f"<p>{marks}</p>{_facts(run)}{_outcomes(run)}</li>"
    )


def _kind(run: Run) -> str:
    summary = run.get("summary") or {}
    if run.get("finished_at") is None:
        return "open"
    return "bad" if summary.get("failed") or summary.get("unknown") else ""


def _mark(word: str, count: int) -> str:
    sign = f'<span aria-hidden="true">{_SIGNS[word]}</span>'
    return f'<span class="mark {word}">{sign}{count} {word}</span>'


def _facts(run: Run) -> str:
    commit = run.get("commit")
    said = [
        f"by {run['actor']}" if run.get("actor") else "",
        f"commit {str(commit)[:12]}" if commit else "",
        f"pull request {run['pull_request']}" if run.get("pull_request") else "",
        "" if run.get("finished_at") else "not finished",
    ]
    return f'<p class="faint">{text(", ".join(part for part in said if part))}</p>'


def _outcomes(run: Run) -> str:
    outcomes = run.get("outcomes") or []
    if not outcomes:
        return ""
    lines = "".join(map(_outcome, outcomes[:MOST_RUNS]))
    count = f"{len(outcomes)} integration{'' if len(outcomes) == 1 else 's'}"
    return f"<details><summary>{count}</summary><ul>{lines}</ul></details>"


def _outcome(outcome: Mapping[str, Any]) -> str:
    status = str(outcome.get("status", ""))
    error = outcome.get("error") or {}
    why = f": {text(error.get('message', ''))}" if error else ""
    kind = status if status in _SIGNS else ""
    return (
        f'<li><span class="{kind}">{_SIGNS.get(status, "")} {text(status)}</span> '
        f"{text(outcome.get('action', ''))} <code>{text(outcome.get('slug', ''))}</code>{why}</li>"
    )


def _moment(moment: object) -> str:
    shown = str(moment or "")
    return f'<time datetime="{text(shown)}">{text(shown[:16].replace("T", " "))}</time>'
