"""Web page: access, content, and escaping of untrusted text."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from importlib import resources
from typing import Any

import httpx
import pytest

from reconciler.adapter.ui.routes import LIFETIME_SECONDS, PageRoutes, Sessions
from reconciler.adapter.ui.snapshot import MAX_AGE_SECONDS, StateCache
from reconciler.desired.load import Loaded
from reconciler.domain.policy import Target
from reconciler.ledger.errors import LedgerError
from reconciler.remote.api import IntegrationsAPI
from reconciler.workflows import Session
from tests.adapter.ports import READER, TOKENS, WRITER, ManualClock, Ports, bearer
from tests.adapter.test_gitops_tools import ALPHA, Here

HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J\"'"
ACCOUNT = {"ai_provider_id": "openai", "key": "sk-0123456789abcdef"}
RUN: dict[str, Any] = {
    "run": "20261123T120000Z-abcd",
    "target": {"name": "here"},
    "started_at": "2026-11-23T12:00:00.000Z",
    "finished_at": "2026-11-23T12:00:01.000Z",
    "commit": "0123456789abcdef0123",
    "actor": "maria",
    "summary": {"applied": 1, "failed": 1, "skipped": 0, "unknown": 0},
    "outcomes": [
        {"slug": "alpha", "action": "create", "status": "applied", "error": None},
        {"slug": "beta", "action": "update", "status": "failed", "error": {"message": HOSTILE}},
    ],
}


STAGED = b"""
version: 1
default_target: here
targets:
  here:
    base_url: "simulator:"
    probe: {command: [/opt/alive]}
    rotation: {staged: true}
"""


class Site:
    """Web page over a simulated organisation and files in memory."""

    def __init__(self, *runs: dict[str, Any], **files: bytes) -> None:
        self.here = Here(**files)
        self.clock = ManualClock()
        self.known = list(runs)
        self.readings = 0
        numbers = iter(range(1, 1000))
        cache = StateCache(
            target=Target(name="here", base_url="simulator:"),
            files=self.here.files,
            open_session=self._session,
            open_api=self._api,
            runs=self._runs,
            clock=self.clock,
            now=self.here.world.now,
        )
        sessions = Sessions(lambda: f"secret-{next(numbers)}", self.clock)
        self.ports = Ports(page=PageRoutes(cache, sessions, TOKENS), clock=self.clock)

    def exists(self, slug: str, **fields: Any) -> "Site":
        body = {"slug": slug, "name": slug.title(), **ACCOUNT, **fields}
        self.here.world.put("POST", "/integrations", body)
        return self

    def get(self, target: str, **options: Any) -> httpx.Response:
        return self.ports.ask("GET", target, **options)

    def page(self, target: str = "/") -> str:
        response = self.get(target)
        assert response.status_code == 200, response.text
        return response.text

    def login(self, token: str = WRITER, **headers: str) -> httpx.Response:
        return self.ports.ask("POST", "/login", data={"token": token}, headers=headers)

    @asynccontextmanager
    async def _session(self, loaded: Loaded) -> AsyncIterator[Session]:
        self.readings += 1
        async with self.here.session(loaded) as session:
            yield session

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[IntegrationsAPI]:
        yield self.here.world.api

    async def _runs(self) -> list[dict[str, Any]]:
        return self.known


def words(markup: str) -> str:
    """Return the visible text of a page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", markup)))


def rows(markup: str) -> list[str]:
    bodies = re.findall(r"<tbody>(.*?)</tbody>", markup, re.DOTALL)
    return [words(row).strip() for body in bodies for row in body.split("</tr>") if row.strip()]


def cookie(response: httpx.Response) -> dict[str, str]:
    return {"cookie": response.headers["set-cookie"].partition(";")[0]}


@pytest.mark.parametrize("path", ["/", "/?q=x", "/history", "/integrations/alpha"])
def test_without_a_session_the_login_is_shown(path: str) -> None:
    site = Site(RUN, alpha=ALPHA).exists("alpha")
    response = site.get(path, headers={})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert 'type="password"' in response.text
    assert "alpha" not in response.text
    assert site.readings == 0


def test_a_form_with_many_fields_is_refused_as_a_wrong_login() -> None:
    site = Site()
    form = "&".join(f"field{n}=x" for n in range(50)) + f"&token={WRITER}"
    assert site.ports.ask("POST", "/login", content=form, headers={}).status_code == 401
    assert site.ports.defects == []


def test_a_login_sets_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    response = Site().login()
    assert (response.status_code, response.headers["location"]) == (303, "/")
    text = response.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(text)
    assert WRITER not in response.headers["set-cookie"]


