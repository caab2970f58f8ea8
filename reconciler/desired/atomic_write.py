"""Atomic writes of files: a reader sees either the old content or the new one."""

import contextlib
import os
import stat
from pathlib import Path
from secrets import token_hex


def replace_file(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Create a file, or replace a regular one; it is on disk before this returns.

    `mode` is that of a new file, less the umask; an existing one keeps its own. Raises `OSError`,
    and then leaves the folder as it was.
    """
    # In the same folder, because a rename is atomic within one file system only.
    unfinished = path.parent / f".unfinished-{token_hex(8)}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123  it is open already
            if path.exists():
                # The new file keeps the permissions of the old one, except for set-user-ID and
                # sticky bits.
                os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode) & 0o777)
            stream.write(content)
            stream.flush()
            # Synced before the rename: after a crash, the name must not refer to an incomplete
            # file.
            os.fsync(descriptor)
        unfinished.replace(path)
    # Ctrl-C must also not leave an unfinished file in the folder.
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Sync the rename to disk, on file systems that can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
