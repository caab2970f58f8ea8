"""Secrets: names, values that cannot be shown, and masks that the API returns.

A `SecretRef` is a name and can appear anywhere. A `Redacted` contains a value between resolution
and the request body, and never appears in output. A `SecretError` is the reason why a name has no
value. `reconciler.secrets` resolves names.
"""

import hashlib
import hmac
import json
import re
from enum import StrEnum
from typing import Any, ClassVar, NoReturn

from reconciler.domain.surrogates import has_lone_surrogate
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SecretRef:
    """Name of a secret, written `${scheme:locator}` in files and `scheme:locator` elsewhere."""

    scheme: str
    locator: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.locator}"

    @property
    def as_written(self) -> str:
        """Return the form in files."""
        return f"${{{self}}}"

    @classmethod
    def parse(cls, text: str) -> "SecretRef":
        """Parse `scheme:locator`, the form in plans and ledgers."""
        # Split at the first colon: a locator can contain others, like the ARN of an AWS secret.
        scheme, _, locator = text.partition(":")
        return cls(scheme, locator)


class SecretError(ReconcilerError):
    """A reference that cannot be resolved; `reason` is the sentence without the reference.

    It contains neither a value nor an exception of a library that may contain one.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, ref: SecretRef, reason: str, *, code: str, hint: str = "") -> None:
        super().__init__(f"{ref.as_written}: {reason}", code=code, hint=hint)
        self.ref = ref
        self.reason = reason

    def about(self, ref: SecretRef) -> "SecretError":
        """Return the same error for another reference to the same source."""
        return SecretError(ref, self.reason, code=self.code, hint=self.hint)


class MaskVerdict(StrEnum):
    """Result of comparing a mask with a value; it can never prove equality."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    UNREADABLE = "unreadable"


LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|rk|pa|ghp|ghs|gsk|hf|xai|xoxb|github_pat)[-_][A-Za-z0-9_-]{8,}"
    r"|AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|eyJ[\w-]{10,}|-----BEGIN[\s\S]*"
)
"""Pattern of text with the prefix of a well-known kind of key, redacted wherever it occurs."""

_MASK = re.compile(r"([^*•…]*)[*•…]{3,}([^*•…]*)")


@dataclass(frozen=True, slots=True)
class Mask:
    """Mask that the API shows instead of a secret: a prefix, three or more of `*•…`, a suffix.

    The exact format on api.portkey.ai is not public (remote/API.md §1.4), so any other form is
    kept and called unreadable.
    """

    text: str

    def judge(self, value: str) -> MaskVerdict:
        """Compare the visible parts with a value."""
        match = _MASK.fullmatch(self.text)
        if match is None:
            return MaskVerdict.UNREADABLE
        prefix, suffix = match.groups()
        if value.startswith(prefix) and value.endswith(suffix):
            return MaskVerdict.AGREES
        return MaskVerdict.CONTRADICTS


@dataclass(frozen=True, slots=True)
class Pepper:
    """Key of fingerprints, with an id that distinguishes old fingerprints from new ones."""

    id: str
    key: "Redacted"


