"""Where the API key may go."""

import pytest

from reconciler.cli.address import checked
from reconciler.domain.rejection import InvalidInput, Refused


@pytest.mark.parametrize(
    "url",
    [
        "https://api.portkey.ai/v1",
        "https://API.portkey.ai:443/v1/",
        "http://127.0.0.1:8787/v1",
        "http://localhost:1",
        "http://[::1]:8787/v1",
        "https://gateway.example.com/v1",
    ],
)
def test_known_hosts_loopback_and_allowed_hosts_are_fine(url: str) -> None:
    assert checked(url, allowed_hosts=["Gateway.example.com"], named="here") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://api.portkey.ai.evil.example/v1",
        "https://evil.example:443/api.portkey.ai",
        "https://128.0.0.1/v1",
        "https://[::2]/v1",
    ],
)
def test_any_other_host_is_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        checked(url, allowed_hosts=[], named="target production")
    assert caught.value.code == "host-not-allowed"
    assert "RECONCILE_ALLOWED_HOSTS" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.portkey.ai",
        "ftp://api.portkey.ai",
        "file:///etc/passwd",
        "http://api.portkey.ai/v1",
        "http://10.0.0.1/v1",
        "https://me:secret@api.portkey.ai/v1",
        "https://api.portkey.ai@evil.example/v1",
        "https://api.portkey.ai\\@evil.example/v1",
        "https://api.portkey.ai/v1#x",
        "https://api.portkey.ai/v1?x=1",
        "https://api.portkey.ai:99999/v1",
        "https:///v1",
        "https://api.portkey.ai/v1\nx",
        "https://ex ample/v1",
    ],
)
def test_anything_that_is_not_a_plain_url_is_bad_input(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked(url, allowed_hosts=["evil.example"], named="target production")
    assert "secret" not in caught.value.summary
