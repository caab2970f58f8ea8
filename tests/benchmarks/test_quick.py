"""The benchmarks work and make exactly the calls that the bounds assume; times are not checked."""

import stat
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks import bounds, report
from tests.benchmarks.__main__ import run
from tests.benchmarks.bench import Bench, Row
from tests.benchmarks.terraform import OURS, PROVIDER, TERRAFORM, THEIR_DRIFT, THEIR_PLAN

pytestmark = pytest.mark.slow

CASES = ("converged", "incremental", "creates", "changed", "wide", "validate", "peers", "small")


def calls(rows: list[Row], case: str) -> dict[str, int]:
    row = next(row for row in rows if row.case == case)
    return row.measured.by_method()


def test_every_case_works_and_makes_only_the_expected_calls(tmp_path: Path) -> None:
    rows = run(Bench(tmp_path, quick=True), CASES)
    count = 12
    listed = bounds.pages(count)
    assert calls(rows, "converged plan") == {"GET": listed + count}
    assert calls(rows, "minimal client") == {"GET": listed + count}
    assert calls(rows, "two GETs each, ten at a time") == {"GET": 2 * count}
    assert calls(rows, "incremental drift")["GET"] < count
    assert calls(rows, "create all") == {"GET": listed + 1 + 2 * count, "POST": count}
    assert calls(rows, "apply, 1 % changed") == {"GET": listed + count + 2, "PUT": 1}
    assert calls(rows, "plan of one wide integration") == {"GET": 1 + 3}
    assert calls(rows, "validate") == {}
    assert calls(rows, "small plan") == {"GET": 1 + 4}
    table = report.markdown(rows)
    assert "small plan, N = 4 ÷ python -c 'import click': " in table
    assert "validate, 8 models each, N = 12 ÷ python -c 'import click': " in table
    assert all(f"| {row.case} | " in table for row in rows)
    ET.fromstring(report.chart(rows))  # noqa: S314  our own text


def test_the_bound_of_reading_is_that_of_the_calls_in_waves() -> None:
    assert bounds.pages(0) == bounds.pages(1) == bounds.pages(100) == 1
    assert bounds.pages(101) == 2
    assert bounds.reading(pages=10, details=1000, latency=0.05, parallelism=16) == 0.05 * 65
    assert bounds.paced(calls=400, rate=20) == 20


# Makes the two calls of a refresh for each integration, or creates everything.
STAND_IN = """\
#!{python}
import json, os, sys, urllib.request
assert os.path.exists(os.environ["TF_CLI_CONFIG_FILE"]), os.environ
found = json.load(open("main.tf.json"))["resource"]["portkey_integration"]
def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {{"x-portkey-api-key": "k", "content-type": "application/json"}}
    url = os.environ["PORTKEY_BASE_URL"] + path
    urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)).read()
for slug, body in found.items():
    if sys.argv[1] == "apply":
        if "configurations" in body:
            body["configurations"] = json.loads(body["configurations"])
        call("POST", "/integrations", body)
    else:
        call("GET", "/integrations/" + slug)
        call("GET", "/integrations/" + slug + "/models")
"""


def test_without_binaries_it_is_skipped_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TERRAFORM, raising=False)
    monkeypatch.setenv(PROVIDER, "terraform-provider-portkey")
    assert run(Bench(tmp_path, quick=True), ["terraform"]) == []
    assert "terraform: skipped, because BENCHMARK_TERRAFORM" in capsys.readouterr().err


def test_both_plan_the_same_integrations_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "terraform"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(TERRAFORM, str(program))
    monkeypatch.setenv(PROVIDER, str(program))
    rows = run(Bench(tmp_path, quick=True), ["terraform"])
    assert {(row.case, row.count) for row in rows} == {
        (name + latency, 12)
        for name in (*OURS, THEIR_PLAN, THEIR_DRIFT)
        for latency in ("", ", 1 ms")
    }
    calls = {(row.case, row.count): row.measured.by_method() for row in rows}
    assert calls["plan beside Terraform", 12] == {"GET": 1 + 12}
    assert calls[THEIR_PLAN, 12] == {"GET": 2 * 12}
    assert calls[THEIR_DRIFT, 12] == {"GET": 2 * 12}
    table = report.markdown(rows)
    assert "plan beside Terraform ÷ Terraform: plan, N = 12: " in table
    assert "0.54 (calls)" in table
