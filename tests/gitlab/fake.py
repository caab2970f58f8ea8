"""Fake of GitLab's REST API, as far as it is used, with state, paging and faults.

`tests.github.fake.serving` runs it on loopback in a thread.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.github.fake import Answer, Call

PROJECT = 17
TOKEN = "glpat-canary-project"
JOB_TOKEN = "glcbt-canary-job"
BOT = {"id": 900, "username": "project_17_bot"}
MALLORY = {"id": 66, "username": "mallory"}
PAGE = 3
"""Entries a page at most, so that a handful of notes already has several."""

API = "/api/v4"


@dataclass
class FakeGitLab:
    """Fake project; `script` returns a different answer for a call, or None."""

    url: str = ""
    tokens: dict[str, dict[str, Any]] = field(default_factory=lambda: {TOKEN: BOT})
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    merged: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pipelines: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    jobs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    artifacts: dict[tuple[int, str], bytes] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    requests: dict[int, dict[str, Any]] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    script: Callable[[Call], Answer | None] = lambda _call: None
    ids: int = 100

    @property
    def api_url(self) -> str:
        return self.url + API

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(call.method, call.path) for call in self.calls if call.method != "GET"]

    def new_id(self) -> int:
        self.ids += 1
        return self.ids

    def note(self, place: str, body: str, author: dict[str, Any] = BOT) -> dict[str, Any]:
        """Add a note; `place` is for example merge_requests/3."""
        made = {"id": self.new_id(), "body": body, "author": author, "system": False}
        self.notes.setdefault(place, []).append(made)
        return made

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        scripted = self.script(call)
        if scripted is not None and not (scripted.lost or scripted.carried_out):
            return scripted
        given = self._answer(call)
        return scripted or given

    def _answer(self, call: Call) -> Answer:
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        author = self.tokens.get(token)
        if author is None:
            return Answer(401, {"message": "401 Unauthorized"})
        if call.path == f"{API}/user":
            return Answer(body=author)
        prefix = f"{API}/projects/{PROJECT}"
        if not call.path.startswith(prefix):
            return Answer(404, {"message": "404 Project Not Found"})
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, call.path.removeprefix(prefix))
            if found and method == call.method:
                return handler(self, call, author, *found.groups())
        return Answer(404, {"error": "404 Not Found"})

    def page(self, call: Call, items: list[Any]) -> Answer:
        size = min(PAGE, int(call.query.get("per_page", 20)))
        page = int(call.query.get("page", 1))
        here = items[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(items):
            rest = "&".join(f"{k}={v}" for k, v in (call.query | {"page": str(page + 1)}).items())
            headers["link"] = f'<{self.url}{call.path}?{rest}>; rel="next"'
        return Answer(200, here, headers)


Author = dict[str, Any]


def _list_notes(self: FakeGitLab, call: Call, _author: Author, place: str) -> Answer:
    listed = self.notes.get(place, [])
    # The newest comes first unless the query requests another order.
    return self.page(call, listed if call.query.get("sort") == "asc" else listed[::-1])


def _post_note(self: FakeGitLab, call: Call, author: Author, place: str) -> Answer:
    assert len(call.body["body"]) <= 1_000_000
    return Answer(201, self.note(place, call.body["body"], author))


def _put_note(self: FakeGitLab, call: Call, author: Author, place: str, number: str) -> Answer:
    for note in self.notes.get(place, []):
        if note["id"] == int(number):
            if note["author"] != author:
                return Answer(403, {"message": "403 Forbidden"})
            note["body"] = call.body["body"]
            return Answer(200, note)
    return Answer(404, {"message": "404 Note Not Found"})


def _list_issues(self: FakeGitLab, call: Call, _author: Author) -> Answer:
    found = [i for i in self.issues.values() if call.query["labels"] in i["labels"]]
    return self.page(call, found[::-1])


def _post_issue(self: FakeGitLab, call: Call, author: Author) -> Answer:
    number = self.new_id()
    body = dict(call.body)
    labels = body.pop("labels").split(",")
    made = {"iid": number, "state": "opened", "labels": labels, "author": author}
    self.issues[number] = made | body
    return Answer(201, self.issues[number])


def _put_issue(self: FakeGitLab, call: Call, _author: Author, number: str) -> Answer:
    body = dict(call.body)
    event = body.pop("state_event", None)
    issue = self.issues[int(number)]
    issue |= body
    if event is not None:
        issue["state"] = {"close": "closed", "reopen": "opened"}[event]
    return Answer(200, issue)


def _merged_with(self: FakeGitLab, call: Call, _author: Author, commit: str) -> Answer:
    return self.page(call, self.merged.get(commit, []))


def _commit(self: FakeGitLab, _call: Call, _author: Author, commit: str) -> Answer:
    parents = self.parents.get(commit)
    return Answer(404, {}) if parents is None else Answer(200, {"parent_ids": parents})


def _branch(self: FakeGitLab, _call: Call, _author: Author, name: str) -> Answer:
    tip = self.branches.get(name)
    return Answer(404, {}) if tip is None else Answer(200, {"name": name, "commit": {"id": tip}})


def _request(self: FakeGitLab, _call: Call, _author: Author, number: str) -> Answer:
    request = self.requests.get(int(number))
    return Answer(404, {}) if request is None else Answer(200, request)


def _pipelines(self: FakeGitLab, call: Call, _author: Author, number: str) -> Answer:
    return self.page(call, self.pipelines.get(int(number), []))


def _jobs(self: FakeGitLab, call: Call, _author: Author, number: str) -> Answer:
    return self.page(call, self.jobs.get(int(number), []))


def _artifact(self: FakeGitLab, _call: Call, _author: Author, job: str, path: str) -> Answer:
    content = self.artifacts.get((int(job), path))
    return Answer(404, {}) if content is None else Answer(200, content)


_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"/((?:merge_requests|issues)/\d+)/notes", _list_notes),
    ("POST", r"/((?:merge_requests|issues)/\d+)/notes", _post_note),
    ("PUT", r"/((?:merge_requests|issues)/\d+)/notes/(\d+)", _put_note),
    ("GET", r"/issues", _list_issues),
    ("POST", r"/issues", _post_issue),
    ("PUT", r"/issues/(\d+)", _put_issue),
    ("GET", r"/repository/commits/([0-9a-f]+)/merge_requests", _merged_with),
    ("GET", r"/repository/commits/([0-9a-f]+)", _commit),
    ("GET", r"/repository/branches/(.+)", _branch),
    ("GET", r"/merge_requests/(\d+)", _request),
    ("GET", r"/merge_requests/(\d+)/pipelines", _pipelines),
    ("GET", r"/pipelines/(\d+)/jobs", _jobs),
    ("GET", r"/jobs/(\d+)/artifacts/(.+)", _artifact),
]
