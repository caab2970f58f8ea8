"""Files that a command saves or reads; `reconciler.cli.console` writes to its streams."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.console import Console
from reconciler.desired.atomic_write import replace_file
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.views.sections import CommandContext

_MAX_LINKS = 40
"""Maximum number of symbolic links to follow, the same as in Linux."""

_HOW_TO_SAVE = "name a file in an existing, writable folder"
_HOW_TO_READ = "check the path; it is relative to the current folder"
_OWN_FILES = "name a file that reconcile wrote with --out or --format json"

_LONE_SURROGATES = "backslashreplace"
"""Error handler for lone surrogates, which JSON can escape but UTF-8 cannot encode."""


def plan_text(console: Console, plan: Plan, *, ledger: str, color: bool) -> str:
    """Return a plan that is about to be applied, for this terminal."""
    from reconciler.views import terminal
    from reconciler.views.render_options import RenderOptions

    options = RenderOptions(
        ledger=ledger, width=console.stderr_width, color=color, verbose=console.verbosity > 0
    )
    return terminal.plan(plan, options, in_progress=True)


def note_on_saved(plan: Plan, context: "CommandContext", *, style: str) -> str:
    """Return the sentence that follows a plan that was saved."""
    from reconciler.views.escape import visible
    from reconciler.views.sections import apply_command, once_accepted

    # Every other format shows the command, unless nothing can be applied.
    if style != "json" or not plan.actions or plan.blocked:
        return f"saved the plan as {visible(context.saved_plan or 'PLAN', limit=None)}"
    command = apply_command(plan.target.name, context.saved_plan or "PLAN", context=context)
    how = once_accepted(plan, "To apply exactly this plan, run:")
    return f"saved the plan; {how[:1].lower()}{how[1:]} {command}"


def save_plan(path: Path, plan: Plan) -> None:
    """Save a plan, which `reconcile apply FILE` reads."""
    # Only saved plans need the models of documents.
    from reconciler.planning import codec

    save(path, codec.encode(plan))


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
    """Read a text file that a user names, of at most `limit` bytes.

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
