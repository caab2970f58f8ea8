"""An unreadable record stops only its own integration, and never counts as absence."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.switches import Switches
from tests.cli.damaging import Damage, damaged_scene, with_value, without
from tests.cli.scene import Scene, scene

pytestmark = pytest.mark.slow

DEEP = json.loads("[" * 60 + "]" * 60)
DAMAGES: dict[str, Damage] = {
    "a name that is a number": with_value("name", 5),
    "a name that is missing": without("name"),
    "a status that nobody documents": with_value("status", "zombie"),
    "a count beyond 64 bits": with_value("workspaces_count", 10**30),
    "a count that is not a number": with_value("workspaces_count", math.nan),
    "a description that is an object": with_value("description", {"a": 1}),
    "a time that is a number": with_value("last_updated_at", 17),
    "tags nested too deep": with_value("tags", DEEP),
    "a tag that is infinite": with_value("tags", {"a": -math.inf}),
    "an organisation that is a list": with_value("organisation_id", ["o"]),
}
UNNAMED: dict[str, Damage] = {
    "no slug": without("slug"),
    "a slug that is null": with_value("slug", None),
    "a slug that is empty": with_value("slug", ""),
    "a slug of none but wrong characters": with_value("slug", "../"),
    "a slug that is an object": with_value("slug", {"slug": "alpha"}),
    "no record at all": lambda _record: None,
    "a text in the place of a record": lambda _record: "alpha",
}
MISNAMED: dict[str, Damage] = {
    "a slug with a space behind it": with_value("slug", "alpha "),
    "a slug with a slash in it": with_value("slug", "al/pha"),
    "a slug with a lone surrogate": with_value("slug", "alpha\ud83d"),
    "another slug that is none": with_value("slug", "../elsewhere"),
    "a number": with_value("slug", 7),
}


def managed(at: Scene, *slugs: str) -> None:
    """Create integrations from files, so that the ledger records them as declared."""
    for slug in slugs:
        at.file(slug)
    assert at.run("apply", "--yes").code == 0


def writes_since(at: Scene, *words: object) -> list[tuple[str, str]]:
    """Run a command and return its write calls."""
    at.upstream.requests.clear()
    done = at.run(*words)
    assert done.code in {0, 1, 4}, done.err
    return [(request.method, request.path) for request in at.upstream.writes]


@pytest.mark.parametrize("name", [*DAMAGES, *MISNAMED])
def test_a_damaged_record_that_is_not_declared_is_ignored(tmp_path: Path, name: str) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        managed(at, "alpha", "mine")
        at.project.remove("alpha")
        at.file("mine", description="new")
        at.file("other")
        remote.rows["alpha"] = (DAMAGES | MISNAMED)[name]
        plan = at.project.plan()
        assert [(a["action"], a["slug"]) for a in plan["actions"]] == [
            ("create", "other"),
            ("update", "mine"),
        ]
        (found,) = [d for d in plan["diagnostics"] if d["code"] == "unreadable-record"]
        assert found["severity"] in {"notice", "warning"}
        assert at.run("drift").code == 2
        assert "mine" in at.run("list").out
        assert "unreadable-record" in at.run("list").err
        assert sorted(writes_since(at, "apply", "--yes")) == [
            ("POST", "/integrations"),
            ("PUT", "/integrations/mine"),
        ]
        assert "alpha" in at.upstream.remote.integrations


DAMAGED_ANSWER: dict[str, Damage] = {"an answer without a name": without("name")}


@pytest.mark.parametrize("name", ["a name that is a number", *UNNAMED, *MISNAMED, *DAMAGED_ANSWER])
def test_a_withdrawn_integration_stays_recorded_while_it_is_unreadable(
    tmp_path: Path, name: str
) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        managed(at, "alpha", "mine")
        at.project.remove("alpha")
        at.file("mine", description="new")
        if name in DAMAGED_ANSWER:
            remote.answers["alpha"] = DAMAGED_ANSWER[name]
        else:
            remote.rows["alpha"] = (DAMAGES | UNNAMED | MISNAMED)[name]
        assert ("DELETE", "/integrations/alpha") not in writes_since(at, "apply", "--yes")
        remote.rows.clear()
        remote.answers.clear()
        assert ("DELETE", "/integrations/alpha") in writes_since(at, "apply", "--yes")


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_that_is_declared_is_an_error_that_names_it(
    tmp_path: Path, name: str
) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        managed(at, "alpha", "mine")
        at.file("mine", description="new")
        remote.rows["alpha"] = DAMAGES[name]
        for words in (("plan",), ("apply", "--yes"), ("drift",), ("pull",)):
            done = at.run(*words)
            assert done.code == 1
            assert "error[unreadable-record]" in done.err
            assert "alpha: " in done.err
        assert writes_since(at, "apply", "--yes", "--exclude", "alpha") == [
            ("PUT", "/integrations/mine")
        ]


@pytest.mark.parametrize("name", [*UNNAMED, *MISNAMED])
def test_a_row_that_may_be_a_declared_one_never_makes_it_absent(tmp_path: Path, name: str) -> None:
    with damaged_scene(tmp_path, prune="all") as (at, remote):
        managed(at, "alpha", "mine")
        remote.rows["alpha"] = (UNNAMED | MISNAMED)[name]
        for words in (("plan",), ("apply", "--yes"), ("drift",), ("pull",)):
            assert at.run(*words).code == 1, words
        assert at.upstream.methods >= {"GET"}
        assert writes_since(at, "apply", "--yes") == []
        assert set(at.upstream.remote.integrations) == {"alpha", "mine"}


@pytest.mark.parametrize("name", UNNAMED)
def test_a_row_without_a_slug_holds_back_creates_and_deletes(tmp_path: Path, name: str) -> None:
    with damaged_scene(tmp_path, prune="all") as (at, remote):
        managed(at, "alpha", "gone", "mine")
        at.project.remove("alpha")
        at.project.remove("gone")
        at.file("mine", description="new")
        remote.rows["alpha"] = UNNAMED[name]
        blocked = at.project.plan()
        assert {a["slug"]: a["blocked_by"] for a in blocked["actions"]} == {
            "gone": ["unreadable-record"],
            "mine": [],
        }
        assert at.run("apply", "--yes").code == 4
        at.file("gone")
        assert writes_since(at, "apply", "--yes") == [("PUT", "/integrations/mine")]


@pytest.mark.parametrize(
    ("path", "damage"),
    [
        ("alpha", with_value("configurations", [1])),
        ("alpha", with_value("configurations", {"a": math.nan})),
        ("alpha", with_value("masked_key", 5)),
        ("alpha", with_value("status", "unheard-of")),
        ("alpha", with_value("slug", "beta")),
        ("alpha", with_value("pricing_adjustments", {"multiplier": {"default": 10**40}})),
        ("alpha/models", with_value("models", [{"enabled": True}])),
        ("alpha/models", without("models")),
        ("alpha/workspaces", with_value("workspaces", [{"id": 5, "enabled": True}])),
        ("alpha/workspaces", with_value("workspaces", "none")),
    ],
)
def test_a_damaged_detail_affects_only_its_integration(
    tmp_path: Path, path: str, damage: Damage
) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        at.exists("alpha", "beta")
        at.file("mine")
        remote.answers[path] = damage
        assert at.run("plan").code == 0
        pulled = at.run("pull")
        assert pulled.code == 5
        assert "unreadable-record" in pulled.err
        assert not (at.project.files / "integrations/alpha.yaml").exists()
        assert (at.project.files / "integrations/beta.yaml").exists()
        assert at.run("get", "alpha").code == 1
        assert at.run("get", "beta").code == 0
        at.file("alpha", models=[], workspaces=[])
        for words in (("plan",), ("apply", "--yes"), ("drift",), ("pull",)):
            done = at.run(*words)
            assert done.code == 1
            assert "error[unreadable-record]" in done.err
            assert "alpha: " in done.err
        assert at.upstream.methods == {"GET"}


def test_a_missing_detail_affects_only_its_integration(tmp_path: Path) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        managed(at, "alpha", "beta", "mine")
        at.file("mine", description="new")
        remote.missing.add("alpha")
        for words in (("plan",), ("apply", "--yes"), ("drift",), ("pull",)):
            done = at.run(*words)
            assert done.code == 1
            assert "error[listed-not-found]" in done.err
            assert "alpha: the list contains it, but reading it returned 404" in done.err
            assert "scope" not in done.err
        at.project.remove("alpha")
        assert writes_since(at, "apply", "--yes", "--prune", "none") == [
            ("PUT", "/integrations/mine")
        ]
        pulled = at.run("pull")
        assert "listed-not-found" in pulled.err
        assert not (at.project.files / "integrations/alpha.yaml").exists()
        assert "alpha" in at.run("list").out


def test_a_row_whose_detail_is_missing_is_not_deleted(tmp_path: Path) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        managed(at, "alpha", "mine")
        at.project.remove("alpha")
        remote.missing.add("alpha")
        done = at.run("apply", "--yes", "--format", "json")
        assert "DELETE" not in at.upstream.methods
        assert done.code in {0, 5}
        assert all(o["status"] != "applied" for o in done.json["outcomes"])


@pytest.mark.parametrize("missing", ["alpha/models", "alpha/workspaces"])
def test_a_missing_sub_resource_affects_only_its_integration(tmp_path: Path, missing: str) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        at.exists("alpha", "beta")
        remote.missing.add(missing)
        assert at.run("get", "alpha").code == 1
        assert "listed-not-found" in at.run("pull").err
        assert (at.project.files / "integrations/beta.yaml").exists()
        at.file("alpha", models=[], workspaces=[])
        done = at.run("plan")
        assert done.code == 1
        assert "error[listed-not-found]" in done.err


def test_doctor_names_damaged_rows_and_does_not_take_a_404_for_a_missing_scope(
    tmp_path: Path,
) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        at.exists("alpha", "beta", "gamma")
        remote.missing.add("alpha")
        remote.rows["gamma"] = with_value("name", None)
        done = at.run("doctor", "--format", "json")
        checks: dict[str, Any] = {check["name"]: check for check in done.json["checks"]}
        assert checks["scopes"]["status"] == "ok"
        assert checks["records"]["status"] == "warn"
        assert "gamma: name is not text" in json.dumps(checks["records"])


@pytest.mark.parametrize(("declared", "code"), [(False, 0), (True, 1)])
def test_a_row_without_a_detail_affects_only_files_that_declare_it(
    tmp_path: Path, *, declared: bool, code: int
) -> None:
    with scene(tmp_path, switches=Switches(detail_404="theirs")) as made:
        made.config(prune="none")
        made.exists("theirs")
        made.file("ours")
        if declared:
            made.file("theirs")
        done = made.run("plan", "--format", "json")
        assert done.code == code, done.err
        assert ("listed-not-found" in done.out) is declared
