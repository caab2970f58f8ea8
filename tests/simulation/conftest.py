"""Show the figures of the simulation below the test results, from whichever process they came."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests of this folder have noted for people."""
    said = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in report.user_properties
        if name == "simulation"
    ]
    if said:
        terminalreporter.section("simulation")
    for text in sorted(said):
        terminalreporter.write_line(str(text))
