"""Meaning of each kind of response, and rules for texts of the server."""

import gzip
import json
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.remote.errors import (
    Answered,
    Conflict,
    Forbidden,
    NoAnswer,
    NotFound,
    Rejected,
    RemoteError,
    ServerFault,
    Throttled,
    Unauthorised,
)
from reconciler.remote.exchange import RawAnswer, Sent, parse_json, read_answer, retry_after

JSON = {"content-type": "application/json; charset=utf-8"}
HTML = {"content-type": "text/html"}


def judged(
    status: int,
    body: Any = b"",
    *,
    method: str = "GET",
    headers: dict[str, str] = JSON,
    secrets: tuple[str, ...] = (),
) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = RawAnswer(status, headers, content)
    return read_answer(Sent(method, "/integrations/a", secrets), answer, wall_clock=0.0)


def failure(*args: Any, **kwargs: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        judged(*args, **kwargs)
    assert caught.value.__context__ is None
    return caught.value


def refusal(code: str, message: str = "no") -> dict[str, Any]:
    return {"success": False, "data": {"message": message, "errorCode": code}}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "AB01", Rejected),
        (401, "AB05", Unauthorised),
        (402, "AB09", Rejected),
        (403, "AB03", Forbidden),
        (404, "AB08", NotFound),
        (404, "AB02", Rejected),
        (408, "AB04", ServerFault),
        (409, "AB07", Conflict),
        (413, "AB01", Rejected),
        (422, "AB01", Rejected),
        (425, "AB04", ServerFault),
        (429, "AB06", Throttled),
        (500, "AB04", ServerFault),
        (503, "AB04", ServerFault),
    ],
)
def test_a_documented_refusal_becomes_its_error(
    status: int, code: str, kind: type[Answered]
) -> None:
    error = failure(status, refusal(code, "The API's words"), headers=JSON | {"x-request-id": "r1"})
    assert type(error) is kind
    assert isinstance(error, Answered)
    assert (error.code, error.http_status, error.request_id) == (code, status, "r1")
    assert error.message == "The API's words"
    assert "The API's words" in error.summary
    assert error.hint


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"success": False, "data": {"message": "m"}}, "http-400", "m"),
        (
            {"success": False, "status_code": 400, "error": {"message": "m", "code": "E1"}},
            "E1",
            "m",
        ),
        ({"success": False, "message": "m"}, "http-400", "m"),
        ([], "http-400", "status 400"),
        (b"<html>no</html>", "http-400", "status 400"),
        (b"", "http-400", "status 400"),
        ({"data": {"errorCode": "a b\n", "message": 1}}, "http-400", "status 400"),
    ],
)
def test_other_forms_of_a_refusal_are_decoded(body: Any, code: str, message: str) -> None:
    error = failure(400, body)
    assert isinstance(error, Rejected)
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("body", [b"<html>", b"", {"message": "no Route matched"}, b"[]", b"{"])
def test_a_refusal_that_is_not_from_the_api_is_not_absence(status: int, body: Any) -> None:
    error = failure(status, body)
    assert isinstance(error, NoAnswer)
    assert error.http_status == status


@pytest.mark.parametrize(
    ("status", "body", "headers", "code"),
    [
        (200, b"<html>login</html>", HTML, "not-json"),
        (200, b'{"a": 1}', HTML, "not-json"),
        (200, b'{"a": 1', JSON, "invalid-json"),
        (200, b'{"a": "\xff"}', JSON, "invalid-json"),
        (200, b"[" * 100_000 + b"]" * 100_000, JSON, "invalid-json"),
        (200, gzip.compress(b"{}", mtime=0), JSON, "invalid-json"),
        (200, b"", JSON, "empty-answer"),
        (204, b"", {}, "empty-answer"),
        (200, b"[]", JSON, "unexpected-shape"),
        (200, b'"text"', JSON, "unexpected-shape"),
        (200, b'{"success": false}', JSON, "unexpected-shape"),
        (200, b'{"success": "false"}', JSON, "unexpected-shape"),
        (200, b'{"success": 0}', JSON, "unexpected-shape"),
        (200, b'{"success": true, "success": false}', JSON, "unexpected-shape"),
        (200, b'{"success": false, "success": true}', JSON, "unexpected-shape"),
        (
            200,
            b'{"data": [], "total": 0, "error": {"message": "timeout"}}',
            JSON,
            "unexpected-shape",
        ),
        (200, b'{"data": [], "total": 0, "errors": ["timeout"]}', JSON, "unexpected-shape"),
        (206, b"{}", JSON, "unexpected-status"),
        (301, b"", {}, "redirected"),
        (304, b"", {}, "redirected"),
    ],
)
def test_an_undocumented_response_is_not_data(
    status: int, body: bytes, headers: dict[str, str], code: str
) -> None:
    error = failure(status, body, headers=headers)
    assert isinstance(error, NoAnswer)
    assert (error.code, error.http_status) == (code, status)
    assert error.hint


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(("status", "body"), [(200, b""), (204, b""), (200, b"{}"), (200, b" \n")])
def test_the_response_to_a_write_can_be_empty(method: str, status: int, body: bytes) -> None:
    reply = judged(status, body, method=method, headers={})
    assert reply.status == status
    assert not reply.body


