"""Checks of the environments of a repository: which branches and reviewers each one requires.

A pull request brings its own workflow files, so its jobs can name any environment and read its
secrets, unless the environment is restricted to a branch that the pull request does not control.
GitHub creates a missing environment without restrictions when a job first names it.
"""

from collections.abc import Awaitable
from urllib.parse import quote

from reconciler.doctor.checks import Check, fail, ok, warn
from reconciler.github.answers import required_text, text_at
from reconciler.github.client import (
    GitHub,
    GitHubError,
    GitHubForbidden,
    GitHubNotFound,
    JsonObject,
)
from reconciler.github.job import Job

_MAY_READ = "grant the token `actions: read`"


async def environment_checks(
    github: GitHub, job: Job, environment: str, *, risky: str | None = None
) -> list[Check]:
    """Check the environments of the workflows: NAME and NAME-read, the risky one, and NAME-plan.

    A check without a response from GitHub is a warning, never `ok`.
    """
    try:
        branch = await _default_branch(github, job)
    except GitHubError as problem:
        return [_unknown("environments", problem)]
    writing = [environment]
    if risky and risky != environment:
        writing.append(risky)
    checks = [
        await _checked(name, _protected(github, name, branch, reviewed=True)) for name in writing
    ]
    read, planned = f"{environment}-read", f"{environment}-plan"
    checks.append(await _checked(read, _protected(github, read, branch, reviewed=False)))
    checks.append(await _checked(planned, _for_pull_requests(github, planned)))
    return checks


async def _default_branch(github: GitHub, job: Job) -> str:
    named = text_at(dict(job.event), "repository", "default_branch")
    if named is not None:
        return named
    return required_text(await github.get(f"/repos/{github.repository}"), "default_branch")


async def _checked(name: str, check: Awaitable[Check]) -> Check:
    try:
        return await check
    except GitHubError as problem:
        return _unknown(_title(name), problem)


async def _protected(github: GitHub, name: str, branch: str, *, reviewed: bool) -> Check:
    """Check that only the default branch gets the secrets, after a review if `reviewed`."""
    try:
        environment = await github.get(_path(github, name))
    except GitHubNotFound:
        return _open(
            name, branch, "the environment does not exist; the first job creates it for any branch"
        )
    policy = environment.get("deployment_branch_policy")
    # GitHub returns null for an environment without a restriction.
    if not isinstance(policy, dict):
        return _open(name, branch, "jobs of any branch or pull request receive its secrets")
    if policy.get("custom_branch_policies") is not True:
        # GitHub allows every branch as long as no rule of the repository protects one.
        return _open(name, branch, "jobs of any protected branch receive its secrets")
    path = f"{_path(github, name)}/deployment-branch-policies"
    rules = await github.pages(path, under="branch_policies")
    others = sorted(f"`{text_at(rule, 'name')}`" for rule in rules if not _is_branch(rule, branch))
    if others:
        return _open(
            name, branch, f"other branches or tags receive its secrets: {', '.join(others)}"
        )
    if not rules:
        return _open(name, branch, f"no branch may use the environment, not even {branch}")
    if reviewed and not _requires_review(environment):
        return warn(
            _title(name),
            "no review is required before a job receives its secrets",
            f"set `Required reviewers` in {_settings(name)}",
        )
    return ok(_title(name), f"only branch {branch} receives its secrets")


async def _for_pull_requests(github: GitHub, name: str) -> Check:
    """Check the environment of pull requests, which a restriction to a branch would exclude."""
    try:
        environment = await github.get(_path(github, name))
    except GitHubNotFound:
        return warn(
            _title(name),
            "the environment does not exist: pull requests are planned without a key",
            "create it with a read-only PORTKEY_API_KEY, and without SECRET_VALUES",
        )
    # Jobs of a pull request run on `refs/pull/N/merge`, which rules that name branches leave out.
    if environment.get("deployment_branch_policy") is not None:
        return warn(
            _title(name),
            "the environment is restricted: jobs of pull requests may be refused",
            f"choose `No restriction` in {_settings(name)}",
        )
    return ok(_title(name), "for pull requests: a read-only key, and no values")


def _requires_review(environment: JsonObject) -> bool:
    rules = environment.get("protection_rules")
    if not isinstance(rules, list):
        return False
    return any(text_at(rule, "type") == "required_reviewers" for rule in rules)


def _is_branch(rule: object, branch: str) -> bool:
    # A pattern such as `*` counts as another branch. Older servers name no type.
    return text_at(rule, "name") == branch and text_at(rule, "type") in {None, "branch"}


def _open(name: str, branch: str, problem: str) -> Check:
    return fail(
        _title(name),
        problem,
        f"in {_settings(name)} choose `Selected branches and tags` and add branch {branch} only",
    )


def _unknown(title: str, problem: GitHubError) -> Check:
    hint = _MAY_READ if isinstance(problem, GitHubForbidden) else problem.hint
    return warn(title, f"not checked: {problem.summary}", hint)


def _path(github: GitHub, name: str) -> str:
    # A name can contain a slash, which would begin another segment of the path.
    return f"/repos/{github.repository}/environments/{quote(name, safe='')}"


def _settings(name: str) -> str:
    return f"Settings > Environments > {name}"


def _title(name: str) -> str:
    return f"environment {name}"
