"""What a new repository begins with: an empty desired state and, asked for, workflows.

Texts only; where they go and that nothing is overwritten: `reconciler.cli.commands.init`.
"""

import shlex
from string import Template

from reconciler.desired.yaml_writer import quoted

STATE_FOLDER = ".reconcile/"
"""What git has to ignore: simulator, ledger and lock lie there."""

CONFIG = """\
# Where the integrations of this folder live, and how much one run may change there.
#
# Each integration is a file in integrations/: `reconcile pull` writes them for what exists,
# `reconcile schema` describes them, `reconcile plan --target NAME` shows what would change.
version: 1

targets:
  simulator:
    base_url: "simulator:" # needs no account; its state lies in .reconcile/

  production:
    base_url: https://api.portkey.ai/v1
    api_key: ${env:PORTKEY_API_KEY}
    prune: managed # delete what these files used to declare and no longer do
"""

_HEAD = """\
name: $name

on:
$trigger

permissions:
  contents: read

concurrency:
  group: $group
  cancel-in-progress: false

jobs:
  $job:
    runs-on: ubuntu-latest
    timeout-minutes: 30
$environment    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@e797f83bcb11b83ae66e0230d6156d7c80228e7c # v6.0.0
        with:
          python-version: "3.12"
      - run: pip install "portkey-reconciler==$version"
      - run: |
          $command
        env:
          PORTKEY_API_KEY: $${{ secrets.PORTKEY_API_KEY }}
$variables"""

_PUSHED = """\
          GITHUB_TOKEN: ${{ github.token }}
          # The commit before the push: what is no longer declared since then is removed.
          BASE: ${{ github.event.created && github.sha || github.event.before }}
          # One line for each ${env:SECRET_…} that a file names:
          # SECRET_OPENAI_KEY: ${{ secrets.SECRET_OPENAI_KEY }}
"""

_ENVIRONMENT = """\
    environment: production # its rules decide who has to approve
"""


def workflows(folder: str, version: str) -> dict[str, str]:
    """Give the workflow files by name; `folder` holds the desired state, seen from the root."""
    base = f"reconcile --dir {shlex.quote(folder)}"
    summary = '--format markdown >> "$GITHUB_STEP_SUMMARY"'
    paths = f"    paths: [{quoted(folder + '/**')}]"
    return {
        "reconcile-plan.yml": _workflow(
            version,
            job="plan",
            trigger=f"  pull_request:\n{paths}",
            group="reconcile-plan-${{ github.ref }}",
            command=f'{base} plan --target production --base "origin/$GITHUB_BASE_REF" {summary}',
        ),
        "reconcile-apply.yml": _workflow(
            version,
            job="apply",
            trigger=f"  push:\n    branches: [main]\n{paths}",
            group="reconcile-production",
            # An old run that is started again must not write what main no longer declares.
            command=f"{base} github check-commit\n          "
            f'{base} apply --target production --yes --base "$BASE"',
            environment=_ENVIRONMENT,
            variables=_PUSHED,
        ),
        "reconcile-drift.yml": _workflow(
            version,
            job="drift",
            trigger='  schedule:\n    - cron: "17 5 * * *"\n  workflow_dispatch:',
            group="reconcile-drift",
            command=f"{base} drift --target production {summary}",
        ),
    }


def _workflow(
    version: str,
    *,
    job: str,
    trigger: str,
    group: str,
    command: str,
    environment: str = "",
    variables: str = "",
) -> str:
    return Template(_HEAD).substitute(
        name=f"reconcile {job}",
        job=job,
        trigger=trigger,
        group=group,
        command=command,
        environment=environment,
        variables=variables,
        version=version,
    )