def test_behind_tls_the_cookie_is_secure() -> None:
    site = Site()

    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(site.ports.rest)
        async with httpx.AsyncClient(transport=transport) as client:
            url = "https://127.0.0.1:8080/login"
            return await client.post(url, data={"token": READER})

    assert "; Secure" in asyncio.run(work()).headers["set-cookie"]


def test_a_wrong_token_gets_no_cookie() -> None:
    for token in ("", "x" * 32, WRITER[:-1], "ü" * 40):
        response = Site().login(token)
        assert response.status_code == 401
        assert "set-cookie" not in response.headers
        assert "The token is unknown" in response.text


def test_a_session_ends_by_timeout_or_logout() -> None:
    site = Site(alpha=ALPHA)
    rest = site.ports.rest

    async def work() -> list[int]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(rest), base_url="http://127.0.0.1:8080"
        ) as client:
            statuses = [(await client.post("/login", data={"token": READER})).status_code]
            statuses.append((await client.get("/")).status_code)
            site.clock.seconds += LIFETIME_SECONDS + 1
            statuses.append((await client.get("/")).status_code)
            await client.post("/login", data={"token": READER})
            kept = dict(client.cookies)
            statuses.append((await client.post("/logout")).status_code)
            client.cookies.update(kept)
            statuses.append((await client.get("/")).status_code)
            return statuses

    assert asyncio.run(work()) == [303, 200, 401, 303, 401]
    assert [context.operation for context in site.ports.contexts] == ["page"] * 6
    assert site.ports.contexts[1].caller.name == "watcher"


def test_the_cookie_is_valid_only_for_the_web_page() -> None:
    site = Site()
    headers = cookie(site.login())
    for path in ("/v1/integrations", "/metrics", "/openapi.json"):
        assert site.get(path, headers=headers).status_code == 401
    deletion = site.ports.ask("DELETE", "/v1/integrations/alpha", headers=headers)
    assert deletion.status_code == 401
    assert site.ports.wire.requests == []


def test_other_sites_can_neither_log_in_nor_out() -> None:
    site = Site()
    assert site.login(origin="https://evil.test").status_code == 403
    assert site.login(origin="null").status_code == 403
    assert site.login(origin="http://127.0.0.1:8080").status_code == 303
    assert site.login(host="evil.test").status_code == 421


def test_the_security_policy_allows_the_style_sheet_only() -> None:
    for path in ("/", "/history"):
        response = Site().get(path)
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; ")
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert "<script" not in response.text
        assert "style=" not in response.text
        loaded = re.findall(r'(?:src|href)="([^"#/][^"]*)"', response.text)
        assert loaded == ["data:,"]
    style = Site().get("/page.css", headers={})
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text


def test_every_sync_status_is_shown_in_words() -> None:
    files = {name: ALPHA.replace(b"alpha", name.encode()) for name in ("alpha", "beta", "gamma")}
    site = Site(**files).exists("alpha", name="Alpha").exists("beta", name="Moved")
    site.exists("wild")
    shown = rows(site.page())
    found = {row.split()[0]: row for row in shown}
    assert "✓ in sync" in found["alpha"]
    assert "≠ differs" in found["beta"]
    assert "+ missing" in found["gamma"]
    assert "not there" in found["gamma"]
    assert "○ not in Git" in found["wild"]
    assert "openai" in found["wild"]


def test_the_overview_can_be_searched_and_filtered() -> None:
    site = Site(alpha=ALPHA).exists("alpha", name="Alpha")
    for number in range(3):
        site.exists(f"wild-{number}", ai_provider_id="anthropic", name=f"Beast {number}")
    shown = {
        "": 4,
        "?q=beast": 3,
        "?q=BEAST+1": 1,
        "?q=wild&state=in+sync": 0,
        "?state=in+sync": 1,
        "?provider=anthropic": 3,
        "?provider=anthropic&q=2": 1,
        "?q=%3Cscript%3E": 0,
        "?state=nonsense": 0,
    }
    for query, count in shown.items():
        assert len(rows(site.page(f"/{query}"))) == count, query
    assert "No integration matches" in site.page("/?q=nothing")