class Redacted:
    """Secret value that cannot be printed, pickled, copied into text or compared.

    Equality is identity, so that no comparison in a container can leak the value. Only resolvers
    and the modules that `tests/architecture/test_secrets.py` lists may call `reveal`: they send the
    value, in a request body, a header or a connection, or write a literal to its file.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def judged_by(self, mask: Mask) -> MaskVerdict:
        """Compare this value with a mask of the API."""
        return mask.judge(self._value)

    def fingerprint(self, pepper: Pepper) -> str:
        """Return the HMAC-SHA256 of the value, with the pepper's id before a colon."""
        # Keyed, because a plain hash in the ledger would allow testing guesses of a short secret.
        key = _octets(pepper.key.reveal())
        digest = hmac.new(key, _octets(self._value), hashlib.sha256)
        return f"{pepper.id}:{digest.hexdigest()}"

    def fingerprint_as_json(self, pepper: Pepper) -> str:
        """Return the fingerprint of canonical JSON, which is the same for every notation."""
        try:
            value = json.loads(self._value)
        except (ValueError, RecursionError):
            return self.fingerprint(pepper)
        return Redacted(json.dumps(value, sort_keys=True, ensure_ascii=False)).fingerprint(pepper)

    def equals(self, other: object) -> bool:
        """Compare with another value or with text that the API shows in clear text."""
        if isinstance(other, Opaque) and not isinstance(self, Opaque):
            return False  # a string is never equal to a value of another type
        text = other.reveal() if isinstance(other, Redacted) else str(other)
        # In constant time, and as bytes, because `compare_digest` accepts only ASCII text.
        return hmac.compare_digest(_octets(self._value), _octets(text))

    def equals_as_json(self, other: object) -> bool:
        """Compare with an object that the API shows in clear text, in any notation."""
        text = other.reveal() if isinstance(other, Redacted) else str(other)
        try:
            return bool(json.loads(self._value) == json.loads(text))
        except (ValueError, RecursionError):
            return self.equals(other)

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Return whether the whole value matches a pattern, such as that of a placeholder."""
        return pattern.fullmatch(self._value) is not None

    def occurs_in(self, content: bytes) -> bool:
        """Return whether bytes that are about to be written contain the value."""
        return bool(self._value) and _octets(self._value) in content

    @property
    def length(self) -> int:
        """Return the number of characters of the value."""
        return len(self._value)

    @property
    def is_empty(self) -> bool:
        """Return whether the value is blank; an empty secret is never sent."""
        return not self._value.strip()

    @property
    def is_text(self) -> bool:
        """Return whether UTF-8, and therefore a request, can represent the value."""
        return not has_lone_surrogate(self._value)

    def __repr__(self) -> str:
        return "[redacted]"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return "[redacted]"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret value cannot be pickled or copied")


class Opaque(Redacted):
    """Value of any JSON type except a string that is never shown.

    The text inside is its canonical JSON, so that equal values have equal fingerprints.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> "Opaque":
        """Wrap a number, a boolean, a list or a mapping; 1.0 and 1 are the same value."""
        return cls(json.dumps(_by_value(value), sort_keys=True, separators=(",", ":")))

    def as_value(self) -> Any:
        """Return the value itself, for a request body."""
        return json.loads(self.reveal())

    def equals(self, other: object) -> bool:
        """Compare with another value of any type; a string is never equal."""
        return isinstance(other, Opaque) and super().equals(other)


def closed(value: Any) -> Any:
    """Return empty values, references and masks unchanged; wrap any other value."""
    match value:
        case None | "" | SecretRef() | Redacted() | Mask():
            return value
        case str():
            return Redacted(value)
        case list() | tuple() | dict() if not value:
            return value
        case _:
            return Opaque.of(_opened(value))


def _opened(value: Any) -> Any:
    """Unwrap the values in a structure; names and masks are returned unchanged."""
    match value:
        case Opaque():
            return value.as_value()
        case Redacted():
            return value.reveal()
        case SecretRef():
            return {"reference": str(value)}
        case Mask():
            return {"mask": value.text}
        case dict():
            return {key: _opened(item) for key, item in value.items()}
        case list() | tuple():
            return [_opened(item) for item in value]
        case _:
            return value


def _by_value(value: Any) -> Any:
    """Return a value with integers in place of whole floats, at any depth."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _by_value(item) for key, item in value.items()}
        case list() | tuple():
            return [_by_value(item) for item in value]
        case _:
            return value


class Placeholder(Redacted):
    """Generated value for a simulator: it can be sent and recognized, but proves nothing."""

    __slots__ = ()


def _octets(text: str) -> bytes:
    """Return the bytes of a text: the original ones of an undecodable variable, else UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
