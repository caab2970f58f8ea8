"""Start-up is fast because heavy modules are imported only when they are needed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.end_to_end.harness import Project

LOGGING = (sys.executable, "-X", "importtime", "-m", "reconciler")

HEAVY = {
    "asyncio",
    "deepdiff",
    "httpx",
    "jinja2",
    "markupsafe",
    "mcp",
    "prometheus_client",
    "pydantic",
    "rich",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "tenacity",
    "yaml",
}


FILES_ONLY = {
    "asyncio",
    "httpcore",
    "httpx",
    "jinja2",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "rich",
    "sqlalchemy",
    "sqlite3",
    "ssl",
    "tenacity",
    "reconciler.execution",
    "reconciler.ledger",
    "reconciler.remote",
    "reconciler.simulator",
}
"""What a command that only reads files does not import."""

UNUSED_BY_PLAN = {
    "anyio",
    "certifi",
    "deepdiff",
    "difflib",
    "email",
    "httpcore",
    "httpx",
    "idna",
    "importlib.metadata",
    "jinja2",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "sqlalchemy",
    "tempfile",
    "tenacity",
    "typing_extensions",
    "reconciler.cli.older_commit",
    "reconciler.cli.policy_access",
    "reconciler.cli.run_facts",
    "reconciler.cli.soaking",
    "reconciler.cli.telemetry",
    "reconciler.desired.fmt",
    "reconciler.desired.source_excerpt",
    "reconciler.desired.yaml_edit",
    "reconciler.drift",
    "reconciler.execution.action_runner",
    "reconciler.execution.events",
    "reconciler.execution.executor",
    "reconciler.execution.ledger_listener",
    "reconciler.execution.preflight",
    "reconciler.execution.result_documents",
    "reconciler.execution.undo",
    "reconciler.git.base_commit",
    "reconciler.git.commits",
    "reconciler.ledger.database",
    "reconciler.planning.codec",
    "reconciler.planning.documents",
    "reconciler.pull",
    "reconciler.views.drift_outline",
    "reconciler.views.metrics",
    "reconciler.simulator",
}
"""What a plan does not import, with or without a ledger in a file."""

PLAN_MODULES = 130
"""Modules of the package that a plan may import; each takes about 0.3 ms."""


UNUSED_BY_DRIFT = (UNUSED_BY_PLAN - {"reconciler.drift", "reconciler.views.drift_outline"}) | {
    "reconciler.drift.codec",
    "reconciler.drift.heartbeat",
    "reconciler.drift.notify",
}
"""What a check for drift does not import, incremental or not, with a ledger in a file."""

DRIFT_MODULES = PLAN_MODULES + 10


ONLY_FOR_WHO = {
    "reconciler.drift.attribution",
    "reconciler.drift.audit_reading",
    "reconciler.drift.earlier_checks",
    "reconciler.drift.own_requests",
    "reconciler.drift.record_fit",
    "reconciler.ledger.own_writes",
    "reconciler.remote.audit_body",
    "reconciler.remote.audit_log",
    "reconciler.views.attribution",
}
"""What a drift report imports only to name who changed what."""


def imported_by(*arguments: str) -> set[str]:
    """Run a command with the interpreter's import log and return the names of the modules."""
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    done = subprocess.run(
        [*LOGGING, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return names_in(done.stderr)


def loaded(names: set[str], budget: set[str]) -> set[str]:
    """Return the modules that are in a budget, or inside a package of it."""
    return {name for name in names if any(f"{name}.".startswith(f"{part}.") for part in budget)}


def names_in(log: str) -> set[str]:
    return set(re.findall(r"^import time:.*\|\s*(\S+)$", log, flags=re.MULTILINE))


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    names = imported_by(option)
    assert "click" in names
    assert loaded(names, HEAVY | {"json", "reconciler.views.escape"}) == set()


@pytest.mark.parametrize("command", [("validate",), ("fmt", "--check"), ("explain", "models")])
def test_offline_commands_load_no_module_for_the_api(command: tuple[str, ...]) -> None:
    names = imported_by(*command)
    assert "reconciler.domain.model" in names
    assert loaded(names, FILES_ONLY) == set()


@pytest.mark.slow
@pytest.mark.parametrize("has_ledger", [False, True])
def test_a_plan_loads_neither_sqlalchemy_nor_modules_of_apply(
    tmp_path: Path, *, has_ledger: bool
) -> None:
    project = Project(tmp_path, PORTKEY_API_KEY="pk-test")
    project.integration("alpha")
    with project.serving() as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        if has_ledger:
            assert project.run("apply", "--yes").code == 0
        done = project.run("plan", command=LOGGING)
    assert done.code == 0, done.err
    assert ("ledger: local" in done.out) is has_ledger
    names = names_in(done.err)
    assert "reconciler.planning.planner" in names
    assert ("sqlite3" in names) is has_ledger
    assert loaded(names, UNUSED_BY_PLAN) == set()
    assert len(loaded(names, {"reconciler"})) <= PLAN_MODULES


@pytest.mark.slow
def test_a_drift_check_loads_few_more_modules_than_a_plan(tmp_path: Path) -> None:
    project = Project(tmp_path, PORTKEY_API_KEY="pk-test")
    project.integration("alpha")
    with project.serving() as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        assert project.run("apply", "--yes").code == 0
        # The second incremental check also reads what the first one stored.
        checks = [(), ("--incremental",), ("--incremental",)]
        done = [project.run("drift", *options, command=LOGGING) for options in checks]
    assert [each.code for each in done] == [0, 0, 0]
    for each in done:
        names = names_in(each.err)
        assert "reconciler.drift.report" in names
        assert loaded(names, UNUSED_BY_DRIFT) == set()
        assert len(loaded(names, {"reconciler"})) <= DRIFT_MODULES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output_format", "is_loaded"), [("text", False), ("json", False), ("html", True)]
)
def test_only_an_html_report_loads_the_template_engine(
    tmp_path: Path, output_format: str, *, is_loaded: bool
) -> None:
    project = Project.with_examples(tmp_path)
    done = project.run("plan", "--format", output_format, command=LOGGING)
    assert done.code == 0
    assert ("jinja2" in names_in(done.err)) is is_loaded


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--who",)])
def test_only_a_report_with_writers_loads_attribution(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    assert project.run("apply", "--yes").code == 0
    project.integration("alpha", description="new")
    done = project.run("drift", *options, command=LOGGING)
    assert done.code == 2, done.err
    found = loaded(names_in(done.err), ONLY_FOR_WHO)
    assert ("reconciler.drift.audit_reading" in found) is bool(options)
    assert options or found == set()
