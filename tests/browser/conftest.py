"""Headless Chromium, told where the nodes of a test live."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.nodes import Node

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """Skips where there is no Chromium; where CI says that there must be one, fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "Chromium is missing: install Debian's package `chromium`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


class Browsers:
    """Opens browsers that know the names of the given nodes and of nothing else."""

    def __init__(self) -> None:
        self.opened: list[Browser] = []
        self.playwright = async_playwright()

    async def open(self, *nodes: Node) -> Browser:
        if not self.opened:
            self.running = await self.playwright.start()
        names = ", ".join(f"MAP {node.name} 127.0.0.1:{node.port}" for node in nodes)
        browser = await self.running.chromium.launch(
            executable_path=find_chromium(),
            args=[*_ARGUMENTS, f"--host-resolver-rules={names}, MAP * ~NOTFOUND"],
        )
        self.opened.append(browser)
        return browser

    async def close(self) -> None:
        for browser in self.opened:
            await browser.close()
        if self.opened:
            await self.running.stop()


@pytest.fixture
async def browsers() -> AsyncIterator[Browsers]:
    """`await browsers.open(alder)` gives a browser in which `http://alder.test` is alder."""
    made = Browsers()
    yield made
    await made.close()
