"""Change windows and freezes: what an apply refuses or allows, and where the reason is kept."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.domain.policy import ChangeWindow, Freeze
from tests.cli.project import Here, writes
from tests.end_to_end.harness import Project

FROZEN = {"until": "9000-01-01", "reason": "year-end trading"}
OVER = {"until": "2001-01-01", "reason": "over"}
REASON = "INC-7: leaked key"


def frozen(folder: Path, **rules: Any) -> Here:
    """Return a project with one integration to create, on a frozen target."""
    project = Here(folder)
    project.config(**{"freeze": FROZEN, **rules})
    project.integration("alpha")
    return project


def test_a_frozen_target_refuses_an_apply_and_names_the_next_opening(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    done = project.run("-vv", "apply", "--yes")
    assert done.code == 4
    assert writes(done) == []
    assert "error[outside-window]" in done.err
    assert "frozen until the end of 9000-01-01 (UTC): year-end trading" in done.err
    assert "does not accept this plan before Thu 9000-01-02 00:00 +00:00 (UTC): " in done.err
    assert "--break-freeze REASON" in done.err
    assert done.err.count("[outside-window]") == 1
    assert project.slugs() == []


def test_the_refusal_document_contains_the_plan(tmp_path: Path) -> None:
    done = frozen(tmp_path).run("apply", "--yes", "--format", "json")
    assert (done.code, done.json["exit_code"], done.json["kind"]) == (4, 4, "error")
    assert [item["code"] for item in done.json["diagnostics"]] == ["outside-window"]
    assert done.json["plan"]["summary"]["create"] == 1


def test_plan_and_drift_work_and_the_plan_names_the_opening(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    planned = project.plan()
    assert planned["opens_at"] == "9000-01-02T00:00:00Z"
    [found] = [d for d in planned["diagnostics"] if d["code"] == "outside-window"]
    assert found["severity"] == "notice"
    assert "Thu 9000-01-02 00:00 +00:00 (UTC)" in found["summary"]
    comment = " ".join(project.run("plan", "--format", "markdown").out.split())
    assert "before Thu 9000-01-02 00:00 +00:00 (UTC)" in comment
    drift = project.run("drift", "--format", "json")
    assert (drift.code, drift.json["summary"]["create"]) == (2, 1)
    project.config(freeze=OVER)
    free = project.plan()
    assert "opens_at" not in free
    assert free["digest"] == planned["digest"]


def test_saved_plans_and_digests_are_refused_too(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    digest = project.plan("--out", "plan.json")["digest"]
    for approval in (("plan.json",), ("--expect-digest", digest)):
        done = project.run("-vv", "apply", *approval)
        assert (done.code, writes(done)) == (4, [])
        assert "error[outside-window]" in done.err
        assert "before Thu 9000-01-02 00:00" in done.err
    assert project.run("apply", "plan.json", "--break-freeze", REASON).code == 0


def test_a_broken_freeze_is_recorded_in_result_ledger_and_comment(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    done = project.run("apply", "--yes", "--format", "json", "--break-freeze", f" {REASON} ")
    assert done.code == 0, done.err
    assert done.json["break_freeze"] == REASON
    assert project.slugs() == ["alpha"]
    run = done.json["run"]
    [recorded] = project.run("history", "--format", "json").json["runs"]
    assert (recorded["run"], recorded["break_freeze"]) == (run, REASON)
    assert f"outside the change window, because: {REASON}" in project.run("history", run).out
    assert project.run("history", "--verify").code == 0
    (tmp_path / "result.json").write_text(done.out)
    summary = tmp_path / "summary.md"
    reported = project.run(
        *("report", "github", "--result", "result.json", "--environment", "production"),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert f"outside the change window, because: {REASON}" in summary.read_text(), reported.err
    merged = project.run("merge-results", "result.json", "--format", "json")
    assert merged.json["break_freeze"] == REASON


def test_the_text_of_a_result_has_the_reason(tmp_path: Path) -> None:
    done = frozen(tmp_path).run("apply", "--yes", "--break-freeze", "INC-7 \x1b[31mred")
    assert done.code == 0, done.err
    assert "outside the change window, because: INC-7" in done.out
    assert "\x1b" not in done.out


def test_a_reason_that_was_not_needed_is_not_recorded(tmp_path: Path) -> None:
    project = frozen(tmp_path, freeze=OVER)
    done = project.run("apply", "--yes", "--format", "json", "--break-freeze", REASON)
    assert done.code == 0
    assert "break_freeze" not in done.json
    project.config(freeze=FROZEN)
    nothing = project.run("apply", "--yes", "--format", "json")  # nothing to change
    assert nothing.code == 0
    assert "break_freeze" not in nothing.json


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "the reason is empty"),
        ("  ", "the reason is empty"),
        ("sk-proj-0123456789abcdefghijABCDEFGHIJ0123456789", "looks like a secret"),
    ],
)
def test_a_reason_must_be_a_sentence(tmp_path: Path, reason: str, message: str) -> None:
    done = frozen(tmp_path).run("-vv", "apply", "--yes", "--break-freeze", reason)
    assert done.code == 3
    assert message in done.err
    assert "0123456789" not in done.err
    assert writes(done) == []


def test_a_variable_breaks_no_freeze(tmp_path: Path) -> None:
    done = frozen(tmp_path).run("apply", "--yes", RECONCILE_APPLY_BREAK_FREEZE=REASON)
    assert done.code == 4


def test_the_flag_lifts_no_guard(tmp_path: Path) -> None:
    project = frozen(tmp_path, freeze=OVER)
    project.apply()
    project.config(freeze=FROZEN)
    project.remove("alpha")
    done = project.run("-vv", "apply", "--yes", "--break-freeze", REASON)
    assert (done.code, writes(done)) == (4, [])
    assert "empty-desired-state" in done.err


def test_an_undo_obeys_and_can_break_the_freeze(tmp_path: Path) -> None:
    project = frozen(tmp_path, freeze=OVER)
    project.apply()
    project.integration("alpha", name="Broken")
    run = project.run("apply", "--yes", "--format", "json").json["run"]
    project.config(freeze=FROZEN)
    planned = project.run("undo", run, "--out", "undo.json", "--format", "json")
    assert planned.json["opens_at"] == "9000-01-02T00:00:00Z"
    refused = project.run("-vv", "apply", "undo.json")
    assert (refused.code, writes(refused)) == (4, [])
    assert "error[outside-window]" in refused.err
    done = project.run("apply", "undo.json", "--break-freeze", REASON, "--format", "json")
    assert (done.code, done.json["break_freeze"]) == (0, REASON)


def test_a_fleet_obeys(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    (tmp_path / "fleet.yaml").write_text(
        json.dumps({"version": 1, "members": [{"name": "one", "dir": "desired-state"}]})
    )
    done = project.run("fleet", "apply", "--yes", "--format", "json")
    [member] = done.json["members"]
    assert member["status"] == "refused"
    assert [note["code"] for note in member["diagnostics"]] == ["outside-window"]
    assert project.slugs() == []


@pytest.mark.parametrize(
    "windows",
    [
        [{"allow": "00:00-24:00", "zone": "Europe/Berlin"}],
        # The plan only creates.
        [{"allow": "Mon 00:00-00:01", "zone": "Pacific/Kiritimati", "risks": ["delete"]}],
    ],
)
def test_windows_that_allow_the_plan(tmp_path: Path, windows: list[dict[str, Any]]) -> None:
    done = frozen(tmp_path, freeze=OVER, windows=windows).run("apply", "--yes")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("rules", "code", "summary"),
    [
        ({"windows": []}, "invalid-value", "`windows` is empty"),
        ({"windows": [{"allow": "Mon 9-17", "zone": "UTC"}]}, "invalid-value", "`allow` must be"),
        (
            {"windows": [{"allow": "Mo 09:00-17:00", "zone": "UTC"}]},
            "invalid-value",
            "`allow` has an unknown day: Mo",
        ),
        ({"windows": [{"allow": "09:00-17:00"}]}, "missing-field", "needs `zone`"),
        (
            {"windows": [{"allow": "09:00-17:00", "zone": "Europe/Berlim"}]},
            "invalid-value",
            "`zone` is not a time zone",
        ),
        (
            {"windows": [{"allow": "09:00-17:00", "zone": "localtime"}]},
            "invalid-value",
            "`zone` is not a time zone",
        ),
        (
            {"windows": [{"allow": "09:00-17:00", "zone": "right/Europe/Berlin"}]},
            "invalid-value",
            "`zone` is not a time zone",
        ),
        (
            {"windows": [{"allow": "09:00-17:00", "zone": "UTC", "risks": []}]},
            "invalid-value",
            "`risks` is empty",
        ),
        (
            {"windows": [{"allow": "09:00-17:00", "zone": "UTC", "risks": ["deletes"]}]},
            "invalid-value",
            "cannot be `deletes`",
        ),
        ({"windows": {"allow": "09:00-17:00"}}, "wrong-type", "`windows` must be a list"),
        ({"windows": [{"allow": [9], "zone": "UTC"}]}, "wrong-type", "`allow` must be a string"),
        ({"freeze": {"until": "2027-01-02"}}, "missing-field", "needs `reason`"),
        ({"freeze": {"until": "soon", "reason": "x"}}, "invalid-value", "`until` must be a date"),
        ({"freeze": {"until": "2027-02-30", "reason": "x"}}, "invalid-value", "`until` must be"),
        (
            {"freeze": {"until": "2027-01-02T08:00:00", "reason": "x"}},
            "invalid-value",
            "`until` must be a date, or a time with a time zone",
        ),
        ({"freeze": {"until": "2027-01-02", "reason": " "}}, "invalid-value", "`reason` is empty"),
        (
            {"freeze": {"until": "2027-01-02", "reason": "x", "zone": "Mars"}},
            "invalid-value",
            "`zone` is not a time zone",
        ),
        (
            {
                "freeze": {"until": "2027-01-02", "reason": "x"},
                "windows": [
                    {"allow": "09:00-17:00", "zone": "UTC"},
                    {"allow": "09:00-17:00", "zone": "Asia/Tokyo"},
                ],
            },
            "missing-field",
            "`freeze` needs `zone`",
        ),
        ({"freezes": FROZEN}, "unknown-field", "`freezes` is not a field"),
    ],
)
def test_bad_input_has_a_place_and_a_hint(
    tmp_path: Path, rules: dict[str, Any], code: str, summary: str
) -> None:
    done = frozen(tmp_path, **{"freeze": OVER, **rules}).run("validate", "--format", "json")
    assert done.code == 3
    [found] = [d for d in done.json["diagnostics"] if d["severity"] == "error"]
    assert (found["code"], summary in found["summary"]) == (code, True), found
    assert found["hint"]
    assert found["file"].endswith("reconcile.yaml")
    assert found["line"] > 1


def test_a_plain_yaml_date_is_read(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    project.write(
        "reconcile.yaml",
        'version: 1\ndefault_target: here\ntargets:\n  here:\n    base_url: "simulator:"\n'
        "    freeze: {until: 9000-01-01, reason: trading}\n"
        "    windows: [{allow: Mon-Thu 09:00-16:00, zone: Europe/Berlin, risks: [delete]}]\n",
    )
    assert project.plan()["opens_at"] == "9000-01-01T23:00:00Z"


def test_the_schema_of_the_file_describes_both(tmp_path: Path) -> None:
    schema = frozen(tmp_path).run("schema", "--kind", "config").json
    for model in (ChangeWindow, Freeze):
        properties = schema["$defs"][model.__name__]["properties"]
        assert properties.keys() == model.model_fields.keys()
        assert all(field["description"] for field in properties.values())


def test_a_machine_without_time_zone_data_gets_a_diagnostic(tmp_path: Path) -> None:
    windows = [{"allow": "Mon 09:00-10:00", "zone": "Europe/Berlin"}]
    project = frozen(tmp_path, freeze=OVER, windows=windows)
    start = "import sys; sys.modules['tzdata'] = None; from reconciler.cli.main import main; main()"
    done = Project.run(project, "validate", command=(sys.executable, "-c", start), PYTHONTZPATH="")
    assert done.code == 3
    assert "error[no-time-zones]" in done.err + done.out
    assert "pip install tzdata" in done.err + done.out
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes")])
def test_a_target_without_the_settings_loads_no_time_zone_data(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    start = (
        "import atexit, sys\n"
        "from reconciler.cli.main import main\n"
        "loaded = lambda: [name for name in sys.modules if 'window' in name]\n"
        "atexit.register(lambda: print(loaded(), file=sys.stderr))\n"
        "main()\n"
    )
    done = Project.run(project, *command, command=(sys.executable, "-c", start))
    assert done.code == 0, done.err
    assert done.err.rstrip().endswith("[]")


def test_plan_and_result_conform_to_their_schemas(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    documents = {
        "plan": project.plan(),
        "result": project.run(
            *("apply", "--yes", "--break-freeze", REASON, "--format", "json")
        ).json,
    }
    keys = {"plan": "opens_at", "result": "break_freeze"}
    for kind, document in documents.items():
        schema = project.run("schema", "--kind", kind).json
        jsonschema.Draft202012Validator(schema).validate(document)
        assert keys[kind] in document
        assert keys[kind] in schema["properties"]


def test_an_ended_freeze_is_reported(tmp_path: Path) -> None:
    project = frozen(tmp_path, freeze=OVER)
    for command in ("plan", "drift"):
        found = project.run(command, "--format", "json").json["diagnostics"]
        [ended] = [item for item in found if item["code"] == "freeze-ended"]
        assert ended["severity"] == "notice"
        assert ended["summary"].endswith("has ended: its `until` is 2001-01-01")
    project.config(freeze=FROZEN)
    assert "freeze-ended" not in project.run("plan", "--format", "json").out
    project.config(freeze=OVER)
    assert project.run("apply", "--yes").code == 0
