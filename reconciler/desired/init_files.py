"""Text of the files that `reconcile init` writes: the configuration and the GitHub workflows.

The workflows are the callers that .github/workflows/README.md shows. They contain no steps, so that
nothing is installed by name and an update is one commit.

The command that writes them: `reconciler.cli.commands.init`.
"""

import json
import re
from string import Template

from reconciler.desired.documents import SCHEMAS_FOLDER
from reconciler.desired.yaml_writer import quoted
from reconciler.frozen_dataclass import dataclass

STATE_FOLDER = ".reconcile/"
"""Folder of simulator, ledger and lock, which git must ignore."""

CONFIG = f"""\
# yaml-language-server: $schema={SCHEMAS_FOLDER}/config.json
# Targets of this folder, and limits for the changes of one run.
#
# Each integration is a file in integrations/: `reconcile pull` writes them for what exists,
# `reconcile schema` describes them, `reconcile --target NAME plan` shows what would change.
version: 1

targets:
  simulator:
    base_url: "simulator:" # needs no account; its state is stored in .reconcile/

  production:
    base_url: https://api.portkey.ai/v1
    api_key: ${{env:PORTKEY_API_KEY}}
    prune: managed # delete what these files used to declare and no longer do
"""

# In these templates `$$` stands for `$`, so that `$${{ … }}` reaches GitHub as `${{ … }}`.
_PLAN = """\
# Shows in a pull request comment what merging would change.
name: reconcile plan

on:
  pull_request:
    paths: [$paths]
  merge_group:

permissions: {}

jobs:
  plan:
    permissions:
      contents: read # to check the files out
      pull-requests: write # to comment
      checks: write # to write the check run
    uses: $repository/.github/workflows/plan.yml@$commit
    with:
      target: production
      environment: production
      directory: $directory
      label: "" # label of pull requests while their plan has changes
    # Secrets of the environment production-plan.
    secrets:
      PORTKEY_API_KEY: $${{ secrets.PORTKEY_API_KEY }}
      RECONCILE_LEDGER_URL: $${{ secrets.RECONCILE_LEDGER_URL }}
      SECRET_VALUES: $${{ secrets.SECRET_VALUES }} # only to warn if the job can read it
"""

_APPLY = """\
# Applies approved plans: those of merged pull requests, or one by its digest in a manual run.
name: reconcile apply

on:
  push:
    branches: [$branch]
    paths: [$paths]
  workflow_dispatch:
    inputs:
      digest:
        description: Digest of the plan to apply; if empty, plans approved by merging are applied.
        type: string
        default: ""
      break-freeze:
        description: Reason to apply outside the target's windows and freeze; it is recorded.
        type: string
        default: ""
      allow-unsoaked:
        description: Reason to apply before the end of the soak time; it is recorded.
        type: string
        default: ""

permissions: {}

jobs:
  apply:
    permissions:
      contents: read # to check the files out, and to find the pull requests of a commit
      actions: read # to download the plans that were approved
      pull-requests: write # to comment on the merged pull request
      checks: write # to write the check run
    uses: $repository/.github/workflows/apply.yml@$commit
    with:
      target: production
      environment: production
      risky-environment: production # or one with other reviewers, for deletes and credentials
      directory: $directory
      digest: $${{ inputs.digest || '' }}
      break-freeze: $${{ inputs.break-freeze || '' }}
      allow-unsoaked: $${{ inputs.allow-unsoaked || '' }}
      plan-workflow: reconcile-plan.yml
    # Secrets of the environments production-read and production.
    secrets:
      PORTKEY_API_KEY: $${{ secrets.PORTKEY_API_KEY }}
      RECONCILE_LEDGER_URL: $${{ secrets.RECONCILE_LEDGER_URL }}
      RECONCILE_LEDGER_PEPPER: $${{ secrets.RECONCILE_LEDGER_PEPPER }}
      SECRET_VALUES: $${{ secrets.SECRET_VALUES }}
"""

_DRIFT = """\
# Checks for drift once a day, and keeps one issue about it.
name: reconcile drift

on:
  schedule:
    - cron: "23 5 * * *" # off the hour, when runners are free
  workflow_dispatch:
    inputs:
      adopt:
        description: Open a pull request that adopts in Git the changes made in the API.
        type: boolean
        default: false
      who:
        description: Name the user or API key of each change; user ids are personal data.
        type: boolean
        default: false

permissions: {}

jobs:
  drift:
    permissions:
      contents: write # to check the files out; with adopt, to make the commit and its branch
      issues: write # to keep the drift issue
      pull-requests: write # with adopt, to open the pull request
    uses: $repository/.github/workflows/drift.yml@$commit
    with:
      target: production
      environment: production
      directory: $directory
      adopt: $${{ inputs.adopt || false }}
      who: $${{ inputs.who || vars.RECONCILE_DRIFT_WHO == 'true' }}
    # Secrets of the environment production-read.
    secrets:
      PORTKEY_API_KEY: $${{ secrets.PORTKEY_API_KEY }}
      RECONCILE_DRIFT_NOTIFY: $${{ secrets.RECONCILE_DRIFT_NOTIFY }}
      RECONCILE_LEDGER_URL: $${{ secrets.RECONCILE_LEDGER_URL }}
      RECONCILE_LEDGER_PEPPER: $${{ secrets.RECONCILE_LEDGER_PEPPER }}
      SECRET_VALUES: $${{ secrets.SECRET_VALUES }}
"""

_WORKFLOWS = {
    "reconcile-plan.yml": _PLAN,
    "reconcile-apply.yml": _APPLY,
    "reconcile-drift.yml": _DRIFT,
}

_ON_GITHUB = re.compile(r"(?:https://|ssh://git@)github\.com/(.+?)(?:\.git)?/?")
_SOURCE = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)@([0-9a-f]{40})", re.ASCII)


@dataclass(frozen=True, slots=True)
class WorkflowSource:
    """The repository and the commit whose workflows are called."""

    repository: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.commit}"


UNKNOWN_SOURCE = WorkflowSource("OWNER/REPO", "0" * 40)
"""Placeholder that names no repository, so that GitHub refuses to start the workflows."""


def parse_source(text: str) -> WorkflowSource | None:
    """Parse OWNER/REPO@COMMIT, None if it is something else; a tag or a branch can be moved."""
    found = _SOURCE.fullmatch(text)
    return WorkflowSource(found[1], found[2]) if found else None


def recorded_source(record: str | None) -> WorkflowSource | None:
    """Parse the record of an installation from GitHub (PEP 610), None if it is something else."""
    try:
        document = json.loads(record or "{}")
        url, commit = document["url"], document["vcs_info"]["commit_id"]
    except (ValueError, KeyError, TypeError):
        return None
    found = _ON_GITHUB.fullmatch(str(url))
    return parse_source(f"{found[1]}@{commit}") if found else None


def workflows(folder: str, source: WorkflowSource, *, branch: str = "main") -> dict[str, str]:
    """Return the workflow files by name; `folder` holds the desired state, seen from the root."""
    # A path filter is a pattern, in which these characters have a special meaning.
    pattern = re.sub(r"([\\*?+\[\]!])", r"\\\1", folder) + "/**"
    values = {
        "repository": source.repository,
        "commit": source.commit,
        "branch": quoted(branch),
        "paths": quoted(pattern),
        "directory": quoted(folder),
    }
    return {name: Template(text).substitute(values) for name, text in _WORKFLOWS.items()}
