"""Notifications by the real library, over sockets on loopback."""

import subprocess
import sys

import pytest

from reconciler.diagnostics import Severity
from reconciler.drift.notify import Message, notify
from tests.drift.builders import TOKEN, channels

pytestmark = [
    pytest.mark.slow,  # importing apprise takes most of the time
    # apprise imports a module that Python 3.13 removed, and Python 3.11 warns about it.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

MESSAGE = Message(
    "reconcile: Drift on production", "1 integration differs\n- <b>alpha</b> & *co*\n"
)


def test_a_channel_gets_the_message_unchanged() -> None:
    with channels() as there:
        assert notify([there.url("good")], MESSAGE) == ()
    ((_, document),) = there.posted
    assert document["title"] == MESSAGE.title
    assert document["message"].strip() == MESSAGE.body.strip()
    assert document["type"] == "warning"


def test_a_failed_channel_is_a_warning_and_the_others_are_notified() -> None:
    with channels() as there:
        urls = [
            there.url("refusing"),
            f"json://user:{TOKEN}@127.0.0.1:1/nobody",
            f"nonsense://{TOKEN}",
            TOKEN,
            there.url("good"),
        ]
        failures = notify(urls, MESSAGE)
    assert there.reached == ["good", "refusing"]
    assert {failure.severity for failure in failures} == {Severity.WARNING}
    assert [failure.summary for failure in failures] == [
        "channel 1 (json) was not notified: it refused the message or could not be reached",
        "channel 2 (json) was not notified: it refused the message or could not be reached",
        "channel 3 (nonsense) was not notified: apprise does not support its URL",
        "channel 4 was not notified: apprise does not support its URL",
    ]


def test_a_failure_shows_only_the_scheme_of_a_url(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with channels() as there:
        failures = notify([there.url("refusing"), f"slack://{TOKEN}", f"{TOKEN}/x"], MESSAGE)
    assert len(failures) == 3
    assert capfd.readouterr() == ("", "")
    assert TOKEN not in f"{failures} {caplog.text}"


def test_a_redirect_is_not_followed_because_it_would_forward_the_token() -> None:
    with channels() as there:
        (failure,) = notify([there.url("moved")], MESSAGE)
    assert there.reached == ["moved"]
    assert "channel 1 (json)" in failure.summary


def test_a_channel_that_never_answers_times_out() -> None:
    with channels() as there:
        (failure,) = notify([there.url("silent"), there.url("good")], MESSAGE, timeout=1.0)
        assert failure.summary == "channel 1 (json) was not notified: it did not respond in time"
    assert there.reached == ["good", "silent"]


def test_without_a_channel_no_message_is_sent() -> None:
    assert notify([], MESSAGE) == ()


def test_without_apprise_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['apprise'] = None\n"
        "from reconciler.cli.console import Console\n"
        "from reconciler.cli.main import run\n"
        f"sys.exit(run(['drift', '--notify', 'json://{TOKEN}'], Console.of_this_process()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[missing-extra]" in done.stderr
    assert "pip install 'portkey-reconciler[notify]'" in done.stderr
    assert TOKEN not in done.stderr