def test_integrations_that_need_attention_are_on_the_first_page() -> None:
    names = [f"team-{number:03d}" for number in range(250)]
    files = {name: ALPHA.replace(b"alpha", name.encode()) for name in names}
    site = Site(**files)
    for name in names[:-1]:
        site.exists(name, name="Moved" if name == "team-240" else "Alpha")
    site.exists("wild")
    first = site.page("/")
    shown = rows(first)
    assert [row.split()[0] for row in shown[:3]] == ["team-240", "team-249", "wild"]
    assert len(shown) == 100
    assert words(first).count("Needs attention 2") == 1
    assert "Everything else 249" in words(first)
    assert "1–100 of 251" in words(first)
    assert 'href="/?page=2" rel="next"' in first
    assert 'rel="prev"' not in first
    last = site.page("/?page=3")
    assert len(rows(last)) == 51
    assert rows(last)[-1].split()[0] == "team-248"
    assert "Needs attention" not in words(last)
    assert 'href="/?page=2" rel="prev"' in last
    assert 'rel="next"' not in last
    listed = {row.split()[0] for page in (1, 2, 3) for row in rows(site.page(f"/?page={page}"))}
    assert listed == {*names, "wild"}


@pytest.mark.parametrize(
    ("page", "count"),
    [("0", 100), ("-1", 100), ("x", 100), ("²", 100), ("9" * 5000, 100), ("9", 5)],
)
def test_a_page_number_out_of_range_shows_the_nearest_page(page: str, count: int) -> None:
    site = Site()
    for number in range(105):
        site.exists(f"wild-{number}")
    assert len(rows(site.page(f"/?page={page}"))) == count


def test_a_filter_is_kept_on_the_next_page() -> None:
    site = Site()
    for number in range(120):
        site.exists(f"wild-{number}")
    site.exists("other")
    markup = site.page("/?q=wild&provider=openai&state=not+in+Git")
    following = re.search(r'href="([^"]*)" rel="next"', markup)
    assert following
    shown = rows(site.page(unescape(following[1])))
    assert len(shown) == 20
    assert all(row.startswith("wild-") for row in shown)


def test_undeclared_hosts_and_workspaces_need_attention() -> None:
    names = ("alpha", "beta", "gamma")
    files = {name: ALPHA.replace(b"alpha", name.encode()) for name in names}
    site = Site(**files).exists("alpha", name="Alpha")
    site.exists("beta", name="Alpha", configurations={"custom_host": "https://other.test"})
    site.exists("gamma", name="Alpha")
    grant = {"workspaces": [{"id": "ws-stranger", "enabled": True}]}
    site.here.world.put("PUT", "/integrations/gamma/workspaces", grant)
    shown = rows(site.page("/?state=needs+attention"))
    assert ["! undeclared host" in row for row in shown] == [True, False]
    assert ["! undeclared access" in row for row in shown] == [False, True]


def test_plan_errors_are_above_the_list_and_warnings_are_collapsed() -> None:
    limits = (
        b"version: 1\ndefault_target: here\ntargets:\n"
        b"  here: {base_url: 'simulator:', prune: all, limits: {deletes: 0}}\n"
    )
    site = Site(alpha=ALPHA).exists("alpha", name="Alpha").exists("wild")
    site.here.folder["reconcile.yaml"] = limits
    markup = site.page()
    assert "error[too-many-deletes]" in words(markup.partition('class="counts"')[0])
    assert "to be removed, blocked" in rows(markup)[0]


def test_one_integration_is_shown_side_by_side() -> None:
    site = Site(alpha=ALPHA + b"configurations: {openai_organization: org-1}\n")
    site.exists("alpha", name="Moved", configurations={"openai_project": "p-1"})
    markup = site.page("/integrations/alpha")
    shown = {row.split()[0]: row for row in rows(markup)}
    assert shown["name"] == "name Alpha Moved ≠ differs"
    assert shown["ai_provider_id"] == "ai_provider_id openai openai ✓ same"
    assert shown["configurations.openai_organization"].endswith("org-1 – ≠ differs")
    assert shown["configurations.openai_project"].endswith("– p-1 ○ not declared")
    assert "${env:SECRET_KEY}" in shown["key"]
    assert shown["key"].endswith("? unverified")
    assert "sk-0123456789abcdef" not in markup
    assert "Apply would update it" in words(markup)
    assert "desired-state/integrations/alpha.yaml:1" in markup


def test_an_integration_that_only_one_side_has_is_shown() -> None:
    site = Site(alpha=ALPHA).exists("wild")
    assert "+ missing" in words(site.page("/integrations/alpha"))
    assert "not declared in any file" in words(site.page("/integrations/wild"))


@pytest.mark.parametrize("slug", ["nobody", "..", "a%2Fb", "a b"])
def test_an_unknown_integration_is_404(slug: str) -> None:
    assert Site().get(f"/integrations/{slug.replace(' ', '%20')}").status_code == 404


