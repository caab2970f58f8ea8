"""Messages of error responses, and server texts that they never repeat."""

import json
from typing import Any

import pytest

from reconciler.remote.errors import Answered, NoAnswer, RemoteError, ServerFault
from reconciler.remote.exchange import RawAnswer, Sent, read_answer

JSON = {"content-type": "application/json"}
WHAT = "PUT /integrations/a"
COMPARE = "compare the fields with the message; `reconcile validate` checks what can be checked"
FAILED = "run again later: the API failed, and nothing is wrong with the files"
LACKING = "check the scopes and the workspace of the key with `reconcile doctor`"
IN_THE_WAY = (
    "run `reconcile plan`: the slug is taken, or another resource depends on the integration"
)
NO = b'{"success": false}'
FOREIGN = "check the target's base_url, and any proxy between this machine and the API"


def refusal(code: str, message: str = "no") -> dict[str, Any]:
    return {"success": False, "data": {"message": message, "errorCode": code}}


def failure(
    status: int,
    body: Any = b"",
    *,
    method: str = "PUT",
    headers: dict[str, str] = JSON,
    secrets: tuple[str, ...] = (),
) -> RemoteError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = Sent(method, "/integrations/a", secrets)
    with pytest.raises(RemoteError) as caught:
        read_answer(sent, RawAnswer(status, headers, content), wall_clock=0.0)
    return caught.value


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, COMPARE),
        (
            401,
            "check the target's api_key (usually the variable PORTKEY_API_KEY) and auth_header",
        ),
        (402, "have the owner of the organisation extend the subscription, which is exhausted"),
        (
            403,
            LACKING,
        ),
        (404, "check the target's base_url, and the slug if the path has one"),
        (408, FAILED),
        (
            409,
            IN_THE_WAY,
        ),
        (413, "send less: the request is too large for the API or for a proxy before it"),
        (418, ""),
        (422, COMPARE),
        (425, FAILED),
        (429, "run again later, or with a smaller --parallelism"),
        (499, ""),
        (500, FAILED),
        (599, FAILED),
    ],
)
def test_a_refusal_names_the_call_the_status_the_code_and_the_message(
    status: int, hint: str
) -> None:
    error = failure(status, refusal("AB99", "The API's words"))
    assert error.summary == f"{WHAT} returned {status} AB99: The API's words"
    assert (error.hint, error.code, error.http_status) == (hint, "AB99", status)


@pytest.mark.parametrize("status", [405, 407, 418, 451])
def test_a_refusal_in_another_form_suggests_to_check_the_proxy(status: int) -> None:
    hint = "check the target's base_url, and any proxy between this machine and the API"
    assert failure(status, b"<html>Proxy authentication required</html>").hint == hint


def test_a_refusal_without_code_or_message_names_its_status() -> None:
    bare = failure(500)
    assert isinstance(bare, ServerFault)
    assert bare.summary == f"{WHAT} returned 500"
    assert (bare.code, bare.message) == ("http-500", "status 500")
    spoken = failure(400, {"success": False, "message": "no"})
    assert spoken.summary == f"{WHAT} returned 400: no"


@pytest.mark.parametrize(
    ("method", "status", "body", "code", "says"),
    [
        ("PUT", 300, b"", "redirected", "was redirected; redirects are never followed"),
        ("PUT", 399, b"", "redirected", "was redirected; redirects are never followed"),
        ("PUT", 199, b"{}", "unexpected-status", "returned an unknown status"),
        ("PUT", 203, b"{}", "unexpected-status", "returned an unknown status"),
        ("GET", 200, b" \n", "empty-answer", "returned an empty body"),
        ("POST", 201, b"", "empty-answer", "returned an empty body"),
        ("GET", 200, b"[]", "unexpected-shape", "returned a response in an undocumented form"),
        ("PUT", 200, NO, "unexpected-shape", "returned a response in an undocumented form"),
        ("GET", 200, b"{", "invalid-json", "returned invalid JSON"),
        ("GET", 403, b"{}", "not-json", "was refused by a server that is not the API"),
        ("GET", 404, b"<html>", "not-json", "was refused by a server that is not the API"),
    ],
)
def test_a_response_that_is_not_from_the_api_is_reported_with_the_evidence(
    method: str, status: int, body: bytes, code: str, says: str
) -> None:
    error = failure(status, body, method=method, headers={"x-request-id": "r-1"})
    assert isinstance(error, NoAnswer)
    assert error.summary == f"{method} /integrations/a {says} (status {status})"
    assert (error.code, error.hint) == (code, FOREIGN)
    assert (error.http_status, error.request_id) == (status, "r-1")


