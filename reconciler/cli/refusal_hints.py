"""Next commands in the hints of a refused `apply`.

`reconciler.views.sections` formats command lines.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.global_options import Invocation
from reconciler.cli.options import command_context
from reconciler.errors import Rejection

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.planning.plan import Plan
    from reconciler.views.sections import CommandContext

_PLAN_AGAIN = frozenset({"digest-mismatch", "expired-plan", "not-approved", "policy-changed"})
"""Codes of refusals that a new plan and a new approval resolve."""

_LONGEST_COMMAND = 1500
"""Maximum length of a command within a hint: views shorten long hints, but never a command."""


@contextmanager
def suggesting_commands(invocation: Invocation, plans: Sequence[Path]) -> Iterator[None]:
    """Add the next command, if there is one, to the hints of a refusal of `apply PLANS`."""
    from reconciler.planning.plan import Plan

    try:
        yield
    except Rejection as problem:
        if not isinstance(problem.plan, Plan):
            raise
        saved_plan = plans[0] if len(plans) == 1 else None
        context = command_context(invocation, click.get_current_context(), saved_plan=saved_plan)
        found = _with_commands(problem.diagnostics, problem.plan, context)
        # The class defines the exit code, so the new refusal has the same class.
        raise type(problem)(found, plan=problem.plan) from problem


def _with_commands(
    diagnostics: "Iterable[Diagnostic]", plan: "Plan", context: "CommandContext"
) -> "list[Diagnostic]":
    named: set[str] = set()
    found: list[Diagnostic] = []
    for diagnostic in diagnostics:
        command = _next_command(diagnostic.code, plan, context)
        if command is None or diagnostic.code in named or len(command) > _LONGEST_COMMAND:
            found.append(diagnostic)
            continue
        named.add(diagnostic.code)  # among several with one code, only the first names the command
        found.append(replace(diagnostic, hint=f"{diagnostic.hint}; {command}"))
    return found


def _next_command(code: str, plan: "Plan", context: "CommandContext") -> str | None:
    from reconciler.views.sections import apply_command, suggested_command

    target = plan.target.name
    if plan.run is not None:
        return None  # `undo` has other options than `apply`
    if code == "no-terminal":
        command = apply_command(target, "--expect-digest", plan.digest, context=context)
        return f"to apply exactly this plan, run: {command}"
    if code in _PLAN_AGAIN:
        save = ("--out", context.saved_plan or "PLAN")
        command = suggested_command(target, "plan", *context.plan_options, *save, context=context)
        return f"to plan again, run: {command}"
    return None
