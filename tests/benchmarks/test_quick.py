"""The benchmarks work and make just the calls that bounds are reckoned with; no time counts."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks import bounds, report
from tests.benchmarks.__main__ import run
from tests.benchmarks.bench import Bench, Row

pytestmark = pytest.mark.slow

CASES = ("converged", "incremental", "creates", "changed", "wide", "validate", "peers", "small")


def calls(rows: list[Row], case: str) -> dict[str, int]:
    row = next(row for row in rows if row.case == case)
    return row.measured.by_method()


def test_every_case_works_and_makes_no_call_too_many(tmp_path: Path) -> None:
    rows = run(Bench(tmp_path, quick=True), CASES)
    count = 12
    listed = bounds.pages(count)
    assert calls(rows, "converged plan") == {"GET": listed + count}
    assert calls(rows, "a client that does the minimum") == {"GET": listed + count}
    assert calls(rows, "two GETs each, ten at a time") == {"GET": 2 * count}
    assert calls(rows, "incremental drift")["GET"] < count
    assert calls(rows, "create all") == {"GET": listed + 1 + 2 * count, "POST": count}
    assert calls(rows, "apply, 1 % changed") == {"GET": listed + count + 2, "PUT": 1}
    assert calls(rows, "plan of one wide integration") == {"GET": 1 + 3}
    assert calls(rows, "validate") == {}
    assert calls(rows, "small plan") == {"GET": 1 + 4}
    table = report.markdown(rows)
    assert "small plan, N = 4 ÷ python -c 'import click': " in table
    assert all(f"| {row.case} | " in table for row in rows)
    ET.fromstring(report.chart(rows))  # noqa: S314  our own text


def test_the_bound_of_reading_is_that_of_the_calls_in_waves() -> None:
    assert bounds.pages(0) == bounds.pages(1) == bounds.pages(100) == 1
    assert bounds.pages(101) == 2
    assert bounds.reading(pages=10, details=1000, latency=0.05, parallelism=16) == 0.05 * 65
    assert bounds.paced(calls=400, rate=20) == 20
