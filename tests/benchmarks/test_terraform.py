"""The case `terraform` runs two programs in turn, and is skipped without them."""

import stat
import sys
from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.__main__ import run
from tests.benchmarks.bench import Bench
from tests.benchmarks.terraform import OURS, PROVIDER, TERRAFORM, THEIR_DRIFT, THEIR_PLAN

pytestmark = pytest.mark.slow

# It makes the calls of a refresh, two for each integration, or creates everything.
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
        (name, count) for count in (4, 12) for name in (*OURS, THEIR_PLAN, THEIR_DRIFT)
    }
    calls = {(row.case, row.count): row.measured.by_method() for row in rows}
    assert calls["plan beside Terraform", 12] == {"GET": 1 + 12}
    assert calls[THEIR_PLAN, 12] == {"GET": 2 * 12}
    assert calls[THEIR_DRIFT, 12] == {"GET": 2 * 12}
    table = report.markdown(rows)
    assert "plan beside Terraform ÷ Terraform: plan, N = 12: " in table
    assert "0.54 (calls)" in table
