"""Report in the drift issue that a check left no result; needs nothing but Python.

It runs where reconcile could not be installed or was stopped, so it imports nothing of it. The
issue has the form that `reconcile report github --drift` gives it: the next check that completes
finds it by its marker, updates it, or closes it. At most one edit a day says the same.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from urllib.parse import quote

LABEL = "reconcile-drift"
FAILED = "### Drift: could not check"
LAST_REPORT = "\n<!-- reconcile:last-report -->\n"
MAX_PAGES = 100
ATTEMPTS = 4
ROOM = 50_000
MARKER = re.compile(r"\A<!-- reconcile:drift environment=(\S+) digest=(\S+) -->(?:\r?\n|\Z)")
RUN = re.compile(r"^\[run \d+\]\(\S+\)$", re.MULTILINE)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Handler that refuses redirects, which would send the token to another host."""

    def redirect_request(self, *_arguments):
        return None


def call(method, path, body=None):
    """Send a request and return the JSON response; raises `urllib.error.URLError`."""
    request = urllib.request.Request(
        os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/") + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "accept": "application/vnd.github+json",
            "authorization": "Bearer " + os.environ["GITHUB_TOKEN"],
            "content-type": "application/json",
            "user-agent": "portkey-reconciler",
            "x-github-api-version": "2022-11-28",
        },
    )
    with urllib.request.build_opener(NoRedirect).open(request, timeout=30) as answer:
        return json.load(answer)


def issues(repository):
    """Return all issues with the label, open and closed."""
    found = []
    for page in range(1, MAX_PAGES + 1):
        path = f"/repos/{repository}/issues?state=all&labels={LABEL}&per_page=100&page={page}"
        listed = call("GET", path)
        found += listed
        if not listed:
            break
    return found


def find(repository, environment):
    """Return the issue of the environment: an open one if there is one, else the newest."""
    own = []
    for issue in issues(repository):
        marker = MARKER.match(issue.get("body") or "")
        labels = {label.get("name") for label in issue.get("labels", [])}
        if "pull_request" in issue or LABEL not in labels or marker is None:
            continue
        if marker[1] == quote(environment, safe=":"):
            own.append(issue)
    return max(own, key=lambda issue: (issue["state"] == "open", issue["number"]), default=None)


def last_report(body):
    """Return the text of the last check that completed, empty if there was none."""
    text = MARKER.sub("", body.replace("\r\n", "\n"), count=1)
    before, separator, report = text.partition(LAST_REPORT)
    if separator:
        return report
    return "" if before.startswith(FAILED) else before


def code(text):
    """Return a code span without characters that could end it."""
    return "`" + re.sub(r"[^\x20-\x5f\x61-\x7e]", "?", text)[:255] + "`"


def new_body(environment, old):
    """Return the text of the issue; `old` is its present one."""
    marker = MARKER.match(old)
    run = os.environ.get("GITHUB_RUN_ID", "")
    server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ["GITHUB_REPOSITORY"]
    link = f"[run {run}]({server}/{repository}/actions/runs/{run})"
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    body = (
        f"<!-- reconcile:drift environment={quote(environment, safe=':')} "
        f"digest={marker[2] if marker else 'none'} -->\n"
        f"{FAILED}\n\n"
        f"The last check failed, so the current state of {code(environment)} is unknown:\n\n"
        "```text\nerror[no-result]: no result: the check failed before it left a report\n"
        f"hint: see the log of the run\n```\n\n{link}\n"
        f"\nlast checked {day}\n"
    )
    report = last_report(old)
    if report:
        body += f"\nThe last report:\n{LAST_REPORT}{report[:ROOM]}"
    return body


def is_said(issue, body):
    """Return whether the open issue says today that a check failed."""
    old = issue["body"].replace("\r\n", "\n")
    if issue["state"] != "open":
        return False
    if RUN.sub("", old).strip() == RUN.sub("", body).strip():
        return True
    # The report of a check that left an incomplete file is more exact than this one.
    day = re.search(r"^last checked .*$", body, re.MULTILINE)[0]
    shown = MARKER.sub("", old, count=1).partition(LAST_REPORT)[0]
    return shown.startswith(FAILED) and day in shown.splitlines()


def report(repository, environment):
    """Write or update the issue, and return what was done."""
    issue = find(repository, environment)
    if issue is None:
        content = {
            "title": f"Drift: {environment}"[:255],
            "body": new_body(environment, ""),
            "labels": [LABEL],
        }
        call("POST", f"/repos/{repository}/issues", content)
        return "opened"
    body = new_body(environment, issue["body"])
    if is_said(issue, body):
        return "unchanged"
    path = f"/repos/{repository}/issues/{issue['number']}"
    call("PATCH", path, {"body": body, "state": "open"})
    return "updated"


def main():
    repository, environment = os.environ["GITHUB_REPOSITORY"], os.environ["ENVIRONMENT"]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            print(f"drift issue: {report(repository, environment)}")
        except (urllib.error.URLError, TimeoutError, ValueError, KeyError, TypeError) as problem:
            # Each attempt looks for the issue first, so a write that arrived is not repeated.
            status = getattr(problem, "code", None)
            is_final = isinstance(status, int) and status < 500 and status != 429
            if is_final or attempt == ATTEMPTS:
                reason = status or type(problem).__name__
                print(f"::error title=Drift issue::cannot be written: {reason}")
                return 1
            # No package is installed here, so this waits between attempts without a library.
            time.sleep(float(os.environ.get("RETRY_SECONDS", "2")) * attempt)
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
