"""Hosts that may receive the API key."""

import pytest

from reconciler.domain.policy import Target
from reconciler.errors import Refused
from reconciler.secrets.allowlist import refuse_unknown_host


@pytest.mark.parametrize(
    "url",
    [
        "simulator:",
        "https://api.portkey.ai/v1",
        "https://API.portkey.ai:443/v1/",
        "http://127.0.0.1:8787/v1",
        "http://localhost:1",
        "http://[::1]:8787/v1",
        "https://gateway.example.com/v1",
    ],
)
def test_known_hosts_loopback_and_allowed_hosts_are_accepted(url: str) -> None:
    target = Target(name="here", base_url=url)
    assert refuse_unknown_host(target, allowed_hosts=["Gateway.example.com"]) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://api.portkey.ai.evil.example/v1",
        "https://api.portkey.ai./v1",
        "https://evil.example:443/api.portkey.ai",
        "https://127.0.0.1.evil.example",
        "https://128.0.0.1/v1",
        "https://[::2]/v1",
    ],
)
def test_any_other_host_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(Refused) as caught:
        refuse_unknown_host(Target(name="production", base_url=url), allowed_hosts=[])
    assert (caught.value.code, caught.value.exit_code) == ("host-not-allowed", 4)
    assert "RECONCILE_ALLOWED_HOSTS" in caught.value.hint


@pytest.mark.parametrize("host", ["app.portkey.ai", "api.portkey.io", "api.portkey.com"])
def test_a_host_that_is_probably_misspelled_names_the_right_one(host: str) -> None:
    target = Target(name="production", base_url=f"https://{host}/v1")
    with pytest.raises(Refused) as caught:
        refuse_unknown_host(target, allowed_hosts=["gateway.example"])
    assert caught.value.hint.startswith("did you mean api.portkey.ai? ")
    assert f"add {host} to" in caught.value.hint