def test_the_history_lists_the_latest_run_first() -> None:
    earlier = {**RUN, "run": "earlier", "started_at": "2026-11-22T08:00:00.000Z", "summary": None}
    markup = Site(earlier, RUN).page("/history")
    shown = words(markup)
    assert shown.index("2026-11-23 12:00") < shown.index("2026-11-22 08:00")
    assert "✓ 1 applied" in shown
    assert "✗ 1 failed" in shown
    assert "by maria, commit 0123456789ab" in shown
    assert "✗ failed update beta" in shown


def test_the_history_states_that_there_are_no_runs_or_that_the_ledger_is_broken() -> None:
    assert "No run is recorded yet" in Site().page("/history")

    class Broken(Site):
        async def _runs(self) -> list[dict[str, Any]]:
            raise LedgerError("the ledger is locked", code="ledger")

    assert "the ledger is locked" in Broken().page("/history")


def test_untrusted_text_is_escaped_and_visible() -> None:
    site = Site(RUN).exists("wild", name=HOSTILE, description=HOSTILE)
    for path in ("/", "/integrations/wild", "/history", f"/?q={HOSTILE[:8]}&provider=%22%3E"):
        markup = site.page(path)
        assert "<script" not in markup
        assert "\u202e" not in markup
        assert "\x1b" not in markup
    assert "<script>alert(1)</script>" in unescape(site.page("/integrations/wild"))


def test_every_field_of_a_run_is_escaped() -> None:
    outcome = {"slug": HOSTILE, "action": HOSTILE, "status": HOSTILE, "error": {"message": HOSTILE}}
    fields = ("run", "started_at", "commit", "actor", "pull_request")
    markup = Site({**RUN, **dict.fromkeys(fields, HOSTILE), "outcomes": [outcome]}).page("/history")
    assert "<script" not in markup
    assert "\u202e" not in markup
    assert "\x1b" not in markup
    assert unescape(markup).count("<script>") >= len(fields) + len(outcome)


def test_no_template_marks_text_as_safe() -> None:
    templates = list((resources.files("reconciler.adapter.ui") / "templates").iterdir())
    assert len(templates) >= 5
    for template in templates:
        code = re.findall(r"\{[{%].*?[%}]\}", template.read_text(encoding="utf-8"))
        assert not [part for part in code if re.search(r"\b(safe|autoescape|Markup)\b", part)]


def test_files_with_errors_are_named_beside_the_list() -> None:
    shown = words(Site(alpha=b"slug: alpha\nnme: x\n").exists("wild").page())
    assert "desired-state/integrations/alpha.yaml:2" in shown
    assert "? not compared" in shown


def test_a_snapshot_is_cached_for_its_maximum_age() -> None:
    site = Site(alpha=ALPHA)

    async def work() -> None:
        transport = httpx.ASGITransport(site.ports.rest)
        async with httpx.AsyncClient(transport=transport, headers=bearer()) as client:
            for later in (0.0, MAX_AGE_SECONDS / 2, MAX_AGE_SECONDS + 1):
                site.clock.seconds += later
                await client.get("http://127.0.0.1:8080/")

    asyncio.run(work())
    assert site.readings == 2


def test_the_page_never_writes() -> None:
    site = Site(alpha=ALPHA).exists("alpha")
    seen: list[str] = []
    site.here.world.wire._before = lambda request: seen.append(request.method)
    for path in ("/", "/integrations/alpha", "/history"):
        site.page(path)
    assert set(seen) == {"GET"}
    for path in ("/", "/history", "/integrations/alpha"):
        assert site.ports.ask("POST", path).status_code == 405
    assert site.get("/login").status_code == 405


def test_the_number_of_sessions_is_limited() -> None:
    clock = ManualClock()
    numbers = iter(range(10_000))
    sessions = Sessions(lambda: f"secret-{next(numbers)}", clock)
    principal = TOKENS.known[0].principal
    for _ in range(1500):
        sessions.open(principal, secure=False)
    assert sessions.find([(b"cookie", b"reconcile_session=secret-0")]) is None
    assert sessions.find([(b"cookie", b"a=b; reconcile_session=secret-1499")]) == principal
    assert "secret-1499" not in repr(sessions)


def test_the_shadow_of_a_rotation_is_not_shown_as_unmanaged() -> None:
    site = Site(alpha=ALPHA).exists("alpha").exists("other")
    mark = "Shadow of alpha while its credential is rotated, by run run-1"
    site.exists("alpha--next", description=mark).exists("other--next", description=mark)
    site.here.folder["reconcile.yaml"] = STAGED
    listed = " ".join(rows(site.page()))
    assert "alpha--next" not in listed
    # A mark is valid only under the slug that it names.
    assert "other--next" in listed
