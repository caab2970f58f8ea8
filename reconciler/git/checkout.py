"""Checked-out commit of a folder, and whether the folder has the files of this commit."""

from reconciler.desired.config import CONFIG_FILE
from reconciler.desired.documents import FOLDERS
from reconciler.desired.source import is_yaml
from reconciler.frozen_dataclass import dataclass
from reconciler.git.repository import GitError, Repository, head, split_listing


@dataclass(frozen=True, slots=True)
class Checkout:
    """Checked-out commit; `has_changes` unless the folder certainly has its YAML files."""

    commit: str | None = None
    has_changes: bool = False


_STATUS = (
    "status",
    "--porcelain=v2",
    "-z",
    "--branch",
    "--no-ahead-behind",
    "--no-renames",
    "--untracked-files=all",
    "--ignored=traditional",
    # Without it, `.gitmodules` can exclude a submodule.
    "--ignore-submodules=none",
    "--",
)
# Relative to the folder; a file or folder whose name begins with a dot is not read.
_HIDDEN = (":(exclude,glob)**/.*", ":(exclude,glob)**/.*/**")
_READ_PATHS = (CONFIG_FILE, *FOLDERS, *_HIDDEN)


def checked_out(repository: Repository) -> Checkout:
    """Return the checked-out commit, and whether it has the files as they are.

    One process finds both. Ignored and untracked files count, because they declare integrations.
    """
    # Looked up first, because starting git takes milliseconds even if there is no repository.
    if not repository.exists:
        return Checkout()
    try:
        listing = repository.run(*_STATUS, *_READ_PATHS) or b""
    except GitError:
        # A partial clone can lack what a comparison needs. Files that could not be compared are not
        # known to be those of the commit.
        commit = head(repository)
        return Checkout(commit, has_changes=commit is not None)
    lines = split_listing(listing)
    found = next((x.removeprefix(_HEAD) for x in lines if x.startswith(_HEAD)), "")
    if not found or found == "(initial)":
        return Checkout()
    return Checkout(found, any(_declares(line) for line in lines))


_HEAD = "# branch.oid "


def _declares(line: str) -> bool:
    """Return whether a line of `git status` is about files that are read."""
    kind, _, rest = line.partition(" ")
    if kind == "#":
        return False
    # `S` marks a submodule, and a slash at the end a repository that is no submodule.
    is_submodule = kind not in {"?", "!"} and rest.partition(" ")[2].startswith("S")
    return is_submodule or line.endswith("/") or is_yaml(line)
