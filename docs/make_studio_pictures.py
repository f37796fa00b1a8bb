"""Make the pictures of the page on the studio, in Chromium: `python docs/make_studio_pictures.py`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver

FOLDER = Path(__file__).parent / "images"
sys.path.insert(0, str(FOLDER.parents[1]))

from tests.support.chromium import chromium, resize  # noqa: E402
from tests.support.studio import running  # noqa: E402
from tests.support.studio_page import Studio  # noqa: E402

NAME = "arguments[0].dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))"


def save(browser: webdriver.Chrome, name: str) -> None:
    """Photograph the page."""
    with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as picture:
        picture.convert("RGB").save(FOLDER / f"{name}.webp", quality=78, method=6)
    print(f"{name}.webp: {(FOLDER / f'{name}.webp').stat().st_size / 1024:.0f} KiB")


def main() -> None:
    """Open a mouth in four faces, and show it wide and narrow."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "runs") as page,
        chromium(Path(folder) / "profile") as browser,
    ):
        resize(browser, 1280, 860)
        studio = Studio(browser, page.port).show().open("dcgan.digiface64")
        studio.one("#chips [data-name=mouth]").click()
        studio.find("nullspace")
        browser.execute_script(NAME, studio.one("li.direction .name"))
        studio.keys("open mouth", "\n")
        studio.wait(lambda: studio.text("li.direction .name") == "open mouth")
        studio.one("li.direction .star").click()
        studio.pull(-9)
        browser.execute_script("document.activeElement.blur()")
        save(browser, "studio")
        resize(browser, 400, 820, theme="dark")
        studio.one("#heat").click()
        studio.wait(lambda: "squared change" in studio.text("#stage-note"))
        browser.execute_script("document.querySelector('li.direction').scrollIntoView({block: 'center'})")
        save(browser, "studio-narrow")


if __name__ == "__main__":
    main()
