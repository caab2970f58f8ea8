"""Output of commands: the renderer for `--format`, and files that are saved."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from reconciler.cli.console import Console
from reconciler.desired.atomic_write import replace_file
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.drift.report import DriftReport
    from reconciler.execution.result import ApplyResult
    from reconciler.views.render_options import RenderOptions
    from reconciler.views.sections import CommandContext

_MAX_LINKS = 40
"""Maximum number of symbolic links to follow, the same as in Linux."""

_HOW_TO_SAVE = "name a file in an existing, writable folder"
_HOW_TO_READ = "check the path; it is relative to the current folder"
_OWN_FILES = "name a file that reconcile wrote with --out or --format json"

_LONE_SURROGATES = "backslashreplace"
"""Error handler for lone surrogates, which UTF-8 cannot encode but JSON can escape."""

RENDERERS: Mapping[str, str] = MappingProxyType(
    {
        "text": "reconciler.views.terminal",
        "json": "reconciler.views.json",
        "markdown": "reconciler.views.markdown",
        "html": "reconciler.views.html",
    }
)
"""Module of each format, with a function for each kind of document: `plan`, `result`, `drift`."""

PLAN_FORMATS = tuple(RENDERERS)


def render(
    kind: Literal["plan", "result", "drift"],
    document: "Plan | ApplyResult | DriftReport",
    options: "RenderOptions",
    *,
    style: str,
) -> str:
    """Return a document in one of `PLAN_FORMATS`."""
    # By name, because importing the modules of all formats takes a tenth of a command's time.
    renderer: Callable[..., str] = getattr(import_module(RENDERERS[style]), kind)
    return renderer(document, options)


def plan_text(console: Console, plan: Plan, *, ledger: str, color: bool) -> str:
    """Return a plan that is about to be applied, for this terminal."""
    from reconciler.views import terminal
    from reconciler.views.render_options import RenderOptions

    options = RenderOptions(
        ledger=ledger, width=console.stderr_width, color=color, verbose=console.verbosity > 0
    )
    return terminal.plan(plan, options, in_progress=True)


def show_plan(
    console: Console, plan: Plan, *, style: str, ledger: str, context: "CommandContext"
) -> None:
    """Write a plan to stdout in one of `PLAN_FORMATS`."""
    options = replace(_options(console, ledger), context=context)
    console.data(render("plan", plan, options, style=style))


def show_result(
    console: Console,
    result: "ApplyResult",
    plan: Plan | None = None,
    *,
    style: str,
    ledger: str,
    context: "CommandContext",
    continues: bool = False,
    is_default_target: bool = False,
) -> None:
    """Write a result to stdout in one of `PLAN_FORMATS`; its plan adds the changes.

    `continues` says that the plan was shown in the same stream. In a log, a result of the simulator
    could pass for one of production if `is_default_target`, so it says which it is.
    """
    is_simulator = result.target.base_url.startswith("simulator:")
    options = replace(
        _options(console, ledger),
        plan=plan,
        context=context,
        continues=continues,
        names_simulator=is_default_target and is_simulator and console.stdout_width is None,
    )
    console.data(render("result", result, options, style=style))


def show_drift(
    console: Console, report: "DriftReport", *, style: str, ledger: str, context: "CommandContext"
) -> None:
    """Write a drift report to stdout in one of `PLAN_FORMATS`."""
    options = replace(_options(console, ledger), context=context)
    console.data(render("drift", report, options, style=style))


def _options(console: Console, ledger: str) -> "RenderOptions":
    from reconciler.views.render_options import RenderOptions

    return RenderOptions(
        ledger=ledger,
        width=console.stdout_width,
        color=console.colors_stdout,
        verbose=console.verbosity > 0,
    )


def how_to_apply_saved(plan: Plan, context: "CommandContext") -> str:
    """Return the sentence that follows a plan that was saved."""
    from reconciler.views.sections import apply_command

    command = apply_command(plan.target.name, context.saved_plan or "PLAN", context=context)
    return f"saved the plan; to apply exactly this plan, run: {command}"


def save(path: Path, text: str) -> None:
    """Write a file atomically; a device or a pipe is written to directly.

    The target of a symbolic link is replaced, and the link stays. A file that this process has
    open already, such as /dev/stdout, is written at its current position.
    """
    try:
        descriptor = _descriptor(path)
        # By the path itself, because /dev/stdout resolves to a name that no file has.
        if descriptor is None and (path.is_file() or not path.exists()):
            replace_file(path.resolve(), text.encode("utf-8", _LONE_SURROGATES))
            return
        # A copy, because closing the stream would close standard output.
        there = path if descriptor is None else os.dup(descriptor)
        with open(there, "w", encoding="utf-8", errors=_LONE_SURROGATES) as stream:  # noqa: PTH123  it may be open already
            stream.write(text)
    # RuntimeError is how `resolve` reports a loop of links before Python 3.13.
    except (OSError, RuntimeError) as reason:
        cause = reason.strerror if isinstance(reason, OSError) else "too many symbolic links"
        problem = error("cannot-save", f"{path}: {cause or 'cannot be written'}", hint=_HOW_TO_SAVE)
        raise InvalidInput([problem]) from reason


def _descriptor(path: Path) -> int | None:
    """Return the descriptor of this process that a path refers to, else None."""
    # On Linux, opening such a file by its path would write from its beginning.
    ours = Path("/proc/self/fd").resolve(), Path("/dev/fd")
    for _ in range(_MAX_LINKS):
        if path.name.isdecimal() and path.parent.resolve() in ours:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def read(path: Path, *, limit: int, code: str = "unreadable-plan", hint: str = _OWN_FILES) -> str:
    """Read a text file of at most `limit` bytes that a user names.

    `code` and `hint` describe a file that is not text; by default reconcile should have written it.
    """
    try:
        with path.open("rb") as stream:
            # One byte more distinguishes a file at the limit from a larger one.
            content = stream.read(limit + 1)
    except OSError as reason:
        problem = error(
            "cannot-read", f"{path}: {reason.strerror or 'cannot be read'}", hint=_HOW_TO_READ
        )
        raise InvalidInput([problem]) from reason
    if len(content) > limit:
        raise InvalidInput([error("too-large", f"{path}: larger than {limit} bytes", hint=hint)])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as reason:
        raise InvalidInput([error(code, f"{path}: not UTF-8 text", hint=hint)]) from reason
