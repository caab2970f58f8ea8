"""Fake of GitHub's REST API, as far as it is used, with state, paging, limits and faults.

`serving()` runs it on loopback in a thread, for the real command.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote

from reconciler.simulator.asgi import ConnectionBroken
from reconciler.simulator.http_server import serve

REPO = "acme/gateway"
TOKEN = "ghs_canary_job_token"
BOT = {"login": "github-actions[bot]", "type": "Bot"}
MALLORY = {"login": "mallory", "type": "User"}
PAGE = 3
"""Entries a page at most, so that a handful of comments already has several."""


@dataclass
class Call:
    """Recorded request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """Response; `lost` carries the request out and drops the response.

    `carried_out` carries the request out and returns this response.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    carried_out: bool = False


@dataclass
class FakeGitHub:
    """Fake repository; `script` returns a different answer for a call, or None."""

    url: str = ""
    tokens: dict[str, dict[str, str] | None] = field(default_factory=lambda: {TOKEN: None})
    app: dict[str, str] = field(default_factory=lambda: BOT)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    pull_commits: dict[int, list[str]] = field(default_factory=dict)
    merged_by_commit: dict[str, list[int]] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    archives: dict[int, bytes] = field(default_factory=dict)
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    events: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    trees: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    branch_rules: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    check_runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    labels: dict[int, list[str]] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    reactions: list[tuple[int, str]] = field(default_factory=list)
    activity: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    script: Callable[[Call], Answer | None] = lambda _call: None
    ids: int = 100

    def new_id(self) -> int:
        self.ids += 1
        return self.ids

    def comment(self, number: int, body: str, user: dict[str, str] = BOT) -> dict[str, Any]:
        made = {"id": self.new_id(), "body": body, "user": user}
        self.comments.setdefault(number, []).append(made)
        return made

    def issue(self, body: str, *, labels: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        number = self.new_id()
        made = {
            "number": number,
            "state": "open",
            "title": "",
            "user": BOT,
            "labels": [{"name": name} for name in labels],
            "body": body,
            **more,
        }
        self.issues[number] = made
        return made

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(call.method, call.path) for call in self.calls if call.method != "GET"]

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        scripted = self.script(call)
        if scripted is not None and not (scripted.lost or scripted.carried_out):
            return scripted
        given = self._answer(call)
        return scripted or given

    def _answer(self, call: Call) -> Answer:
        if call.path.startswith("/blob/"):
            assert "authorization" not in call.headers, "the token left the API"
            return Answer(body=self.archives[int(call.path.removeprefix("/blob/"))])
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return Answer(401, {"message": "Bad credentials"})
        if call.path == "/user":
            user = self.tokens[token]
            refused = Answer(403, {"message": "Resource not accessible by integration"})
            return Answer(body=user) if user else refused
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)/activity", call.path)
        if found:
            moves = [m for m in self.activity.get(found[1], []) if m["ref"] == call.query["ref"]]
            return self.page(call, moves) if found[1] in self.activity else Answer(404, {})
        prefix = f"/repos/{REPO}"
        if not call.path.startswith(prefix):
            return Answer(404, {"message": "Not Found"})
        author = self.tokens[token] or self.app
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, call.path.removeprefix(prefix))
            if found and method == call.method:
                return handler(self, call, author, *found.groups())
        return Answer(404, {"message": "Not Found"})

    def page(self, call: Call, items: list[Any], *, under: str | None = None) -> Answer:
        size = min(PAGE, int(call.query.get("per_page", 30)))
        page = int(call.query.get("page", 1))
        here = items[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(items):
            rest = "&".join(f"{k}={v}" for k, v in (call.query | {"page": str(page + 1)}).items())
            headers["link"] = (
                f'<{self.url}{call.path}?{rest}>; rel="next", <{self.url}/x?page=9>; rel="last"'
            )
        body = here if under is None else {"total_count": len(items), under: here}
        return Answer(200, body, headers)


Author = dict[str, str]


def _list_comments(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    return self.page(call, self.comments.get(int(number), []))


def _post_comment(self: FakeGitHub, call: Call, author: Author, number: str) -> Answer:
    assert len(call.body["body"]) <= 65_536
    return Answer(201, self.comment(int(number), call.body["body"], author))


def _patch_comment(self: FakeGitHub, call: Call, author: Author, number: str) -> Answer:
    for comment in (item for found in self.comments.values() for item in found):
        if comment["id"] == int(number):
            if comment["user"] != author:
                return Answer(403, {"message": "Must have admin rights"})
            assert len(call.body["body"]) <= 65_536
            comment["body"] = call.body["body"]
            return Answer(200, comment)
    return Answer(404, {"message": "Not Found"})


def _list_issues(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    wanted = {name for name in call.query.get("labels", "").split(",") if name}
    state = call.query.get("state", "open")
    found = [
        item
        for item in sorted(self.issues.values(), key=lambda item: -item["number"])
        if wanted <= {label["name"] for label in item["labels"]}
        and (state == "all" or item["state"] == state)
    ]
    return self.page(call, found)


def _post_issue(self: FakeGitHub, call: Call, author: Author) -> Answer:
    body = dict(call.body)
    labels = tuple(body.pop("labels", ()))
    return Answer(201, self.issue(body.pop("body"), labels=labels, user=author, **body))


def _patch_issue(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    self.issues[int(number)] |= call.body
    return Answer(200, self.issues[int(number)])


def _pulls_of(self: FakeGitHub, call: Call, _author: Author, sha: str) -> Answer:
    return self.page(call, [self.pulls[n] for n in self.merged_by_commit.get(sha, [])])


def _pull(self: FakeGitHub, _call: Call, _author: Author, number: str) -> Answer:
    found = self.pulls.get(int(number))
    return Answer(404, {}) if found is None else Answer(body=found)


def _commits_of_pull(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    commits = self.pull_commits.get(int(number))
    return Answer(404, {}) if commits is None else self.page(call, [{"sha": c} for c in commits])


def _compare(self: FakeGitHub, call: Call, _author: Author, base: str, head: str) -> Answer:
    base, head = (self.branches.get(name, name) for name in (base, head))
    if base not in self.history or head not in self.history:
        return Answer(404, {"message": "Not Found"})
    first, last = self.history.index(base), self.history.index(head)
    commits = [{"sha": sha} for sha in self.history[first + 1 : last + 1]]
    return self.page(call, commits, under="commits")


def _artifacts(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    found = [a for a in self.artifacts.values() if a["name"] == call.query.get("name", a["name"])]
    newest = sorted(found, key=lambda item: -item["id"])
    return self.page(call, newest, under="artifacts")


def _archive(self: FakeGitHub, _call: Call, _author: Author, number: str) -> Answer:
    return Answer(302, None, {"location": f"{self.url}/blob/{number}"})


def _run(self: FakeGitHub, _call: Call, _author: Author, number: str) -> Answer:
    return Answer(body=self.runs[int(number)])


def _reviews(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    return self.page(call, self.reviews.get(int(number), []))


def _events(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    return self.page(call, self.events.get(int(number), []))


def _list_pulls(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    branch = call.query["head"].partition(":")[2]
    every = call.query.get("state") == "all"
    found = [
        pull
        for pull in self.pulls.values()
        if pull["head"]["ref"] == branch and (every or not pull["merged_at"])
    ]
    return self.page(call, found)


def _post_pull(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    number, branch = self.new_id(), call.body["head"]
    head = {"ref": branch, "sha": self.branches[branch]}
    self.pulls[number] = {**call.body, "number": number, "merged_at": None, "head": head}
    return Answer(201, self.pulls[number])


def _patch_pull(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    self.pulls[int(number)] |= call.body
    return Answer(200, self.pulls[int(number)])


def _repository(self: FakeGitHub, _call: Call, _author: Author) -> Answer:
    return Answer(body={"full_name": REPO, "default_branch": "main"})


def _git_commit(self: FakeGitHub, _call: Call, _author: Author, sha: str) -> Answer:
    return Answer(body=self.commits.get(sha, {"sha": sha, "tree": {"sha": f"tree-of-{sha}"}}))


def _post_tree(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    sha = f"tree{self.new_id()}"
    self.trees[sha] = call.body["tree"]
    return Answer(201, {"sha": sha})


def _post_commit(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    sha = f"{self.new_id():040x}"
    self.commits[sha] = {**call.body, "sha": sha, "tree": {"sha": call.body["tree"]}}
    return Answer(201, self.commits[sha])


def _branch(self: FakeGitHub, _call: Call, _author: Author, name: str) -> Answer:
    found = self.branches.get(name)
    return Answer(body={"object": {"sha": found}}) if found else Answer(404, {})


def _post_branch(self: FakeGitHub, call: Call, _author: Author) -> Answer:
    self.branches[call.body["ref"].removeprefix("refs/heads/")] = call.body["sha"]
    return Answer(201, {})


def _patch_branch(self: FakeGitHub, call: Call, _author: Author, name: str) -> Answer:
    self.branches[name] = call.body["sha"]
    return Answer(200, {})


def _repository(_self: FakeGitHub, _call: Call, _author: Author) -> Answer:
    return Answer(body={"full_name": REPO, "default_branch": "main"})


def _environment(self: FakeGitHub, _call: Call, _author: Author, name: str) -> Answer:
    found = self.environments.get(name)
    return Answer(404, {"message": "Not Found"}) if found is None else Answer(body=found)


def _branch_rules(self: FakeGitHub, call: Call, _author: Author, name: str) -> Answer:
    return self.page(call, self.branch_rules.get(name, []), under="branch_policies")


def _list_checks(self: FakeGitHub, call: Call, _author: Author, sha: str) -> Answer:
    found = [item for item in self.check_runs.values() if item["head_sha"] == sha]
    return self.page(call, found, under="check_runs")


def _post_check(self: FakeGitHub, call: Call, author: Author) -> Answer:
    assert len(call.body["output"]["summary"]) <= 65_535
    number = self.new_id()
    self.check_runs[number] = {**call.body, "id": number, "author": author}
    return Answer(201, self.check_runs[number])


def _patch_check(self: FakeGitHub, call: Call, author: Author, number: str) -> Answer:
    found = self.check_runs[int(number)]
    if found["author"] != author:
        return Answer(403, {"message": "Invalid app_id"})
    found |= call.body
    return Answer(200, found)


def _list_labels(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    return self.page(call, [{"name": name} for name in self.labels.get(int(number), [])])


def _post_labels(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    named = self.labels.setdefault(int(number), [])
    named += [name for name in call.body["labels"] if name not in named]
    return Answer(200, [{"name": name} for name in named])


def _delete_label(self: FakeGitHub, _call: Call, _author: Author, number: str, name: str) -> Answer:
    named = self.labels.get(int(number), [])
    if unquote(name) not in named:
        return Answer(404, {"message": "Label does not exist"})
    named.remove(unquote(name))
    return Answer(200, [{"name": name} for name in named])


def _permission(self: FakeGitHub, _call: Call, _author: Author, name: str) -> Answer:
    found = self.permissions.get(name)
    return Answer(body={"permission": found}) if found else Answer(404, {"message": "Not Found"})


def _post_reaction(self: FakeGitHub, call: Call, _author: Author, number: str) -> Answer:
    self.reactions.append((int(number), call.body["content"]))
    return Answer(201, {"id": 1})


_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"", _repository),
    ("GET", r"/issues/(\d+)/comments", _list_comments),
    ("POST", r"/issues/(\d+)/comments", _post_comment),
    ("PATCH", r"/issues/comments/(\d+)", _patch_comment),
    ("GET", r"/issues", _list_issues),
    ("POST", r"/issues", _post_issue),
    ("PATCH", r"/issues/(\d+)", _patch_issue),
    ("GET", r"/commits/([0-9a-f]+)/pulls", _pulls_of),
    ("GET", r"/pulls/(\d+)", _pull),
    ("GET", r"/pulls/(\d+)/commits", _commits_of_pull),
    ("GET", r"/pulls", _list_pulls),
    ("POST", r"/pulls", _post_pull),
    ("PATCH", r"/pulls/(\d+)", _patch_pull),
    ("GET", r"/git/commits/([0-9a-f]+)", _git_commit),
    ("POST", r"/git/trees", _post_tree),
    ("POST", r"/git/commits", _post_commit),
    ("GET", r"/git/ref/heads/(.+)", _branch),
    ("POST", r"/git/refs", _post_branch),
    ("PATCH", r"/git/refs/heads/(.+)", _patch_branch),
    ("GET", r"/commits/([0-9a-f]+)/check-runs", _list_checks),
    ("POST", r"/check-runs", _post_check),
    ("PATCH", r"/check-runs/(\d+)", _patch_check),
    ("GET", r"/issues/(\d+)/labels", _list_labels),
    ("POST", r"/issues/(\d+)/labels", _post_labels),
    ("DELETE", r"/issues/(\d+)/labels/(.+)", _delete_label),
    ("GET", r"/collaborators/([^/]+)/permission", _permission),
    ("POST", r"/issues/comments/(\d+)/reactions", _post_reaction),
    ("GET", r"/pulls/(\d+)/reviews", _reviews),
    ("GET", r"/issues/(\d+)/timeline", _events),
    ("GET", r"/compare/([\w/-]+)\.\.\.([\w/-]+)", _compare),
    ("GET", r"/actions/artifacts", _artifacts),
    ("GET", r"/actions/artifacts/(\d+)/zip", _archive),
    ("GET", r"/actions/runs/(\d+)", _run),
    ("GET", r"", _repository),
    ("GET", r"/environments/([^/]+)", _environment),
    ("GET", r"/environments/([^/]+)/deployment-branch-policies", _branch_rules),
]


class Served(Protocol):
    """Service that `serving` can serve."""

    url: str

    def answer(self, call: Call) -> Answer: ...


Service = TypeVar("Service", bound=Served)


def application(fake: Served) -> Callable[..., Any]:
    """Return the ASGI application."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        content = b""
        more = True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        call = Call(
            method=scope["method"],
            path=scope["path"],
            query=dict(parse_qsl(scope["query_string"].decode())),
            headers={k.decode().lower(): v.decode() for k, v in scope["headers"]},
            body=json.loads(content) if content else None,
        )
        answer = fake.answer(call)
        if answer.lost:
            raise ConnectionBroken
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"content-length": str(len(body)), **answer.headers}
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return app


@contextmanager
def serving(fake: Service) -> Iterator[Service]:
    """Serve on loopback, and set `fake.url` to the URL of the API."""
    ready = threading.Event()
    stop = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def on_ready(port: int) -> None:
        fake.url = f"http://127.0.0.1:{port}"
        ready.set()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await serve(application(fake), host="127.0.0.1", port=0, ready=on_ready, stop=stop)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
