"""`sops:file#dotted.key`: a file encrypted with SOPS, decrypted by the `sops` program.

The file is read here, under the rules of `file`, and handed over on standard input; no argument
and no file holds a value. The program gets the variables of its own key sources and no others:
those of Vault in particular stay away, since an encrypted file itself names the server that sops
would send them to.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from reconciler.domain.secrets import SecretRef
from reconciler.secrets import document
from reconciler.secrets.allowlist import fixed_folder
from reconciler.secrets.errors import SecretError
from reconciler.secrets.file import read_inside
from reconciler.secrets.resolver import Answers, Surroundings

_FORMATS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
_VARIABLES = ("SOPS_", "AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "XDG_")
_VARIABLE_NAMES = frozenset({"PATH", "HOME", "GNUPGHOME", "TMPDIR", "LANG"})
# From sops' own list of exit codes: what a person can do something about.
_REASONS = {
    24: ("secret-damaged", "the file was changed after it was encrypted"),
    25: ("secret-damaged", "the file was changed after it was encrypted"),
    51: ("secret-damaged", "the file was changed after it was encrypted"),
    128: ("secret-denied", "no key at hand decrypts the file"),
}


class SopsResolver:
    """Decrypt files; a file is a source, decrypted once."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def source_of(self, locator: str) -> str:
        """Name the file."""
        return document.source(locator)

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Decrypt one file, and pick the keys."""
        found = self._document(refs[0])
        if isinstance(found, SecretError):
            return {ref: found.about(ref) for ref in refs}
        return document.pick_dotted(refs, found)

    def _document(self, ref: SecretRef) -> Mapping[str, object] | SecretError:
        encrypted = self._encrypted(ref)
        if isinstance(encrypted, SecretError):
            return encrypted
        decrypted = self._decrypt(ref, encrypted)
        if isinstance(decrypted, SecretError):
            return decrypted
        found = json.loads(decrypted)
        return found if isinstance(found, dict) else {}

    def _encrypted(self, ref: SecretRef) -> bytes | SecretError:
        glob = self._surroundings.allowed.pattern_for(ref)
        # A target's own key is not judged by the allow-list; its file stays in the project.
        folder = fixed_folder(document.source(glob)) if glob else "."
        directory = self._surroundings.directory
        path = directory / document.source(ref.locator)
        return read_inside(ref, path, root=(directory / folder).resolve())

    def _decrypt(self, ref: SecretRef, encrypted: bytes) -> bytes | SecretError:
        environ = self._own_variables()
        program = shutil.which("sops", path=environ.get("PATH", ""))
        if program is None:
            return SecretError(ref, "the program `sops` is not installed", code="missing-program")
        kind = _FORMATS.get(PurePosixPath(document.source(ref.locator)).suffix.lower(), "binary")
        command = [program, "--decrypt", "--input-type", kind, "--output-type", "json"]
        try:
            # What is decrypted is smaller than the file, whose size is bounded already.
            ended = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                [*command, "/dev/stdin"],
                input=encrypted,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environ,
                cwd="/",
                timeout=self._surroundings.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return SecretError(ref, "sops did not end in time", code="secret-timeout")
        except OSError:
            return SecretError(ref, "the program `sops` cannot be run", code="missing-program")
        return ended.stdout if ended.returncode == 0 else _explain(ref, ended.returncode)

    def _own_variables(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self._surroundings.environ.items()
            if name in _VARIABLE_NAMES or name.startswith(_VARIABLES)
        }


def _explain(ref: SecretRef, status: int) -> SecretError:
    code, reason = _REASONS.get(
        status, ("secret-failed", f"sops cannot decrypt the file (exit status {status})")
    )
    hint = "run `sops --decrypt` on it by hand to see why"
    return SecretError(ref, reason, code=code, hint=hint)
