"""The key of fingerprints: from the environment, else a random file beside a local ledger.

Its id is derived from it, so that a fingerprint tells which key made it. A ledger that was carried
to another machine without its key gets none: a key made there would mark every secret as unknown
anew on each machine.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from reconciler.diagnostics import Diagnostic, warning
from reconciler.domain.secrets import Pepper, Redacted

VARIABLE = "RECONCILE_LEDGER_PEPPER"


def pepper_of(key: str) -> Pepper:
    """Make a pepper whose id says nothing about its key."""
    identity = hmac.new(key.encode(), b"reconcile: id of this pepper", hashlib.sha256)
    return Pepper(id=identity.hexdigest()[:12], key=Redacted(key))


def pepper_beside(ledger: Path, *, create: bool) -> Pepper | None:
    """Read the random key of a local ledger; `create` is for a ledger that is about to be made."""
    file = ledger.with_name(ledger.name + ".pepper")
    if create:
        _create(file)
    try:
        key = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return pepper_of(key) if key else None


def without_pepper(*, shared: bool) -> Diagnostic:
    """Say that rotated secrets will go unnoticed, and why."""
    what = "a shared ledger" if shared else "this ledger came without its pepper file and"
    return warning(
        "no-pepper",
        f"{what} stores no fingerprints: a secret that changed shows only by its mask",
        hint=f"set {VARIABLE} to one long random text, the same wherever this ledger is used",
    )


def _create(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secrets.token_hex(32) + "\n")
