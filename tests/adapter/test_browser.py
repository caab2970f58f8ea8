"""The web page in a real browser: it is complete, and its security policy blocks nothing."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.adapter.test_serve_options import running
from tests.end_to_end.harness import Project

pytestmark = pytest.mark.needs_system

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)


async def browse(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run Chromium and return its stdout and its console messages."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    process = await asyncio.create_subprocess_exec(
        *(chromium, *QUIET, f"--user-data-dir={folder}/profile", "--enable-logging=stderr"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    console = [line for line in err.decode().splitlines() if "CONSOLE" in line]
    return out.decode(), "\n".join(console)


def test_a_browser_shows_the_pages_without_console_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.with_examples(tmp_path)
    done = project.run("apply", "--yes")
    assert done.code == 0, done
    monkeypatch.chdir(tmp_path)

    async def work() -> None:
        async with running(insecure_no_auth=True) as adapter:
            root = adapter.at.rest_url.removesuffix("/v1")
            for path, text in (
                ("/", "openai-production"),
                ("/integrations/openai-production", "Declared and observed"),
                ("/history", "4 applied"),
            ):
                out, console = await browse(tmp_path, "--dump-dom", root + path)
                assert text in out
                assert console == ""
            picture = tmp_path / "page.png"
            _, console = await browse(tmp_path, f"--screenshot={picture}", root + "/")
            # A picture of the page without its style sheet is only a few kilobytes.
            assert picture.stat().st_size > 20_000
            assert console == ""

    asyncio.run(work())


def test_a_browser_without_a_session_shows_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.with_examples(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECONCILE_SERVE_TOKEN", "x" * 32)

    async def work() -> str:
        async with running() as adapter:
            root = adapter.at.rest_url.removesuffix("/v1")
            return (await browse(tmp_path, "--dump-dom", f"{root}/"))[0]

    assert 'type="password"' in asyncio.run(work())
