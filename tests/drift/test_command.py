"""`reconcile drift` from end to end: an edit in the API is reported."""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.cli import settings
from tests.cli.project import Here
from tests.drift.builders import TOKEN, channels
from tests.end_to_end.harness import Project

pytestmark = pytest.mark.slow

KEY = {"x-portkey-api-key": "pk-canary-drift"}


@contextmanager
def applied(folder: Path, kind: type[Project] = Here) -> Iterator[tuple[Project, str]]:
    """Apply two integrations to a served simulator; yield the project and the URL of the server.

    `Project` is for tests that notify: apprise warns when it is imported, and here that fails.
    """
    project = kind(folder, PORTKEY_API_KEY="pk-canary-drift")
    with project.serving() as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        project.integration("alpha", description="as declared")
        project.integration("beta")
        done = project.run("apply", "--yes")
        assert done.code == 0, done.err
        yield project, url


def by_hand(url: str, slug: str, **fields: Any) -> None:
    """Edit an integration in the API, as with the console or curl."""
    address = f"{url}/integrations/{slug}"
    answer = httpx.put(address, json=fields, headers=KEY)
    assert answer.status_code == 200


def test_an_edit_in_the_api_is_reported_and_the_suggested_command_reverts_it(
    tmp_path: Path,
) -> None:
    with applied(tmp_path) as (project, url):
        clean = project.run("drift")
        assert clean.code == 0
        assert "In sync: the API matches Git; 2 unchanged." in clean.out

        by_hand(url, "alpha", description="by hand")
        found = project.run("drift", "--format", "json")
        assert (found.code, found.json["kind"], found.json["in_sync"]) == (2, "drift_report", False)
        (item,) = found.json["items"]
        (change,) = item["changes"]
        assert (item["slug"], change["path"]) == ("alpha", "description")
        assert (change["before"], change["after"]) == ("by hand", "as declared")
        planned = project.run("plan", "--format", "json").json
        assert found.json["items"] == planned["actions"]
        assert found.json["fingerprint"] == planned["digest"]
        assert project.run("drift", "--format", "json").json["fingerprint"] == planned["digest"]

        text = project.run("drift")
        assert text.code == 2
        assert "1 integration differs" in text.out
        (heal,) = [line for line in text.out.splitlines() if " apply " in line]
        healed = project.run(*shlex.split(heal)[1:])
        assert healed.code == 0, healed.err
        assert project.run("drift").code == 0


def test_every_format_begins_with_the_same_facts(tmp_path: Path) -> None:
    with applied(tmp_path) as (project, url):
        by_hand(url, "beta", name="By hand")
        for style, start in (("markdown", "### Drift"), ("html", "<!DOCTYPE html>"), ("text", "")):
            done = project.run("drift", "--format", style)
            assert done.code == 2
            assert done.out.startswith(start)
            assert "1 integration differs" in done.out
            assert "pull beta" in done.out


def test_the_suggested_command_finds_the_same_digest_with_a_selection(
    tmp_path: Path,
) -> None:
    with applied(tmp_path) as (project, url):
        by_hand(url, "alpha", description="by hand")
        by_hand(url, "beta", name="By hand")
        narrowed = ("--only", "alp*", "--prune", "none", "--max-deletes", "0", "--shard", "1/1")
        found = project.run("drift", *narrowed)
        assert "1 integration differs" in found.out
        (heal,) = [line for line in found.out.splitlines() if " apply " in line]
        assert "--only 'alp*' --shard 1/1 --prune none --max-deletes 0" in heal
        assert project.run(*shlex.split(heal)[1:]).code == 0
        left = project.run("drift", "--format", "json").json
        assert [item["slug"] for item in left["items"]] == ["beta"]


