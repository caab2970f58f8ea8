"""`reconcile init`: create a desired-state folder; existing files are kept."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import click

from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import command_context
from reconciler.desired import schema
from reconciler.desired.config import CONFIG_FILE
from reconciler.desired.documents import SCHEMA_FILE, SCHEMAS_FOLDER, blocked_folders
from reconciler.desired.init_files import (
    CONFIG,
    STATE_FOLDER,
    UNKNOWN_SOURCE,
    WorkflowSource,
    parse_source,
    recorded_source,
    workflows,
)
from reconciler.desired.problem_collector import ProblemCollector
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.pull import working_copy
from reconciler.views.escape import visible
from reconciler.views.sections import suggested_command

_DISTRIBUTION = "portkey-reconciler"
_INSTALLED_FROM = "direct_url.json"
_UNKNOWN = (
    f"replace {UNKNOWN_SOURCE} in the workflows with the repository and a commit of reconcile that "
    "you trust, or write them with --workflows-from"
)
_IGNORE = ".gitignore"
_WORKFLOWS = ".github/workflows"
_CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Places where GitHub looks for the file, in this order."""
_ORIGIN_HEAD = ".git/refs/remotes/origin/HEAD"


@click.command("init", cls=Command)
@click.option(
    "--with-workflows",
    is_flag=True,
    help="Also write GitHub workflows for plan, apply and drift of the target production",
)
@click.option(
    "--workflows-from",
    metavar="OWNER/REPO@COMMIT",
    help="Repository and commit of reconcile to call  [default: as installed from GitHub]",
)
@click.pass_obj
def command(invocation: Invocation, *, with_workflows: bool, workflows_from: str | None) -> int:
    """Create an empty desired-state folder and, if requested, GitHub workflows.

    The folder .reconcile/, which contains the simulator's state and the ledger, is added to
    .gitignore. With schema.json and the files in schemas/, editors complete and check integrations
    and the other files. Existing files are kept and listed, never overwritten.
    """
    console, folder = invocation.console, invocation.dir
    source = _source(workflows_from)
    _refuse_blocked(folder)
    console.data(_write(folder, CONFIG_FILE, CONFIG))
    for name, text in _schemas().items():
        console.data(_write(folder, name, text))
    (folder / "integrations").mkdir(exist_ok=True)
    console.data(_ignore(folder.parent))
    if with_workflows:
        root = _root(folder)
        inside = folder.absolute().relative_to(root).as_posix()
        texts = workflows(inside, source, branch=_default_branch(root))
        for name, text in texts.items():
            console.data(_write(_as_given(root, folder), f"{_WORKFLOWS}/{name}", text))
        if source == UNKNOWN_SOURCE:
            console.info(_UNKNOWN)
        console.info(_owners(root, inside))
    context = command_context(invocation, click.get_current_context())
    command = suggested_command("production", "pull", context=context)
    console.info(f"to write files for the integrations in the API, run: {command}")
    return 0


@cache
def _schemas() -> Mapping[str, str]:
    """Return the JSON Schemas of files by the name of their file."""
    from reconciler.fleet.config import schema as fleet

    others = {
        "access": schema.access(),
        "overlay": schema.overlay(),
        "config": schema.config(),
        "fleet": fleet(),
    }
    schemas = {
        SCHEMA_FILE: schema.integration(),
        **{f"{SCHEMAS_FOLDER}/{kind}.json": content for kind, content in others.items()},
    }
    return {name: json.dumps(content, indent=2) + "\n" for name, content in schemas.items()}


def _source(given: str | None) -> WorkflowSource:
    """Return the source of the called workflows: the given one, else the installed commit."""
    if given is None:
        return _installed_source() or UNKNOWN_SOURCE
    source = parse_source(given)
    if source is None:
        raise click.BadParameter(
            "must be OWNER/REPO@COMMIT with all 40 digits of the commit, which cannot be moved",
            param_hint="--workflows-from",
        )
    return source


def _installed_source() -> WorkflowSource | None:
    """Return the commit of GitHub that pip has installed, None for another installation."""
    try:
        return recorded_source(metadata.distribution(_DISTRIBUTION).read_text(_INSTALLED_FROM))
    except (metadata.PackageNotFoundError, OSError):
        return None


def _default_branch(root: Path) -> str:
    """Return the default branch of the remote repository according to the clone, else `main`."""
    try:
        text = (root / _ORIGIN_HEAD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "main"
    found = re.fullmatch(r"ref: refs/remotes/origin/(\S+)\n?", text)
    return found[1] if found else "main"


def _refuse_blocked(folder: Path) -> None:
    """Raise `InvalidInput` for folders that every other command would refuse."""
    source = DirectorySource(folder)
    findings = ProblemCollector(source)
    for path, problem in blocked_folders(source, source.paths()).items():
        findings.add_unreadable(path, problem)
    if findings.diagnostics:
        raise InvalidInput(findings.diagnostics)


def _owners(root: Path, inside: str) -> str:
    """Build the hint to set reviewers of limits and workflows, whom only users know."""
    rules = f"{inside}/{CONFIG_FILE}".replace(" ", r"\ "), ".github/"
    lines = [f"/{path}  @YOUR-ORG/YOUR-TEAM" for path in rules]
    found = next((name for name in _CODEOWNERS if (root / name).is_file()), None)
    begin = f"edit {found}" if found else f"write {_CODEOWNERS[0]}"
    return "\n".join(
        [f"{begin} to require a review of limits and workflows by a team of yours:"]
        + [f"  {visible(line, limit=None)}" for line in lines]
    )


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    # `exists` follows a link, so it is false for one whose target is missing.
    if path.exists() or path.is_symlink():
        return f"kept  {visible(str(path), limit=None)}"
    working_copy.write(folder, {name: text.encode()})
    return f"wrote {visible(str(path), limit=None)}"


def _ignore(folder: Path) -> str:
    """Append the state folder to .gitignore."""
    path = folder / _IGNORE
    if not path.exists():
        return _write(folder, _IGNORE, f"{STATE_FOLDER}\n")
    try:
        before = path.read_bytes()
    except OSError as reason:
        raise InvalidInput([error("cannot-read", f"{path}: {reason.strerror}")]) from reason
    known = {line.strip().strip(b"/") for line in before.splitlines()}
    if STATE_FOLDER.strip("/").encode() in known:
        return f"kept  {visible(str(path), limit=None)}"
    # If the last line has no line break, the entry would become part of it.
    gap = b"" if not before or before.endswith(b"\n") else b"\n"
    working_copy.write(folder, {_IGNORE: before + gap + f"{STATE_FOLDER}\n".encode()})
    return f"added {STATE_FOLDER} to {visible(str(path), limit=None)}"


def _root(folder: Path) -> Path:
    """Return the root of the repository, which contains .github."""
    beside = folder.absolute().parent
    return next((p for p in (beside, *beside.parents) if (p / ".git").exists()), beside)


def _as_given(root: Path, folder: Path) -> Path:
    """Return the root as a relative path if the folder was given as one."""
    return folder.parent if folder.absolute().parent == root else root
