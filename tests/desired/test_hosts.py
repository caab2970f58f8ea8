"""Hosts that the API blocks are recognised from the text of the URL."""

import pytest

from reconciler.desired.host_rules import malformed, private

ALWAYS = [
    "https://169.254.169.254/latest",
    "https://169.254.170.2",
    "https://100.100.100.200",
    "https://168.63.129.16",
    "https://[fd00:ec2::254]",
    "https://metadata.google.internal",
    "https://METADATA.google.internal.",
    "https://metadata",
    "https://kubernetes",
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "https://x.consul",
    "https://ip-10-0-0-1.ec2.internal",
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.0.0.1",
    "https://0177.0.0.1",
    "https://127.1",
    "https://[::ffff:10.0.0.1]",
    "https://[::ffff:a00:1]",
    "https://[2002:0a00:0001::]",
    "https://[64:ff9b::10.0.0.1]",
    "https://[::127.0.0.1]",
    "https://10.0.0.1.nip.io",
    "https://lvh.me",
    "https://xn--mnchen-3ya.de",
    "https://%6c%6f%63%61%6c",
]
UNLESS_TRUSTED = [
    "https://10.1.2.3",
    "https://172.16.0.1",
    "https://172.31.255.255:8443/v1",
    "https://192.168.1.1",
    "https://127.0.0.1",
    "https://169.254.1.1",
    "https://100.64.0.1",
    "https://0.0.0.0",
    "https://224.0.0.1",
    "https://[::1]",
    "https://[fd12::1]",
    "https://[fe80::1]",
    "https://[2001:0:1::1]",
    "https://localhost",
    "https://LOCALHOST:11434",
    "https://ollama",
    "https://models.internal",
    "https://models.corp.",
    "https://models.ml.svc",
    "https://models.ml.svc.cluster.local",
    "http://models.example.com",
]
PUBLIC = [
    "https://models.example.com/v1",
    "https://models.example.com:8443",
    "https://8.8.8.8/v1",
    "https://172.15.0.1",
    "https://172.32.0.1",
    "https://[2606:4700::1111]",
    "https://1.example.com",
    "https://internal.example.com",
    "https://cluster.local.example.com",
]


@pytest.mark.parametrize("url", ALWAYS)
def test_a_host_that_no_deployment_can_allow_is_an_error(url: str) -> None:
    assert malformed(url) is None
    found = private(url)
    assert found is not None
    assert (found.severity, found.code) == ("error", "custom-host-private")


@pytest.mark.parametrize("url", UNLESS_TRUSTED)
def test_a_host_that_a_deployment_may_allow_is_a_warning(url: str) -> None:
    assert malformed(url) is None
    found = private(url)
    assert found is not None
    assert (found.severity, found.code) == ("warning", "custom-host-private")


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_host_is_accepted(url: str) -> None:
    assert malformed(url) is None
    assert private(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "models.example.com",
        "//models.example.com",
        "ftp://models.example.com",
        "https://",
        "https:///v1",
        "https://user:pass@models.example.com",
        "https://user@models.example.com",
        "https://models.example.com#part",
        "https://models.example.com:0",
        "https://models.example.com:99999",
        "https://models.example.com:6379",
        "https://models.example.com:x",
        "https://models.example.com\\@10.0.0.1",
        "https://models.exa mple.com",
        "https://münchen.de",
        "https://１２７.0.0.1",
        "https://[::1",
        "https://models.example.com/" + "a" * 2_048,
    ],
)
def test_a_value_that_is_not_the_url_of_a_host_is_an_error(url: str) -> None:
    found = malformed(url)
    assert found is not None
    assert (found.severity, found.code) == ("error", "invalid-value")
