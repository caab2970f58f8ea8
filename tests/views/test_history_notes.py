"""Notes below a run in a history: all actions with the same reason share a line."""

from typing import Any

from reconciler.views.reports import RunList, history_text


def outcome(slug: str, status: str, message: str | None) -> dict[str, Any]:
    error = None if message is None else {"message": message}
    return {"slug": slug, "action": "create", "status": status, "error": error}


def notes(run: dict[str, Any]) -> list[str]:
    """Return the indented lines of a history of one run."""
    basis = {"run": "r-1", "started_at": "2026-11-29T14:00:00Z", "finished_at": None, "summary": {}}
    listing = RunList("local", [{"outcomes": [], "unanswered": [], **basis, **run}], 1)
    text = history_text(listing, header="header")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_five_hundred_skipped_actions_are_one_line() -> None:
    skipped = [outcome(f"s-{i:03}", "skipped", "interrupted by SIGINT") for i in range(485)]
    failed = [outcome("a", "failed", "locked"), outcome("b", "failed", "no scope")]
    assert notes({"outcomes": [*failed, *skipped, outcome("c", "applied", None)]}) == [
        "failed: create a: locked",
        "failed: create b: no scope",
        "skipped: create s-000, s-001, s-002 and 482 more: interrupted by SIGINT",
    ]


def test_calls_without_a_response_are_named_by_operation() -> None:
    calls = [{"operation": "create", "slug": f"s-{i}"} for i in range(5)]
    assert notes({"unanswered": [*calls, {"operation": "delete", "slug": "a\n::error::"}]}) == [
        "no response recorded: create s-0, s-1, s-2 and 2 more",
        "no response recorded: delete a\\n::error::",
    ]
