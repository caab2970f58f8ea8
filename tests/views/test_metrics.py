"""Metrics in the text format of Prometheus, read back by its own parser."""

from collections import Counter

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
def test_no_name_can_leave_its_label(command: str, target: str, run: str, status: str) -> None:
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


def test_what_is_not_known_is_left_out() -> None:
    found = samples(exposition(Figures(command="plan", exit_code=1)))
    assert set(found) == {
        "reconcile_run_info",
        "reconcile_run_timestamp_seconds",
        "reconcile_run_duration_seconds",
        "reconcile_run_exit_code",
    }
