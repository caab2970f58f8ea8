"""`sops:file#dotted.key`: a file encrypted with SOPS, decrypted by the `sops` program.

The file is read here, under the rules of `file`, and passed on standard input; no argument and no
file contains a value. A pull request can edit the file, and the file names the servers that have
its keys. Therefore the program gets an empty home folder, a server is contacted only if
RECONCILE_ALLOWED_HOSTS lists its host, and the variables of a key source are passed only with a
file that needs them. Servers that a file names: `reconciler.secrets.sops_servers`.
"""

import json
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from tempfile import TemporaryDirectory

from reconciler.allowed_command import find_program_outside, path_outside, repository_around
from reconciler.domain.secrets import SecretError, SecretRef
from reconciler.secrets.allowlist import fixed_folder
from reconciler.secrets.file import read_inside
from reconciler.secrets.resolver import Answers, ResolverContext, pick_dotted_fields, source_name
from reconciler.secrets.sops_servers import Server, UnknownServers, servers_in

_FORMATS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
_HINT_FORM = "encrypt it with sops as one plain YAML or JSON document"
_HOSTS = "RECONCILE_ALLOWED_HOSTS"
_VARIABLES = (
    "LANG", "TMPDIR", "GNUPGHOME", "SOPS_GPG_EXEC", "SOPS_DECRYPTION_ORDER",
    "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
)  # fmt: skip
_VARIABLES_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "hc_vault": ("VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT"),
    "azure_kv": ("AZURE_",),
    "kms": ("AWS_",),
    "gcp_kms": ("GOOGLE_", "CLOUDSDK_"),
}
# For a file that names no server: even if sops parses it differently, it cannot reach one.
_NO_NETWORK = {
    # Port 9, discard, on which nothing listens.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_HOME_VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
# Exit codes of sops that a user can act on.
_REASONS = {
    24: ("secret-damaged", "the file was changed after it was encrypted"),
    25: ("secret-damaged", "the file was changed after it was encrypted"),
    51: ("secret-damaged", "the file was changed after it was encrypted"),
    128: ("secret-denied", "no available key decrypts the file"),
}


class SopsResolver:
    """Reader of encrypted files; each file is a source that is decrypted once."""

    def __init__(self, context: ResolverContext) -> None:
        self._context = context

    def source_of(self, locator: str) -> str:
        """Return the path of the file."""
        return source_name(locator)

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Decrypt one file and pick the keys."""
        found = self._document(refs[0])
        if isinstance(found, SecretError):
            return {ref: found.about(ref) for ref in refs}
        return pick_dotted_fields(refs, found)

    def _document(self, ref: SecretRef) -> Mapping[str, object] | SecretError:
        encrypted = self._encrypted(ref)
        if isinstance(encrypted, SecretError):
            return encrypted
        decrypted = self._decrypt(ref, encrypted)
        if isinstance(decrypted, SecretError):
            return decrypted
        # An exception would contain the decrypted text; `registry` keeps only its type.
        found = json.loads(decrypted)
        return found if isinstance(found, dict) else {}

    def _encrypted(self, ref: SecretRef) -> bytes | SecretError:
        glob = self._context.allowed.pattern_for(ref)
        if glob is None:
            return SecretError(ref, "this file is outside the allow-list", code="file-not-allowed")
        directory = self._context.directory
        root = (directory / fixed_folder(source_name(glob))).resolve()
        return read_inside(ref, directory / source_name(ref.locator), root=root)

    def _decrypt(self, ref: SecretRef, encrypted: bytes) -> bytes | SecretError:
        # The program gets the keys, and a pull request can add a file with its name.
        repository = repository_around(self._context.directory)
        path = path_outside(self._context.environ.get("PATH", ""), repository)
        program = find_program_outside(repository, "sops", path=path)
        if program is None:
            reason = "the program `sops` is not installed outside of the repository"
            return SecretError(ref, reason, code="missing-program")
        kind = _FORMATS.get(PurePosixPath(source_name(ref.locator)).suffix.lower(), "binary")
        servers = self._servers(ref, encrypted, kind)
        if isinstance(servers, SecretError):
            return servers
        command = [program, "--decrypt", "--input-type", kind, "--output-type", "json"]
        with TemporaryDirectory(prefix="reconcile-sops-") as home:
            environ = self._variables({server.kind for server in servers}, home=home)
            return self._run(ref, command, encrypted, environ | {"PATH": path})

    def _servers(
        self, ref: SecretRef, encrypted: bytes, kind: str
    ) -> frozenset[Server] | SecretError:
        """Return the servers that the file needs, which must all be on allowed hosts."""
        try:
            servers = servers_in(encrypted, kind)
        except UnknownServers as problem:
            reason = f"the file cannot be passed to sops: {problem}"
            return SecretError(ref, reason, code="secret-failed", hint=_HINT_FORM)
        named = self._context.environ.get(_HOSTS, "").lower().split(",")
        allowed = {host.strip() for host in named}
        # Sorted, so that each run names the same server first.
        for server in sorted(servers):
            if server.host not in allowed:
                return SecretError(
                    ref,
                    f"the file names a server on {server.host}, which is not an allowed host",
                    code="host-not-allowed",
                    hint=f"if this server is correct, add {server.host} to the variable {_HOSTS}",
                )
        return servers

    def _variables(self, kinds: Collection[str], *, home: str) -> dict[str, str]:
        """Return the program's environment except PATH."""
        prefixes: list[str] = []
        for kind in kinds:
            prefixes += _VARIABLES_OF_KIND[kind]
        given = {
            name: value
            for name, value in self._context.environ.items()
            if name in _VARIABLES or name.startswith(tuple(prefixes))
        }
        given |= dict.fromkeys(_HOME_VARIABLES, home)
        return given if kinds else given | _NO_NETWORK

    def _run(
        self, ref: SecretRef, command: Sequence[str], encrypted: bytes, environ: Mapping[str, str]
    ) -> bytes | SecretError:
        try:
            # The decrypted text is smaller than the file, whose size is already limited.
            ended = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                [*command, "/dev/stdin"],
                input=encrypted,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environ,
                cwd="/",  # a folder from which no relative path leads into the checkout
                timeout=self._context.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return SecretError(ref, "sops did not finish in time", code="secret-timeout")
        except OSError:
            return SecretError(ref, "the program `sops` cannot be run", code="missing-program")
        return ended.stdout if ended.returncode == 0 else _explain(ref, ended.returncode)


def _explain(ref: SecretRef, status: int) -> SecretError:
    code, reason = _REASONS.get(
        status, ("secret-failed", f"sops cannot decrypt the file (exit status {status})")
    )
    hint = "run `sops --decrypt` on the file, and set SOPS_AGE_KEY_FILE or a similar variable"
    return SecretError(ref, reason, code=code, hint=hint)
