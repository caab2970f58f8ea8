"""Authentication of callers by the adapter's own tokens.

Only the digest of a token is kept, so that no output or comparison can reveal one. This module
never handles the credential of the API.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Final

from reconciler.adapter.problems import Refusal, refuse
from reconciler.diagnostics import Diagnostic, SourceLocation, error
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

MIN_TOKEN_LENGTH: Final = 32
"""Minimum length of a token: 128 random bits in hexadecimal."""

Headers = Sequence[tuple[bytes, bytes]]

_GOOD: Final = "create one with `openssl rand -hex 32`"
LINE_HINT: Final = f"each line is `name read TOKEN` or `name write TOKEN`; {_GOOD}"
_UNIQUE: Final = f"use a separate name and token for every caller; {_GOOD}"

# Printable ASCII without spaces, which every header can contain.
_TOKEN = re.compile(r"[\x21-\x7e]+")
_BEARER = re.compile(rb"bearer +([\x21-\x7e]+) *", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class TokenScope(StrEnum):
    """Permission of a token."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Principal:
    """Authenticated caller: name and scope of its token."""

    name: str
    scope: TokenScope

    @property
    def can_write(self) -> bool:
        """Whether the caller may send writes."""
        return self.scope is TokenScope.WRITE


ANONYMOUS: Final = Principal("anybody", TokenScope.WRITE)
"""The caller if no token is required."""


@dataclass(frozen=True, slots=True)
class Token:
    """Token, stored as its digest."""

    principal: Principal
    digest: bytes = field(repr=False)

    @classmethod
    def of(
        cls, text: str, *, name: str = "default", scope: TokenScope = TokenScope.WRITE
    ) -> "Token":
        """Return a token; raises `InvalidInput` if it is too short or not valid in a header."""
        if len(text) < MIN_TOKEN_LENGTH or not _TOKEN.fullmatch(text):
            raise InvalidInput([_too_weak(name)])
        return cls(Principal(name, scope), _digest(text.encode()))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Accepted tokens; without any, every caller is accepted (`--insecure-no-auth`)."""

    known: tuple[Token, ...]

    @property
    def required(self) -> bool:
        """Whether a caller must send a token."""
        return bool(self.known)

    def find(self, presented: bytes) -> Principal | None:
        """Return the principal of a token in constant time, None for an unknown token."""
        digest = _digest(presented)
        found = None
        # No early exit, because the time must not depend on which token matches.
        for token in self.known:
            if hmac.compare_digest(token.digest, digest):
                found = token.principal
        return found

    def authenticate(self, headers: Headers) -> Principal:
        """Return the caller, or raise the refusal (401).

        The token is sent as `Authorization: Bearer` or, as by the official SDKs, in
        `x-portkey-api-key`; if both headers are sent, their tokens must be equal.
        """
        # Also with a wrong token: a client that always sends one must not fail here.
        if not self.required:
            return ANONYMOUS
        # A set, because the same token in both headers is one credential.
        presented = {*_bearer_tokens(headers), *_api_keys(headers)}
        if not presented:
            # Without an error code, because no credential was sent (RFC 6750, section 3.1).
            raise _unauthorised("No token was sent.")
        if len(presented) > 1:
            raise _unauthorised("Different credentials were sent.", 'error="invalid_request"')
        principal = self.find(presented.pop())
        if principal is None:
            raise _unauthorised("The token is unknown.", 'error="invalid_token"')
        return principal


def has_credential(headers: Headers) -> bool:
    """Return whether a request has a credential of any kind, valid or not."""
    return any(name in {b"authorization", b"x-portkey-api-key"} for name, _ in headers)


def parse_tokens(text: str, *, file: str) -> tuple[Token, ...]:
    """Parse a token file: lines `name scope token`, and comment lines that start with `#`.

    Raises `InvalidInput` with every invalid line; no message repeats a token.
    """
    found: list[Token] = []
    problems: list[Diagnostic] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        token = _parse_line(words)
        if isinstance(token, Token):
            found.append(token)
        else:
            problems.append(
                error("bad-token", token, hint=LINE_HINT, at=SourceLocation(file, number))
            )
    # Without a line: both lines are valid separately, and a message must not show which token it
    # is.
    problems += _duplicates(found, file)
    if not found and not problems:
        problems.append(
            error(
                "bad-token",
                "the file has no token",
                hint=LINE_HINT,
                at=SourceLocation(file),
            )
        )
    if problems:
        raise InvalidInput(problems)
    return tuple(found)


def _parse_line(words: list[str]) -> Token | str:
    if len(words) != 3:
        return "a line must have three words: name, scope and token"
    name, scope, text = words
    if not _NAME.fullmatch(name):
        return "the name must have 1 to 64 letters, digits and `_.@-`"
    if scope not in set(TokenScope):
        return "the scope must be `read` or `write`"
    if len(text) < MIN_TOKEN_LENGTH or not _TOKEN.fullmatch(text):
        return _too_weak(name).summary
    return Token.of(text, name=name, scope=TokenScope(scope))


def _duplicates(tokens: Iterable[Token], file: str) -> list[Diagnostic]:
    # A name identifies one caller in the access log and has one rate limit. A token used twice
    # would have two scopes.
    names = [token.principal.name for token in tokens]
    digests = [token.digest for token in tokens]
    problems = []
    if len(set(names)) < len(names):
        problems.append(
            error("bad-token", "a name is used twice", hint=_UNIQUE, at=SourceLocation(file))
        )
    if len(set(digests)) < len(digests):
        problems.append(
            error("bad-token", "a token is used twice", hint=_UNIQUE, at=SourceLocation(file))
        )
    return problems


def _too_weak(name: str) -> Diagnostic:
    summary = (
        f"the token {name} must have {MIN_TOKEN_LENGTH} or more printable ASCII characters "
        "without spaces"
    )
    return error("bad-token", summary, hint=_GOOD)


def _bearer_tokens(headers: Headers) -> Iterable[bytes]:
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        # A proxy in front of this server may have checked the other one.
        raise _unauthorised("Authorization was sent more than once.", 'error="invalid_request"')
    for value in values:
        # The name of the scheme is not case-sensitive (RFC 9110, section 11.1).
        found = _BEARER.fullmatch(value)
        if found is None:
            raise _unauthorised("Authorization must be `Bearer` and a token.")
        yield found[1]


def _api_keys(headers: Headers) -> Iterable[bytes]:
    values = [value for name, value in headers if name == b"x-portkey-api-key"]
    if len(values) > 1:
        raise _unauthorised("x-portkey-api-key was sent more than once.")
    for value in values:
        if not value:
            raise _unauthorised("x-portkey-api-key is empty.")
        yield value


def _unauthorised(detail: str, reason: str = "") -> Refusal:
    challenge = 'Bearer realm="reconcile"' + (f", {reason}" if reason else "")
    return refuse("unauthorised", 401, detail, www_authenticate=challenge)


def _digest(text: bytes) -> bytes:
    # Neither salt nor a slow hash: a token is long and random, unlike a password.
    return hashlib.sha256(text).digest()
