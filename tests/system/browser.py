"""A Chromium of this machine, without a screen and without a network."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextlib.contextmanager
def open_browser(*options: str) -> Iterator[Any]:
    """Give a browser of Playwright.

    Args:
        options: of the command line, beside OPTIONS.

    Raises:
        RuntimeError: none is installed; Debian's package is `chromium`.
    """
    from playwright.sync_api import sync_playwright

    found = [path for name in NAMES if (path := shutil.which(name))]
    if not found:
        raise RuntimeError(f"no browser: looked for {', '.join(NAMES)}; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=[*OPTIONS, *options])
        try:
            yield browser
        finally:
            browser.close()
