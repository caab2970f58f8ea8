"""`file:PATH`: the text of a regular file inside an allowed folder.

JSON is returned as text; the code that writes a request parses it if the field requires an object.
Relative paths refer to the desired-state folder.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from reconciler.desired.references import is_forbidden
from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from reconciler.secrets.allowlist import fixed_folder
from reconciler.secrets.resolver import Answer, Answers, ResolverContext

# 1 MiB.
MAX_BYTES = 1 << 20


class FileResolver:
    """Reader of files; each file is a source."""

    def __init__(self, context: ResolverContext) -> None:
        self._directory = context.directory
        self._allowed = context.allowed

    def source_of(self, locator: str) -> str:
        """Return the path."""
        return locator

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read the file once for all references to it."""
        return {ref: self._read(ref) for ref in refs}

    def _read(self, ref: SecretRef) -> Answer:
        glob = self._allowed.pattern_for(ref)
        if glob is None:
            return SecretError(ref, "this file is outside the allow-list", code="file-not-allowed")
        root = (self._directory / fixed_folder(glob)).resolve()
        content = read_inside(ref, self._directory / ref.locator, root=root)
        return content if isinstance(content, SecretError) else _as_text(ref, content)


def read_inside(ref: SecretRef, path: Path, *, root: Path) -> bytes | SecretError:
    """Read a regular file whose real path is below `root`, which is a real path itself."""
    try:
        real = path.resolve(strict=True)
    # RuntimeError: a loop of links, before Python 3.13; ValueError: a null byte in the path.
    except (OSError, RuntimeError, ValueError):
        hint = "create the file, or correct the path in the reference"
        return SecretError(ref, "the file does not exist", code="secret-file-missing", hint=hint)
    # The reference was checked as written, but a link can point to a forbidden place.
    if not real.is_relative_to(root) or is_forbidden(SecretRef("file", str(real))):
        return SecretError(
            ref,
            "the file is outside the folder in which files are allowed",
            code="file-not-allowed",
            hint="replace symbolic links that point out of that folder",
        )
    try:
        return _read_regular(ref, real)
    except OSError as problem:
        reason = problem.strerror or "unknown reason"
        return SecretError(ref, f"the file cannot be read: {reason}", code="secret-file-unreadable")


def _read_regular(ref: SecretRef, real: Path) -> bytes | SecretError:
    # O_NONBLOCK prevents a FIFO from blocking the open; fstat checks the opened file.
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return SecretError(ref, "the path is not a regular file", code="file-not-allowed")
        # One more byte proves that the file is too large; the size from `fstat` can change before
        # the read.
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        return SecretError(
            ref, f"the file is larger than {MAX_BYTES} bytes", code="secret-file-too-large"
        )
    return content


def _as_text(ref: SecretRef, content: bytes) -> Answer:
    try:
        # A byte order mark, which some editors write, is not part of the secret.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return SecretError(ref, "the file is not UTF-8 text", code="secret-not-text")
    # Removes only one line ending, which editors add; other white space may belong to the value.
    return Redacted(text.removesuffix("\n").removesuffix("\r"))
