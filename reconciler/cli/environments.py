"""Two targets whose files are compared, named by target or by environment."""

from reconciler.cli import settings
from reconciler.cli.desired_source import checkout_of
from reconciler.cli.global_options import Invocation
from reconciler.desired.config import Config
from reconciler.desired.declarations import find_target
from reconciler.desired.load import load_config, load_desired
from reconciler.desired.source import FileSource
from reconciler.diagnostics import error, has_errors
from reconciler.domain.policy import Target
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Sides:
    """Two targets and the files that declare both."""

    files: FileSource
    config: Config
    source: Target
    target: Target


def loaded_sides(invocation: Invocation, source: str, target: str) -> Sides:
    """Return the targets of two names; raises `InvalidInput` for problems in the files."""
    files = checkout_of(invocation).files
    config, found = load_config(files)
    if config is None or has_errors(found):
        raise InvalidInput(found)
    sides = []
    for name in (source, target):
        side, problems = find_target(config, name)
        if side is None:
            raise InvalidInput(problems)
        state, problems = load_desired(files, config, side, settings.now().date())
        if state is None:
            raise InvalidInput(problems)
        sides.append(side)
    if source == target:
        # Both sides would always be equal.
        summary = f"`{source}` cannot be compared with itself"
        hint = "name two environments, such as `staging production`"
        raise InvalidInput([error("usage", summary, hint=hint)])
    return Sides(files, config, *sides)
