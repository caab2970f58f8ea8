"""GitHub client: retries, complete lists, and a token that is sent only to one host."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.domain.secrets import Redacted
from reconciler.github.client import (
    GitHub,
    GitHubError,
    GitHubForbidden,
    GitHubNotFound,
    RateLimited,
    UnexpectedResponse,
    Unreachable,
    WrongToken,
)
from reconciler.github.rest import MAX_BODY
from reconciler.remote.api import Clock

TOKEN = "ghs_canary_client"
API = "https://api.example.test"


class ManualClock:
    """Clock that only advances during a sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def clock(self) -> Clock:
        return Clock(
            clock=lambda: sum(self.slept),
            wall_clock=lambda: 1_000_000 + sum(self.slept),
            sleep=self.sleep,
            random=lambda: 1.0,
        )


def ask(
    handler: Callable[[httpx.Request], httpx.Response],
    work: Callable[[GitHub], Any],
    clock: ManualClock | None = None,
) -> Any:
    async def main() -> Any:
        async with GitHub(
            api_url=f"{API}/",
            repository="acme/gateway",
            token=Redacted(TOKEN),
            clock=(clock or ManualClock()).clock,
            transport=httpx.MockTransport(handler),
        ) as github:
            return await work(github)

    return asyncio.run(main())


def in_turn(*answers: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    waiting = list(answers)

    def handler(_request: httpx.Request) -> httpx.Response:
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


OK = httpx.Response(200, json={"ok": True})


@pytest.mark.parametrize("method", ["get", "patch"])
def test_idempotent_calls_are_retried_after_faults(method: str) -> None:
    clock = ManualClock()
    handler = in_turn(httpx.ConnectError("x"), httpx.Response(502), httpx.ReadTimeout("x"), OK)
    arguments = ("/x",) if method == "get" else ("/x", {})
    done = ask(handler, lambda github: getattr(github, method)(*arguments), clock)
    assert done == {"ok": True}
    assert clock.slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_only_a_transient_status_is_retried(status: int) -> None:
    clock = ManualClock()
    assert ask(in_turn(httpx.Response(status), OK), lambda github: github.get("/x"), clock)
    assert clock.slept == [0.5]
    with pytest.raises(UnexpectedResponse):
        ask(in_turn(httpx.Response(501)), lambda github: github.get("/x"))


@pytest.mark.parametrize(
    ("fault", "problem", "pauses"),
    [
        (httpx.ConnectError("x"), Unreachable, [0.5, 1.0, 2.0]),
        (httpx.Response(502), UnexpectedResponse, [0.5, 1.0, 2.0]),
        (httpx.Response(429, headers={"retry-after": "1"}), RateLimited, [1.0, 1.0, 1.0]),
        (httpx.Response(429), RateLimited, [2.0, 4.0, 8.0]),
    ],
)
def test_the_fourth_attempt_is_the_last_without_a_further_wait(
    fault: httpx.Response | Exception, problem: type[GitHubError], pauses: list[float]
) -> None:
    clock = ManualClock()
    with pytest.raises(problem):
        ask(in_turn(*[fault] * 4), lambda github: github.get("/x"), clock)
    assert clock.slept == pauses


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout("x"), httpx.Response(502), httpx.Response(504)]
)
def test_a_post_is_never_repeated_after_a_fault(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Unreachable):
        ask(in_turn(answer), lambda github: github.post("/x", {}))


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (403, {"retry-after": "60"}, 60.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000009"}, 9.0),
        (429, {}, 2.0),
        (403, {}, 2.0),
        (429, {"retry-after": "soon"}, 2.0),
    ],
)
def test_a_post_also_waits_for_a_rate_limit(
    status: int, headers: dict[str, str], pause: float
) -> None:
    clock = ManualClock()
    message = {"message": "You have exceeded a secondary Rate Limit"}
    limited = httpx.Response(status, headers=headers, json=message)
    done = ask(in_turn(limited, OK), lambda github: github.post("/x", {}), clock)
    assert (done, clock.slept) == ({"ok": True}, [pause])


def test_the_wait_for_a_rate_limit_is_limited() -> None:
    clock = ManualClock()
    with pytest.raises(RateLimited, match="3600 s"):
        ask(
            in_turn(httpx.Response(429, headers={"retry-after": "3600"})),
            lambda github: github.get("/x"),
            clock,
        )
    assert clock.slept == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (httpx.Response(401), WrongToken),
        (httpx.Response(403), GitHubForbidden),
        (httpx.Response(404), GitHubNotFound),
        (httpx.Response(422, json={"message": "no"}), UnexpectedResponse),
        (httpx.Response(200, text="<html>"), UnexpectedResponse),
        (httpx.Response(200, json=[]), UnexpectedResponse),
        (httpx.Response(302, headers={"location": "https://evil.test/"}), UnexpectedResponse),
        (httpx.Response(200, content=b"x" * (MAX_BODY + 1)), UnexpectedResponse),
    ],
)
def test_every_other_answer_is_an_error_that_quotes_nothing(
    answer: httpx.Response, problem: type[GitHubError]
) -> None:
    with pytest.raises(problem) as caught:
        ask(in_turn(answer), lambda github: github.get("/repos/x"))
    message = f"{caught.value!r} {caught.value.hint}"
    assert TOKEN not in message
    assert "evil" not in message


def test_a_list_is_read_to_its_end_from_one_host() -> None:
    asked: list[str] = []

    def pages(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        if "page=2" in str(request.url):
            return httpx.Response(200, json=[{"n": 2}], headers={"link": '<x>; rel="prev"'})
        link = f'<{API}/list?per_page=100&page=2>; rel="next", <{API}/list?page=2>; rel="last"'
        return httpx.Response(200, json=[{"n": 1}, "junk"], headers={"link": link})

    assert ask(pages, lambda github: github.pages("/list")) == [{"n": 1}, {"n": 2}]
    assert asked == [f"{API}/list?per_page=100", f"{API}/list?per_page=100&page=2"]

    def elsewhere(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.example.test"
        return httpx.Response(200, json=[], headers={"link": '<https://evil.test/2>; rel="next"'})

    with pytest.raises(UnexpectedResponse, match="another host"):
        ask(elsewhere, lambda github: github.pages("/list"))

    def endless(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[], headers={"link": f'<{API}/list>; rel="next"'})

    with pytest.raises(UnexpectedResponse, match="pages"):
        ask(endless, lambda github: github.pages("/list"))


def test_a_download_follows_one_redirect_without_the_token() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "api.example.test":
            return httpx.Response(302, headers={"location": "https://blob.test/file?sig=1"})
        assert request.url.host == "blob.test"
        assert "authorization" not in request.headers
        return httpx.Response(200, content=b"zip")

    assert ask(handler, lambda github: github.download("/a/zip", limit=10)) == b"zip"
    with pytest.raises(UnexpectedResponse, match="bytes"):
        ask(handler, lambda github: github.download("/a/zip", limit=2))

    def unsafe(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "http://blob.test/file"})

    with pytest.raises(UnexpectedResponse, match="unsafe"):
        ask(unsafe, lambda github: github.download("/a/zip", limit=10))