def test_a_page_is_named_by_its_content_type() -> None:
    error = failure(200, b"{}", headers={"content-type": " Text/HTML ; q=1"})
    assert error.summary == f"{WHAT} returned Text/HTML instead of JSON (status 200)"
    assert (error.code, error.hint) == ("not-json", FOREIGN)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_has_its_body_its_bytes_and_its_request_id(status: int) -> None:
    content = b'{"slug":  "a"}'
    for kind in ("application/json", "application/problem+json", "APPLICATION/JSON ; a=b"):
        headers = {"content-type": kind, "x-portkey-request-id": "r-1"}
        answer = RawAnswer(status, headers, content)
        reply = read_answer(Sent("GET", "/integrations/a"), answer, wall_clock=0.0)
        assert (reply.status, reply.body, reply.request_id) == (status, {"slug": "a"}, "r-1")
        assert reply.content == content


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"errorCode": "E1", "code": "E2", "slug": "E3"}, "E1"),
        ({"code": "E2", "slug": "E3"}, "E2"),
        ({"slug": "E3"}, "E3"),
        ({"errorCode": 1, "code": "two words", "slug": "E3"}, "E3"),
        ({"error": {"code": "E4"}, "code": "E5"}, "E4"),
        ({"data": {"code": "E6"}, "error": {"code": "E4"}}, "E6"),
        ({"code": "x" * 64}, "x" * 64),
        ({"code": "x" * 65}, "http-400"),
        ({"data": "text", "error": ["list"]}, "http-400"),
    ],
)
def test_the_code_of_a_refusal_is_the_first_valid_one(body: dict[str, Any], code: str) -> None:
    assert failure(400, body).code == code


def test_a_code_that_repeats_a_secret_is_left_out() -> None:
    error = failure(400, refusal("X-canary-Y", "no"), secrets=("canary",))
    assert (error.code, error.summary) == ("http-400", f"{WHAT} returned 400: no")


def test_an_id_that_repeats_a_secret_is_left_out() -> None:
    named = JSON | {"x-request-id": "id-canary-1"}
    assert failure(400, refusal("AB01"), headers=named, secrets=("canary",)).request_id is None
    assert failure(400, refusal("AB01"), headers=named, secrets=("other",)).request_id == (
        "id-canary-1"
    )


def test_a_string_that_contains_secrets_is_redacted_completely() -> None:
    error = failure(400, refusal("AB01", "got zzzz-and-more"), secrets=("zzzz", "d-mo", "and-more"))
    assert isinstance(error, Answered)
    assert error.message == "got [redacted]"
    error = failure(400, refusal("AB01", "got abcdzzzz"), secrets=("zzzz", "abcdzzzz"))
    assert isinstance(error, Answered)
    assert error.message == "got [redacted]"


def test_a_secret_of_three_characters_is_not_redacted() -> None:
    error = failure(400, refusal("AB01", "abc abcd"), secrets=("abc", "abcd"))
    assert isinstance(error, Answered)
    assert error.message == "abc [redacted]"


@pytest.mark.parametrize(("length", "kept"), [(200, "x" * 200), (201, "x" * 199 + "…")])
def test_a_message_of_two_hundred_characters_is_kept_and_a_longer_one_is_cut(
    length: int, kept: str
) -> None:
    error = failure(400, refusal("AB01", "x" * length))
    assert isinstance(error, Answered)
    assert error.message == kept


def test_the_retry_after_of_a_refusal_is_kept() -> None:
    error = failure(429, refusal("AB06"), headers=JSON | {"retry-after": "7"})
    assert isinstance(error, Answered)
    assert error.retry_after == 7.0


@pytest.mark.parametrize("name", ["x-request-id", "x-portkey-request-id", "x-portkey-trace-id"])
def test_an_id_has_at_most_two_hundred_characters(name: str) -> None:
    assert failure(400, headers={name: "r" * 200}).request_id == "r" * 200
    assert failure(400, headers={name: "r" * 201}).request_id is None
