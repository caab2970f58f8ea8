"""Sessions of the page: a random cookie, and the principal it stands for.

The cookie only lets its owner read the page. The operations require a token in a header, so no
other site can make a browser call them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final

from reconciler.adapter.auth import Headers, Principal

COOKIE_NAME: Final = "reconcile_session"
LIFETIME_SECONDS: Final = 12 * 3600
_MAX_SESSIONS: Final = 1000


@dataclass(slots=True)
class Sessions:
    """The sessions of one adapter; `new_secret` returns text that cannot be guessed."""

    new_secret: Callable[[], str]
    clock: Callable[[], float]
    _sessions: dict[str, tuple[Principal, float]] = field(default_factory=dict, repr=False)

    def open(self, principal: Principal, *, secure: bool) -> str:
        """Open a session and return its `Set-Cookie` header; at the limit the oldest one ends."""
        # A dict keeps the order of insertion, so the first key is the oldest session.
        while len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        secret = self.new_secret()
        self._sessions[secret] = (principal, self.clock() + LIFETIME_SECONDS)
        return _set_cookie(secret, seconds=LIFETIME_SECONDS, secure=secure)

    def find(self, headers: Headers) -> Principal | None:
        """Return the principal of a request's cookie, None without a valid one."""
        # Expired here as well as in the browser: whether a cookie is deleted is up to its owner.
        principal, expires_at = self._sessions.get(_cookie_value(headers), (None, 0.0))
        return principal if self.clock() < expires_at else None

    def close(self, headers: Headers, *, secure: bool) -> str:
        """Close a session and return the `Set-Cookie` header that deletes the cookie."""
        self._sessions.pop(_cookie_value(headers), None)
        return _set_cookie("", seconds=0, secure=secure)


def _cookie_value(headers: Headers) -> str:
    for name, value in headers:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(COOKIE_NAME)
            # Cookies of other programs on the same host may be malformed.
            except CookieError:
                continue
            if found is not None:
                return found.value
    return ""


def _set_cookie(value: str, *, seconds: int, secure: bool) -> str:
    flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    return f"{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}{flags}"
