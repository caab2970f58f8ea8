"""Promotion of a target: `apply` refuses content until its source has had it long enough."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.project import Here, built_once, writes

REASON = "INC-7: leaked key"
HOURS = 24


def config(made: Here, *differs: str, **rules: Any) -> None:
    """Write two targets with separate simulators; one is promoted from the other."""
    promotion = {"from": "staging", "soak_hours": HOURS, **rules}
    targets = {
        "staging": {"base_url": "simulator:", "environment": "staging"},
        "production": {
            "base_url": "simulator:",
            "environment": "production",
            "promotion": promotion,
        },
    }
    made.write("reconcile.yaml", {"version": 1, "targets": targets, "differs": list(differs)})
    for name in ("staging", "production"):
        made.write(f"environments/{name}/all.yaml", "{}\n")


@built_once
def staged(folder: Path) -> Here:
    """Return a project whose one integration was applied to staging a moment ago."""
    made = Here(folder)
    config(made)
    made.integration("alpha", description="one")
    assert on(made, "staging", "apply", "--yes").code == 0
    return made


def on(made: Here, target: str, *words: str) -> Any:
    """Run a command on a target; each target has a separate simulator."""
    with simulator_of(made, target):
        return made.run("-vv", "--target", target, *words)


@contextmanager
def simulator_of(made: Here, target: str) -> Iterator[None]:
    mine = made.state / f"{target}.db"
    shared = made.state / "simulator.db"
    if mine.exists():
        mine.replace(shared)
    elif shared.exists():
        shared.unlink()
    yield
    if shared.exists():
        shared.replace(mine)


def age(made: Here, hours: float, *, checked: float | None = None) -> None:
    """Age the records of staging in the ledger by some hours."""

    def earlier(text: str, by: float) -> str:
        return (datetime.fromisoformat(text) - timedelta(hours=by)).isoformat()

    with sqlite3.connect(made.state / "ledger.db") as database:
        query = "SELECT name, value FROM meta WHERE name LIKE 'soak of target %'"
        [(name, text)] = database.execute(query)
        entries = json.loads(text)
        for entry in entries.values():
            entry["since"] = earlier(entry["since"], hours)
            entry["checked"] = earlier(entry["checked"], hours if checked is None else checked)
        database.execute("UPDATE meta SET value = ? WHERE name = ?", (json.dumps(entries), name))
    database.close()


def refused(made: Here, *words: str) -> str:
    """Return the message with which an apply to production is refused."""
    done = on(made, "production", "apply", "--yes", *words)
    assert (done.code, writes(done)) == (4, []), done.err
    assert "error[not-soaked]" in done.err
    return str(done.err)


def test_recently_applied_content_is_refused(tmp_path: Path) -> None:
    made = staged(tmp_path)
    message = " ".join(refused(made).split())
    assert "`staging` has had without drift for 24 hours; can be applied from 2" in message
    assert "alpha: in use at staging since" in message
    done = on(made, "production", "apply", "--yes", "--format", "json")
    assert [item["code"] for item in done.json["diagnostics"]] == ["not-soaked"]
    assert (done.json["kind"], done.json["exit_code"]) == ("error", 4)


def test_a_later_check_without_drift_allows_the_promotion(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    # The time has passed, but no check has run since.
    assert "run `reconcile --target staging drift`" in " ".join(refused(made).split())
    assert on(made, "staging", "drift").code == 0
    assert on(made, "production", "apply", "--yes").code == 0


def test_an_apply_of_staging_that_changes_nothing_is_a_check(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "apply", "--yes").code == 0
    assert on(made, "production", "apply", "--yes").code == 0


def test_a_drift_check_of_a_fleet_counts(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    member = {"name": "s", "dir": "desired-state", "target": "staging"}
    (made.folder / "fleet.yaml").write_text(json.dumps({"version": 1, "members": [member]}))
    with simulator_of(made, "staging"):
        done = made.run("fleet", "drift", "--format", "json")
    assert done.code == 0, done.out
    assert on(made, "production", "apply", "--yes").code == 0


def test_an_incremental_check_confirms_only_what_it_has_read(tmp_path: Path) -> None:
    made = staged(tmp_path)
    made.integration("beta")
    made.integration("gamma")
    assert on(made, "staging", "apply", "--yes").code == 0
    age(made, HOURS + 1)
    done = on(made, "staging", "drift", "--incremental", "--format", "json")
    assert (done.code, done.json["not_read"]) == (0, 2)
    refused(made)
    done = on(made, "staging", "drift", "--incremental", "--sample-every", "1", "--format", "json")
    assert (done.code, done.json["not_read"]) == (0, 0)
    assert on(made, "production", "apply", "--yes").code == 0


def test_an_undo_must_have_been_made_at_staging_too(tmp_path: Path) -> None:
    made = staged(tmp_path)
    assert on(made, "production", "apply", "--yes", "--allow-unsoaked", REASON).code == 0
    run = on(made, "production", "history", "--format", "json").json["runs"][-1]["run"]
    assert on(made, "production", "undo", run, "--out", "undo.json").code == 0
    done = on(made, "production", "apply", "undo.json")
    assert (done.code, writes(done)) == (4, [])
    assert "alpha: staging still has it" in done.err
    done = on(made, "production", "apply", "undo.json", "--allow-unsoaked", REASON)
    assert done.code == 0, done.err


def test_a_check_that_is_too_old_does_not_count(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, 3 * HOURS, checked=HOURS + 2)
    assert "alpha: not checked at staging since" in refused(made)


def test_a_check_by_a_clock_that_is_ahead_adds_no_time(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, 0, checked=-2 * HOURS)
    assert "can be applied from 2" in " ".join(refused(made).split())


def changed_by_hand(made: Here) -> None:
    (made.files / "environments/staging/all.yaml").write_text("alpha: {description: by hand}\n")
    target = {"staging": {"base_url": "simulator:", "environment": "staging"}}
    config_text = (made.files / "reconcile.yaml").read_text()
    made.write("reconcile.yaml", {"version": 1, "targets": target})
    on(made, "staging", "apply", "--yes", "--no-ledger")
    (made.files / "reconcile.yaml").write_text(config_text)
    (made.files / "environments/staging/all.yaml").write_text("{}\n")


def test_drift_at_staging_restarts_the_time(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    changed_by_hand(made)
    assert on(made, "staging", "drift").code == 2
    assert "alpha: staging is not known to have this content" in " ".join(refused(made).split())
    assert on(made, "staging", "apply", "--yes").code == 0
    assert "can be applied from" in " ".join(refused(made).split())


def test_a_run_that_reverts_drift_restarts_the_time(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    changed_by_hand(made)
    assert on(made, "staging", "apply", "--yes").code == 0
    assert "can be applied from" in " ".join(refused(made).split())


def test_content_that_was_applied_without_a_record_does_not_count(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    other_value(made)
    settings = (made.files / "reconcile.yaml").read_text()
    target = {"base_url": "simulator:", "environment": "staging"}
    made.write("reconcile.yaml", {"version": 1, "targets": {"staging": target}})
    assert on(made, "staging", "apply", "--yes").code == 0
    (made.files / "reconcile.yaml").write_text(settings)
    assert "alpha: staging is not known to have this content" in " ".join(refused(made).split())


def other_value(made: Here) -> None:
    made.integration("alpha", description="two")


def new_one(made: Here) -> None:
    made.integration("beta")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (other_value, "alpha: staging has other values: description"),
        (new_one, "beta: staging is not known to have this content"),
    ],
)
def test_content_that_staging_has_not_applied_is_refused(
    tmp_path: Path, change: Callable[[Here], None], text: str
) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    change(made)
    message = " ".join(refused(made).split())
    assert text in message
    assert "apply it to staging first" in message
    # A drift check of staging does not confirm content that no run has applied there.
    assert on(made, "staging", "drift").code == 2
    assert text in " ".join(refused(made).split())


def test_only_integrations_in_the_plan_must_have_soaked(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    new_one(made)
    refused(made)
    assert on(made, "production", "apply", "--yes", "--only", "alpha").code == 0


def test_fields_that_may_differ_are_not_compared(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    overlay = made.files / "environments/production/all.yaml"
    overlay.write_text("alpha: {description: other}\n")
    refused(made)
    config(made, "al*: description")
    overlay.write_text("alpha: {description: other}\n")
    assert on(made, "production", "apply", "--yes").code == 0


def soaked_with(folder: Path, **fields: Any) -> Here:
    """Return a project whose integration with these fields has soaked on staging."""
    made = Here(folder)
    config(made)
    made.integration("alpha", **fields)
    assert on(made, "staging", "apply", "--yes").code == 0
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    return made


HEADER = {"custom_headers": {"x-auth-token": "${env:SECRET_KEY}"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "${env:SECRET_KEY}"},
        {"configurations": HEADER},
        {"configurations": {"a_field_of_tomorrow": "${env:SECRET_KEY}"}},
        {"key": ..., "secret_mappings": [{"target_field": "key", "secret_reference_id": "main"}]},
    ],
)
def test_the_same_reference_soaks_independently_of_its_value(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    made = soaked_with(tmp_path, **fields)
    made.environment["SECRET_KEY"] = "sk-production-0a1b2c3d4e5f"
    assert on(made, "production", "apply", "--yes").code == 0
    made.environment["SECRET_KEY"] = "sk-rotated-9f8e7d6c5b4a"
    rotated = on(made, "production", "apply", "--yes", "--format", "json")
    assert rotated.code == 0, rotated.err


def test_another_reference_differs_unless_it_is_an_expected_difference(tmp_path: Path) -> None:
    made = soaked_with(tmp_path)
    overlay = "alpha: {key: '${env:SECRET_PRODUCTION}'}\n"
    made.write("environments/production/all.yaml", overlay)
    made.environment["SECRET_PRODUCTION"] = "sk-production-0a1b2c3d4e5f"
    message = " ".join(refused(made).split())
    assert "alpha: staging has other values: key" in message
    assert "list fields that may differ under `differs`" in message
    config(made, "*: key")
    made.write("environments/production/all.yaml", overlay)
    assert on(made, "production", "apply", "--yes").code == 0


@pytest.mark.parametrize(
    "configurations", [{"custom_headers": {"x-team": "blue"}}, {"a_field_of_tomorrow": "blue"}]
)
def test_a_hidden_value_never_soaks_and_the_message_has_a_remedy(
    tmp_path: Path, configurations: dict[str, Any]
) -> None:
    made = soaked_with(tmp_path, configurations=configurations)
    message = " ".join(refused(made).split())
    assert "hidden values are not recorded, so they cannot be compared" in message
    assert "hint: write hidden values as references, list fields that may differ" in message
    assert "apply it to staging first" not in message
    assert "blue" not in message
    config(made, "*: configurations")
    assert on(made, "production", "apply", "--yes").code == 0


def test_a_delete_must_have_been_made_at_staging_first(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    assert on(made, "production", "apply", "--yes").code == 0
    made.remove("alpha")
    made.integration("beta")
    options = ("--max-deletes", "5", "--only", "alpha")
    assert "alpha: staging still has it" in refused(made, *options)
    done = on(made, "staging", "apply", "--yes", "--max-deletes", "5")
    assert done.code == 0, done.err
    assert "can be applied from" in " ".join(refused(made, *options).split())
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    done = on(made, "production", "apply", "--yes", *options)
    assert done.code == 0, done.err


def test_a_reason_overrides_and_is_recorded_in_result_and_ledger(tmp_path: Path) -> None:
    made = staged(tmp_path)
    done = on(
        made, "production", "apply", "--yes", "--format", "json", "--allow-unsoaked", f" {REASON} "
    )
    assert done.code == 0, done.err
    assert done.json["allow_unsoaked"] == REASON
    schema = made.run("schema", "--kind", "result").json
    jsonschema.Draft202012Validator(schema).validate(done.json)
    runs = on(made, "production", "history", "--format", "json").json["runs"]
    assert runs[-1]["allow_unsoaked"] == REASON
    shown = on(made, "production", "history", runs[-1]["run"]).out
    assert f"before the end of the soak time, because: {REASON}" in shown
    (made.folder / "result.json").write_text(done.out)
    for style in ("text", "markdown", "html"):
        text = on(made, "production", "show", "result.json", "--format", style).out
        assert f"because: {REASON}" in text
    # The reason is recorded only if it was needed.
    again = on(made, "production", "apply", "--yes", "--format", "json", "--allow-unsoaked", "x")
    assert (again.code, "allow_unsoaked" in again.json) == (0, False)


@pytest.mark.parametrize("reason", ["", "  ", "sk-proj-abcdefghijklmnopqrstuvwx"])
def test_a_reason_must_not_be_empty(tmp_path: Path, reason: str) -> None:
    done = on(staged(tmp_path), "production", "apply", "--yes", "--allow-unsoaked", reason)
    assert done.code == 3


def test_a_plan_shows_the_soak_time_and_keeps_its_digest(tmp_path: Path) -> None:
    made = staged(tmp_path)
    planned = on(made, "production", "plan", "--format", "json", "--out", "plan.json").json
    jsonschema.Draft202012Validator(made.run("schema", "--kind", "plan").json).validate(planned)
    [found] = [d for d in planned["diagnostics"] if d["code"] == "not-soaked"]
    assert found["severity"] == "notice"
    assert f"can be applied from {planned['soaked_at']}" in found["summary"]
    refusal = on(made, "production", "apply", "plan.json")
    assert (refusal.code, writes(refusal)) == (4, [])
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    later = on(made, "production", "plan", "--format", "json").json
    assert "soaked_at" not in later
    assert later["digest"] == planned["digest"]
    assert on(made, "production", "apply", "plan.json").code == 0


def test_without_a_ledger_no_content_counts_as_soaked(tmp_path: Path) -> None:
    made = Here(tmp_path)
    config(made)
    made.integration("alpha")
    done = on(made, "production", "apply", "--yes", "--no-ledger")
    assert (done.code, writes(done)) == (4, [])
    assert "there is no ledger" in done.err
    assert "RECONCILE_LEDGER_URL" in done.err


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    made = staged(tmp_path)
    age(made, HOURS + 1)
    assert on(made, "staging", "drift").code == 0
    with sqlite3.connect(made.state / "ledger.db") as database:
        database.execute("UPDATE meta SET value = '[7]' WHERE name LIKE 'soak of target %'")
    database.close()
    refused(made)
    assert on(made, "staging", "drift").code == 0
    refused(made)


@pytest.mark.slow  # starts three processes
def test_nothing_is_recorded_without_a_promotion(tmp_path: Path) -> None:
    made = Here(tmp_path)
    made.integration("alpha")
    made.apply()
    made.run("drift")
    with sqlite3.connect(made.state / "ledger.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM meta")]
    database.close()
    assert not [name for name in names if name.startswith("soak")]
    program = (
        "import sys; from reconciler.cli.main import main\n"
        "try: main()\n"
        "finally: print([m for m in sys.modules if '.soak_' in m and 'evidence' not in m])"
    )
    for command in (("plan",), ("apply", "--yes"), ("drift",)):
        done = subprocess.run(
            [sys.executable, "-c", program, *command],
            cwd=made.folder,
            env=made.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("promotion", "code", "text"),
    [
        ({"from": "stagin"}, "unknown-target", "did you mean `staging`?"),
        ({"from": "production"}, "invalid-value", "leads back to itself"),
        ({"soak_hours": -1}, "invalid-value", "soak_hours"),
        ({"soak_hours": "a day"}, "wrong-type", "soak_hours"),
        ({"soak": 3}, "unknown-field", "soak"),
    ],
)
def test_an_invalid_promotion_is_reported_at_its_line(
    tmp_path: Path, promotion: dict[str, Any], code: str, text: str
) -> None:
    made = Here(tmp_path)
    config(made, **promotion)
    made.integration("alpha")
    done = made.run("validate", "--format", "json")
    assert done.code == 3
    [found] = done.json["diagnostics"]
    assert found["code"] == code
    assert found["column"] > 1
    assert text in found["summary"] + found["hint"]


def test_the_schema_describes_both_settings(tmp_path: Path) -> None:
    schema = Here(tmp_path).run("schema", "--kind", "config").json
    promotion = schema["$defs"]["Promotion"]
    assert set(promotion["properties"]) == {"from", "soak_hours"}
    assert set(promotion["required"]) == {"from", "soak_hours"}
    assert "soaks" not in schema["$defs"]["Target"]["properties"]
    made = Here(tmp_path)
    made.config(soaks=True)
    done = made.run("validate", "--format", "json")
    assert [item["code"] for item in done.json["diagnostics"]] == ["unknown-field"]
