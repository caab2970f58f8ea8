"""`doctor` in a job checks whether a pull request could reach the keys of an environment."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here
from tests.github.fake import REPO, TOKEN, Answer, Call, FakeGitHub, serving

RESTRICTED = {
    "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}
}
REVIEWED = RESTRICTED | {
    "protection_rules": [{"type": "branch_policy"}, {"type": "required_reviewers"}]
}
ANY_BRANCH = {"deployment_branch_policy": None, "protection_rules": []}
PROTECTED = {
    "deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": False}
}
MAIN = [{"name": "main", "type": "branch"}]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as fake:
        fake.environments = {
            "production": REVIEWED,
            "production-read": RESTRICTED,
            "production-plan": ANY_BRANCH,
        }
        fake.branch_rules = {"production": MAIN, "production-read": MAIN}
        yield fake


def doctor(
    folder: Path, github: FakeGitHub, *options: str, **variables: str
) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the checks of environments, by the environment."""
    project = Here(folder)
    project.integration("alpha")
    done = project.run(
        "doctor",
        "--format",
        "json",
        *(options or ("--environment", "production")),
        **{
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_TOKEN": TOKEN,
            **variables,
        },
    )
    assert TOKEN not in done.out + done.err
    return done.code, {
        check["name"].removeprefix("environment "): check
        for check in done.json["checks"]
        if check["name"].startswith("environment")
    }


def statuses(checks: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items()}


def test_environments_that_only_the_default_branch_may_use_are_ok(
    tmp_path: Path, github: FakeGitHub
) -> None:
    code, checks = doctor(tmp_path, github)
    assert code == 0
    assert statuses(checks) == {
        "production": "ok",
        "production-read": "ok",
        "production-plan": "ok",
    }
    assert github.writes == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ((None, []), "does not exist"),
        ((ANY_BRANCH, []), "any branch or pull request"),
        (({}, []), "any branch or pull request"),
        ((PROTECTED, []), "protected branch"),
        ((RESTRICTED, []), "not even main"),
        ((RESTRICTED, [*MAIN, {"name": "release/*", "type": "branch"}]), "`release/*`"),
        ((RESTRICTED, [{"name": "main", "type": "tag"}]), "`main`"),
        ((RESTRICTED, [{"name": "*", "type": "branch"}]), "`*`"),
        # More rules than fit on one page.
        ((RESTRICTED, [*MAIN * 4, {"name": "dev", "type": "branch"}]), "`dev`"),
    ],
)
@pytest.mark.parametrize("name", ["production", "production-read"])
def test_an_environment_that_another_branch_can_use_fails_with_a_hint(
    tmp_path: Path,
    github: FakeGitHub,
    name: str,
    found: tuple[dict[str, Any] | None, list[dict[str, str]]],
    problem: str,
) -> None:
    environment, rules = found
    github.environments.pop(name)
    if environment is not None:
        github.environments[name] = environment
    github.branch_rules[name] = rules
    code, checks = doctor(tmp_path, github)
    assert code == 1
    assert checks[name]["status"] == "fail"
    assert problem in checks[name]["summary"]
    assert f"Settings > Environments > {name}" in checks[name]["hint"]
    assert "add branch main only" in checks[name]["hint"]
    assert [s for n, s in statuses(checks).items() if n != name] == ["ok", "ok"]


def test_an_environment_without_reviewers_is_a_warning(tmp_path: Path, github: FakeGitHub) -> None:
    github.environments["production"] = RESTRICTED
    code, checks = doctor(tmp_path, github)
    assert (code, checks["production"]["status"]) == (0, "warn")
    assert "Required reviewers" in checks["production"]["hint"]


@pytest.mark.parametrize("environment", [None, RESTRICTED])
def test_an_environment_in_which_pull_requests_cannot_be_planned_is_a_warning(
    tmp_path: Path, github: FakeGitHub, environment: dict[str, Any] | None
) -> None:
    github.environments.pop("production-plan")
    if environment is not None:
        github.environments["production-plan"] = environment
    code, checks = doctor(tmp_path, github)
    assert (code, checks["production-plan"]["status"]) == (0, "warn")


@pytest.mark.parametrize(("status", "hint"), [(403, "`actions: read`"), (401, "GITHUB_TOKEN")])
def test_a_check_without_a_response_of_github_is_never_ok(
    tmp_path: Path, github: FakeGitHub, status: int, hint: str
) -> None:
    def refuse(call: Call) -> Answer | None:
        return Answer(status, {"message": "no"}) if "/environments/" in call.path else None

    github.script = refuse
    code, checks = doctor(tmp_path, github)
    assert code == 0
    assert set(statuses(checks).values()) == {"warn"}
    assert all("not checked" in check["summary"] for check in checks.values())
    assert all(hint in check["hint"] for check in checks.values())


def test_the_name_comes_from_the_variable_or_from_the_target(
    tmp_path: Path, github: FakeGitHub
) -> None:
    _, checks = doctor(tmp_path, github, "--deadline", "60")
    assert set(checks) == {"here", "here-read", "here-plan"}
    (tmp_path / "event.json").write_text(json.dumps({"repository": {"default_branch": "trunk"}}))
    _, checks = doctor(
        tmp_path,
        github,
        "--deadline",
        "60",
        RECONCILE_ENVIRONMENT="production",
        RECONCILE_RISKY_ENVIRONMENT="production-risky",
        GITHUB_EVENT_PATH=str(tmp_path / "event.json"),
    )
    assert statuses(checks) == {
        "production": "fail",
        "production-risky": "fail",
        "production-read": "fail",
        "production-plan": "ok",
    }
    assert "add branch trunk only" in checks["production"]["hint"]


def test_a_job_without_a_token_states_that_nothing_was_checked(
    tmp_path: Path, github: FakeGitHub
) -> None:
    _, checks = doctor(tmp_path, github, GITHUB_TOKEN="", GITHUB_ACTIONS="true")
    assert statuses(checks) == {"environments": "warn"}
    assert "actions: read" in checks["environments"]["hint"]
    assert doctor(tmp_path, github, GITHUB_TOKEN="")[1] == {}
    assert github.calls == []