def test_a_create_without_a_receipt_is_not_a_valid_response() -> None:
    assert failure(200, b"", method="POST").code == "empty-answer"


def test_a_success_is_returned_unchanged() -> None:
    reply = judged(200, b'\xef\xbb\xbf{"slug": "a"}', headers=JSON | {"x-request-id": "r 1"})
    assert reply.body == {"slug": "a"}
    assert reply.request_id is None


@pytest.mark.parametrize("shown", ["r 1", "sk-canary0123", "req-pk-canary0123", "r\u00e9"])
def test_a_request_id_with_another_form_is_left_out(shown: str) -> None:
    headers = JSON | {"x-request-id": shown, "x-portkey-trace-id": "r-1"}
    assert judged(200, b"{}", headers=headers).request_id == "r-1"


def test_messages_are_cut_and_contain_no_sent_secret() -> None:
    error = failure(
        400, refusal("AB01", "bad key sk-canary! " + "x" * 500), secrets=("sk-canary!",)
    )
    assert isinstance(error, Answered)
    assert "sk-canary" not in error.message + error.summary
    assert "[redacted]" in error.message
    assert len(error.message) == 200


@pytest.mark.parametrize("status", [200, 302, 400, 403])
def test_no_header_of_a_failure_repeats_a_secret(status: int) -> None:
    secret = "Sk-canary/1"
    headers = {
        "content-type": f"text/{secret}",
        "x-request-id": f"req-{secret}",
        "location": f"http://127.0.0.1/{secret}",
        "retry-after": secret,
    }
    error = failure(status, "<html>", headers=headers, secrets=(secret,))
    assert error.request_id is None
    assert "canary" not in f"{error.summary} {error.hint}".lower()


@pytest.mark.parametrize(
    "text", ["sk-canary0123", "AKIACANARY012345", "-----BEGIN KEY-----\ncanary", "pk_canary-0123"]
)
def test_text_that_resembles_a_secret_is_removed_without_known_secrets(text: str) -> None:
    error = failure(400, refusal("AB01", f"Incorrect key: {text}"))
    assert isinstance(error, Answered)
    assert error.message == "Incorrect key: [redacted]"
    assert "canary" not in failure(400, refusal("sk-canary0123")).code


def test_a_secret_that_contains_another_is_redacted_completely() -> None:
    error = failure(400, refusal("AB01", "got abcd-efgh"), secrets=("abcd", "abcd-efgh"))
    assert isinstance(error, Answered)
    assert error.message == "got [redacted]"


def reply_or_error(status: int, body: bytes, *, method: str) -> Any:
    try:
        return judged(status, body, method=method)
    except RemoteError as error:
        return error


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_one_of_our_errors(body: bytes) -> None:
    result = reply_or_error(200, body, method="GET")
    assert isinstance(result, RemoteError) or isinstance(result.body, dict)


@given(st.integers(100, 999), st.binary(max_size=60))
def test_any_status_is_a_reply_or_one_of_our_errors(status: int, body: bytes) -> None:
    result = reply_or_error(status, body, method="PUT")
    known = result.http_status if isinstance(result, RemoteError) else result.status
    assert known == status


def test_escaped_surrogate_pairs_are_text_and_lone_surrogates_are_not() -> None:
    assert parse_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
    with pytest.raises(ValueError, match="surrogates"):
        parse_json(b'{"a": "\\uDe00"}')


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        (" 120 ", 120.0),
        ("0.3", 0.3),
        ("0", 0.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1e3", None),
        ("٣", None),
        ("99999999999999999999", None),
        (formatdate(1_000_060, usegmt=True), 60.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("Mon, 99 Foo 2026", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, wall_clock=1_000_000.0) == seconds


def test_a_date_is_measured_against_the_servers_own_clock() -> None:
    headers = {
        "retry-after": formatdate(2_000_010, usegmt=True),
        "date": formatdate(2_000_000, usegmt=True),
    }
    assert retry_after(headers, wall_clock=5.0) == 10.0
