"""The options of this command line, written down again for the commands that outputs propose.

`apply --expect-digest` only finds the same digest if it looks at the same part of the same files.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.command import Invocation

if TYPE_CHECKING:
    from reconciler.views.drift_outline import Asked

PLANNING = (
    "only",
    "exclude",
    "shard",
    "prune",
    "push_secrets",
    "max_deletes",
    "max_credential_changes",
    "max_access_removals",
    "allow_replace",
    "allow_empty",
    "base",
)
"""The parameters that have a say in what a plan holds."""


def asked(invocation: Invocation, context: click.Context) -> "Asked":
    """Give what a proposed command has to say again, beside the target."""
    from reconciler.views.drift_outline import Asked

    folder = invocation.dir
    return Asked(
        everywhere=("--dir", str(folder)) if folder != Path("desired-state") else (),
        planning=tuple(
            word
            for param in context.command.params
            if param.name in PLANNING
            for word in _words(param, context.params.get(param.name))
        ),
    )


def _words(param: click.Parameter, value: object) -> list[str]:
    option = param.opts[0]
    match value:
        case None | False:
            return []
        case True:
            return [option]
        case (int(part), int(count)):
            return [option, f"{part}/{count}"]
        case tuple():
            return [word for item in value for word in (option, str(item))]
        case _:
            return [option, str(value)]
