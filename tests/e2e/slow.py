"""A browser as on a machine that is slow or busy, which is where a test that does not wait for what it reads fails.

TALLYBOARD_SLOW_BROWSER=4 has each page run at a quarter of its speed, and its requests answered 100 ms late: 25 ms for
each time slower.
"""

from __future__ import annotations

import os
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

SLOWER = float(os.environ.get("TALLYBOARD_SLOW_BROWSER") or 1)


def slowed(browser: Browser) -> Browser:
    """The browser, whose pages are from now on as slow as the environment asks for."""
    if SLOWER <= 1:
        return browser
    opened = browser.new_context

    def new_context(**options: Any) -> BrowserContext:
        context = opened(**options)
        context.on("page", slow_down)
        return context

    browser.new_context = new_context  # pyright: ignore[reportAttributeAccessIssue] - of this one browser
    return browser


def slow_down(page: Page) -> None:
    """Take a page's speed from it, for as long as it is open."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    late = {"offline": False, "latency": 25 * SLOWER, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", late)
