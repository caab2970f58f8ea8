"""The well-known paths that clients request before they send a token."""

import pytest

from tests.adapter.ports import Ports, bearer
from tests.adapter.test_refusals import refused
from tests.adapter.test_tools import post

OAUTH_PATHS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/v1/integrations?x=1",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
]


@pytest.mark.parametrize("path", OAUTH_PATHS)
@pytest.mark.parametrize("headers", [{}, bearer(), bearer("x" * 32)])
def test_oauth_metadata_is_404_without_a_token(path: str, headers: dict[str, str]) -> None:
    ports = Ports()
    for response in (
        ports.ask("GET", path, headers=headers),
        post(ports, method="GET", path=path, headers=headers),
    ):
        document = refused(ports, response, 404)
        assert document["detail"] == "There is no resource at this path."
        assert "www-authenticate" not in response.headers


def test_other_paths_that_look_like_metadata_need_a_token() -> None:
    for path in ("/.well-known/other", "/.well-known-oauth-x", "/well-known/oauth-x", "/oauth-x"):
        assert Ports().ask("GET", path, headers={}).status_code == 401, path


def test_oauth_paths_are_checked_for_the_host_like_all_others() -> None:
    response = Ports().ask("GET", OAUTH_PATHS[0], headers={"host": "evil.test"})
    assert response.status_code == 421
