"""Who may call: the adapter's own tokens, and finding one in a request's headers.

A token is kept as a digest only, so nothing that is printed or compared can show one. The API's
credential is another matter and never seen here.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from reconciler.adapter.problems import Refusal, refuse
from reconciler.diagnostics import Diagnostic, SourceLocation, error
from reconciler.domain.rejection import InvalidInput

SHORTEST: Final = 32
"""Bytes of a token; 128 random bits in hexadecimal have as many."""

Headers = Sequence[tuple[bytes, bytes]]

_GOOD: Final = "`openssl rand -hex 32` makes a good one"
LINE_HINT: Final = f"each line is `name read TOKEN` or `name write TOKEN`; {_GOOD}"
_EACH: Final = f"give every caller a name and a token of its own; {_GOOD}"

_TOKEN = re.compile(r"[\x21-\x7e]+")
_BEARER = re.compile(rb"bearer +([\x21-\x7e]+) *", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class TokenScope(StrEnum):
    """What a token is good for."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the name of the token, and what it is good for."""

    name: str
    scope: TokenScope

    @property
    def writes(self) -> bool:
        """Tell whether the caller may change something."""
        return self.scope is TokenScope.WRITE


ANYBODY: Final = Principal("anybody", TokenScope.WRITE)
"""Who calls where no token is asked for."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token by its digest."""

    principal: Principal
    digest: bytes = field(repr=False)

    @classmethod
    def of(
        cls, text: str, *, name: str = "default", scope: TokenScope = TokenScope.WRITE
    ) -> "Token":
        """Take a token in, or raise `InvalidInput` if it is too short or no header can carry it."""
        if len(text) < SHORTEST or not _TOKEN.fullmatch(text):
            raise InvalidInput([_too_weak(name)])
        return cls(Principal(name, scope), _digest(text.encode()))


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens that are accepted; without any, everybody is (`--insecure-no-auth`)."""

    known: tuple[Token, ...]

    @property
    def asks(self) -> bool:
        """Tell whether a caller has to show a token."""
        return bool(self.known)

    def find(self, presented: bytes) -> Principal | None:
        """Give whose token this is; takes equally long whichever it is, and if it is none."""
        digest = _digest(presented)
        found = None
        for token in self.known:
            if hmac.compare_digest(token.digest, digest):
                found = token.principal
        return found

    def of_request(self, headers: Headers) -> Principal:
        """Give who calls, or raise the refusal (401).

        The token comes as `Authorization: Bearer` or as `x-portkey-api-key`, as the official SDKs
        send theirs; in both headers it has to be the same one.
        """
        if not self.asks:
            return ANYBODY
        presented = {*_bearers(headers), *_keys(headers)}
        if not presented:
            raise _unauthorised("No token was sent.")
        if len(presented) > 1:
            raise _unauthorised("Different credentials were sent.", 'error="invalid_request"')
        principal = self.find(presented.pop())
        if principal is None:
            raise _unauthorised("The token is not known here.", 'error="invalid_token"')
        return principal


def has_credential(headers: Headers) -> bool:
    """Tell whether a request shows a credential of any kind, good or bad."""
    return any(name in {b"authorization", b"x-portkey-api-key"} for name, _ in headers)


def parse_tokens(text: str, *, file: str) -> tuple[Token, ...]:
    """Read a token file: lines `name scope token`, with comments after `#` at a line's start.

    Raises `InvalidInput` with every line that cannot be used; no message repeats a token.
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
    problems += _doubles(found, file)
    if not found and not problems:
        problems.append(
            error(
                "bad-token",
                "there is no token in the file",
                hint=LINE_HINT,
                at=SourceLocation(file),
            )
        )
    if problems:
        raise InvalidInput(problems)
    return tuple(found)


def _parse_line(words: list[str]) -> Token | str:
    if len(words) != 3:
        return "a line has three words: name, scope and token"
    name, scope, text = words
    if not _NAME.fullmatch(name):
        return "the name has 1 to 64 letters, digits and `_.@-`"
    if scope not in set(TokenScope):
        return "the scope is `read` or `write`"
    if len(text) < SHORTEST or not _TOKEN.fullmatch(text):
        return _too_weak(name).summary
    return Token.of(text, name=name, scope=TokenScope(scope))


def _doubles(tokens: Iterable[Token], file: str) -> list[Diagnostic]:
    names = [token.principal.name for token in tokens]
    digests = [token.digest for token in tokens]
    problems = []
    if len(set(names)) < len(names):
        problems.append(
            error("bad-token", "a name stands there twice", hint=_EACH, at=SourceLocation(file))
        )
    if len(set(digests)) < len(digests):
        problems.append(
            error("bad-token", "a token stands there twice", hint=_EACH, at=SourceLocation(file))
        )
    return problems


def _too_weak(name: str) -> Diagnostic:
    return error(
        "bad-token",
        f"the token {name} is not {SHORTEST} or more printable ASCII characters without spaces",
        hint=_GOOD,
    )


def _bearers(headers: Headers) -> Iterable[bytes]:
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        raise _unauthorised("Authorization was sent more than once.", 'error="invalid_request"')
    for value in values:
        found = _BEARER.fullmatch(value)
        if found is None:
            raise _unauthorised("Authorization is not `Bearer` and a token.")
        yield found[1]


def _keys(headers: Headers) -> Iterable[bytes]:
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
    return hashlib.sha256(text).digest()
