"""Metrics in the text format of Prometheus, checked with its own parser."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from reconciler.views.metrics import Figures, exposition
from tests.views.samples import mixed_plan, partial_result

PLAN = mixed_plan()
HOSTILE = st.text(st.characters(exclude_categories=("Cs",))) | st.sampled_from(
    [
        '"',
        "\\",
        "\n",
        '"} 1\nreconcile_in_sync{target="x',
        "\\n",
        'a\\"',
        "\r\n",
        "\u2028",
        "{}",
        "#",
    ]
)


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    families = text_string_to_metric_families(text)
    return {f.name: [(dict(s.labels), s.value) for s in f.samples] for f in families}


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_name_can_break_out_of_its_label(
    command: str, target: str, run: str, status: str
) -> None:
    figures = Figures(command=command, target=target, run=run, ended_at=1795415946.837466)
    figures.calls = Counter({("GET", status): 7})
    figures.call_seconds = {"GET": 0.1}
    figures.plan = PLAN
    found = samples(exposition(figures))
    labels = {"command": command, "target": target}
    assert found["reconcile_run_info"] == [({**labels, "run": run}, 1.0)]
    assert found["reconcile_requests"] == [({**labels, "method": "GET", "status": status}, 7.0)]
    assert found["reconcile_run_timestamp_seconds"] == [(labels, 1795415946.837466)]
    assert found["reconcile_in_sync"] == [(labels, 0.0)]


def test_a_lone_surrogate_does_not_break_the_file() -> None:
    found = samples(exposition(Figures(command="plan", target="\ud800", run="r")))
    assert found["reconcile_run_info"][0][0]["target"] == "?"


def test_outcomes_are_counted_by_kind_and_status() -> None:
    result = partial_result(PLAN)
    found = samples(exposition(Figures(command="apply", result=result)))
    counted = sum(value for _, value in found["reconcile_outcomes"])
    assert counted == len(result.outcomes)
    missing = len(result.outcomes) - result.summary["applied"]
    assert found["reconcile_not_applied"][0][1] == missing


def test_unknown_values_are_left_out() -> None:
    found = samples(exposition(Figures(command="plan", exit_code=1)))
    assert set(found) == {
        "reconcile_run_info",
        "reconcile_run_timestamp_seconds",
        "reconcile_run_duration_seconds",
        "reconcile_run_exit_code",
    }


def test_every_family_is_a_gauge_with_a_help_text() -> None:
    figures = Figures(command="apply", plan=PLAN, result=partial_result(PLAN), ledger="ok")
    figures.calls = Counter({("GET", "200"): 2, ("POST", "429"): 1})
    found = list(text_string_to_metric_families(exposition(figures)))
    assert {family.type for family in found} == {"gauge"}
    assert all(family.documentation for family in found)
    assert len({family.name for family in found}) == len(found) == 12


def test_a_family_without_samples_is_left_out() -> None:
    assert "reconcile_requests" not in exposition(Figures(command="plan"))


def test_no_other_file_is_written(tmp_path: Path) -> None:
    """The library writes values of processes to files if an application server configures it."""
    program = (
        "from reconciler.views.metrics import Figures, exposition; import sys;"
        "assert 'prometheus_client' not in sys.modules; print(exposition(Figures('plan')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "reconcile_run_exit_code" in done.stdout
    assert list(tmp_path.iterdir()) == []
