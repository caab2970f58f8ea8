"""Routes of the web page: authentication, and the content of each path.

The page only reads. A user logs in with a token of the adapter; then a random cookie identifies the
session and its principal. The cookie only lets its owner read the page: the operations require a
token in a header, so no other site can make a browser call them.
"""

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from reconciler.adapter.auth import Headers, Principal, Tokens
from reconciler.adapter.problems import refuse
from reconciler.adapter.request_context import Receive, Scope, Send, context_of
from reconciler.adapter.routing import ASGIEndpoint, Endpoint
from reconciler.adapter.ui.comparison import compare_fields
from reconciler.adapter.ui.overview import Search, page_number
from reconciler.adapter.ui.pages import (
    detail_page,
    history_page,
    login_page,
    overview_page,
    stylesheet,
)
from reconciler.adapter.ui.snapshot import (
    Row,
    Run,
    StateCache,
    SyncStatus,
    exposures,
    without_action,
)
from reconciler.diagnostics import error
from reconciler.domain.identifiers import SLUG
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.plan import Plan

COOKIE_NAME: Final = "reconcile_session"
LIFETIME_SECONDS: Final = 12 * 3600
_MAX_SESSIONS: Final = 1000


@dataclass(slots=True)
class Sessions:
    """Sessions of one adapter; `new_secret` returns text that cannot be guessed."""

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
        # Also expired here, because the browser decides whether it deletes a cookie.
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


_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    # With `no-referrer`, a browser would send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
}
_WITHOUT_ACTION: Final = frozenset(
    {SyncStatus.IN_SYNC, SyncStatus.UNDECLARED_ACCESS, SyncStatus.UNDECLARED_HOST}
)
_PATHS: Final = frozenset({"/", "/login", "/logout", "/history", "/page.css"})


def is_page_path(path: str) -> bool:
    """Return whether a path belongs to the page, which checks the session itself."""
    return path in _PATHS or path.startswith("/integrations/")


@dataclass(frozen=True, slots=True)
class PageRoutes:
    """Routes of the page of one adapter."""

    cache: StateCache
    sessions: Sessions
    tokens: Tokens

    def routes(self) -> list[BaseRoute]:
        """Return all routes of the page."""
        return [
            _route("/", "GET", self._overview, requires_login=True),
            _route("/integrations/{slug}", "GET", self._detail, requires_login=True),
            _route("/history", "GET", self._history, requires_login=True),
            _route("/login", "POST", self._login),
            _route("/logout", "POST", self._logout),
            _route("/page.css", "GET", _style),
        ]

    async def _overview(self, request: Request) -> Response:
        query = request.query_params
        search = Search(
            # Shortened, because the page repeats them in its form and in its links.
            words=query.get("q", "")[:200],
            sync_status=query.get("state", "")[:50],
            provider=query.get("provider", "")[:200],
        )
        snapshot = await self.cache.snapshot()
        page = overview_page(
            snapshot,
            search,
            number=page_number(query.get("page", "")),
            can_log_out=self.tokens.required,
        )
        return _html(page)

    async def _detail(self, request: Request) -> Response:
        slug = str(request.path_params["slug"])
        # The slug becomes part of the path of an upstream request.
        if SLUG.fullmatch(slug) is None:
            raise refuse("not-found", 404, "There is no integration with this name.")
        snapshot = await self.cache.snapshot()
        observed, problem, current = None, None, None
        try:
            observed = await self.cache.read_one(slug)
            current = snapshot.plan_again(slug, observed)
        except ReconcilerError as reason:
            problem = error(reason.code, reason.summary, hint=reason.hint)
        declared, action = snapshot.declared.get(slug), snapshot.action(slug)
        row = next((row for row in snapshot.rows if row.slug == slug), None)
        if row is None and observed is None:
            raise refuse("not-found", 404, "There is no integration with this name.")
        row = row or Row(slug, slug, "", "active", SyncStatus.UNKNOWN)
        changed = _changed_paths(action, current)
        fields = compare_fields(
            declared, observed, changed=changed, unverified=snapshot.unverified(slug)
        )
        page = detail_page(
            _updated(row, snapshot.plan, current, differs=bool(changed)),
            fields,
            action,
            source=f"{declared.source.file}:{declared.source.line}" if declared else None,
            problem=problem,
            can_log_out=self.tokens.required,
        )
        return _html(page)

    async def _history(self, _request: Request) -> Response:
        runs: Sequence[Run] = ()
        problem = None
        try:
            runs = await self.cache.runs()
        except ReconcilerError as reason:
            problem = reason.summary
        return _html(history_page(runs, problem=problem, can_log_out=self.tokens.required))

    async def _login(self, request: Request) -> Response:
        token = _token((await request.body()).decode("utf-8", "replace"))
        principal = self.tokens.find(token.encode("utf-8"))
        if principal is None:
            return _html(login_page(is_retry=True), status=401)
        context_of(request.scope).principal = principal
        cookie = self.sessions.open(principal, secure=request.url.scheme == "https")
        return _redirect(cookie)

    async def _logout(self, request: Request) -> Response:
        secure = request.url.scheme == "https"
        return _redirect(self.sessions.close(request.scope["headers"], secure=secure))


def _token(form: str) -> str:
    """Return the token of the login form, empty for a form with too many fields."""
    try:
        fields = parse_qs(form, max_num_fields=10)
    except ValueError:
        return ""
    return fields.get("token", [""])[0].strip()


def _route(path: str, method: str, endpoint: Endpoint, *, requires_login: bool = False) -> Route:
    """Return a route of the page; it shows the login if a session is required but missing."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        context.operation = "page"
        if scope["method"] not in {method, "HEAD" if method == "GET" else method}:
            raise refuse("method-not-allowed", 405, f"This path accepts {method}.", allow=method)
        if requires_login and context.principal is None:
            challenge = {"www-authenticate": 'Bearer realm="reconcile"'}
            response: Response = _html(login_page(), status=401, headers=challenge)
        else:
            response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)

    return Route(path, ASGIEndpoint(answer))


async def _style(_request: Request) -> Response:
    return Response(stylesheet(), media_type="text/css", headers={"cache-control": "max-age=300"})


def _html(markup: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        markup, status_code=status, media_type="text/html", headers={**_HEADERS, **(headers or {})}
    )


def _redirect(cookie: str) -> Response:
    # 303 makes the browser use GET, so that the form is not sent again.
    return RedirectResponse("/", status_code=303, headers={**_HEADERS, "set-cookie": cookie})


def _changed_paths(action: Action | None, current: Plan | None) -> set[str]:
    """Return the paths that differ, in the overview's plan or in the current one.

    Secrets are taken only from the overview's plan: only a plan of all integrations shows whether a
    secret changed.
    """
    changes = [] if action is None else list(action.changes)
    for newer in current.actions if current else ():
        changes += [change for change in newer.changes if not change.sensitive]
    return {change.path for change in changes}


def _updated(row: Row, plan: Plan | None, current: Plan | None, *, differs: bool) -> Row:
    """Return the overview's row with its current status; both plans decide `in sync`."""
    if plan is None or current is None or row.sync_status not in _WITHOUT_ACTION:
        return row
    if differs:
        is_missing = any(action.kind is ActionKind.CREATE for action in current.actions)
        return replace(row, sync_status=SyncStatus.MISSING if is_missing else SyncStatus.DIFFERS)
    return replace(row, sync_status=exposures(current).get(row.slug, without_action(plan)))
