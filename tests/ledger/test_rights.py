"""Roles, schemas and encodings of a shared ledger; errors include the message of the server."""

import re
from pathlib import Path

import pytest

from tests.cli.project import Here
from tests.end_to_end.harness import Done
from tests.ledger.servers import Server, execute

pytestmark = pytest.mark.needs_system

NAME = "Zürich ☃"


def as_role(url: str, role: str) -> str:
    return url.replace("tester:canary@", f"{role}:canary@")


@pytest.fixture
def project(tmp_path: Path) -> Here:
    made = Here(tmp_path)
    made.integration("alpha", name=NAME)
    return made


@pytest.fixture
def role(url: str) -> str:
    """Return a separate role for each database, because roles belong to the whole server."""
    name = "app_" + url.partition("@/")[2].partition("?")[0]
    execute(url, f"CREATE ROLE {name} LOGIN")
    return name


def check_of(done: Done) -> dict[str, str]:
    (check,) = [each for each in done.json["checks"] if each["name"] == "ledger"]
    return dict(check)


def said(done: Done) -> str:
    return " ".join((done.out + done.err).split())


def test_doctor_names_what_is_missing_before_the_first_apply(
    project: Here, url: str, role: str
) -> None:
    theirs = as_role(url, role)
    done = project.run("doctor", "--format", "json", RECONCILE_LEDGER_URL=theirs)
    check = check_of(done)
    assert (done.code, check["status"]) == (1, "fail")
    assert "permission denied for schema public" in check["summary"]
    assert f"GRANT USAGE, CREATE ON SCHEMA public TO {role}" in check["hint"]
    refused = project.run("apply", "--yes", RECONCILE_LEDGER_URL=theirs)
    assert refused.code == 4
    assert "permission denied for schema public" in said(refused)
    assert f"GRANT USAGE, CREATE ON SCHEMA public TO {role}" in said(refused)
    statement = re.search(r"run: (GRANT .*)", check["hint"])
    assert statement is not None
    execute(url, statement[1])
    assert project.run("doctor", RECONCILE_LEDGER_URL=theirs).code == 0
    project.apply(RECONCILE_LEDGER_URL=theirs)
    assert "canary" not in done.out + done.err + refused.out + refused.err


def test_doctor_leaves_nothing_behind(project: Here, url: str) -> None:
    project.run("doctor", RECONCILE_LEDGER_URL=url)
    project.run("plan", RECONCILE_LEDGER_URL=url)
    assert execute(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_a_read_only_role_can_plan_and_gets_the_requirements_of_an_apply(
    project: Here, url: str, role: str
) -> None:
    project.apply(RECONCILE_LEDGER_URL=url)
    execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    theirs = as_role(url, role)
    assert project.run("drift", RECONCILE_LEDGER_URL=theirs).code == 0
    check = check_of(project.run("doctor", "--format", "json", RECONCILE_LEDGER_URL=theirs))
    assert check["status"] == "fail"
    assert "permission denied for table" in check["summary"]
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON" in check["hint"]
    project.integration("beta")
    assert project.run("apply", "--yes", RECONCILE_LEDGER_URL=theirs).code == 4
    assert project.slugs() == ["alpha"]


@pytest.mark.parametrize(
    "revoke",
    ["REVOKE USAGE ON SCHEMA public FROM PUBLIC", "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM"],
)
def test_a_ledger_that_a_role_cannot_see_does_not_count_as_missing(
    project: Here, url: str, role: str, revoke: str
) -> None:
    project.apply(RECONCILE_LEDGER_URL=url)
    execute(url, revoke if revoke.endswith("PUBLIC") else f"{revoke} {role}")
    done = project.run("drift", "--format", "json", RECONCILE_LEDGER_URL=as_role(url, role))
    assert (done.code, done.json["diagnostics"][0]["code"]) == (1, "ledger-unreadable")
    assert "permission denied" in done.json["diagnostics"][0]["summary"]


@pytest.mark.parametrize(
    ("encoding", "client"),
    [("UTF8", "LATIN1"), ("UTF8", "SQL_ASCII"), ("LATIN1", ""), ("SQL_ASCII", "LATIN1")],
)
def test_every_encoding_accepts_every_name(
    project: Here, server: Server, encoding: str, client: str
) -> None:
    url = server.new_database(encoding)
    done = project.run("apply", "--yes", RECONCILE_LEDGER_URL=url, PGCLIENTENCODING=client)
    assert done.code == 0, done.err
    assert project.plan(RECONCILE_LEDGER_URL=url)["actions"] == []
    project.integration("alpha", name="Other")
    project.apply(RECONCILE_LEDGER_URL=url, PGCLIENTENCODING=client)
    verified = project.run("history", "--verify", "--format", "json", RECONCILE_LEDGER_URL=url)
    assert verified.json["verified"]
    back = project.run("undo", verified.json["runs"][-1]["run"], RECONCILE_LEDGER_URL=url)
    assert NAME in back.out


def test_settings_of_the_environment_do_not_hide_a_part_of_the_ledger(
    project: Here, url: str
) -> None:
    project.apply(RECONCILE_LEDGER_URL=url)
    odd = "-c default_transaction_isolation=serializable -c client_encoding=LATIN1"
    project.integration("alpha", name="Ő")
    project.apply(RECONCILE_LEDGER_URL=url, PGOPTIONS=odd)
    read_only = "-c default_transaction_read_only=on"
    project.integration("alpha", name="Third")
    done = project.run("apply", "--yes", RECONCILE_LEDGER_URL=url, PGOPTIONS=read_only)
    assert done.code == 4
    assert "read-only transaction" in said(done)


def test_tables_of_another_application_do_not_count_as_a_ledger(project: Here, url: str) -> None:
    execute(url, "CREATE TABLE runs (id INTEGER)")
    done = project.run("apply", "--yes", RECONCILE_LEDGER_URL=url)
    assert done.code == 4
    assert "the table meta is missing, and these are there: runs" in said(done)
    assert project.run("drift", RECONCILE_LEDGER_URL=url).code == 1
