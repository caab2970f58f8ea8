"""Drift reports: differences, the origin of each change, and parsing of saved reports."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from reconciler.domain.policy import Prune
from reconciler.domain.state import Declared, LastApplied, LastAppliedState
from reconciler.drift.codec import UnreadableReport, decode_report
from reconciler.drift.report import DriftReport, detect_drift, origin_of
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, ChangeOrigin, Risk
from reconciler.planning.plan import Plan
from tests.builders import KEY, declared, desired
from tests.runs import World
from tests.views import drift_samples, samples
from tests.views.hostile import plans

LOCAL, REMOTE, BOTH, UNKNOWN = (
    ChangeOrigin.LOCAL,
    ChangeOrigin.REMOTE,
    ChangeOrigin.BOTH,
    ChangeOrigin.UNKNOWN,
)


@pytest.mark.slow
@settings(max_examples=40)
@given(plans())
def test_a_report_has_the_differences_and_the_digest_of_its_plan(plan: Plan) -> None:
    report = detect_drift(plan)
    assert report.in_sync == plan.in_sync
    assert report.fingerprint == plan.digest
    assert report.items == plan.actions
    assert sum(map(len, report.by_origin().values())) == len(plan.actions)


@pytest.mark.slow
@settings(max_examples=40)
@given(plans())
def test_the_fingerprint_does_not_depend_on_time_or_origins(plan: Plan) -> None:
    later = replace(plan, created_at="2027-01-01T00:00:00Z", commit="another")
    moved = tuple(drift_samples.moved(action, ChangeOrigin.REMOTE) for action in later.actions)
    assert detect_drift(replace(later, actions=moved)).fingerprint == detect_drift(plan).fingerprint


@pytest.mark.parametrize(
    ("origins", "whole"),
    [
        ([LOCAL], LOCAL),
        ([LOCAL, LOCAL], LOCAL),
        ([LOCAL, UNKNOWN], UNKNOWN),
        ([REMOTE, UNKNOWN], REMOTE),
        ([REMOTE, LOCAL], BOTH),
        ([BOTH, UNKNOWN], BOTH),
        ([UNKNOWN], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_the_origin_of_an_action_is_one_side_only_if_all_changes_allow_it(
    origins: list[ChangeOrigin], whole: ChangeOrigin
) -> None:
    changes = tuple(
        Change(f"tags.{n}", ChangeKind.REPLACE, Risk.COSMETIC, origin=origin)
        for n, origin in enumerate(origins)
    )
    resent = Change("key", ChangeKind.RESEND, Risk.CREDENTIAL, sensitive=True)
    action = Action("alpha", ActionKind.UPDATE, "differs", Risk.COSMETIC, (*changes, resent))
    assert origin_of(action) is whole


def test_a_blocked_action_is_a_difference_and_an_undeclared_value_is_not() -> None:
    assert not detect_drift(samples.blocked_plan()).in_sync
    assert drift_samples.in_sync().in_sync
    assert drift_samples.in_sync().as_json()["undeclared"] != []


def alpha(description: str) -> Declared:
    return declared(description=description, tags={"team": "search"}, key=KEY)


class Story:
    """Applied integration with its last-applied state."""

    def __init__(self) -> None:
        self.world = World()
        self.then = alpha("then")
        assert self.world.apply(desired(self.then)).complete
        self.last_applied = LastAppliedState(
            {"alpha": LastApplied(declared=self.then.fields)}, complete=True
        )

    def in_the_api(self, method: str = "PUT", slug: str = "alpha", **fields: Any) -> None:
        self.world.put(method, f"/integrations/{slug}", fields or None)

    def drift(self, *integrations: Declared, remembering: bool = True, **rules: Any) -> DriftReport:
        last_applied = self.last_applied if remembering else LastAppliedState()
        return detect_drift(
            self.world.plan(desired(*integrations, **rules), last_applied=last_applied)
        )


def origins(report: DriftReport) -> dict[str, str]:
    found = report.as_json()["origins"]
    assert isinstance(found, dict)
    return found


def test_without_a_change_no_origin_is_reported() -> None:
    story = Story()
    report = story.drift(story.then)
    assert (report.in_sync, origins(report)) == (True, {})


def test_edits_in_the_api_in_git_and_in_both_have_different_origins() -> None:
    story = Story()
    ahead = alpha("now")
    assert origins(story.drift(ahead)) == {"alpha": "local"}
    story.in_the_api(description="by hand")
    assert origins(story.drift(story.then)) == {"alpha": "remote"}
    assert origins(story.drift(ahead)) == {"alpha": "both"}


def test_edits_of_different_fields_by_both_sides_have_the_origin_both() -> None:
    story = Story()
    story.in_the_api(name="By hand")
    ahead = alpha("now")
    report = story.drift(ahead)
    assert origins(report) == {"alpha": "both"}
    changes = {c.path: c.origin for item in report.items for c in item.changes}
    assert changes == {"name": REMOTE, "description": LOCAL}


def test_without_a_last_applied_state_the_origin_is_unknown() -> None:
    story = Story()
    story.in_the_api(description="by hand")
    assert origins(story.drift(story.then, remembering=False)) == {"alpha": "unknown"}


def test_a_delete_in_the_api_is_remote_and_a_new_file_is_local() -> None:
    story = Story()
    story.in_the_api("DELETE")
    report = story.drift(story.then, declared("beta", key=KEY))
    assert origins(report) == {"alpha": "remote", "beta": "local"}


def test_a_delete_is_local_if_git_declared_the_slug_and_unknown_otherwise() -> None:
    story = Story()
    story.world.put(
        "POST",
        "/integrations",
        {"slug": "foreign", "name": "Foreign", "ai_provider_id": "openai", "key": "sk-x"},
    )
    report = story.drift(declared("beta", key=KEY), prune=Prune.ALL, limits={"deletes": 5})
    assert origins(report) == {"alpha": "local", "beta": "local", "foreign": "unknown"}


def public(report: DriftReport) -> Any:
    return json.loads(json.dumps(report.as_json()))


@pytest.mark.slow
@settings(max_examples=50)
@given(plans())
def test_a_report_is_unchanged_after_a_json_round_trip(plan: Plan) -> None:
    report = replace(detect_drift(replace(plan, run=None)), not_read=3)
    again = decode_report(json.dumps(report.as_json()), name="drift.json")
    assert public(again) == public(report)


def test_the_origin_of_a_withdrawn_integration_is_kept_without_its_file() -> None:
    report = drift_samples.git_ahead()
    again = decode_report(json.dumps(report.as_json()), name="drift.json")
    assert again.origin("old-openai") is LOCAL


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "plan"},
        {"format_version": "2"},
        {"fingerprint": "sha256:0"},
        {"in_sync": True},
        {"items": []},
        {"origins": {"a": "martian"}},
        {"target": None},
        {"not_read": None},
    ],
)
def test_a_file_that_is_not_a_report_is_refused_by_name(change: dict[str, Any]) -> None:
    document = drift_samples.drifted().as_json() | change
    with pytest.raises(UnreadableReport) as stop:
        decode_report(json.dumps(document), name="drift.json")
    assert (stop.value.code, stop.value.exit_code) == ("unreadable-report", 3)
    assert stop.value.summary.startswith("drift.json: ")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"origins": {"sk-live-1f2e": "martian"}}, "origins is missing or has the wrong type"),
        ({"origins": {"alpha": "sk-live-1f2e"}}, "origins is missing or has the wrong type"),
        ({"target": "sk-live-1f2e"}, "target is missing or has the wrong type"),
        ({"not_read": "sk-live-1f2e"}, "not_read is missing or has the wrong type"),
        ({"not_read": True}, "not_read is missing or has the wrong type"),
        ({"items": [{"sk-live-1f2e": 1}]}, "items[0].address is missing or has the wrong type"),
    ],
)
def test_a_damaged_report_is_refused_with_the_location_and_without_its_content(
    change: dict[str, Any], why: str
) -> None:
    document = drift_samples.drifted().as_json() | change
    with pytest.raises(UnreadableReport) as stop:
        decode_report(json.dumps(document), name="drift.json")
    assert stop.value.summary == f"drift.json: {why}"
    assert stop.value.__cause__ is None


def test_a_report_with_a_key_that_occurs_twice_is_refused() -> None:
    text = json.dumps(drift_samples.in_sync().as_json())
    with pytest.raises(UnreadableReport):
        decode_report(
            text.replace('"in_sync": true', '"in_sync": false, "in_sync": true'), name="x"
        )


@pytest.mark.parametrize("text", ["", "[]", "{", "1", "[" * 100_000])
def test_text_that_is_not_a_document_is_refused(text: str) -> None:
    with pytest.raises(UnreadableReport):
        decode_report(text, name="drift.json")
