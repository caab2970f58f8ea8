"""Options of this command line that a suggested command has to repeat.

`apply --expect-digest` only finds the same digest if it reads the same part of the same files. How
a command line is written: `reconciler.views.suggested_command`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.global_options import Invocation
from reconciler.cli.options import PLAN_PARAMETERS
from reconciler.diagnostics import Diagnostic
from reconciler.errors import Rejection
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.views.suggested_command import CommandContext

_PLAN_AGAIN = frozenset({"digest-mismatch", "expired-plan", "not-approved"})
"""Refusals that a new plan and a new approval resolve."""

_LONGEST_COMMAND = 1500
"""Maximum characters of a command within a hint: views cut long hints, and never a command."""


def command_context(
    invocation: Invocation, context: click.Context, *, saved_plan: Path | None = None
) -> "CommandContext":
    """Return the options that a suggested command has to repeat, except the target."""
    from reconciler.views.suggested_command import CommandContext, as_operand

    folder = invocation.dir
    return CommandContext(
        global_options=("--dir", str(folder)) if folder != Path("desired-state") else (),
        plan_options=tuple(
            word
            for param in context.command.params
            if param.name in PLAN_PARAMETERS
            for word in _words(param, context.params.get(param.name))
        ),
        saved_plan=as_operand(str(saved_plan)) if saved_plan is not None else None,
    )


@contextmanager
def suggesting_commands(invocation: Invocation, plans: Sequence[Path]) -> Iterator[None]:
    """Add to the hints of a refusal of `apply PLANS` the next command, where there is one."""
    try:
        yield
    except Rejection as problem:
        if not isinstance(problem.plan, Plan):
            raise
        saved_plan = plans[0] if len(plans) == 1 else None
        context = command_context(invocation, click.get_current_context(), saved_plan=saved_plan)
        found = _with_commands(problem.diagnostics, problem.plan, context)
        # The class holds the exit code, so the new refusal is of the same class.
        raise type(problem)(found, plan=problem.plan) from problem


def _with_commands(
    diagnostics: Iterable[Diagnostic], plan: Plan, context: "CommandContext"
) -> list[Diagnostic]:
    named: set[str] = set()
    found: list[Diagnostic] = []
    for diagnostic in diagnostics:
        command = _next_command(diagnostic.code, plan, context)
        if command is None or diagnostic.code in named or len(command) > _LONGEST_COMMAND:
            found.append(diagnostic)
            continue
        named.add(diagnostic.code)  # of many with one code the first names the command
        found.append(replace(diagnostic, hint=f"{diagnostic.hint}; {command}"))
    return found


def _next_command(code: str, plan: Plan, context: "CommandContext") -> str | None:
    from reconciler.views.suggested_command import apply_command, suggested_command

    target = plan.target.name
    if plan.run is not None:
        return None  # `undo` takes other options than `apply`
    if code == "no-terminal":
        command = apply_command(target, "--expect-digest", plan.digest, context=context)
        return f"to apply exactly this plan, run: {command}"
    if code in _PLAN_AGAIN:
        save = ("--out", context.saved_plan or "PLAN")
        command = suggested_command(target, "plan", *context.plan_options, *save, context=context)
        return f"to plan again, run: {command}"
    return None


def _words(param: click.Parameter, value: object) -> list[str]:
    option = param.opts[0]
    match value:
        case None | False:
            return []
        case True:
            return [option]
        # Before `tuple()`: a shard is a pair of numbers, a repeatable option a tuple of texts.
        case (int(part), int(count)):
            return [option, f"{part}/{count}"]
        case tuple():
            return [word for item in value for word in (option, str(item))]
        case _:
            return [option, str(value)]
