"""Two members never reconcile one target, under any names in fleet.yaml and the files."""

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.harness import Done
from tests.fleet.organisations import Organisations, serving
from tests.fleet.project import FleetProject, statuses

TARGETS = {
    "version": 1,
    "default_target": "production",
    "targets": {"production": {"base_url": "simulator:"}, "staging": {"base_url": "simulator:"}},
}


def with_member(folder: Path) -> FleetProject:
    project = FleetProject(folder)
    project.member("acme").write("reconcile.yaml", TARGETS)
    return project


def refused(done: Done) -> None:
    assert done.code == 3, done.out
    (found,) = done.json["diagnostics"]
    assert (found["code"], Path(found["file"]).name) == ("duplicate-target", "fleet.yaml")
    assert found["hint"]


@pytest.mark.parametrize("command", ["plan", "apply", "drift"])
@pytest.mark.parametrize(
    "other",
    [
        {"dir": "acme/desired-state", "target": "production"},
        {"dir": "other/../acme/desired-state"},
        {"dir": "acme/./desired-state/"},
        {"dir": "link"},
        {"dir": "link", "targets": ["staging", "production"]},
        {"dir": "up/desired-state", "target": "production"},
    ],
    ids=repr,
)
def test_two_names_of_one_target_are_bad_input(
    tmp_path: Path, command: str, other: dict[str, Any]
) -> None:
    project = with_member(tmp_path)
    (tmp_path / "link").symlink_to("acme/desired-state")
    (tmp_path / "up").symlink_to("acme")
    project.write_fleet(members=[*project.members, {"name": "again", **other}])
    refused(project.fleet(command, *(["--yes"] if command == "apply" else [])))


def test_an_absolute_path_is_the_same_folder(tmp_path: Path) -> None:
    project = with_member(tmp_path)
    again = {"name": "again", "dir": str(tmp_path / "acme/desired-state")}
    project.write_fleet(members=[*project.members, again])
    refused(project.fleet("plan"))


def test_other_targets_of_one_folder_are_members(tmp_path: Path) -> None:
    project = with_member(tmp_path)
    staging = {"name": "staging", "dir": "acme/desired-state", "target": "staging"}
    project.write_fleet(members=[*project.members, staging])
    assert statuses(project.fleet("plan")) == {"acme": "different", "staging": "different"}


def test_only_members_with_unreadable_files_fail(tmp_path: Path) -> None:
    project = with_member(tmp_path)
    project.member("broken").write("reconcile.yaml", "targets: [")
    project.members += [{"name": "missing", "dir": "missing"}, {"name": "gone", "dir": "gone"}]
    project.write_fleet(members=project.members)
    url = f"sqlite:///{tmp_path}/ledger.db"
    found = statuses(project.fleet("plan", RECONCILE_LEDGER_URL=url))
    assert found == {
        "acme": "different",
        "broken": "invalid",
        "missing": "invalid",
        "gone": "invalid",
    }


def two_organisations(folder: Path, served: Organisations) -> FleetProject:
    project = FleetProject(folder)
    for name in ("acme", "globex"):
        project.member(name, f"{name}-one", base_url=served.url(name))
    return project


def test_targets_that_a_shared_ledger_cannot_distinguish_are_bad_input(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with serving("acme", "globex") as served:
        project = two_organisations(tmp_path, served)
        # A ledger for each folder keeps them apart.
        assert project.fleet("apply", "--yes").code == 0
        writes = served["acme"].writes, served["globex"].writes
        refused(project.fleet("plan", RECONCILE_LEDGER_URL=ledger))
        refused(project.fleet("apply", "--yes", RECONCILE_LEDGER_URL=ledger))
        refused(project.fleet("plan", "--only", "globex", RECONCILE_LEDGER_URL=ledger))
        assert (served["acme"].writes, served["globex"].writes) == writes


def test_folders_side_by_side_have_one_ledger(tmp_path: Path) -> None:
    project = FleetProject(tmp_path)
    project.member("acme")
    project.member("globex")
    for name in ("acme", "globex"):
        (tmp_path / name / "desired-state").rename(tmp_path / f"files-of-{name}")
    members = [{"name": n, "dir": f"files-of-{n}"} for n in ("acme", "globex")]
    project.write_fleet(members=members)
    refused(project.fleet("apply", "--yes"))


def test_a_base_url_of_the_environment_applies_to_every_member(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with serving("acme", "globex") as served:
        project = FleetProject(tmp_path)
        project.member("acme", base_url=served.url("acme"))
        project.member("globex", base_url=served.url("globex").replace("127.0.0.1", "localhost"))
        variables = {"RECONCILE_LEDGER_URL": ledger}
        assert project.fleet("plan", **variables).code == 0
        refused(project.fleet("plan", PORTKEY_BASE_URL=served.url("acme"), **variables))


def test_targets_with_unique_names_share_a_ledger(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with serving("acme", "globex") as served:
        project = FleetProject(tmp_path)
        for name in ("acme", "globex"):
            target = {
                "base_url": served.url(name),
                "api_key": f"${{env:PORTKEY_API_KEY_{name.upper()}}}",
            }
            config = {"version": 1, "targets": {f"{name}-production": target}}
            member = project.member(name, f"{name}-one", target=f"{name}-production")
            member.write("reconcile.yaml", config)
        done = project.fleet("apply", "--yes", RECONCILE_LEDGER_URL=ledger)
        assert statuses(done) == {"acme": "applied", "globex": "applied"}
        again = project.fleet("drift", RECONCILE_LEDGER_URL=ledger)
        assert statuses(again) == {"acme": "in-sync", "globex": "in-sync"}
