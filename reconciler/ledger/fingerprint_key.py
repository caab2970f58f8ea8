"""Fingerprint key (pepper): from the environment, else from a random file next to a local ledger.

No such file is used on a runner of GitHub or GitLab, because ledger and key would be in the same
cache.

The id of a key is derived from the key, so that a fingerprint shows which key was used. A ledger
that was moved to another machine without its key file gets no new key, because a new key would make
the state of every secret unknown on each machine.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from reconciler.diagnostics import Diagnostic, warning
from reconciler.domain.secrets import Pepper, Redacted
from reconciler.ledger.errors import explain
from reconciler.ledger.location import Location

VARIABLE = "RECONCILE_LEDGER_PEPPER"
NO_PEPPER = "no-pepper"
"""Code of the warning that a ledger stores no fingerprints."""


def choose_pepper(
    location: Location, variable: str | None, *, create: bool, on_runner: bool
) -> Pepper | None:
    """Return the pepper of a ledger: that of the variable, else of the file next to the ledger.

    Raises `LedgerError` if that file cannot be created or removed.
    """
    try:
        if on_runner and location.file is not None:
            remove_pepper_beside(location.file)
        if variable and variable.strip():
            return pepper_of(variable.strip())
        # A job that can read the cache of a runner could test guesses of a secret against
        # fingerprints if the key were stored next to them.
        if location.file is None or on_runner:
            return None
        return pepper_beside(location.file, create=create)
    except OSError as problem:
        raise explain(problem, where=location.where) from None


def pepper_of(key: str) -> Pepper:
    """Build a pepper with an id that reveals nothing about the key."""
    # A variable can contain any bytes, which Python represents as surrogates.
    octets = key.encode("utf-8", "surrogateescape")
    identity = hmac.new(octets, b"reconcile: id of this pepper", hashlib.sha256)
    return Pepper(id=identity.hexdigest()[:12], key=Redacted(key))


def pepper_beside(ledger: Path, *, create: bool) -> Pepper | None:
    """Read the key file of a local ledger; `create` is for a ledger that is about to be created."""
    file = _file_beside(ledger)
    if create:
        _create(file)
    try:
        key = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    # Earlier versions left an empty file after a crash or on a full disk.
    return pepper_of(key) if key else None


def remove_pepper_beside(ledger: Path) -> None:
    """Remove the key file that a cache of an earlier version may have restored."""
    _file_beside(ledger).unlink(missing_ok=True)


def no_pepper_warning(*, shared: bool, on_runner: bool = False) -> Diagnostic:
    """Return the warning that rotated secrets will not be detected."""
    what = "a shared ledger" if shared else "this ledger has no pepper file and"
    if on_runner:
        what = "a ledger in the cache of the workflows"
    return warning(
        NO_PEPPER,
        f"{what} stores no fingerprints: a changed secret is detected only by its mask",
        hint=f"set {VARIABLE} to a long random string, the same wherever this ledger is used",
    )


def _file_beside(ledger: Path) -> Path:
    return ledger.with_name(ledger.name + ".pepper")


def _create(file: Path) -> None:
    """Create a key file atomically; an existing key is kept."""
    from reconciler.ledger.sqlite import put_in_place  # noqa: PLC0415  it imports SQLAlchemy

    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.stat().st_size == 0:
        file.unlink()
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32) + "\n")
        put_in_place(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
