"""Who has logged in on the page: a cookie that says nothing, and what is known about it here.

The cookie is for reading the page only; the operations take a token in a header and nothing else,
so no other site can make a browser call them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final

from reconciler.adapter.auth import Headers, Principal

COOKIE: Final = "reconcile_session"
LIFETIME: Final = 12 * 3600
_MOST: Final = 1000


@dataclass(slots=True)
class Sessions:
    """The sessions of one adapter; `new_secret` gives text that nobody can guess."""

    new_secret: Callable[[], str]
    clock: Callable[[], float]
    _open: dict[str, tuple[Principal, float]] = field(default_factory=dict, repr=False)

    def open(self, principal: Principal, *, secure: bool) -> str:
        """Let somebody in and give the `Set-Cookie` header; the oldest session makes room."""
        while len(self._open) >= _MOST:
            del self._open[next(iter(self._open))]
        name = self.new_secret()
        self._open[name] = (principal, self.clock() + LIFETIME)
        return _cookie(name, seconds=LIFETIME, secure=secure)

    def find(self, headers: Headers) -> Principal | None:
        """Give who a request's cookie stands for."""
        principal, until = self._open.get(_named(headers), (None, 0.0))
        return principal if self.clock() < until else None

    def close(self, headers: Headers, *, secure: bool) -> str:
        """Forget a session and give the header that makes the browser forget it."""
        self._open.pop(_named(headers), None)
        return _cookie("", seconds=0, secure=secure)


def _named(headers: Headers) -> str:
    for name, value in headers:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                continue
            if found is not None:
                return found.value
    return ""


def _cookie(value: str, *, seconds: int, secure: bool) -> str:
    flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}{flags}"
