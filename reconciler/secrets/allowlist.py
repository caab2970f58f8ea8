"""Allow-list of the references that files can use in this environment, and of API hosts.

A pull request can edit files but not the environment, so the environment decides. Only the
reference is checked; no secret is read here. The environment also decides which hosts may receive
the API key: a pull request can also edit a target's URL.
"""

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from reconciler.desired.config import is_loopback
from reconciler.desired.references import is_forbidden
from reconciler.desired.suggestions import did_you_mean, nearest
from reconciler.diagnostics import Diagnostic, Severity, SourceLocation, error
from reconciler.domain.policy import Target
from reconciler.domain.secrets import SecretError, SecretRef
from reconciler.errors import InvalidInput, Refused
from reconciler.frozen_dataclass import dataclass

# A dedicated prefix keeps all other variables of a job away from integrations; containers mount
# secrets in /run/secrets.
DEFAULTS = ("env:SECRET_*", "file:/run/secrets/*")
VARIABLE = "RECONCILE_ALLOWED_SECRETS"
HOSTS_VARIABLE = "RECONCILE_ALLOWED_HOSTS"
KNOWN_HOSTS = frozenset({"api.portkey.ai"})
SCHEMES = ("env", "file", "vault", "aws", "sops")
"""Built-in schemes; a similar name is a typo."""

_ENTRY = re.compile(r"[a-z][a-z0-9+.-]*:\S.*")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, order=True)
class NotAllowed:
    """Reference that the files may not use; `never` is True if no allow-list can permit it."""

    ref: SecretRef
    never: bool

    @property
    def code(self) -> str:
        """Return the stable code of the finding."""
        return "secret-never-allowed" if self.never else "secret-not-allowed"

    @property
    def reason(self) -> str:
        """Reason, without the reference."""
        if self.never:
            return "this name is never available to integrations"
        return "this reference is outside the allow-list of this environment"

    @property
    def hint(self) -> str:
        """Next step for the user."""
        if self.never:
            return "use a variable SECRET_… or a secret manager"
        if self.ref.scheme not in SCHEMES:
            suggestion = did_you_mean(self.ref.scheme, SCHEMES)
            if suggestion:
                return suggestion
        # Names of variables are case-sensitive.
        if self.ref.scheme == "env" and self.ref.locator.upper().startswith("SECRET_"):
            return f"did you mean `${{env:{self.ref.locator.upper()}}}`?"
        pattern = f"{self.ref.scheme}:{_source(self.ref)}"
        return (
            f"if this reference is correct, add '{pattern}' to the environment variable {VARIABLE}"
        )

    def as_error(self) -> SecretError:
        """Return the exception that stops an apply."""
        return SecretError(self.ref, self.reason, code=self.code, hint=self.hint)

    def as_diagnostic(
        self, at: SourceLocation | None = None, *, strict: bool = False
    ) -> Diagnostic:
        """Return the diagnostic for a file; outside the list, it is a warning unless `strict`."""
        severity = Severity.ERROR if self.never or strict else Severity.WARNING
        return Diagnostic(
            severity, self.code, f"{self.ref.as_written}: {self.reason}", self.hint, at
        )


@dataclass(frozen=True, slots=True)
class AllowList:
    """Patterns `scheme:glob`; `*` also crosses slashes."""

    patterns: tuple[str, ...] = DEFAULTS

    @classmethod
    def parse(cls, text: str | None) -> "AllowList":
        """Parse the comma-separated variable; its patterns are added to the defaults."""
        added = [entry.strip() for entry in (text or "").split(",") if entry.strip()]
        wrong = [entry for entry in added if not _ENTRY.fullmatch(entry)]
        if wrong:
            raise InvalidInput(
                [
                    error(
                        "bad-allow-list",
                        f"{VARIABLE}: `{entry}` is not of the form scheme:glob",
                        hint="for example env:TEAM_*,vault:kv/ai/*",
                    )
                    for entry in wrong
                ]
            )
        return cls(tuple(dict.fromkeys((*DEFAULTS, *added))))

    def permits(self, ref: SecretRef) -> bool:
        """Whether an integration may use this reference."""
        return not is_forbidden(ref) and self.pattern_for(ref) is not None

    def pattern_for(self, ref: SecretRef) -> str | None:
        """Return the first glob, without its scheme, that matches this reference.

        A glob without `#` matches only the source and therefore permits each of its fields.
        """
        # `*` crosses slashes, so a glob would also match a path that leaves its folder with `..`.
        if _climbs(ref.locator):
            return None
        source = _source(ref)
        for pattern in self.patterns:
            scheme, _, glob = pattern.partition(":")
            text = ref.locator if "#" in glob else source
            if scheme == ref.scheme and (fnmatchcase(text, glob) or fnmatchcase(ref.locator, glob)):
                return glob
        return None

    def problems(self, refs: Iterable[SecretRef]) -> tuple[NotAllowed, ...]:
        """Return the references that integrations may not use, sorted, each once."""
        return tuple(
            NotAllowed(ref, never=is_forbidden(ref))
            for ref in sorted(set(refs))
            if not self.permits(ref)
        )

    def warning_about(self, ref: SecretRef) -> Diagnostic | None:
        """Return the warning about a reference outside the list, None for a permitted one.

        A reference that is never permitted is an error of the file, reported when it is read.
        """
        if is_forbidden(ref) or self.permits(ref):
            return None
        return NotAllowed(ref, never=False).as_diagnostic()


def api_key_problem(ref: SecretRef) -> SecretError | None:
    """Return the error for a target's `api_key` outside PORTKEY_* variables and secret managers."""
    if ref.scheme == "env" and ref.locator.startswith("PORTKEY_"):
        return None
    if ref.scheme not in {"env", "file"}:
        return None
    return SecretError(
        ref,
        "a target's api_key must come from a variable PORTKEY_* or from a secret manager",
        code="api-key-not-allowed",
        hint="write api_key: ${env:PORTKEY_API_KEY}",
    )


def fixed_folder(glob: str) -> str:
    """Return the folder that a file glob cannot leave: everything before its first wildcard."""
    found = _WILDCARD.search(glob)
    fixed = glob if found is None else glob[: found.start()]
    folder = fixed.rpartition("/")[0]
    if folder:
        return folder
    return "/" if glob.startswith("/") else "."


def _source(ref: SecretRef) -> str:
    if ref.scheme in {"env", "file"}:
        return ref.locator
    return ref.locator.partition("#")[0]


def _climbs(locator: str) -> bool:
    # Also split at `#`: in `a/..#field`, the last step of the path is `..`.
    return ".." in re.split(r"[/\\#]", locator)


def refuse_unknown_host(target: Target, *, allowed_hosts: Collection[str]) -> None:
    """Raise `Refused` if a key may not be sent to the target's host."""
    # `hostname` omits port and credentials, because a host is trusted with all its ports.
    host = (urlsplit(target.base_url).hostname or "").lower()
    known = KNOWN_HOSTS | {allowed.lower() for allowed in allowed_hosts}
    # With the embedded simulator or a loopback address, a key does not leave this machine.
    if target.is_simulator or is_loopback(host) or host in known:
        return
    # Most hosts that are not allowed are a typo, such as the console's host.
    near = nearest(host, known, strict=True)
    question = f"did you mean {near}? If not, and " if near else ""
    hint = f"if the host is trusted, add {host} to the environment variable {HOSTS_VARIABLE}"
    problem = error(
        "host-not-allowed",
        f"target {target.name}: the API key is not sent to {host}",
        hint=question + hint,
    )
    raise Refused([problem])