def test_undeclared_values_are_reported_and_are_not_drift(tmp_path: Path) -> None:
    with applied(tmp_path) as (project, url):
        by_hand(url, "alpha", tags={"team": "search"})
        foreign = {"slug": "foreign", "name": "Foreign", "ai_provider_id": "openai", "key": "k"}
        assert httpx.post(f"{url}/integrations", json=foreign, headers=KEY).status_code == 200
        project.config(url, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        done = project.run("drift", "--format", "json")
    assert (done.code, done.json["in_sync"]) == (0, True)
    assert done.json["unmanaged"] == ["foreign"]
    assert {"slug": "alpha", "path": "tags.team"} in done.json["undeclared"]


def test_the_origin_is_known_from_the_ledger_and_unknown_without(tmp_path: Path) -> None:
    with applied(tmp_path) as (project, url):
        by_hand(url, "alpha", description="by hand")
        project.integration("beta", name="Declared again")
        found = project.run("drift", "--format", "json")
        assert found.json["origins"] == {"alpha": "remote", "beta": "local"}
        shown = project.run("drift")
        assert "2 integrations differ: 1 changed in the API, 1 ahead in Git" in shown.out
        assert "ledger: local" in shown.out.splitlines()[0]
        (adopt,) = [line for line in shown.out.splitlines() if " pull " in line]
        assert adopt.endswith("pull alpha")

        shutil.rmtree(tmp_path / ".reconcile")
        forgotten = project.run("drift", "--format", "json")
        assert forgotten.json["origins"] == {"alpha": "unknown", "beta": "unknown"}


def test_a_blocked_action_is_drift(tmp_path: Path) -> None:
    with applied(tmp_path) as (project, _):
        for slug in ("alpha", "beta"):
            (project.files / f"integrations/{slug}.yaml").unlink()
        done = project.run("drift", "--format", "json")
        assert (done.code, done.json["in_sync"]) == (2, False)
        assert {code for item in done.json["items"] for code in item["blocked_by"]} == {
            "empty-desired-state"
        }


def test_a_failed_read_is_never_in_sync(tmp_path: Path) -> None:
    project = Project(tmp_path, PORTKEY_API_KEY="pk-canary-drift")
    project.config("http://127.0.0.1:9/v1", api_key="${env:PORTKEY_API_KEY}")
    project.integration("alpha")
    done = project.run("drift", "--format", "json", "--deadline", "2")
    assert (done.code, done.json["kind"], done.json["exit_code"]) == (1, "error", 1)
    project.integration("alpha", descripton="x")
    assert project.run("drift", "--format", "json").json["exit_code"] == 3


def test_a_failed_channel_changes_and_leaks_nothing(
    tmp_path: Path,
) -> None:
    with applied(tmp_path, Project) as (project, url), channels() as there:
        given = ("--notify", there.url("refusing"), "--notify", there.url("good"))
        quiet = project.run("drift", *given)
        assert (quiet.code, there.posted) == (0, [])

        by_hand(url, "alpha", description="<b>@everybody</b>")
        found = project.run("drift", "-vv", "--format", "json", *given)
        assert found.code == 2
        assert found.json["kind"] == "drift_report"
        assert "warning[not-notified]: channel 1 (json) was not notified" in found.err
        assert TOKEN not in found.out + found.err
        assert there.reached == ["good", "refusing"]
        document = dict(there.posted)["good"]
        assert document["title"] == "reconcile: Drift on here"
        assert found.json["fingerprint"] in document["message"]
        assert "alpha" in document["message"]
        assert "everybody" not in document["message"]


def test_a_retirement_that_reached_no_channel_is_announced_again(tmp_path: Path) -> None:
    project = Project(tmp_path, SECRET_KEY="sk-first-0a1b2c3d4e5f")
    project.config()
    project.integration("alpha", models=[{"slug": "gpt-4", "enabled": True}])
    day = (settings.now() + timedelta(days=20)).date().isoformat()
    entry = {"litellm_provider": "openai", "deprecation_date": day}
    (tmp_path / "source.json").write_text(json.dumps({"gpt-4": entry}))
    assert project.run("catalogue", "update", "source.json").code == 0
    assert project.run("apply", "--yes").code == 0
    with channels() as there:
        refusing, good = there.url("refusing"), there.url("good")
        for given in ([refusing], [refusing, good], [good]):
            options = [word for url in given for word in ("--notify", url)]
            assert project.run("drift", *options).code == 0
        assert there.reached == ["good", "refusing", "refusing"]


def test_channels_can_come_from_the_environment(tmp_path: Path) -> None:
    with applied(tmp_path, Project) as (project, url), channels() as there:
        by_hand(url, "alpha", description="by hand")
        both = f"{there.url('good')} {there.url('refusing')}"
        assert project.run("drift", RECONCILE_DRIFT_NOTIFY=both).code == 2
    assert there.reached == ["good", "refusing"]


def test_an_apply_notifies_channels_only_of_unapplied_actions(tmp_path: Path) -> None:
    with applied(tmp_path, Project) as (project, _), channels() as there:
        given = ("apply", "--yes", "--notify", there.url("good"))
        assert (project.run(*given).code, there.posted) == (0, [])
        project.integration("broken", configurations={"custom_host": "http://127.0.0.1"})
        done = project.run(*given)
        assert done.code == 5
        document = dict(there.posted)["good"]
    assert "1 failed" in document["message"]
    assert TOKEN not in done.out + done.err


@pytest.mark.parametrize(
    "url", [TOKEN, f"nonsense://{TOKEN}", f"ftp://{TOKEN}\n::error::x", "ftp://x"]
)
def test_an_invalid_url_is_bad_input_before_any_call(tmp_path: Path, url: str) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    done = project.run("drift", "--notify", url)
    assert (done.code, done.out) == (3, "")
    assert "error[bad-channel]: --notify: channel 1" in done.err
    assert url not in done.err
    assert TOKEN not in done.err
    assert not (tmp_path / ".reconcile").exists()
