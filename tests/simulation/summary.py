"""Simulation figures of all processes, shown below the test results."""

from collections.abc import Iterator
from typing import Any

import pytest

_ENDINGS = ("all applied", "some failed", "some unknown", "stopped before writing", "killed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that the tests of this folder have recorded."""
    figures = sorted(_noted(terminalreporter, "simulation"))
    rows = list(_noted(terminalreporter, "boundaries"))
    if figures:
        terminalreporter.section("simulation")
    for text in figures:
        terminalreporter.write_line(text)
    if rows:
        terminalreporter.section("one apply of twelve writes, struck at each of its calls")
        for line in _table(sorted(rows, key=lambda row: str(row["kind"]))):
            terminalreporter.write_line(line)


def _noted(terminalreporter: pytest.TerminalReporter, name: str) -> Iterator[Any]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                yield from (value for key, value in report.user_properties if key == name)


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    width = max(len(row["kind"]) for row in rows)
    yield f"{'':{width}}  runs  " + "  ".join(_ENDINGS) + "  converged after"
    total = 0
    for row in rows:
        counts = [row.get(ending, 0) for ending in _ENDINGS]
        total += sum(counts)
        cells = "  ".join(
            f"{count or '·':>{len(ending)}}" for count, ending in zip(counts, _ENDINGS, strict=True)
        )
        yield f"{row['kind']:{width}}  {sum(counts):4}  {cells}  {sum(counts):15}"
    yield f"{total:,} struck runs, each followed by one clean run that converged"
