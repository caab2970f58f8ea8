"""Facts about a run that the ledger records, and the holder of its lock."""

import getpass
import os
import re
import socket

from reconciler.cli.settings import Settings
from reconciler.ledger.models import Holder, RunFacts

# In a job of a pull request GITHUB_REF is refs/pull/<number>/merge.
_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/")


def run_facts(environment: Settings, run: str) -> RunFacts:
    """Return who started and who approved the run, if the environment of the CI job names them."""

    def first(*names: str) -> str | None:
        found = (environment.environment.get(name, "").strip() for name in names)
        return next((value for value in found if value), None)

    named = _PULL_REQUEST.match(first("GITHUB_REF") or "")
    return RunFacts(
        run=run,
        actor=first("GITHUB_ACTOR", "GITLAB_USER_LOGIN") or _user(),
        commit=environment.commit,
        pull_request=first("RECONCILE_PULL_REQUEST", "CI_MERGE_REQUEST_IID")
        or (named[1] if named else None),
        author=first("RECONCILE_AUTHOR", "CI_COMMIT_AUTHOR"),
        # In a re-run, this is the user who started it again; GITHUB_ACTOR stays the same.
        approver=first("RECONCILE_APPROVER", "GITHUB_TRIGGERING_ACTOR"),
        environment=first("RECONCILE_ENVIRONMENT", "CI_ENVIRONMENT_NAME"),
        workflow=_workflow(
            first("GITHUB_SERVER_URL"), first("GITHUB_REPOSITORY"), first("GITHUB_RUN_ID")
        )
        or first("CI_PIPELINE_URL"),
    )


def _workflow(server: str | None, repository: str | None, run: str | None) -> str | None:
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None  # a container can run as a user id without a name


def holder_of(facts: RunFacts, *, since: str) -> Holder:
    """Return what the lock of a target says about the process that holds it."""
    return Holder(os.getpid(), socket.gethostname(), since, facts.run, facts.actor, facts.shard)
