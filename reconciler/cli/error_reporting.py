"""Conversion of exceptions to error reports and exit codes, for all commands.

`reconciler.errors` defines the exceptions and their codes. Messages of foreign exceptions are not
shown, because they can quote anything, including a secret.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from reconciler.cli import settings
from reconciler.cli.console import Console
from reconciler.diagnostics import Diagnostic, Severity, error
from reconciler.errors import ReconcilerError, Rejection
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan

_SELF_EXPLANATORY = frozenset({"declined", "interrupted", "unknown-code", "usage"})
"""Codes whose message is sufficient, or names another command."""


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """Report of a failed command line."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    plan: "Plan | None" = None


def explain(problem: BaseException) -> ErrorReport:
    """Return the report of an exception; for one of another package, it has only the type."""
    match problem:
        # Before its base class, because only a rejection has several diagnostics and a plan.
        case Rejection():
            plan = cast("Plan | None", problem.plan)
            return ErrorReport(problem.exit_code, problem.diagnostics, plan)
        case ReconcilerError():
            diagnostic = error(problem.code, problem.summary, hint=problem.hint)
            return ErrorReport(problem.exit_code, (diagnostic,))
        # click's own exit code is 2, which means differences in this program.
        case click.ClickException():
            from reconciler.cli import usage_errors

            return ErrorReport(3, (usage_errors.diagnostic_of(problem),))
        case KeyboardInterrupt() | EOFError() | click.Abort():
            return _of_interrupt(problem)
        # A TaskGroup wraps the exception of its task, even if it is the only one.
        case BaseExceptionGroup():
            return explain(_first_of_ours(problem))
        case OSError() if problem.strerror:
            # It may also be bytes or the number of a descriptor.
            where = f": {problem.filename}" if isinstance(problem.filename, str) else ""
            return ErrorReport(1, (error("system", f"{problem.strerror}{where}"),))
        case _:
            diagnostic = error(
                "internal",
                f"internal error: {type(problem).__name__}",
                hint="report this defect; run the command with -vv to see where it happened",
            )
            return ErrorReport(1, (diagnostic,))


def report(problem: BaseException, *, console: Console, as_json: bool) -> int:
    """Report an exception to the user and return the exit code.

    A JSON document is written to stdout only if nothing else was written there, so there is never a
    second one.
    """
    ending = explain(problem)
    in_document = as_json and not console.has_written
    if in_document:
        from reconciler.views import json

        document = json.error(ending.diagnostics, exit_code=ending.exit_code, refused=ending.plan)
        console.data(document)
    if console.json_log is not None:
        console.json_log.diagnostics(ending.diagnostics)
    elif not in_document:
        from reconciler.views.findings import as_text

        console.warning(as_text(ending.diagnostics, verbose=console.verbosity > 0))
        name_explain(ending.diagnostics, console)
    if console.verbosity >= 2:
        console.warning(_places(problem))
    return ending.exit_code


def name_explain(diagnostics: Iterable[Diagnostic], console: Console) -> None:
    """Name the command that explains the first error, if stderr is a terminal."""
    codes = [d.code for d in diagnostics if d.severity is Severity.ERROR]
    explained = next((code for code in codes if code not in _SELF_EXPLANATORY), None)
    if explained is not None and console.is_live and console.json_log is None:
        console.info(f"To learn more, run: reconcile explain {explained}")


def wants_json(arguments: Sequence[str], *, commands: Iterable[str], prefix: str) -> bool:
    """Return whether a command line asks for JSON, even if it cannot be parsed."""
    words = list(arguments)
    # Everything after it is an argument, even if it looks like an option.
    if "--" in words:
        words = words[: words.index("--")]
    # From the end, because the last of several options applies, as in click.
    for at in range(len(words) - 1, -1, -1):
        name, equals, value = words[at].partition("=")
        if name == "--format":
            return (value if equals else "".join(words[at + 1 : at + 2])) == "json"
    command = next((word for word in words if word in set(commands)), "")
    return settings.variable(f"{prefix}_{command.upper().replace('-', '_')}_FORMAT") == "json"


def wants_json_log(arguments: Sequence[str], *, prefix: str) -> bool:
    """Return whether a command line asks for JSON events on stderr, even if it cannot be parsed."""
    words = list(arguments)
    values = [after for word, after in pairwise(words) if word == "--log-format"]
    values += [w.partition("=")[2] for w in words if w.startswith("--log-format=")]
    return (values[-1] if values else settings.variable(f"{prefix}_LOG_FORMAT")) == "json"


def _of_interrupt(problem: BaseException) -> ErrorReport:
    from reconciler.cli import signals

    return ErrorReport(
        signals.exit_code(problem), (error("interrupted", signals.message(problem)),)
    )


def _first_of_ours(group: BaseExceptionGroup[Any]) -> BaseException:
    flat: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        here = waiting.pop(0)
        if isinstance(here, BaseExceptionGroup):
            waiting.extend(here.exceptions)
        else:
            flat.append(here)
    # Our own errors explain the cause; for other exceptions, only the type is shown.
    return next((e for e in flat if isinstance(e, ReconcilerError)), flat[0])


def _places(problem: BaseException) -> str:
    """List the frames by file, line and function, without messages, source lines and values."""
    lines = [f"{type(problem).__name__}, most recent call last:"]
    # A negative limit keeps the innermost frames, where the defect is.
    import traceback  # loaded for a defect alone

    frames = traceback.extract_tb(problem.__traceback__, limit=-20)
    lines += [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
    return "\n".join(lines)
